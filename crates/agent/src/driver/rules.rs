//! The owner's rules while runs are at work: what is granted or taken back counts from each run's next step on.

use super::{Agent, AgentError};
use jiff::SignedDuration;
use nunchi_core::{
    Answer, Approval, ApprovalId, ApprovalState, ApprovalSubject, GrantedRule, PermissionRule, RunId,
    StorageError,
};
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// The rules in force.
pub(super) struct InForce {
    /// Which ones: higher after each change.
    pub(super) version: u64,
    pub(super) rules: Vec<PermissionRule>,
}

impl Agent {
    /// A rule for good. It is written down as a question that was asked and answered at once, so that the record says who made it
    /// and when.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn grant(&self, rule: PermissionRule, by: &str) -> Result<(), AgentError> {
        let (parts, now) = (self.parts(), self.parts().clock.now());
        let question = Approval {
            id: ApprovalId(parts.ids.new_id()),
            run: RunId(Uuid::nil()),
            session: None,
            subject: ApprovalSubject::Calls(Vec::new()),
            batch: String::new(),
            asked: now,
            expires: now.checked_add(SignedDuration::from_mins(1)).unwrap_or(now),
            state: ApprovalState::Open,
        };
        let id = question.id;
        parts.approvals.ask(question).await?;
        parts.approvals.answer(id, Answer::ApproveAndGrant(rule), by.to_owned(), now).await??;
        self.rules_changed();
        Ok(())
    }

    /// Takes a granted rule back, for all runs: those that wait and those at work judge their next call without it.
    ///
    /// # Errors
    /// When there is none of this number, or it cannot be stored.
    pub async fn revoke(&self, grant: u64, by: &str) -> Result<GrantedRule, AgentError> {
        let now = self.parts().clock.now();
        let granted = self.parts().approvals.revoke(grant, by.to_owned(), now).await?;
        self.rules_changed();
        Ok(granted)
    }

    pub(super) fn rules_changed(&self) {
        self.rules_version.fetch_add(1, Ordering::SeqCst);
    }

    /// The count is read first: a change in between is then seen once more, never missed.
    pub(super) async fn rules_in_force(&self) -> Result<InForce, StorageError> {
        let version = self.rules_version.load(Ordering::SeqCst);
        Ok(InForce { version, rules: self.parts().approvals.rules().await? })
    }

    /// The rules, if they have changed since those of this version.
    pub(super) async fn rules_since(&self, version: u64) -> Result<Option<InForce>, StorageError> {
        if self.rules_version.load(Ordering::SeqCst) == version {
            return Ok(None);
        }
        self.rules_in_force().await.map(Some)
    }
}
