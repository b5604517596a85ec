//! Carries a workflow out: prompts are sub-agents, tools and questions are calls, the rest is decided at once.

use super::graph::{NodeWork, PromptWork, When};
use super::order::WorkflowOrder;
use super::progress::{NodeResult, NodeStage, Progress};
use super::templates::{holds, render, render_value, texts};
use crate::calls::{CallState, Stage};
use crate::effect::{EffectId, Notice, Work};
use crate::machine::Machine;
use crate::offers::{APPROVE, ASK_USER};
use crate::people::limit_code;
use crate::record::{Draft, cut};
use crate::state::Phase;
use nunchi_core::{
    ApprovalSubject, EffectClass, Label, LimitKind, NanoUsd, RunEstimate, ServiceTier, StepKind, ToolSpec,
    call_hash, upper_bound,
};
use serde_json::{Value, json};

/// Most that is kept of what a node said, in bytes.
const MOST_RESULT: usize = 8 * 1024;
/// Most times that nodes are begun in one run, all together.
const MOST_VISITS: u32 = 2_000;

/// What a sub-agent of a node came to.
pub(crate) struct ChildEnd {
    pub(crate) ok: bool,
    pub(crate) text: String,
    pub(crate) output: Option<Value>,
    pub(crate) code: Option<String>,
    pub(crate) repeatable: bool,
}

impl Machine {
    /// Begins the workflow of the order, or goes on with it where an earlier run is taken up.
    pub(crate) fn begin_flow(&mut self, order: &WorkflowOrder) {
        self.state.phase = Phase::Waves;
        self.state.stranger |= order.label == Label::Stranger;
        if order.label == Label::Owner && self.state.order.asked_by == Label::Owner {
            self.state.owner_texts.extend(order.params.values().flat_map(texts).map(str::to_owned));
            for node in &order.workflow.nodes {
                if let NodeWork::Tool { args, .. } = &node.work {
                    self.state.owner_texts.extend(texts(args).into_iter().map(str::to_owned));
                }
            }
        }
        let progress = match &order.earlier {
            Some(earlier) => {
                let words = format!("goes on from `{}` of run {}", earlier.from, earlier.run);
                self.record(Draft::new(StepKind::Message, words));
                self.state.receipts.clone_from(&earlier.receipts);
                self.state.seen.clone_from(&earlier.seen);
                self.state.uncertain.clone_from(&earlier.uncertain);
                self.state.stranger |= earlier.stranger;
                earlier.progress.clone()
            }
            None => Progress::new(&order.workflow),
        };
        self.state.flow = Some(progress);
        let estimate = self.estimate_flow(order);
        self.tell(Notice::Estimate(estimate));
        self.advance_flow();
    }

    /// What the nodes will probably use: each once at the least, loops as often as they may at the most.
    fn estimate_flow(&self, order: &WorkflowOrder) -> RunEstimate {
        let (mut turns_low, mut turns_high) = (0, 0);
        for (index, node) in order.workflow.nodes.iter().enumerate() {
            let NodeWork::Prompt(work) = &node.work else { continue };
            let rounds: u32 = order
                .workflow
                .edges
                .iter()
                .filter(|edge| edge.rounds.is_some() && order.workflow.loop_of(edge)[index])
                .filter_map(|edge| edge.rounds)
                .sum();
            let usual = if work.tools.is_empty() { 1 } else { work.turns.unwrap_or(5) };
            turns_low += 1;
            turns_high += usual * (rounds + 1);
        }
        let money = |turns: u32, output: u64| {
            let one = upper_bound(self.state.order.price.as_ref()?, 1_500, output, 1, ServiceTier::Standard);
            let all = NanoUsd(one.0.saturating_mul(i64::from(turns)));
            Some(self.state.limits.money.map_or(all, |limit| all.min(limit)))
        };
        RunEstimate {
            turns_low,
            turns_high,
            money_low: money(turns_low, 200),
            money_high: money(turns_high, 600),
        }
    }

