//! A request being served, and what is read of it once for all who want to know.

use jiff::Timestamp;
use nunchi_core::{CallContext, CallId, ModelRequest, Role, human_text, prompt_token_bound};
use nunchi_saving::{Freshness, conversation_of, freshness};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::time::Duration;

/// A request being served. Prompts are long: what takes a walk over one is kept.
pub(crate) struct Ask {
    pub(crate) request: ModelRequest,
    pub(crate) context: CallContext,
    pub(crate) started: Timestamp,
    pub(crate) since: Duration,
    /// At least as many tokens as any provider will count for the prompt.
    pub(crate) prompt_bound: u64,
    /// The job that it answers, if it could wait.
    pub(crate) job: Option<CallId>,
    human: OnceLock<Option<String>>,
    freshness: OnceLock<Freshness>,
    conversation: OnceLock<Option<u64>>,
}

impl Ask {
    pub(crate) fn new(
        request: ModelRequest,
        context: CallContext,
        (started, since): (Timestamp, Duration),
    ) -> Self {
        let prompt_bound = prompt_token_bound(&request);
        Self {
            request,
            context,
            started,
            since,
            prompt_bound,
            job: None,
            human: OnceLock::new(),
            freshness: OnceLock::new(),
            conversation: OnceLock::new(),
        }
    }

    /// What the person said last.
    pub(crate) fn human(&self) -> Option<&str> {
        self.human.get_or_init(|| human_text(&self.request)).as_deref()
    }

    /// How long its answer stays true.
    pub(crate) fn freshness(&self) -> Freshness {
        *self.freshness.get_or_init(|| self.human().map_or_else(Freshness::default, freshness))
    }

    /// The conversation it belongs to.
    pub(crate) fn conversation(&self) -> Option<u64> {
        *self.conversation.get_or_init(|| conversation_of(&self.request, &self.context))
    }

    /// The conversation, told apart by all that stands before its first answer: what is remembered of its texts must fit them exactly.
    pub(crate) fn exact_conversation(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        self.conversation()?.hash(&mut hasher);
        for message in &self.request.messages {
            message.plain_text().hash(&mut hasher);
            if message.role == Role::User {
                break;
            }
        }
        Some(hasher.finish())
    }
}
