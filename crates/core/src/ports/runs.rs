//! Where runs, their steps and what they ask people live. All of it survives a power loss once acknowledged.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::rules::AnswerError;
use crate::words::{Answer, Approval, ApprovalId, PermissionRule, RunId, RunRecord, RunStatus, StepRecord};
use bytes::Bytes;
use jiff::Timestamp;

/// A change of a run: its state and the steps that led to it, stored together or not at all.
#[derive(Clone, Debug)]
pub struct RunChange {
    /// The run as lists show it. Its version is one more than the stored one (1 for a new run).
    pub record: RunRecord,
    /// The machine's whole state (JSON), not for others to read.
    pub state: Bytes,
    /// New steps, which are never changed again.
    pub steps: Vec<StepRecord>,
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only with this status.
    pub status: Option<RunStatus>,
    /// Only of this conversation.
    pub session: Option<String>,
    /// Only sub-agents of this run.
    pub parent: Option<RunId>,
    /// Only those that want to be told the time by then.
    pub wake_by: Option<Timestamp>,
    /// At most this many, the newest first.
    pub limit: Option<u32>,
}

/// Stores runs.
pub trait RunStore: Send + Sync {
    /// Stores a change. [`StorageError::Exists`] when that version is there already: somebody else drives the run.
    fn save(&self, change: RunChange) -> BoxFuture<'_, Result<(), StorageError>>;
    /// The last state stored.
    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<(RunRecord, Bytes)>, StorageError>>;
    /// The steps with a number above `after`, in order, at most `limit`.
    fn steps(
        &self,
        run: RunId,
        after: u32,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StepRecord>, StorageError>>;
    /// Runs.
    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRecord>, StorageError>>;
}

/// Stores what runs ask people, and what the owner has granted for good.
pub trait ApprovalStore: Send + Sync {
    /// Puts a question in the queue, unless one of this id is there; returns the stored one, answered or not.
    fn ask(&self, approval: Approval) -> BoxFuture<'_, Result<Approval, StorageError>>;
    /// Answers a question by [`crate::rules::answer_approval`], and stores the rule of [`Answer::ApproveAndGrant`],
    /// in one go. [`StorageError::NotFound`] when there is no such question.
    fn answer(
        &self,
        id: ApprovalId,
        answer: Answer,
        by: String,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Approval, AnswerError>, StorageError>>;
    /// The questions of a run, or of all; with `open` only those that [`crate::ApprovalState::Open`] holds for.
    fn approvals(&self, run: Option<RunId>, open: bool)
    -> BoxFuture<'_, Result<Vec<Approval>, StorageError>>;
    /// The rules in force, the owner's and the granted ones.
    fn rules(&self) -> BoxFuture<'_, Result<Vec<PermissionRule>, StorageError>>;
}