    /// Begins every node that may begin, as many at a time as the run may; ends when nothing is left to do.
    pub(crate) fn advance_flow(&mut self) {
        let Some(order) = self.state.order.workflow.clone() else { return };
        if std::mem::replace(&mut self.walking, true) {
            return;
        }
        while let Some(node) = self.next_node(&order) {
            if let Some(limit) = self.limit_reached().filter(|limit| *limit != LimitKind::Turns) {
                // What others at work hold may come back.
                let held =
                    limit == LimitKind::Money && self.state.held.values().any(|held| *held > NanoUsd::ZERO);
                if !held {
                    self.breach(limit, NanoUsd::ZERO);
                }
                break;
            }
            self.begin_node(&order, node);
        }
        self.walking = false;
        let idle = self.state.flow.as_ref().is_some_and(|flow| flow.running() == 0);
        if idle && !self.state.status.is_final() && !self.limit_asked() {
            self.end_flow(&order);
        }
    }

    fn next_node(&self, order: &WorkflowOrder) -> Option<usize> {
        let flow = self.state.flow.as_ref()?;
        let room = flow.running() < self.state.limits.parallel.max(1) as usize;
        let open = room && flow.stopped.is_none() && !self.state.status.is_final() && !self.limit_asked();
        flow.ready(&order.workflow).filter(|_| open)
    }

    /// Whether a person is being asked about a limit; until then nothing new begins.
    fn limit_asked(&self) -> bool {
        let limit = |work: &Work| matches!(work, Work::Ask(asked) if matches!(asked.subject, ApprovalSubject::Limit { .. }));
        self.state.pending.values().any(limit)
    }

    /// What templates see.
    fn values(&self, order: &WorkflowOrder) -> Value {
        let nodes = self.state.flow.as_ref().map(|flow| flow.values(&order.workflow));
        json!({ "params": order.params, "nodes": nodes })
    }

    fn begin_node(&mut self, order: &WorkflowOrder, index: usize) {
        let node = &order.workflow.nodes[index];
        let Some(flow) = &mut self.state.flow else { return };
        if flow.nodes.iter().map(|node| node.visits).sum::<u32>() >= MOST_VISITS {
            flow.stopped =
                Some((index, "workflow.endless".into(), format!("over {MOST_VISITS} nodes were begun")));
            return;
        }
        flow.begin(index, None);
        let values = self.values(order);
        let question = |text: &str| Ok(json!({ "question": render(text, &values)? }));
        let begun = match &node.work {
            NodeWork::If(expression) => holds(expression, &values).map(|held| {
                self.decided(
                    order,
                    index,
                    NodeResult { ok: true, text: held.to_string(), output: held.into(), error: None },
                );
            }),
            NodeWork::Merge(text) => render(text, &values).map(|text| {
                self.decided(order, index, NodeResult { ok: true, text, ..NodeResult::default() });
            }),
            NodeWork::Prompt(work) => {
                render(&work.prompt, &values).map(|prompt| self.begin_prompt(order, index, work, prompt))
            }
            NodeWork::Tool { tool, args } => {
                render_value(args, &values).map(|args| self.begin_call_of(&node.id, node.label(), tool, args))
            }
            NodeWork::Approve(text) => {
                question(text).map(|args| self.begin_call_of(&node.id, node.label(), APPROVE, args))
            }
            NodeWork::Ask(text) => {
                question(text).map(|args| self.begin_call_of(&node.id, node.label(), ASK_USER, args))
            }
        };
        if let Err(why) = begun {
            self.node_ended(order, index, failed("workflow.template", &why), false);
        }
    }

    fn begin_prompt(&mut self, order: &WorkflowOrder, index: usize, work: &PromptWork, prompt: String) {
        let needed = |spec: &&ToolSpec| work.tools.contains(&spec.name);
        let tools = self.state.order.tools.iter().filter(needed).cloned().collect();
        // This one, and those that may begin beside it.
        let beside = self.state.flow.as_ref().map_or(0, |flow| flow.ready_prompts(&order.workflow));
        let mut child = self.child(prompt, tools, self.share(1 + beside));
        if order.label == Label::Owner {
            child.owner_texts.push(work.prompt.clone());
        }
        if let Some(model) = &work.model {
            child.model.clone_from(model);
            child.price = order.prices.get(model).cloned();
        }
        child.output_schema.clone_from(&work.schema);
        child.limits.turns = work.turns.unwrap_or(child.limits.turns);
        let id = self.delegate(child);
        if let Some(flow) = &mut self.state.flow {
            flow.nodes[index].effect = Some(id);
        }
    }

