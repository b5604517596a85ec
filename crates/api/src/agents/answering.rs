//! Answers to what runs ask: how they are written, who may give which, and what comes of them.

use super::AgentServices;
use super::caller::may_see;
use jiff::Timestamp;
use nunchi_agent::AgentError;
use nunchi_core::{
    AccessRole, Answer, AnswerError, Approval, ApprovalState, ApprovalSubject, ContentHash, PermissionRule,
    Principal, StorageError,
};
use serde::Deserialize;

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Approve,
    Deny,
    Reply,
}

/// An answer as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) answer: Verb,
    /// Only the calls with these hashes.
    #[serde(default)]
    pub(crate) calls: Option<Vec<ContentHash>>,
    /// From now on: the rule that was offered (`true`), or this one.
    #[serde(default)]
    pub(crate) grant: Option<Grant>,
    /// Why not, for the model.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// The words of a reply.
    #[serde(default)]
    pub(crate) text: Option<String>,
}

/// A rule that an approval grants.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Grant {
    /// The one that was offered.
    Offered(bool),
    /// This one.
    Rule(PermissionRule),
}

impl Said {
    /// A plain yes or no.
    pub(crate) fn plain(answer: Verb) -> Self {
        Self { answer, calls: None, grant: None, reason: None, text: None }
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// What is wrong with it: the field, and why.
    pub(crate) fn answer(&self, approval: &Approval) -> Result<Answer, (&'static str, String)> {
        match self.answer {
            Verb::Deny => Ok(Answer::Deny(self.reason.clone().filter(|reason| !reason.trim().is_empty()))),
            Verb::Reply => match self.text.as_deref().map(str::trim) {
                None | Some("") => Err(("text", "a reply needs words".into())),
                Some(text) => Ok(Answer::Reply(text.to_owned())),
            },
            Verb::Approve => match (&self.calls, &self.grant) {
                (Some(_), Some(Grant::Rule(_) | Grant::Offered(true))) => {
                    Err(("grant", "a grant approves all calls of the question".into()))
                }
                (Some(calls), _) => Ok(Answer::ApproveSome(calls.clone())),
                (None, Some(Grant::Rule(rule))) => Ok(Answer::ApproveAndGrant(rule.clone())),
                (None, Some(Grant::Offered(true))) => offered(approval).map(Answer::ApproveAndGrant),
                (None, _) => Ok(Answer::Approve),
            },
        }
    }
}

/// The rule offered with a question, if there is just one.
fn offered(approval: &Approval) -> Result<PermissionRule, (&'static str, String)> {
    if !matches!(approval.subject, ApprovalSubject::Calls(_)) {
        return Err(("grant", "only calls can be granted for good".into()));
    }
    approval.subject.offered_grant().cloned().ok_or_else(|| {
        ("grant", "no rule would allow just this for good: write one, or approve without it".into())
    })
}

/// Whether an answer is somebody's to give. Who administers may give any. The holder of another key may say no, answer
/// questions, agree to a plan and go on beyond the limits of their own run; calls that need approval are the owner's.
pub(crate) fn may_answer(principal: &Principal, approval: &Approval, answer: &Answer) -> bool {
    principal.role == AccessRole::Admin
        || match approval.subject {
            ApprovalSubject::Question(_) | ApprovalSubject::Plan(_) | ApprovalSubject::Limit { .. } => true,
            ApprovalSubject::Calls(_) | ApprovalSubject::Fate(_) => matches!(answer, Answer::Deny(_)),
        }
}

/// Whether a question is still to be answered.
pub(crate) fn is_open(approval: &Approval, now: Timestamp) -> bool {
    approval.state == ApprovalState::Open && approval.expires > now
}

/// Whether a question was put only to write down a rule.
pub(crate) fn is_rule(approval: &Approval) -> bool {
    matches!(&approval.subject, ApprovalSubject::Calls(calls) if calls.is_empty())
}

/// A question of this id that somebody may see.
///
/// # Errors
/// When it is not there, or questions cannot be read.
pub(crate) async fn find(
    services: &AgentServices,
    principal: &Principal,
    id: nunchi_core::ApprovalId,
) -> Result<Approval, AgentError> {
    let all = services.approvals.approvals(None, false).await?;
    let gone = || AgentError::Storage(StorageError::NotFound(format!("question {id}")));
    let found = all.into_iter().find(|approval| approval.id == id && !is_rule(approval)).ok_or_else(gone)?;
    if principal.role == AccessRole::Admin {
        return Ok(found);
    }
    match services.agent.stored(found.run).await? {
        Some((_, state)) if may_see(principal, &state) => Ok(found),
        _ => Err(gone()),
    }
}

/// Whether an answer did not count because somebody, or time, was quicker.
pub(crate) fn gone(error: &AgentError) -> bool {
    matches!(error, AgentError::Answer(AnswerError::Expired(_) | AnswerError::Answered(_)))
}
