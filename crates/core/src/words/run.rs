//! Runs: one piece of work of an agent, from its order to its outcome.

use super::ids::{KeyId, RunId};
use super::money::NanoUsd;
use super::tool::Receipt;
use super::usage::Usage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a run goes about its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One of the others, by rule.
    #[default]
    Auto,
    /// Answers at once.
    Reflexive,
    /// Asks what changes the plan, plans, acts, verifies.
    Deliberate,
    /// As deliberate, but never waits for anybody: what needs a person is parked.
    Autonomous,
    /// Independent parts side by side, then one merge.
    Ultrawork,
}

impl Mode {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Reflexive => "reflexive",
            Self::Deliberate => "deliberate",
            Self::Autonomous => "autonomous",
            Self::Ultrawork => "ultrawork",
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// At work.
    #[default]
    Running,
    /// Waits for a person; nothing runs and nothing is spent.
    Parked,
    /// Ended with an answer.
    Done,
    /// Ended without one.
    Failed,
    /// Stopped by a person.
    Cancelled,
}

impl RunStatus {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Through which door a run was ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunDoor {
    /// The API, and the command line, which speaks it.
    #[default]
    Api,
    /// The model name `nunchi`.
    Chat,
    /// The console.
    Console,
    /// `/mcp`: one call of somebody else's agent.
    Mcp,
    /// The schedule.
    Schedule,
}

impl RunDoor {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Chat => "chat",
            Self::Console => "console",
            Self::Mcp => "mcp",
            Self::Schedule => "schedule",
        }
    }
}

/// Where a run came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunOrigin {
    /// The door.
    pub door: RunDoor,
    /// What the client called itself; nobody checks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// What a run may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Money of all model calls and fees, sub-agents included; `None` leaves it to the budgets.
    pub money: Option<NanoUsd>,
    /// Model turns.
    pub turns: u32,
    /// Tool calls that were let through.
    pub tool_calls: u32,
    /// Time at work in seconds; time parked is not counted.
    pub seconds: u32,
    /// Sub-agents and reading tools at work at the same time.
    pub parallel: u32,
    /// How long a person may take to answer, in seconds.
    pub patience_seconds: u32,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            money: None,
            turns: 30,
            tool_calls: 100,
            seconds: 1_800,
            parallel: 10,
            patience_seconds: 24 * 3_600,
        }
    }
}

impl RunLimits {
    /// A sub-agent's: five turns.
    pub fn of_sub_agent() -> Self {
        Self { turns: 5, tool_calls: 20, seconds: 600, parallel: 4, ..Self::default() }
    }
}

/// What a run has used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTotals {
    /// Steps recorded.
    pub steps: u32,
    /// Model turns.
    pub turns: u32,
    /// Tool calls let through.
    pub tool_calls: u32,
    /// Tokens of its own model calls.
    pub usage: Usage,
    /// Money, sub-agents included.
    pub cost: NanoUsd,
    /// Time its steps took, in microseconds, side by side or not.
    pub latency_us: u64,
}

/// What a run will probably use, told before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEstimate {
    /// Fewest model turns.
    pub turns_low: u32,
    /// Most model turns that are usual for its mode.
    pub turns_high: u32,
    /// Money at the fewest; `None` when the model has no price.
    pub money_low: Option<NanoUsd>,
    /// Money at the most, never above the limit.
    pub money_high: Option<NanoUsd>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// The answer, or why there is none.
    pub text: String,
    /// The answer as JSON, when a schema asked for it.
    pub output: Option<Value>,
    /// Goals that were not met, each with its reason.
    pub unmet: Vec<String>,
    /// Sentences that say something was done for which there is no receipt.
    pub unbacked: Vec<String>,
    /// Calls of which nobody knows whether they happened.
    pub uncertain: Vec<String>,
    /// What the answer rests on.
    pub sources: Vec<String>,
    /// What was done.
    pub receipts: Vec<Receipt>,
    /// Why it did not end well: a stable code.
    pub code: Option<String>,
}

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The run that delegated it.
    pub parent: Option<RunId>,
    /// The key that ordered it; `None` for the owner at the machine.
    #[serde(default)]
    pub owner: Option<KeyId>,
    /// Where it came from.
    #[serde(default)]
    pub origin: RunOrigin,
    /// The conversation.
    pub session: Option<String>,
    /// What was asked for, secrets masked.
    pub user_input: String,
    /// Its mode, never `auto`.
    pub mode: Mode,
    /// Where it stands.
    pub status: RunStatus,
    /// What it waits for, or why it ended.
    pub reason: Option<String>,
    /// When it was ordered.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it wants to be told the time, should nobody answer.
    pub wake_at: Option<Timestamp>,
    /// Counts its changes.
    pub version: u64,
    /// What it used up.
    pub totals: RunTotals,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
}
