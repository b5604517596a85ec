//! Sub-agents: briefed, limited, run side by side, merged. A plan in waves is a graph of them.

use crate::calls::Stage;
use crate::effect::{ChildResult, EffectId, Work};
use crate::machine::Machine;
use crate::offers::{DELEGATE, allowed_tools, taken_away};
use crate::order::{Brief, RunOrder};
use crate::prompts::{self, fill};
use crate::record::{Draft, cut};
use crate::state::Phase;
use crate::workflow::ChildEnd;
use nunchi_core::{
    ContentHash, EffectClass, Label, Mode, NanoUsd, PlanNode, Receipt, RunId, RunLimits, StepKind,
    StepStatus, Tier, ToolError, ToolSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// Longest result of one sub-agent that others are told, in bytes.
const MOST_RESULT: usize = 8 * 1024;

/// How far a goal given to a sub-agent has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BranchStage {
    /// Not begun.
    Waiting,
    /// Under way.
    Running(EffectId),
    /// Reached, with this result.
    Done(String),
    /// Not reached, for this reason.
    Failed(String),
}

/// A goal of the plan in the hands of a sub-agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Branch {
    node: PlanNode,
    stage: BranchStage,
    /// Tries left after a failure.
    again: u8,
}

/// What the model wants delegated.
#[derive(Deserialize)]
struct Delegation {
    goal: String,
    #[serde(default)]
    done: String,
    #[serde(default)]
    data: String,
    tools: Option<Vec<String>>,
    tier: Option<Tier>,
    turns: Option<u32>,
    max_usd: Option<Number>,
    output_schema: Option<Value>,
}

impl Delegation {
    /// The money it asks for; a number beyond all money is no wish.
    fn money(&self) -> Option<NanoUsd> {
        self.max_usd.as_ref()?.to_string().parse().ok()
    }
}

impl Machine {
    /// Gives the plan's goals to sub-agents.
    pub(crate) fn begin_waves(&mut self) {
        self.state.phase = Phase::Waves;
        let nodes = self.state.plan.as_ref().map(|plan| plan.nodes.clone()).unwrap_or_default();
        let branch = |node| Branch { node, stage: BranchStage::Waiting, again: 1 };
        self.state.branches = nodes.into_iter().map(branch).collect();
        self.advance_waves();
    }

    /// Begins every goal whose results are there, as many at a time as the run may; merges when all have ended.
    fn advance_waves(&mut self) {
        self.give_up_the_unreachable();
        loop {
            let branches = &self.state.branches;
            let running =
                branches.iter().filter(|branch| matches!(branch.stage, BranchStage::Running(_))).count();
            let ready = |branch: &Branch| {
                branch.stage == BranchStage::Waiting
                    && branch.node.after.iter().all(|id| self.result_of(id).is_some())
            };
            let next = branches.iter().position(ready).filter(|_| running < self.parallel());
            let Some(at) = next else { break };
            let node = self.state.branches[at].node.clone();
            let open = branches_open(&self.state.branches);
            let order = self.child_of_node(&node, self.share(open.min(self.parallel())));
            let id = self.delegate(order);
            self.state.branches[at].stage = BranchStage::Running(id);
        }
        if self.state.branches.iter().all(|branch| !branch.is_open()) {
            self.merge();
        }
    }

    fn parallel(&self) -> usize {
        self.state.limits.parallel.max(1) as usize
    }

    fn result_of(&self, id: &str) -> Option<&str> {
        self.state.branches.iter().find(|branch| branch.node.id == id).and_then(|branch| {
            match &branch.stage {
                BranchStage::Done(result) => Some(result.as_str()),
                _ => None,
            }
        })
    }

    /// A goal behind one that failed cannot be reached. The plan is sorted, so one pass finds all of them.
    fn give_up_the_unreachable(&mut self) {
        for at in 0..self.state.branches.len() {
            let failed = |id: &&String| {
                self.state
                    .branches
                    .iter()
                    .any(|other| other.node.id == **id && matches!(other.stage, BranchStage::Failed(_)))
            };
            let missing = self.state.branches[at].node.after.iter().find(failed).cloned();
            if let Some(missing) = missing.filter(|_| self.state.branches[at].stage == BranchStage::Waiting) {
                self.state.branches[at].stage = BranchStage::Failed(format!("{missing} is missing"));
            }
        }
    }

