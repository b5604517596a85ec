//! The whole state of a run between two events.

use crate::calls::CallState;
use crate::effect::{EffectId, Work};
use crate::guards::LoopWindow;
use crate::masks::Masks;
use crate::order::RunOrder;
use crate::waves::Branch;
use crate::workflow::Progress;
use jiff::Timestamp;
use nunchi_core::{
    ContentHash, Label, LimitKind, Message, Mode, NanoUsd, Plan, Receipt, RunLimits, RunOutcome, RunRecord,
    RunStatus, RunTotals, mask_secrets,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a run is about at the moment; also what its model calls are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not begun.
    #[default]
    New,
    /// Planning, and asking what changes the plan.
    Plan,
    /// Waiting for consent to the plan.
    Consent,
    /// Acting, or answering.
    Act,
    /// Sub-agents work on the plan side by side.
    Waves,
    /// Their results become one answer.
    Merge,
    /// The goals are checked against receipts.
    Verify,
}

impl Phase {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Plan => "plan",
            Self::Consent => "consent",
            Self::Act => "act",
            Self::Waves => "waves",
            Self::Merge => "merge",
            Self::Verify => "verify",
        }
    }
}

/// Things that happen at most so often in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chances {
    /// Corrections of an unusable reply, anew in each phase.
    pub(crate) corrections: u8,
    /// Repairs after a verification.
    pub(crate) repairs: u8,
    /// Rounds of questions before the plan.
    pub(crate) interviews: u8,
    /// Times the model is told of a claim without a receipt.
    pub(crate) claims: u8,
    /// Failed model calls that are tried once more.
    pub(crate) failures: u8,
}

/// A run between two events. Stored before the effects that led to it are performed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    pub(crate) order: RunOrder,
    pub(crate) mode: Mode,
    pub(crate) version: u64,
    pub(crate) status: RunStatus,
    pub(crate) reason: Option<String>,
    pub(crate) phase: Phase,
    pub(crate) model: String,
    pub(crate) limits: RunLimits,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// Milliseconds at work before `working_since`.
    pub(crate) worked_ms: u64,
    pub(crate) working_since: Option<Timestamp>,
    pub(crate) thread: Vec<Message>,
    pub(crate) plan: Option<Plan>,
    pub(crate) branches: Vec<Branch>,
    /// How far the order's workflow has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flow: Option<Progress>,
    /// The tool calls of the turn under way.
    pub(crate) calls: Vec<CallState>,
    pub(crate) pending: BTreeMap<EffectId, Work>,
    pub(crate) next_effect: u32,
    /// Money reserved by effects under way, and by model calls of which a crash took the answer.
    pub(crate) held: BTreeMap<EffectId, NanoUsd>,
    pub(crate) totals: RunTotals,
    pub(crate) chain: ContentHash,
    pub(crate) window: LoopWindow,
    /// Versions of what was read or written, by target.
    pub(crate) seen: BTreeMap<String, String>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) owner_texts: Vec<String>,
    pub(crate) stranger: bool,
    /// Whether the model cannot call tools, so that it is shown none.
    #[serde(default)]
    pub(crate) toolless: bool,
    /// The only tools that may be called while the skills in use last, which is until the run ends; `None`: all of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) narrowed: Option<BTreeSet<String>>,
    /// Whether results were kept whole that the model was shown shortened.
    #[serde(default)]
    pub(crate) recallable: bool,
    /// What the model sees under another name.
    #[serde(default)]
    pub(crate) masks: Masks,
    /// Calls that a person has refused; they are not asked about again.
    pub(crate) refused: BTreeSet<ContentHash>,
    pub(crate) chances: Chances,
    /// The answer that waits for its verification.
    pub(crate) answer: String,
    pub(crate) sources: Vec<String>,
    pub(crate) unmet: Vec<String>,
    pub(crate) uncertain: Vec<String>,
    pub(crate) outcome: Option<RunOutcome>,
}

