//! Tool calls of one turn: gate, preview, approval, run, receipt, in an order in which writes never overlap.

use crate::effect::{EffectId, Work};
use crate::guards::{Turned, check_schema};
use crate::machine::Machine;
use crate::offers::{APPROVE, ASK_USER, DELEGATE, narrow, offered, taken_away};
use crate::recall::RECALL;
use crate::record::{Draft, cut};
use crate::results::shown;
use nunchi_core::{
    ApprovalSubject, ContentHash, EffectClass, Expect, Label, Message, Part, PermissionDecision, Preview,
    Receipt, Role, StepKind, StepStatus, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec, Verdict,
    call_hash, canonical_json, decide_permission,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most calls of one turn that are looked at.
const MOST_CALLS: usize = 32;
/// The code of a call that stands twice in a turn.
const REPEATED: &str = "tool.repeated";
/// The code of a call beyond the most.
const TOO_MANY: &str = "limit.calls_per_turn";

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Not looked at.
    Waiting,
    /// Its tool is asked what it would do.
    Previewing(EffectId),
    /// Judged: a person must be asked, together with the others of the turn.
    NeedsApproval,
    /// A person is asked.
    Asking(EffectId),
    /// A person said yes.
    Approved,
    /// Under way.
    Running(EffectId),
    /// Its answer was lost; its tool is asked what became of it.
    Checking(EffectId),
    /// Over; what the model is told, and the code of what went wrong.
    Ended(String, Option<String>),
}

/// A call of the turn under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallState {
    /// Pairs it with its result in the conversation.
    pub(crate) id: String,
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    pub(crate) hash: ContentHash,
    /// What the model said before it called.
    pub(crate) why: String,
    pub(crate) stage: Stage,
    pub(crate) decision: Option<PermissionDecision>,
    pub(crate) diff: Option<String>,
    pub(crate) expect: Option<Expect>,
    /// Whether the process ended while it ran, so that it is made now if it did not happen then.
    pub(crate) orphaned: bool,
}

impl Machine {
    /// Takes up the calls of a model's turn.
    pub(crate) fn begin_calls(&mut self, message: &Message) {
        let why = cut(message.plain_text().trim(), 300);
        let why = if why.is_empty() { self.state.phase.as_str().to_owned() } else { why };
        let mut calls: Vec<CallState> = Vec::new();
        for part in &message.parts {
            let Part::ToolCall { id, name, arguments, .. } = part else { continue };
            let text = if arguments.trim().is_empty() { "{}" } else { arguments };
            let mut parsed = serde_json::from_str::<Value>(text);
            if let Ok(arguments) = &mut parsed {
                self.state.masks.fill(arguments, offered(&self.state, name).as_ref());
            }
            let mut call = CallState {
                id: id.clone(),
                tool: name.clone(),
                arguments: Value::Null,
                hash: ContentHash::of(format!("{name}\n{text}")),
                why: why.clone(),
                stage: Stage::Waiting,
                decision: None,
                diff: None,
                expect: None,
                orphaned: false,
            };
            match parsed {
                Ok(value) => (call.hash, call.arguments) = (call_hash(name, &value), value),
                Err(error) => call
                    .refuse(&ToolError::new("tool.not_json", format!("The arguments are no JSON: {error}."))),
            }
            if calls.len() >= MOST_CALLS {
                call.refuse(&ToolError::new(TOO_MANY, format!("Only {MOST_CALLS} calls a turn are made.")));
            } else if let Some(twin) = calls.iter().find(|other| other.hash == call.hash) {
                let message = format!("It is the same call as {} of this turn, which is made once.", twin.id);
                call.refuse(&ToolError::new(REPEATED, message));
            }
            calls.push(call);
        }
        self.state.calls = calls;
        self.advance_calls();
    }

    /// Begins what may begin; asks people about what needs them once nothing else can move; ends the turn when all is over.
    pub(crate) fn advance_calls(&mut self) {
        if self.state.calls.is_empty() {
            return;
        }
        while let Some(at) = self.next_call() {
            self.begin_call(at);
        }
        if self.state.status.is_final() {
            return;
        }
        let stage = |wanted: fn(&Stage) -> bool| self.state.calls.iter().any(|call| wanted(&call.stage));
        let moving = stage(|stage| {
            matches!(
                stage,
                Stage::Previewing(_)
                    | Stage::Running(_)
                    | Stage::Checking(_)
                    | Stage::Waiting
                    | Stage::Approved
            )
        });
        if !moving && stage(|stage| *stage == Stage::NeedsApproval) {
            self.ask_for_calls();
        }
        if self.state.flow.is_some() {
            return self.collect_flow_calls();
        }
        if self.state.calls.iter().all(|call| matches!(call.stage, Stage::Ended(..))) {
            self.calls_ended();
        }
    }

