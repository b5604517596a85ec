//! What the machine wants done, and what it is told: all of it plain data that can be stored.

use crate::order::RunOrder;
use crate::state::Phase;
use jiff::Timestamp;
use nunchi_core::{
    Answer, Approval, NanoUsd, Part, PermissionRule, Plan, Preview, Receipt, RunEstimate, RunOutcome,
    RunStatus, StopReason, ToolCall, ToolError, ToolFate, ToolOutput, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names an effect within its run; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u32);

/// A model call that the machine wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelAsk {
    /// What it is for.
    pub phase: Phase,
    /// Whether the model may call tools.
    pub may_call_tools: bool,
    /// Cap on generated tokens.
    pub max_output_tokens: u64,
    /// The most it can cost, where the price is known.
    pub bound: NanoUsd,
}

/// Something to be done that has a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Call the model with [`crate::request_for`]; ends with [`Event::ModelReplied`], [`Event::ModelFailed`] or
    /// [`Event::BudgetBreached`].
    CallModel(ModelAsk),
    /// See what a tool call would do; ends with [`Event::Previewed`].
    Preview(ToolCall),
    /// Call a tool; ends with [`Event::ToolEnded`].
    RunTool(ToolCall),
    /// Ask a tool what became of a call; ends with [`Event::FateKnown`].
    CheckFate(ToolCall),
    /// Put a question in the queue of questions to people; ends with [`Event::Answered`], or by its expiry.
    Ask(Box<Approval>),
    /// Start a sub-agent, or find the one of this id; ends with [`Event::ChildEnded`].
    Delegate(Box<RunOrder>),
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Do this, and tell what came of it under this id.
    Perform(EffectId, Work),
    /// Whatever is being done under this id is no longer wanted.
    Abort(EffectId),
    /// Tell whoever watches.
    Tell(Notice),
}

/// What whoever watches a run is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// What the run will probably use; told before it begins.
    Estimate(RunEstimate),
    /// The plan, with costs and effects; told before it is carried out.
    Planned(Plan),
    /// Nothing more happens until a person answers, or until then.
    Parked {
        /// What is waited for.
        reason: String,
        /// When the questions expire.
        until: Option<Timestamp>,
    },
    /// The end.
    Finished {
        /// How.
        status: RunStatus,
        /// With what.
        outcome: Box<RunOutcome>,
    },
}

/// A whole answer of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    /// The model that answered.
    pub model: String,
    /// Text, reasoning and tool calls, in order.
    pub parts: Vec<Part>,
    /// Why it ended; `None` when it was cut.
    pub stop: Option<StopReason>,
    /// Tokens.
    pub usage: Usage,
    /// Money.
    pub cost: NanoUsd,
    /// Microseconds.
    pub latency_us: u64,
    /// What it rests on.
    pub sources: Vec<String>,
}

/// Why a model call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFailure {
    /// The error's code.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Whether it may be charged all the same, so that its money stays reserved.
    pub charged: bool,
}

/// What became of a sub-agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChildResult {
    /// Whether it ended with an answer.
    pub ok: bool,
    /// The answer, or why there is none.
    pub text: String,
    /// The answer as JSON, when a schema asked for it.
    pub output: Option<Value>,
    /// What it did.
    pub receipts: Vec<Receipt>,
    /// What its answer rests on.
    pub sources: Vec<String>,
    /// What it cost.
    pub cost: NanoUsd,
    /// The code of why there is no answer.
    #[serde(default)]
    pub code: Option<String>,
    /// Calls of which nobody knows whether they happened.
    pub uncertain: Vec<String>,
    /// Whether it read a stranger's text.
    pub stranger: bool,
}

/// What the machine is told. An event for an effect that is not under way changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Started,
    /// The process that drove the run is gone, or the run is taken up again; the rules in force now.
    Resumed(Vec<PermissionRule>),
    /// A rule was granted or taken back: the rules in force now.
    RulesChanged(Vec<PermissionRule>),
    /// The model answered.
    ModelReplied(EffectId, Box<ModelReply>),
    /// The model failed for good.
    ModelFailed(EffectId, ModelFailure),
    /// A budget of the owner's does not admit the call; the sentence says which.
    BudgetBreached(EffectId, String),
    /// What a call would do, or why it cannot be done.
    Previewed(EffectId, Result<Preview, ToolError>),
    /// A tool answered, after this many microseconds.
    ToolEnded(EffectId, Result<ToolOutput, ToolError>, u64),
    /// What became of a call.
    FateKnown(EffectId, ToolFate),
    /// A person answered at this time, which is not the time at which the machine hears of it.
    Answered {
        /// The question's effect.
        effect: EffectId,
        /// The answer.
        answer: Answer,
        /// By whom, and where.
        by: String,
        /// When.
        answered: Timestamp,
    },
    /// A sub-agent ended.
    ChildEnded(EffectId, Box<ChildResult>),
    /// A person stops the run.
    Cancel(String),
    /// Time has passed: questions may have expired.
    Tick,
}
