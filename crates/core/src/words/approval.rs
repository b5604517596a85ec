//! What a run asks a person, and what the person answers: durable, for exact arguments, with an honest end.

use super::content_hash::ContentHash;
use super::ids::{ApprovalId, RunId};
use super::money::NanoUsd;
use super::permission::{PermissionDecision, PermissionRule};
use super::plan::Plan;
use super::tool::EffectClass;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One call that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallToApprove {
    /// Hash of tool and exact arguments: this and nothing else is approved.
    pub hash: ContentHash,
    /// The tool.
    pub tool: String,
    /// The exact arguments as canonical JSON.
    pub arguments: String,
    /// What the call would change.
    pub diff: Option<String>,
    /// What it leaves in the world.
    pub effect: EffectClass,
    /// Why it must be asked.
    pub decision: PermissionDecision,
    /// A rule that would allow this very call from now on, offered with the question; `None` where no rule says just that.
    pub grant: Option<PermissionRule>,
}

/// A limit that a run has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The run's own money.
    Money,
    /// A budget of the owner's.
    Budget,
    /// Model turns.
    Turns,
    /// Tool calls.
    ToolCalls,
    /// Time at work.
    Time,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalSubject {
    /// May these calls be made? Like calls of one turn are asked together.
    Calls(Vec<CallToApprove>),
    /// May this plan be carried out?
    Plan(Plan),
    /// May the run go on beyond a limit?
    Limit {
        /// Which.
        limit: LimitKind,
        /// What was used, for people.
        used: String,
        /// What an approval adds in money, for a money limit.
        raise: Option<NanoUsd>,
    },
    /// A question in words.
    Question(String),
    /// Did this call happen? Its answer was lost and its tool cannot tell.
    Fate(Box<CallToApprove>),
}

impl ApprovalSubject {
    /// The one rule that an answer may grant for good, where all calls of the question are offered the same.
    pub fn offered_grant(&self) -> Option<&PermissionRule> {
        let Self::Calls(calls) = self else { return None };
        let (first, rest) = calls.split_first()?;
        first.grant.as_ref().filter(|_| rest.iter().all(|call| call.grant == first.grant))
    }
}

/// What a person answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes, to everything that was asked.
    Approve,
    /// Yes, to the calls with these hashes only.
    ApproveSome(Vec<ContentHash>),
    /// Yes, and from now on what this rule fits.
    ApproveAndGrant(PermissionRule),
    /// No, with a reason for the model.
    Deny(Option<String>),
    /// Words.
    Reply(String),
}

/// Where a question to a person stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody has answered.
    Open,
    /// Answered, in time.
    Answered {
        /// What.
        answer: Answer,
        /// By whom, and where.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id, the same whenever the run asks this again.
    pub id: ApprovalId,
    /// The run that asks.
    pub run: RunId,
    /// The conversation.
    pub session: Option<String>,
    /// What is asked.
    pub subject: ApprovalSubject,
    /// Questions with the same text here may be shown and answered together.
    pub batch: String,
    /// When it was asked.
    pub asked: Timestamp,
    /// From when on an answer is too late.
    pub expires: Timestamp,
    /// Where it stands.
    pub state: ApprovalState,
}