    fn merge(&mut self) {
        let mut results = Vec::new();
        let mut done = 0;
        for branch in &self.state.branches {
            let (id, goal) = (&branch.node.id, &branch.node.goal);
            match &branch.stage {
                BranchStage::Done(result) => {
                    done += 1;
                    results.push(format!("## {id}: {goal}\n{result}"));
                }
                BranchStage::Failed(why) => {
                    results.push(format!("## {id}: {goal}\nFAILED: {why}"));
                    self.state.unmet.push(format!("{id}: {goal} ({why})"));
                }
                BranchStage::Waiting | BranchStage::Running(_) => {}
            }
        }
        if done == 0 {
            let lang = self.state.order.lang;
            let none = lang.pick("no part of the work succeeded", "어느 부분도 성공하지 못했습니다");
            return self.fail("goals.unmet", none.to_owned());
        }
        self.state.phase = Phase::Merge;
        self.state.chances.corrections = 1;
        self.say_to_model(fill(prompts::MERGE, &[("results", &results.join("\n\n"))]));
        self.call_model();
    }

    /// The model's own wish to delegate.
    pub(crate) fn delegate_call(&mut self, at: usize) {
        let arguments = self.state.calls[at].arguments.clone();
        let wish = match serde_json::from_value::<Delegation>(arguments) {
            Ok(wish) => wish,
            Err(error) => return self.refuse_call(at, &ToolError::new("tool.arguments", error.to_string())),
        };
        let chosen = |spec: &&ToolSpec| wish.tools.as_ref().is_none_or(|tools| tools.contains(&spec.name));
        let tools = allowed_tools(&self.state).filter(chosen).cloned().collect();
        // Wishes only lower what a sub-agent gets anyway.
        let money = self.share(2).into_iter().chain(wish.money()).min();
        let mut order = self.child(wish.goal, tools, money);
        order.limits.turns =
            wish.turns.map_or(order.limits.turns, |turns| turns.clamp(1, order.limits.turns));
        order.model = child_model(&order.model, wish.tier);
        let masks = &self.state.masks;
        order.brief = Some(Brief { done: masks.show(&wish.done), data: masks.show(&wish.data) });
        order.output_schema = wish.output_schema;
        let id = self.delegate(order);
        self.state.calls[at].stage = Stage::Running(id);
    }

    fn child_of_node(&self, node: &PlanNode, money: Option<NanoUsd>) -> RunOrder {
        let needed = |spec: &&ToolSpec| node.tools.contains(&spec.name);
        let tools = self.state.order.tools.iter().filter(needed).cloned().collect();
        let mut order = self.child(node.goal.clone(), tools, money);
        let results: Vec<_> = node
            .after
            .iter()
            .filter_map(|id| self.result_of(id).map(|result| format!("{id}: {result}")))
            .collect();
        let data = format!("It is done when: {}\nThe whole: {}", node.done_when, self.state.order.goal);
        order.brief = Some(Brief { done: results.join("\n"), data });
        order
    }

    /// A sub-agent's order: the least it needs, and never more rights than its parent has.
    pub(crate) fn child(&self, goal: String, mut tools: Vec<ToolSpec>, money: Option<NanoUsd>) -> RunOrder {
        tools.retain(|spec| taken_away(&self.state, &spec.name).is_none());
        let own = &self.state.order;
        let id = RunId(self.derived_id(&format!("child {}", self.state.next_effect)));
        let limits = RunLimits {
            money,
            patience_seconds: self.state.limits.patience_seconds,
            ..RunLimits::of_sub_agent()
        };
        RunOrder {
            id,
            parent: Some(own.id),
            root: own.root,
            depth: own.depth + 1,
            goal: self.state.masks.show(&goal),
            // The model wrote the goal, so nothing in it is the owner's word but what the owner said.
            asked_by: Label::Tool,
            owner_texts: self.state.owner_texts.clone(),
            stranger: self.state.stranger,
            brief: None,
            history: Vec::new(),
            fitting: String::new(),
            earlier: Vec::new(),
            context: String::new(),
            mode: Mode::Reflexive,
            limits,
            tools,
            output_schema: None,
            workflow: None,
            model: self.state.model.clone(),
            ..own.clone()
        }
    }