    /// The first call that may begin: reading calls run side by side, a writing one alone and in its turn.
    fn next_call(&self) -> Option<usize> {
        let calls = &self.state.calls;
        let under_way = |call: &&CallState| {
            matches!(call.stage, Stage::Previewing(_) | Stage::Running(_) | Stage::Checking(_))
        };
        let side_by_side = |call: &CallState| call.tool == DELEGATE || !self.leaves_traces(&call.tool);
        let room = calls.iter().filter(under_way).count() < self.state.limits.parallel.max(1) as usize;
        let alone = !calls.iter().filter(under_way).any(|call| !side_by_side(call));
        let (mut before, mut write_before) = (false, false);
        for (at, call) in calls.iter().enumerate() {
            let reads = side_by_side(call);
            let open = match call.stage {
                Stage::Waiting | Stage::Approved if room && alone && !write_before && (reads || !before) => {
                    return Some(at);
                }
                Stage::Waiting | Stage::Approved => true,
                _ => under_way(&call),
            };
            before |= open;
            write_before |= open && !reads;
        }
        None
    }

    fn begin_call(&mut self, at: usize) {
        let call = self.state.calls[at].clone();
        // What was approved is judged again: a rule may deny it by now.
        let spec = match self.gate(&call) {
            Ok(_) if call.stage == Stage::Approved => return self.run_call(at),
            Ok((spec, _)) => spec,
            Err(error) => return self.refuse_call(at, &error),
        };
        match call.tool.as_str() {
            ASK_USER => return self.ask_user(at),
            DELEGATE => return self.delegate_call(at),
            RECALL => return self.recall_call(at),
            _ => {}
        }
        if spec.previews {
            let id = self.perform(Work::Preview(self.tool_call(&call)));
            self.state.calls[at].stage = Stage::Previewing(id);
        } else {
            self.expect_as_seen(at, &spec);
            self.run_or_ask(at);
        }
    }

    /// Everything about a call that can be judged without touching the world.
    fn gate(&self, call: &CallState) -> Result<(ToolSpec, PermissionDecision), ToolError> {
        let Some(spec) = offered(&self.state, &call.tool) else {
            return Err(ToolError::new("tool.unknown", format!("There is no tool `{}`.", call.tool)));
        };
        if let Some(left) = taken_away(&self.state, &call.tool) {
            let left = left.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("The skill in use goes with these tools alone: {left}.");
            let error = ToolError::new("tool.narrowed", message);
            return Err(error.hint("Go on with these, and say in your answer what they cannot do."));
        }
        if let Err(complaint) = check_schema(&spec.parameters, &call.arguments) {
            let error = ToolError::new(
                "tool.arguments",
                format!("The arguments do not fit the schema: {complaint}."),
            );
            return Err(error.hint("Correct them and call again."));
        }
        if self.state.refused.contains(&call.hash) {
            return Err(ToolError::new("approval.denied", "A person has refused exactly this call.")
                .hint("Do not ask again; go another way."));
        }
        let (state, order) = (&self.state, &self.state.order);
        let decision =
            decide_permission(&order.rules, &spec, &call.arguments, &state.owner_texts, state.stranger);
        if decision.verdict == Verdict::Deny {
            let why = decision.explain(nunchi_core::Lang::En);
            return Err(ToolError::new("permission.denied", format!("Not allowed: {why}.")));
        }
        Ok((spec, decision))
    }

    pub(crate) fn previewed(&mut self, id: EffectId, result: Result<Preview, ToolError>) {
        let Some(at) = self.call_at(&Stage::Previewing(id)) else { return };
        let judged = result.and_then(|preview| self.judge_preview(at, &preview));
        match judged {
            Ok(()) => self.run_or_ask(at),
            Err(error) => self.refuse_call(at, &error),
        }
        self.advance_calls();
    }

    /// Read before write: what was never read in this run, or has changed since, is not overwritten.
    fn judge_preview(&mut self, at: usize, preview: &Preview) -> Result<(), ToolError> {
        let spec = self.spec_of(&self.state.calls[at].tool);
        self.expect_as_seen(at, &spec);
        self.state.calls[at].diff = Some(preview.diff.clone()).filter(|diff| !diff.is_empty());
        if spec.target.is_none() && spec.effect > EffectClass::ReadOnly {
            self.state.calls[at].expect = preview.current.clone().map(Expect::Version);
        }
        match (&self.state.calls[at].expect, &preview.current) {
            (Some(Expect::Absent), Some(_)) => Err(ToolError::new(
                "tool.unread",
                "It exists and was not read in this run, so it is not overwritten.",
            )
            .hint("Read it first.")),
            (Some(Expect::Version(seen)), current) if Some(seen) != current.as_ref() => {
                Err(ToolError::new("tool.changed", "It has changed since it was read.")
                    .hint("Read it again."))
            }
            _ => Ok(()),
        }
    }