    /// A call that a node makes, judged, asked about and recorded like any call of a model.
    pub(crate) fn begin_call_of(&mut self, id: &str, label: &str, tool: &str, arguments: Value) {
        self.state.calls.push(CallState {
            id: id.to_owned(),
            tool: tool.to_owned(),
            hash: call_hash(tool, &arguments),
            arguments,
            why: label.to_owned(),
            stage: Stage::Waiting,
            decision: None,
            diff: None,
            expect: None,
            orphaned: false,
        });
        self.advance_calls();
    }

    /// Takes the calls that have ended off the list; their nodes have ended.
    pub(crate) fn collect_flow_calls(&mut self) {
        let Some(order) = self.state.order.workflow.clone() else { return };
        while let Some(at) = self.state.calls.iter().position(|call| matches!(call.stage, Stage::Ended(..))) {
            let call = self.state.calls.remove(at);
            let (Some(index), Stage::Ended(text, error)) = (order.workflow.node(&call.id), call.stage) else {
                continue;
            };
            if let Some(limit) = error.as_deref().and_then(limit_of) {
                self.begin_again(index);
                if !self.limit_asked() {
                    self.breach(limit, NanoUsd::ZERO);
                }
                continue;
            }
            let approve = matches!(order.workflow.nodes[index].work, NodeWork::Approve(_));
            let refused = matches!(error.as_deref(), Some("approval.denied" | "approval.expired"));
            let result = match error {
                Some(_) if approve && refused && order.workflow.nodes[index].go_on => {
                    NodeResult { ok: true, text, output: false.into(), error: None }
                }
                None if approve => NodeResult { ok: true, text, output: true.into(), error: None },
                error => NodeResult { ok: error.is_none(), output: data(&text), text, error },
            };
            let repeatable = !refused && !self.leaves_traces(&call.tool);
            self.node_ended(&order, index, result, repeatable);
        }
        self.advance_flow();
    }

    /// The sub-agent of a node has ended.
    pub(crate) fn flow_child_ended(&mut self, id: EffectId, end: ChildEnd) {
        let Some(order) = self.state.order.workflow.clone() else { return };
        let found = self
            .state
            .flow
            .as_ref()
            .and_then(|flow| flow.nodes.iter().position(|node| node.effect == Some(id)));
        let Some(index) = found else { return };
        let limit = end.code.as_deref().and_then(limit_of).filter(|limit| *limit != LimitKind::ToolCalls);
        if let Some(limit) = limit.filter(|_| end.repeatable && !end.ok) {
            self.begin_again(index);
            if !self.limit_asked() {
                self.breach(limit, NanoUsd::ZERO);
            }
        } else {
            let output = end.output.unwrap_or(Value::Null);
            let error = (!end.ok).then(|| end.code.unwrap_or_else(|| "sub_agent.failed".into()));
            self.node_ended(
                &order,
                index,
                NodeResult { ok: end.ok, text: end.text, output, error },
                end.repeatable,
            );
        }
        self.advance_flow();
    }

    fn begin_again(&mut self, index: usize) {
        if let Some(flow) = &mut self.state.flow {
            flow.nodes[index].stage = NodeStage::Waiting;
            flow.nodes[index].effect = None;
        }
    }

    /// A node that needs nothing from outside leaves a step of its own.
    fn decided(&mut self, order: &WorkflowOrder, index: usize, result: NodeResult) {
        let label = order.workflow.nodes[index].label().to_owned();
        self.record(Draft::new(StepKind::Message, label).output(result.text.clone()));
        self.node_ended(order, index, result, false);
    }