    /// An equal share of the money that is left.
    pub(crate) fn share(&self, among: usize) -> Option<NanoUsd> {
        let among = i64::try_from(among.max(1)).unwrap_or(i64::MAX);
        self.state.money_left().map(|left| NanoUsd(left.0 / among))
    }

    pub(crate) fn delegate(&mut self, order: RunOrder) -> EffectId {
        let money = order.limits.money.unwrap_or_default();
        let id = self.perform(Work::Delegate(Box::new(order)));
        self.state.held.insert(id, money);
        id
    }

    pub(crate) fn child_ended(&mut self, id: EffectId, order: &RunOrder, result: ChildResult) {
        let draft = Draft::new(StepKind::Delegated, order.goal.clone()).tool(DELEGATE);
        let draft = draft.input(order.id.to_string()).output(result.text.clone());
        let draft = draft.spent(Default::default(), result.cost, 0);
        let status = if result.ok { StepStatus::Ok } else { StepStatus::Failed };
        let record = self.record(if result.ok { draft } else { draft.status(status, "sub_agent.failed") });
        self.state.stranger |= result.stranger;
        for source in result.sources {
            if !self.state.sources.contains(&source) {
                self.state.sources.push(source);
            }
        }
        let effect =
            result.receipts.iter().map(|receipt| receipt.effect).max().unwrap_or(EffectClass::ReadOnly);
        // What left something in the world, or may have, is not done a second time.
        let repeatable = effect == EffectClass::ReadOnly && result.uncertain.is_empty();
        self.state.uncertain.extend(result.uncertain);
        self.state.receipts.extend(result.receipts);
        let output = result.output.clone();
        let text = result.output.map_or(result.text, |output| output.to_string());
        let text = cut(&text, MOST_RESULT);
        if result.ok {
            self.state.receipts.push(Receipt {
                step: record.id,
                number: record.number,
                run: record.run,
                tool: DELEGATE.to_owned(),
                deeds: vec![nunchi_core::Deed::Read],
                effect,
                arguments: ContentHash::of(order.id.to_string()),
                at: self.at,
                hash: record.hash,
            });
        }
        if let Some(at) = self.call_at(&Stage::Running(id)) {
            let code = (!result.ok).then(|| "sub_agent.failed".to_owned());
            self.state.calls[at].stage = Stage::Ended(text, code);
            return self.advance_calls();
        }
        if self.state.flow.is_some() {
            let code = result.code;
            return self.flow_child_ended(id, ChildEnd { ok: result.ok, text, output, code, repeatable });
        }
        if let Some(branch) =
            self.state.branches.iter_mut().find(|branch| branch.stage == BranchStage::Running(id))
        {
            branch.stage = match result.ok {
                true => BranchStage::Done(text),
                false if branch.again > 0 && repeatable => BranchStage::Waiting,
                false => BranchStage::Failed(text),
            };
            branch.again = branch.again.saturating_sub(u8::from(!result.ok));
            self.advance_waves();
        }
    }
}

impl Branch {
    fn is_open(&self) -> bool {
        matches!(self.stage, BranchStage::Waiting | BranchStage::Running(_))
    }
}

/// A tier up to the parent's own. A model that the owner named stays the one; any tier may lead to the dearest price of `auto`, so that
/// the price of the parent is an upper bound.
fn child_model(own: &str, tier: Option<Tier>) -> String {
    let most = match own.split_once(':') {
        None if own == "auto" => Some(Tier::Complex),
        Some(("auto", most)) => most.parse().ok(),
        _ => None,
    };
    match most.zip(tier) {
        Some((most, tier)) => format!("auto:{}", tier.min(most)),
        None => own.to_owned(),
    }
}

/// How many goals are not begun.
fn branches_open(branches: &[Branch]) -> usize {
    branches.iter().filter(|branch| branch.stage == BranchStage::Waiting).count()
}
