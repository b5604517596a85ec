//! The product's vocabulary: money, ids, who calls, what a call used and cost, budgets, keys, prices.

mod budget;
mod call;
mod compress;
mod feedback;
mod ids;
mod key;
mod money;
mod price;
mod principal;
mod savings;
mod scope;
mod served;
mod usage;

pub use budget::{
    Amount, Budget, BudgetAction, BudgetNotice, BudgetScope, BudgetState, BudgetWindow, Posture, Threshold,
};
pub use call::{CallRecord, CallSummary, OWN_TASKS, Outcome};
pub use compress::{CompressMode, ContextProposal, ContextUse};
pub use feedback::{Feedback, Rating};
pub use ids::{BatchId, BudgetId, CallId, FileId, KeyId, RequestId, RunId, StepId, UserId};
pub use key::{KeyLimits, VirtualKey};
pub use money::{NanoUsd, ParseMoneyError};
pub use price::{ContextTier, ModelPrice, Rates};
pub use principal::{AccessRole, Principal};
pub use savings::{Saved, Savings};
pub use scope::{CacheDirective, CallContext, SpendScope};
pub use served::{CacheVerdict, Served, Tier};
pub use usage::Usage;