    fn expect_as_seen(&mut self, at: usize, spec: &ToolSpec) {
        let Some(argument) = spec.target.as_ref().filter(|_| spec.effect > EffectClass::ReadOnly) else {
            return;
        };
        let call = &self.state.calls[at];
        let Some(target) = call.arguments.get(argument).and_then(Value::as_str) else { return };
        let seen = self.state.seen.get(target).cloned();
        self.state.calls[at].expect = Some(seen.map_or(Expect::Absent, Expect::Version));
    }

    /// Decides only now: while its tool told what it would do, a rule may have been granted or taken back.
    fn run_or_ask(&mut self, at: usize) {
        let call = self.state.calls[at].clone();
        let decision = match self.gate(&call) {
            Ok((_, decision)) => decision,
            Err(error) => return self.refuse_call(at, &error),
        };
        let asks = decision.verdict == Verdict::Ask;
        self.state.calls[at].decision = Some(decision);
        if asks {
            self.state.calls[at].stage = Stage::NeedsApproval;
        } else {
            self.run_call(at);
        }
    }

    fn run_call(&mut self, at: usize) {
        let call = self.state.calls[at].clone();
        if call.tool == APPROVE && self.state.flow.is_some() {
            return self.call_succeeded(at, ToolOutput::text("approved"), 0);
        }
        let fee = self.spec_of(&call.tool).fee;
        if self.state.totals.tool_calls >= self.state.limits.tool_calls {
            let used = format!("The run may make {} tool calls.", self.state.limits.tool_calls);
            return self.refuse_call(
                at,
                &ToolError::new("limit.tool_calls", used).hint("Answer with what you have."),
            );
        }
        if self.exceeds(fee) {
            let error =
                ToolError::new("limit.money", format!("It costs ${fee}, which the run does not have."));
            return self.refuse_call(at, &error);
        }
        self.state.totals.tool_calls += 1;
        let id = self.perform(Work::RunTool(self.tool_call(&call)));
        self.state.held.insert(id, fee);
        self.state.calls[at].stage = Stage::Running(id);
    }

    /// The call as its tool gets it. Its key is the same whenever this very call is made or asked about.
    fn tool_call(&self, call: &CallState) -> ToolCall {
        ToolCall {
            run: self.state.order.id,
            key: format!("{}.{}", self.state.order.id, self.state.next_effect),
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            expect: call.expect.clone(),
        }
    }

    pub(crate) fn tool_ended(
        &mut self,
        id: EffectId,
        made: ToolCall,
        result: Result<ToolOutput, ToolError>,
        latency_us: u64,
    ) {
        let Some(at) = self.call_at(&Stage::Running(id)) else { return };
        match result {
            Ok(output) => self.call_succeeded(at, output, latency_us),
            Err(error) if error.uncertain && self.leaves_traces(&made.tool) => {
                let id = self.perform(Work::CheckFate(made));
                self.state.calls[at].stage = Stage::Checking(id);
            }
            Err(error) => {
                let draft = self.draft(at).spent(Default::default(), Default::default(), latency_us);
                self.record(draft.error(StepStatus::Failed, &error));
                self.state.calls[at].refuse(&error);
            }
        }
        self.advance_calls();
    }

    pub(crate) fn fate_known(&mut self, id: EffectId, made: ToolCall, fate: ToolFate) {
        let Some(at) = self.call_at(&Stage::Checking(id)) else { return };
        match fate {
            ToolFate::Happened(output) => self.call_succeeded(at, output, 0),
            ToolFate::DidNot if std::mem::take(&mut self.state.calls[at].orphaned) => {
                let id = self.perform(Work::RunTool(made));
                self.state.calls[at].stage = Stage::Running(id);
            }
            ToolFate::DidNot => {
                let error = ToolError::new("tool.did_not_happen", "It was cut short and did not happen.");
                self.refuse_call(at, &error.hint("Calling again is safe."));
            }
            ToolFate::Unknown => {
                let asked = ApprovalSubject::Fate(Box::new(self.to_approve(at)));
                let id = self.ask(asked, "fate");
                self.state.calls[at].stage = Stage::Asking(id);
            }
        }
        self.advance_calls();
    }

    /// The tool of a call under way must be asked what became of it.
    pub(crate) fn mark_orphan(&mut self, id: EffectId) {
        if let Some(at) = self.call_at(&Stage::Running(id)) {
            self.state.calls[at].stage = Stage::Checking(id);
            self.state.calls[at].orphaned = true;
        }
    }

