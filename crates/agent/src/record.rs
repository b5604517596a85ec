//! Writes steps: masked, cut to a length, numbered, linked.

use crate::machine::Machine;
use nunchi_core::{
    ContentHash, NanoUsd, StepId, StepKind, StepRecord, StepStatus, ToolError, Usage, mask_secrets, seal_step,
};
use serde_json::Value;

/// Longest text of a record, in bytes.
const MOST_TEXT: usize = 16 * 1024;

/// A step that is being written.
pub(crate) struct Draft {
    kind: StepKind,
    why: String,
    tool: Option<String>,
    input: String,
    output: String,
    arguments: Option<ContentHash>,
    usage: Usage,
    cost: NanoUsd,
    latency_us: u64,
    status: StepStatus,
    code: Option<String>,
    undo: Option<Value>,
}

impl Draft {
    pub(crate) fn new(kind: StepKind, why: impl Into<String>) -> Self {
        Self {
            kind,
            why: why.into(),
            tool: None,
            input: String::new(),
            output: String::new(),
            arguments: None,
            usage: Usage::default(),
            cost: NanoUsd::ZERO,
            latency_us: 0,
            status: StepStatus::Ok,
            code: None,
            undo: None,
        }
    }

    pub(crate) fn tool(mut self, tool: impl Into<String>) -> Self {
        self.tool = Some(tool.into());
        self
    }

    pub(crate) fn input(mut self, input: impl Into<String>) -> Self {
        self.input = input.into();
        self
    }

    pub(crate) fn output(mut self, output: impl Into<String>) -> Self {
        self.output = output.into();
        self
    }

    pub(crate) fn arguments(mut self, hash: ContentHash) -> Self {
        self.arguments = Some(hash);
        self
    }

    pub(crate) fn spent(mut self, usage: Usage, cost: NanoUsd, latency_us: u64) -> Self {
        (self.usage, self.cost, self.latency_us) = (usage, cost, latency_us);
        self
    }

    pub(crate) fn undo(mut self, undo: Option<Value>) -> Self {
        self.undo = undo;
        self
    }

    pub(crate) fn status(mut self, status: StepStatus, code: impl Into<String>) -> Self {
        (self.status, self.code) = (status, Some(code.into()));
        self
    }

    pub(crate) fn error(self, status: StepStatus, error: &ToolError) -> Self {
        self.output(error.to_string()).status(status, error.code.clone())
    }
}

impl Machine {
    /// Appends a step to the record.
    pub(crate) fn record(&mut self, draft: Draft) -> StepRecord {
        let state = &mut self.state;
        state.totals.steps += 1;
        state.totals.usage += draft.usage;
        state.totals.latency_us = state.totals.latency_us.saturating_add(draft.latency_us);
        state.totals.cost += draft.cost;
        let number = state.totals.steps;
        let id = StepId(self.derived_id(&format!("step {number}")));
        let record = StepRecord {
            id,
            run: self.state.order.id,
            number,
            at: self.at,
            kind: draft.kind,
            tool: draft.tool,
            why: for_record(&draft.why),
            input: for_record(&draft.input),
            output: for_record(&draft.output),
            arguments: draft.arguments,
            usage: draft.usage,
            cost: draft.cost,
            latency_us: draft.latency_us,
            status: draft.status,
            code: draft.code,
            undo: draft.undo,
            previous: ContentHash::default(),
            hash: ContentHash::default(),
        };
        let record = seal_step(record, self.state.chain);
        self.state.chain = record.hash;
        self.steps.push(record.clone());
        record
    }
}

/// Cuts a text to a length; says how much is left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    format!("{}\n[{} bytes left out]", &text[..end], text.len() - end)
}

/// Masked before it is cut, so that a cut never hides half a secret from the mask.
fn for_record(text: &str) -> String {
    cut(&mask_secrets(text), MOST_TEXT)
}
