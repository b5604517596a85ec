//! Tools: what they declare, how they are called, what they answer.

use super::content_hash::ContentHash;
use super::ids::{RunId, StepId};
use super::money::NanoUsd;
use crate::explain::{Explain, Lang};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What is left in the world after a tool has run, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Nothing: it may be run again at will.
    ReadOnly,
    /// A change that can be undone exactly.
    Reversible,
    /// A change that another action can make good (a cancel call).
    Compensable,
    /// A change that nothing takes back (a mail sent).
    Final,
}

/// Whether a tool touches more than the owner's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The product's own state and the folders and databases the owner gave it.
    Inside,
    /// Other people, other machines.
    Outside,
}

/// Where a tool runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// In the process itself: the product's own code.
    Process,
    /// Model-written code, without a network.
    Code,
    /// Fetchers and MCP servers, behind the egress broker.
    Data,
    /// The trading gateway.
    Broker,
}

/// Where a value came from. The later it stands, the less it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// The owner said it or granted it.
    Owner,
    /// A tool of the owner's said it, or the model made it up from what the owner and such tools said.
    Tool,
    /// Somebody else wrote it: a web page, a mail.
    Stranger,
}

/// What a tool does in the world, for checking an answer that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Reads or looks up.
    Read,
    /// Creates or changes.
    Write,
    /// Removes.
    Delete,
    /// Tells somebody.
    Send,
    /// Puts on a calendar or sets an alarm.
    Schedule,
    /// Buys, sells or books.
    Order,
    /// Runs a program.
    Execute,
}

/// What a tool declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name, unique in a tool box.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// What it leaves in the world.
    pub effect: EffectClass,
    /// Whether that is beyond the owner's own state.
    pub reach: Reach,
    /// Where it runs.
    pub zone: Zone,
    /// The label of what it answers.
    pub output: Label,
    /// Arguments that a stranger's text may not choose: recipients, URLs, paths, orders.
    pub guarded: Vec<String>,
    /// The argument that names what is read or written; a write needs it read before.
    pub target: Option<String>,
    /// Whether [`crate::Tool::preview`] shows what a call would do.
    pub previews: bool,
    /// What it does, in the words of an answer that claims it; empty: anything.
    pub deeds: Vec<Deed>,
    /// What one call costs besides model calls.
    pub fee: NanoUsd,
    /// Longest run, in milliseconds.
    pub timeout_ms: u64,
    /// Longest answer given to the model, in bytes.
    pub max_output_bytes: usize,
}

impl ToolSpec {
    /// A read-only tool inside, with 30 seconds and 16 KiB.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters,
            effect: EffectClass::ReadOnly,
            reach: Reach::Inside,
            zone: Zone::Process,
            output: Label::Tool,
            guarded: Vec::new(),
            target: None,
            previews: false,
            deeds: Vec::new(),
            fee: NanoUsd::ZERO,
            timeout_ms: 30_000,
            max_output_bytes: 16 * 1024,
        }
    }
}

/// What a write expects to find, checked by the tool in one go with the write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Nothing is there.
    Absent,
    /// What is there is of this version, as it was read before.
    Version(String),
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The run.
    pub run: RunId,
    /// Names this call for ever, over restarts as well: an idempotency key for services that take one.
    pub key: String,
    /// The tool.
    pub tool: String,
    /// The arguments, checked against the schema.
    pub arguments: Value,
    /// What a write expects to find; without a target, what its preview has shown ([`Preview::current`]).
    pub expect: Option<Expect>,
}

/// Something a call saw or wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// What, as the target argument names it.
    pub target: String,
    /// Its version now (a content hash, a row version); `None` when it is gone.
    pub version: Option<String>,
}

/// What a tool answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// For the model.
    pub text: String,
    /// A label worse than the declared one.
    pub label: Option<Label>,
    /// What it saw or wrote.
    pub touched: Vec<Touched>,
    /// What takes it back: the tool's own record, kept with the step.
    pub undo: Option<Value>,
    /// The tools that the run may call from now on, with those that earlier answers named; `None`: nothing changes. It takes tools
    /// away and never gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrows: Option<Vec<String>>,
    /// The id under which the run can recall the whole text, where it is longer than the model is shown. Set by who calls the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl ToolOutput {
    /// An answer of text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// What a call would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The version now of the target, or of what else the change is made to; `None` when there is none. What was shown to a
    /// person is kept with the call: a write finds it in [`ToolCall::expect`].
    pub current: Option<String>,
    /// The change, for a person: a diff, a list of rows, a mail.
    pub diff: String,
}

/// An order to take a call back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoCall {
    /// The run whose call it was.
    pub run: RunId,
    /// Names this undo for ever, over restarts as well.
    pub key: String,
    /// The tool's own record: [`ToolOutput::undo`] of the call, or [`Undone::redo`] of an undo.
    pub record: Value,
    /// Only tell what would happen; change nothing.
    pub dry_run: bool,
    /// In a dry run, records that will have been taken back before this one, in that order: the tool tells what would happen then.
    /// Records of other tools are among them.
    pub taken_back: Vec<Value>,
}

/// What an undo did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// For a person: what was put back.
    pub summary: String,
    /// What was left alone, each with its reason: somebody has changed it since, it is gone, it was never ours.
    pub conflicts: Vec<String>,
    /// What takes the undo back; `None` when nothing was changed.
    pub redo: Option<Value>,
    /// What was put back, with its versions now.
    pub touched: Vec<Touched>,
}

/// What became of a call whose answer was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolFate {
    /// It happened; this is its answer.
    Happened(ToolOutput),
    /// It did not happen, and will not: calling again is safe.
    DidNot,
    /// It cannot be told; a person must look.
    Unknown,
}

/// Why a call was refused or failed; the model reads it and acts on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolError {
    /// A stable, dotted code.
    pub code: String,
    /// What happened, one English sentence.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Whether it may have happened all the same (a time-out, a lost connection).
    pub uncertain: bool,
}

impl ToolError {
    /// A failure that surely left nothing behind.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), hint: None, uncertain: false }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure of which nobody knows whether it happened.
    #[must_use]
    pub fn uncertain(mut self) -> Self {
        self.uncertain = true;
        self
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)?;
        self.hint.iter().try_for_each(|hint| write!(f, " {hint}"))
    }
}

impl std::error::Error for ToolError {}

impl Explain for ToolError {
    fn code(&self) -> &'static str {
        "tool.failed"
    }

    fn message(&self, lang: Lang) -> String {
        let (code, message) = (&self.code, &self.message);
        match lang {
            Lang::En => format!("The tool call failed ({code}): {message}"),
            Lang::Ko => format!("도구 호출이 실패했습니다({code}): {message}"),
        }
    }

    fn hint(&self, _: Lang) -> Option<String> {
        self.hint.clone()
    }
}

/// Proof that a tool call happened: a link of the run's hash chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The step.
    pub step: StepId,
    /// Its number, by which the model and people point to it.
    pub number: u32,
    /// The run, for receipts of sub-agents.
    pub run: RunId,
    /// The tool.
    pub tool: String,
    /// What such a call does.
    pub deeds: Vec<Deed>,
    /// What it left in the world.
    pub effect: EffectClass,
    /// Hash of the exact arguments.
    pub arguments: ContentHash,
    /// When it ended.
    pub at: Timestamp,
    /// The step's link of the chain.
    pub hash: ContentHash,
}
