//! A ledger row: one attempt at one model, or one answer from a cache.

use super::ids::{CallId, KeyId, RequestId, RunId, StepId, UserId};
use super::money::NanoUsd;
use super::savings::Saved;
use super::served::{CacheVerdict, Tier};
use super::usage::Usage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered whole.
    #[default]
    Ok,
    /// The client went away; settled for what was streamed.
    Aborted,
    /// The upstream broke off mid-stream; settled for what was streamed.
    Cut,
    /// No answer in time; booked as estimated, since the provider may charge.
    TimedOut,
    /// The upstream refused or failed before its first byte; free.
    Failed,
    /// Refused by a budget or a limit before any upstream was called; free.
    Refused,
    /// Found open after a crash; booked as estimated.
    Crashed,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its id; the id of its hold as well.
    pub id: CallId,
    /// The request it served.
    pub request: RequestId,
    /// When the attempt began.
    pub started: Timestamp,
    /// Whole duration, in microseconds.
    pub latency_us: u64,
    /// Time to the first event, in microseconds.
    pub first_event_us: Option<u64>,
    /// The provider (`embedded`, `cache` for hits).
    pub provider: String,
    /// The model as the provider names it.
    pub model: String,
    /// The model as asked for.
    pub requested_model: String,
    /// The tier.
    pub tier: Option<Tier>,
    /// Why this model, or why the cache was bypassed.
    pub reason: String,
    /// What the cache did.
    pub cache: CacheVerdict,
    /// How it ended.
    pub outcome: Outcome,
    /// The error's code, when it failed.
    pub error_code: Option<String>,
    /// Tokens.
    pub usage: Usage,
    /// Whether the tokens are our own count, as the provider reported none.
    pub usage_estimated: bool,
    /// Whether it ran in a Batch API.
    pub batch: bool,
    /// What it cost.
    pub cost: NanoUsd,
    /// What it would have cost on the baseline model without a cache.
    pub baseline_cost: NanoUsd,
    /// Why it cost less, as far as model and cache do not tell.
    #[serde(default)]
    pub saved: Saved,
    /// The version of the price catalog used.
    pub price_version: String,
    /// The key's name, for people.
    pub principal: String,
    /// The virtual key.
    pub key: Option<KeyId>,
    /// The user.
    pub user: Option<UserId>,
    /// The conversation.
    pub session: Option<Arc<str>>,
    /// The run.
    pub run: Option<RunId>,
    /// The step.
    pub step: Option<StepId>,
    /// What the call was for.
    pub phase: Option<Arc<str>>,
    /// The piece of work it belongs to.
    pub task: Option<Arc<str>>,
    /// The caller's labels.
    pub tags: Arc<[String]>,
    /// What could not be said to the upstream, as `field: what`.
    pub notes: Vec<String>,
}

/// Tasks that begin with this are the gateway's own: calls made in order to save, judge or shorten others.
pub const OWN_TASKS: &str = "nunchi/";

/// How the gateway booked a reply; the last event of its stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSummary {
    /// The ledger row.
    pub call: CallId,
    /// How it ended.
    pub outcome: Outcome,
    /// Tokens booked.
    pub usage: Usage,
    /// Whether they are our own count.
    pub usage_estimated: bool,
    /// What it cost.
    pub cost: NanoUsd,
    /// The baseline's cost less what it cost (never negative).
    pub saved: NanoUsd,
}

impl CallRecord {
    /// Whether the call was made for the gateway's own purposes.
    pub fn is_own(&self) -> bool {
        self.task.as_deref().is_some_and(|task| task.starts_with(OWN_TASKS))
    }

    /// What the one who asked is told of this row.
    pub fn summary(&self) -> CallSummary {
        CallSummary {
            call: self.id,
            outcome: self.outcome,
            usage: self.usage,
            usage_estimated: self.usage_estimated,
            cost: self.cost,
            saved: NanoUsd((self.baseline_cost - self.cost).0.max(0)),
        }
    }
}
