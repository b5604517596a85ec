//! The ledger: holds before, settles after, exactly once; budgets; what was spent.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::{
    Budget, BudgetId, BudgetNotice, BudgetState, CallId, CallRecord, NanoUsd, Outcome, Posture, Savings,
    SpendScope, Usage,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A wish to reserve the worst case of one attempt.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The id of the attempt.
    pub call: CallId,
    /// What budgets are scoped by.
    pub scope: SpendScope,
    /// Money reserved: the upper bound of what the attempt can cost.
    pub money: NanoUsd,
    /// Tokens reserved.
    pub tokens: u64,
    /// When.
    pub at: Timestamp,
    /// How long to wait for other calls' holds, when only they stand in the way.
    pub patience: Duration,
    /// The row to book, at the reserved amount, should the process die before the settle.
    pub if_lost: Box<CallRecord>,
    /// Whether the hold stays open should the process die: whoever made it settles it later, in another process.
    pub outlives: bool,
}

/// Why a budget did not admit a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where the budget stands.
    pub state: BudgetState,
    /// What was asked for, in the budget's unit.
    pub needed: i64,
    /// Whether only open holds stood in the way (the wait ran out).
    pub busy: bool,
}

/// A hold that was not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// A budget does not admit it.
    #[error("budget \"{}\" does not admit the call", .0.state.name)]
    Refused(Box<Refusal>),
    /// The ledger cannot be written; nothing is spent.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What an attempt really used.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The row to book. Its id is the hold's.
    pub record: CallRecord,
}

/// Reserves and books money. All methods may be called from thousands of tasks at once.
///
/// Invariants: the sum of settled and held amounts of a window never exceeds a budget's limit, unless a provider reports
/// more than the upper bound that was held; a hold is durable before `hold` returns; a call is booked exactly once.
pub trait Ledger: Send + Sync {
    /// Reserves the amount on every budget in scope, or on none. Waits, first come first served, at most `patience` when
    /// only open holds stand in the way. Dropping the future releases whatever it had reserved.
    fn hold(&self, request: HoldRequest) -> BoxFuture<'_, Result<(), HoldError>>;
    /// Books the row and releases the hold of the same id, atomically and durably; a second settle of an id changes nothing.
    /// A row without a hold (a cache hit, a refusal) is simply booked.
    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>>;
    /// What the budgets of a scope ask of the next call.
    fn posture(&self, scope: &SpendScope, now: Timestamp) -> Posture;
    /// The open holds that a process before left and that outlived it, as the rows to book, at the reserved amounts, for those
    /// that nobody will settle any more.
    fn outlived(&self) -> Vec<CallRecord> {
        Vec::new()
    }
}

/// Reads and changes budgets.
pub trait BudgetStore: Send + Sync {
    /// All budgets and where they stand.
    fn budgets(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<(Budget, BudgetState)>, StorageError>>;
    /// Adds a budget, or replaces the one of the same id; what was spent stays counted.
    fn put_budget(&self, budget: Budget) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Removes a budget.
    fn remove_budget(&self, id: BudgetId) -> BoxFuture<'_, Result<(), StorageError>>;
}

/// Which rows to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFilter {
    /// Started at or after.
    pub since: Option<Timestamp>,
    /// Started before.
    pub until: Option<Timestamp>,
    /// Only this provider.
    pub provider: Option<String>,
    /// Only this model.
    pub model: Option<String>,
    /// Only this conversation.
    pub session: Option<String>,
    /// Only this virtual key.
    pub key: Option<crate::words::KeyId>,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// At most this many rows, the newest first.
    pub limit: Option<u32>,
}

/// What totals are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// The provider.
    Provider,
    /// Provider and model.
    Model,
    /// The conversation.
    Session,
    /// The phase.
    Phase,
    /// The task.
    Task,
    /// The virtual key's name.
    Key,
    /// The tier.
    Tier,
    /// The calendar day, in the ledger's time zone.
    Day,
    /// The outcome.
    Outcome,
    /// What the cache did.
    Cache,
    /// Everything in one row.
    All,
}

/// Sums over a group of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// The group (`-` for rows without one).
    pub group: String,
    /// Rows.
    pub calls: u64,
    /// Rows that failed, were cut, timed out or were refused.
    pub failed: u64,
    /// Rows answered from a cache.
    pub cache_hits: u64,
    /// Tokens.
    pub usage: Usage,
    /// Money spent.
    pub cost: NanoUsd,
    /// What the baseline would have cost.
    pub baseline_cost: NanoUsd,
    /// Mean duration of answered rows, in microseconds.
    pub mean_latency_us: u64,
    /// 95th percentile of the duration of answered rows, in microseconds.
    pub p95_latency_us: u64,
}

/// Reads what was booked.
pub trait LedgerReader: Send + Sync {
    /// Rows, the newest first.
    fn calls(&self, filter: CallFilter) -> BoxFuture<'_, Result<Vec<CallRecord>, StorageError>>;
    /// Sums by group, the dearest first (by day: the oldest first).
    fn totals(&self, filter: CallFilter, by: Grouping) -> BoxFuture<'_, Result<Vec<Total>, StorageError>>;
    /// What was saved, by cause.
    fn savings(&self, filter: CallFilter) -> BoxFuture<'_, Result<Savings, StorageError>>;
    /// Notices of thresholds reached, the newest first.
    fn notices(&self, limit: u32) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>>;
}
