//! Where runs, their steps and what they ask people live. All of it survives a power loss once acknowledged.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::rules::AnswerError;
use crate::words::{
    Answer, Approval, ApprovalId, GrantedRule, KeyId, Mode, PermissionRule, RunDoor, RunId, RunRecord,
    RunStatus, StepRecord,
};
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
    /// Only those that this key ordered.
    pub owner: Option<KeyId>,
    /// Only in this mode.
    pub mode: Option<Mode>,
    /// Only those that came through this door.
    pub door: Option<RunDoor>,
    /// Only those ordered then or later.
    pub since: Option<Timestamp>,
    /// Only those at the top: no sub-agents.
    pub top: bool,
    /// Only those whose goal holds this text, in whatever case.
    pub text: Option<String>,
    /// Only those behind this one in the order of a list: the next page. Behind an unknown one there is nothing.
    pub after: Option<RunId>,
    /// At most this many, the newest first.
    pub limit: Option<u32>,
}

impl RunFilter {
    /// Whether a run is meant, page and limit apart.
    pub fn fits(&self, run: &RunRecord) -> bool {
        self.status.is_none_or(|status| run.status == status)
            && (self.session.is_none() || run.session == self.session)
            && (self.parent.is_none() || run.parent == self.parent)
            && self.wake_by.is_none_or(|by| run.wake_at.is_some_and(|at| at <= by))
            && (self.owner.is_none() || run.owner == self.owner)
            && self.mode.is_none_or(|mode| run.mode == mode)
            && self.door.is_none_or(|door| run.origin.door == door)
            && self.since.is_none_or(|since| run.created >= since)
            && (!self.top || run.parent.is_none())
            && self.text.as_ref().is_none_or(|text| holds(&run.user_input, text))
    }
}

fn holds(goal: &str, text: &str) -> bool {
    goal.to_lowercase().contains(&text.to_lowercase())
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
    /// Runs, the newest first.
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
    /// The granted ones with who granted them, the oldest first; with `revoked` also those that were taken back.
    fn grants(&self, revoked: bool) -> BoxFuture<'_, Result<Vec<GrantedRule>, StorageError>>;
    /// Takes a granted rule back and keeps the record of it; a second time changes nothing. [`StorageError::NotFound`] when there
    /// is none of this number.
    fn revoke(
        &self,
        grant: u64,
        by: String,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<GrantedRule, StorageError>>;
}
