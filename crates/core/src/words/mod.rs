//! The product's vocabulary: money, ids, who calls, what a call used and cost, budgets, keys, prices.

mod approval;
mod budget;
mod call;
mod compress;
mod content_hash;
mod feedback;
mod ids;
mod key;
mod memory;
mod money;
mod permission;
mod plan;
mod price;
mod principal;
mod run;
mod savings;
mod scope;
mod score;
mod served;
mod step;
mod tool;
mod undo;
mod usage;

pub use approval::{Answer, Approval, ApprovalState, ApprovalSubject, CallToApprove, LimitKind};
pub use budget::{
    Amount, Budget, BudgetAction, BudgetNotice, BudgetScope, BudgetState, BudgetWindow, Posture, Threshold,
};
pub use call::{CallRecord, CallSummary, OWN_TASKS, Outcome};
pub use compress::{CompressMode, ContextProposal, ContextUse};
pub use content_hash::ContentHash;
pub use feedback::{Feedback, FeedbackSource, Rating};
pub use ids::{
    ApprovalId, BatchId, BudgetId, CallId, FactId, FileId, KeyId, RequestId, RunId, StepId, UserId,
};
pub use key::{KeyLimits, VirtualKey};
pub use memory::{
    Fact, FactKind, FactRecord, FactSource, FactState, FactVector, FactWish, HalfLife, MemoryBounds,
    MemoryFigures, RankedFact, Remembered,
};
pub use money::{NanoUsd, ParseMoneyError};
pub use permission::{GrantedRule, Ground, PermissionDecision, PermissionRule, Revocation, Verdict};
pub use plan::{Plan, PlanNode};
pub use price::{ContextTier, ModelPrice, Rates, ServiceTier};
pub use principal::{AccessRole, Principal};
pub use run::{
    Mode, RunDoor, RunEstimate, RunLimits, RunOrigin, RunOutcome, RunRecord, RunStatus, RunTotals,
};
pub use savings::{Saved, Savings};
pub use scope::{CacheDirective, CallContext, SpendScope};
pub use score::{Judgement, MeanScore, RunScore, Score, ScoreName, ScoreValue, mean_scores};
pub use served::{CacheVerdict, Served, Tier};
pub use step::{LogStep, RunLog, StepKind, StepRecord, StepStatus};
pub use tool::{
    Deed, EffectClass, Expect, Label, Preview, Reach, Receipt, ToolCall, ToolError, ToolFate, ToolOutput,
    ToolSpec, Touched, UndoCall, Undone, Zone,
};
pub use undo::{UndoReport, UndoStatus, UndoneStep};
pub use usage::Usage;
