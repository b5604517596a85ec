//! Runs as the API writes them.

use jiff::Timestamp;
use nunchi_core::{KeyId, Mode, RunId, RunOrigin, RunRecord, RunStatus};
use serde::Serialize;

/// A run in a list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunObject {
    id: RunId,
    parent: Option<RunId>,
    owner: Option<KeyId>,
    origin: RunOrigin,
    session_id: Option<String>,
    user_input: String,
    mode: Mode,
    status: RunStatus,
    reason: Option<String>,
    /// Why it did not end well.
    code: Option<String>,
    /// The answer, or why there is none.
    text: Option<String>,
    created: Timestamp,
    updated: Timestamp,
    steps: u32,
    turns: u32,
    tool_calls: u32,
    total_tokens: u64,
    total_cost_usd: String,
    total_latency_ms: u64,
}

impl From<&RunRecord> for RunObject {
    fn from(run: &RunRecord) -> Self {
        Self {
            id: run.id,
            parent: run.parent,
            owner: run.owner,
            origin: run.origin.clone(),
            session_id: run.session.clone(),
            user_input: run.user_input.clone(),
            mode: run.mode,
            status: run.status,
            reason: run.reason.clone(),
            code: run.outcome.as_ref().and_then(|outcome| outcome.code.clone()),
            text: run.outcome.as_ref().map(|outcome| outcome.text.clone()),
            created: run.created,
            updated: run.updated,
            steps: run.totals.steps,
            turns: run.totals.turns,
            tool_calls: run.totals.tool_calls,
            total_tokens: run.totals.usage.total_tokens(),
            total_cost_usd: run.totals.cost.to_string(),
            total_latency_ms: run.totals.latency_us / 1_000,
        }
    }
}