    fn node_ended(&mut self, order: &WorkflowOrder, index: usize, mut result: NodeResult, repeatable: bool) {
        let node = &order.workflow.nodes[index];
        result.text = cut(&result.text, MOST_RESULT);
        if result.output.to_string().len() > MOST_RESULT {
            result.output = Value::Null;
        }
        let Some(mut flow) = self.state.flow.take() else { return };
        let state = &mut flow.nodes[index];
        state.step = Some(self.state.totals.steps);
        if !result.ok && repeatable && state.failures < node.retries {
            state.failures += 1;
            (state.stage, state.effect) = (NodeStage::Waiting, None);
            self.state.flow = Some(flow);
            return;
        }
        let why = (!result.ok && !node.go_on)
            .then(|| (index, result.error.clone().unwrap_or_default(), result.text.clone()));
        let decided = result.output.as_bool();
        let ended = flow.end(&order.workflow, index, result, |flow, when| match when {
            When::Always => Ok(true),
            When::Decided(wanted) => Ok(decided == Some(*wanted)),
            When::Holds(expression) => {
                let nodes = flow.values(&order.workflow);
                holds(expression, &json!({ "params": order.params, "nodes": nodes }))
            }
        });
        let undecided = ended.err().map(|why| (index, "workflow.template".to_owned(), why));
        flow.stopped = flow.stopped.take().or(why).or(undecided);
        self.state.flow = Some(flow);
    }

    fn end_flow(&mut self, order: &WorkflowOrder) {
        let Some(flow) = &self.state.flow else { return };
        if let Some((index, code, why)) = flow.stopped.clone() {
            let label = order.workflow.nodes[index].label();
            let words = self.state.order.lang.pick(
                format!("node `{label}` failed: {why}"),
                format!("노드 `{label}`이(가) 실패했습니다: {why}"),
            );
            return self.fail(&code, words);
        }
        let ends = flow.ends(&order.workflow);
        let said =
            |index: &usize| flow.nodes[*index].result.as_ref().map_or("", |result| result.text.as_str());
        let text = match (&order.workflow.answer, ends.as_slice()) {
            (Some(answer), _) => render(answer, &self.values(order)),
            (None, [one]) => Ok(said(one).to_owned()),
            (None, several) => {
                let part =
                    |index: &usize| format!("## {}\n{}", order.workflow.nodes[*index].label(), said(index));
                Ok(several.iter().map(part).collect::<Vec<_>>().join("\n\n"))
            }
        };
        match text {
            Ok(text) => self.finish_done(text),
            Err(why) => self.fail("workflow.template", format!("answer: {why}")),
        }
    }

    /// What the only end of a workflow gave as data.
    pub(crate) fn flow_output(&self) -> Option<Value> {
        let (flow, order) = (self.state.flow.as_ref()?, self.state.order.workflow.as_ref()?);
        let [end] = flow.ends(&order.workflow)[..] else { return None };
        let output = flow.nodes[end].result.as_ref()?.output.clone();
        (!output.is_null()).then_some(output)
    }
}

fn failed(code: &str, why: &str) -> NodeResult {
    NodeResult { ok: false, text: why.to_owned(), output: Value::Null, error: Some(code.to_owned()) }
}

/// What a tool said as data, where it is a whole JSON value.
fn data(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_default()
}

/// The limit that a person can raise, by its code.
fn limit_of(code: &str) -> Option<LimitKind> {
    [LimitKind::Money, LimitKind::Budget, LimitKind::ToolCalls]
        .into_iter()
        .find(|limit| limit_code(*limit) == code)
}

/// What the approval of a node is, as a call: it asks unless a rule of the owner's allows it.
pub(crate) fn approval_spec() -> ToolSpec {
    let mut spec = ToolSpec::new(
        APPROVE,
        "Asks a person whether to go on.",
        json!({
            "type": "object", "required": ["question"], "additionalProperties": false,
            "properties": {"question": {"type": "string", "minLength": 1}},
        }),
    );
    (spec.effect, spec.reach) = (EffectClass::Final, nunchi_core::Reach::Outside);
    spec.deeds = vec![nunchi_core::Deed::Read];
    spec
}