impl RunState {
    /// A run that has not begun.
    pub fn new(order: RunOrder, at: Timestamp) -> Self {
        let mut owner_texts = order.owner_texts.clone();
        if order.asked_by == Label::Owner && !order.is_sub_agent() {
            owner_texts.push(order.goal.clone());
        }
        Self {
            mode: order.mode,
            version: 1,
            status: RunStatus::Running,
            reason: None,
            phase: Phase::New,
            model: order.model.clone(),
            limits: order.limits,
            created: at,
            updated: at,
            worked_ms: 0,
            working_since: Some(at),
            thread: Vec::new(),
            plan: None,
            branches: Vec::new(),
            flow: None,
            calls: Vec::new(),
            pending: BTreeMap::new(),
            next_effect: 1,
            held: BTreeMap::new(),
            totals: RunTotals::default(),
            chain: ContentHash::default(),
            window: LoopWindow::default(),
            seen: BTreeMap::new(),
            receipts: Vec::new(),
            owner_texts,
            toolless: false,
            narrowed: None,
            recallable: false,
            masks: Masks::default(),
            stranger: order.stranger || order.asked_by == Label::Stranger,
            refused: BTreeSet::new(),
            chances: Chances { corrections: 1, repairs: 1, interviews: 1, claims: 1, failures: 1 },
            answer: String::new(),
            sources: Vec::new(),
            unmet: Vec::new(),
            uncertain: Vec::new(),
            outcome: None,
            order,
        }
    }

    /// The order.
    pub fn order(&self) -> &RunOrder {
        &self.order
    }

    /// Where it stands.
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// What is under way.
    pub fn pending(&self) -> &BTreeMap<EffectId, Work> {
        &self.pending
    }

    /// The conversation with the model.
    pub fn thread(&self) -> &[Message] {
        &self.thread
    }

    /// The plan, once there is one.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// How far its workflow has come; `None` for a run without one, or before it begins.
    pub fn workflow_progress(&self) -> Option<&Progress> {
        self.flow.as_ref()
    }

    /// How it ended.
    pub fn outcome(&self) -> Option<&RunOutcome> {
        self.outcome.as_ref()
    }

    /// Whether a stranger's text is in its context.
    pub fn has_stranger(&self) -> bool {
        self.stranger
    }

    /// Money spent, with what effects under way may still spend.
    pub fn committed(&self) -> NanoUsd {
        self.totals.cost + self.held.values().copied().sum()
    }

    /// Money that is neither spent nor reserved; `None` without a limit.
    pub(crate) fn money_left(&self) -> Option<NanoUsd> {
        self.limits.money.map(|limit| (limit - self.committed()).max(NanoUsd::ZERO))
    }

    /// Milliseconds at work by `at`.
    pub(crate) fn at_work_ms(&self, at: Timestamp) -> u64 {
        let stretch = self.working_since.map_or(0, |since| at.as_millisecond() - since.as_millisecond());
        self.worked_ms.saturating_add(u64::try_from(stretch).unwrap_or(0))
    }

    /// When the questions to people expire.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        let expiry = |work: &Work| match work {
            Work::Ask(approval) => Some(approval.expires),
            _ => None,
        };
        self.pending.values().filter_map(expiry).min()
    }

    /// What of a limit is used, in words for people.
    pub(crate) fn used(&self, limit: LimitKind) -> String {
        let (totals, limits, lang) = (&self.totals, &self.limits, self.order.lang);
        let of = |used: u32, most: u32, en: &str, ko: &str| {
            lang.pick(format!("{used} of {most} {en}"), format!("{ko} {most}번 중 {used}번"))
        };
        match limit {
            LimitKind::Money | LimitKind::Budget => {
                let spent = totals.cost;
                let en = || limits.money.map_or_else(String::new, |limit| format!(" of ${limit}"));
                let ko = || limits.money.map_or_else(String::new, |limit| format!("${limit} 중 "));
                lang.pick(format!("${spent} spent{}", en()), format!("{}${spent} 사용", ko()))
            }
            LimitKind::Turns => of(totals.turns, limits.turns, "model turns", "모델 호출"),
            LimitKind::ToolCalls => of(totals.tool_calls, limits.tool_calls, "tool calls", "도구 호출"),
            LimitKind::Time => {
                let seconds = limits.seconds;
                lang.pick(format!("{seconds} seconds at work"), format!("작업 시간 {seconds}초"))
            }
        }
    }

    /// The run as lists show it.
    pub fn record(&self) -> RunRecord {
        RunRecord {
            id: self.order.id,
            parent: self.order.parent,
            owner: self.order.principal.as_ref().and_then(|principal| principal.key),
            origin: self.order.origin.clone(),
            session: self.order.session.clone(),
            user_input: mask_secrets(&self.order.goal).into_owned(),
            mode: self.mode,
            status: self.status,
            reason: self.reason.clone(),
            created: self.created,
            updated: self.updated,
            wake_at: self.wake_at().filter(|_| !self.status.is_final()),
            version: self.version,
            totals: self.totals,
            outcome: self.outcome.clone(),
        }
    }
}