    pub(crate) fn call_succeeded(&mut self, at: usize, output: ToolOutput, latency_us: u64) {
        let spec = self.spec_of(&self.state.calls[at].tool);
        let draft = self.draft(at).output(output.text.clone()).undo(output.undo);
        let record = self.record(draft.spent(Default::default(), spec.fee, latency_us));
        self.state.receipts.push(Receipt {
            step: record.id,
            number: record.number,
            run: record.run,
            tool: spec.name,
            deeds: spec.deeds,
            effect: spec.effect,
            arguments: self.state.calls[at].hash,
            at: self.at,
            hash: record.hash,
        });
        for touched in output.touched {
            match touched.version {
                Some(version) => self.state.seen.insert(touched.target, version),
                None => self.state.seen.remove(&touched.target),
            };
        }
        let label = output.label.map_or(spec.output, |label| label.max(spec.output));
        self.state.stranger |= label == Label::Stranger;
        if let Some(names) = &output.narrows {
            narrow(&mut self.state, names);
        }
        self.state.recallable |= output.kept.is_some();
        let text = self.state.masks.hide(&output.text);
        // Names may be longer than what they stand for; nothing is cut for that.
        let most = if output.text.len() > spec.max_output_bytes { spec.max_output_bytes } else { text.len() };
        let text = shown(&text, most, output.kept.as_deref());
        let text = if text.is_empty() { "ok".to_owned() } else { text };
        self.state.calls[at].stage = Stage::Ended(text, None);
    }

    /// Ends a call that is not made.
    pub(crate) fn refuse_call(&mut self, at: usize, error: &ToolError) {
        let draft = self.draft(at).error(StepStatus::Refused, error);
        self.record(draft);
        self.state.calls[at].refuse(error);
    }

    pub(crate) fn draft(&self, at: usize) -> Draft {
        let call = &self.state.calls[at];
        let draft = Draft::new(StepKind::Tool, call.why.clone()).tool(call.tool.clone());
        draft.input(canonical_json(&call.arguments)).arguments(call.hash)
    }

    pub(crate) fn call_at(&self, stage: &Stage) -> Option<usize> {
        self.state.calls.iter().position(|call| call.stage == *stage)
    }

    /// The specification of a tool, also of one that a rule has come to deny while it ran.
    pub(crate) fn spec_of(&self, tool: &str) -> ToolSpec {
        let known = self.state.order.tools.iter().find(|spec| spec.name == tool).cloned();
        known
            .or_else(|| offered(&self.state, tool))
            .unwrap_or_else(|| ToolSpec::new(tool, String::new(), Value::Null))
    }

    /// Whether a call of this tool must not be repeated blindly.
    pub(crate) fn leaves_traces(&self, tool: &str) -> bool {
        let effect = |spec: &&ToolSpec| spec.name == tool;
        self.state.order.tools.iter().find(effect).is_some_and(|spec| spec.effect > EffectClass::ReadOnly)
    }

    /// Gives the model the results of its calls, unless it goes round in circles or a limit is reached.
    pub(crate) fn end_turn(&mut self) {
        let calls = std::mem::take(&mut self.state.calls);
        let mut short_of_calls = false;
        for call in calls {
            let reading = !self.leaves_traces(&call.tool);
            let Stage::Ended(text, error) = call.stage else { continue };
            short_of_calls |= error.as_deref() == Some("limit.tool_calls");
            // What its own turn ruled out is no step of a circle.
            if !matches!(error.as_deref(), Some(REPEATED | TOO_MANY)) {
                self.state.window.push(Turned {
                    call: call.hash,
                    result: ContentHash::of(&text),
                    error: error.as_ref().map(|code| format!("{} {code}", call.tool)),
                    reading,
                });
            }
            let content = vec![Part::Text(self.state.masks.hide(&text))];
            let result = Part::ToolResult { call_id: call.id, content, is_error: error.is_some() };
            self.state.thread.push(Message { role: Role::Tool, parts: vec![result], name: None });
        }
        // A sub-agent answers with what it has.
        if short_of_calls && !self.state.order.is_sub_agent() {
            return self.breach(nunchi_core::LimitKind::ToolCalls, Default::default());
        }
        match self.state.window.circle() {
            Some(circle) => self.leave_circle(circle),
            None => {
                self.tell_what_is_left();
                self.call_model();
            }
        }
    }
}

impl CallState {
    /// Over, with an error for the model.
    pub(crate) fn refuse(&mut self, error: &ToolError) {
        self.stage = Stage::Ended(error.to_string(), Some(error.code.clone()));
    }
}
