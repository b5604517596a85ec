//! What a call is for, as far as spending and caching care.

use super::compress::CompressMode;
use super::ids::{KeyId, RequestId, RunId, StepId, UserId};
use super::principal::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the caller wants of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheDirective {
    /// Read and write.
    #[default]
    Default,
    /// Neither read nor write.
    NoStore,
    /// Do not read, but store the fresh answer.
    NoCache,
    /// Answer from the cache or not at all.
    OnlyIfCached,
}

/// Everything about a call that is not what is said to the model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallContext {
    /// The request at the door.
    pub request: RequestId,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The conversation.
    pub session: Option<Arc<str>>,
    /// The agent's run.
    pub run: Option<RunId>,
    /// The run's step.
    pub step: Option<StepId>,
    /// The kind of agent that asks, part of the cache key.
    pub agent: Option<Arc<str>>,
    /// What the call is for: `plan`, `act`, `verify` …, or a pipeline's phase.
    pub phase: Option<Arc<str>>,
    /// The piece of work it belongs to.
    pub task: Option<Arc<str>>,
    /// The caller's own labels.
    pub tags: Arc<[String]>,
    /// What the caller wants of the cache.
    pub cache: CacheDirective,
    /// How long a stored answer may live, when the caller says so, in seconds.
    pub cache_ttl_seconds: Option<u64>,
    /// Digest of context outside the prompt (earlier phases), part of the cache key.
    pub context_digest: Option<Arc<str>>,
    /// Whether only the tools that the question needs are sent; `None` leaves it to the settings.
    pub select_tools: Option<bool>,
    /// Tools that are sent whatever the question needs.
    pub keep_tools: Arc<[String]>,
    /// What of the conversation may be sent shorter; `None` leaves it to the settings.
    pub compress: Option<CompressMode>,
    /// The answer is not needed before this.
    pub deadline: Option<Timestamp>,
}

impl CallContext {
    /// A context that says only who asks.
    pub fn new(request: RequestId, principal: Arc<Principal>) -> Self {
        Self {
            request,
            principal,
            session: None,
            run: None,
            step: None,
            agent: None,
            phase: None,
            task: None,
            tags: Arc::from([]),
            cache: CacheDirective::Default,
            cache_ttl_seconds: None,
            context_digest: None,
            select_tools: None,
            keep_tools: Arc::from([]),
            compress: None,
            deadline: None,
        }
    }
}

/// The values of a call that budgets are scoped by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendScope {
    /// The user.
    pub user: Option<UserId>,
    /// The virtual key.
    pub key: Option<KeyId>,
    /// The conversation.
    pub session: Option<Arc<str>>,
    /// The run.
    pub run: Option<RunId>,
    /// The task.
    pub task: Option<Arc<str>>,
    /// The tags.
    pub tags: Arc<[String]>,
    /// The provider of this attempt; empty while no candidate is chosen.
    pub provider: String,
    /// The model of this attempt; empty while no candidate is chosen.
    pub model: String,
}

impl SpendScope {
    /// The scope of an attempt at one model.
    pub fn of(context: &CallContext, provider: &str, model: &str) -> Self {
        Self {
            user: context.principal.user,
            key: context.principal.key,
            session: context.session.clone(),
            run: context.run,
            task: context.task.clone(),
            tags: Arc::clone(&context.tags),
            provider: provider.to_owned(),
            model: model.to_owned(),
        }
    }
}
