//! Plans: asked for, checked, shown with costs and effects, consented to, carried out.

use crate::effect::Notice;
use crate::guards::parse_json;
use crate::machine::Machine;
use crate::offers::allowed_tools;
use crate::prompts::{self, fill};
use crate::record::Draft;
use crate::state::Phase;
use nunchi_core::{
    Answer, ApprovalSubject, EffectClass, NanoUsd, Plan, PlanNode, ServiceTier, StepKind, StepStatus,
    upper_bound,
};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Most goals of a plan.
const MOST_NODES: usize = 20;
/// Most questions of an interview.
const MOST_QUESTIONS: usize = 3;

/// What the model replies.
#[derive(Deserialize)]
struct Drafted {
    #[serde(default)]
    questions: Vec<String>,
    #[serde(default)]
    nodes: Vec<DraftedNode>,
}

#[derive(Deserialize)]
struct DraftedNode {
    id: String,
    goal: String,
    #[serde(default)]
    done_when: String,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    after: Vec<String>,
}

impl Machine {
    /// Asks the model for a plan, and for what it must know before.
    pub(crate) fn ask_for_plan(&mut self) {
        self.state.phase = Phase::Plan;
        let tools: Vec<_> = allowed_tools(&self.state).map(|spec| spec.name.as_str()).collect();
        let tools = tools.join(", ");
        let questions = if self.may_interview() {
            "at most 3, only what changes the plan and nothing else can tell; then leave `nodes` empty"
        } else {
            "none; decide yourself"
        };
        let most = MOST_NODES.to_string();
        let prompt = fill(prompts::PLAN, &[("most", &most), ("tools", &tools), ("questions", questions)]);
        self.say_to_model(prompt);
        self.call_model();
    }

    fn may_interview(&self) -> bool {
        self.policy().interviews && self.state.chances.interviews > 0 && !self.state.order.is_sub_agent()
    }

    pub(crate) fn plan_replied(&mut self, text: &str) {
        let drafted = parse_json(text)
            .and_then(|value| serde_json::from_value::<Drafted>(value).map_err(|error| error.to_string()));
        let plan = match drafted {
            Ok(drafted) if !drafted.questions.is_empty() && self.may_interview() => {
                self.state.chances.interviews -= 1;
                let questions: Vec<_> = drafted.questions.into_iter().take(MOST_QUESTIONS).collect();
                self.ask(ApprovalSubject::Question(questions.join("\n")), "interview");
                return;
            }
            Ok(drafted) => self.check_plan(drafted.nodes),
            Err(problem) => Err(problem),
        };
        match plan {
            Ok(plan) => self.planned(plan),
            Err(problem) if self.state.chances.corrections > 0 => self.correct("plan.unusable", &problem),
            Err(problem) => {
                // A weak model can still act, if not plan: the whole goal is one node.
                let draft = Draft::new(StepKind::Guard, "plan").input(problem);
                self.record(draft.status(StepStatus::Failed, "plan.unusable"));
                self.planned(self.plan_of_one());
            }
        }
    }

    /// The owner's words, or none, on what the plan asked.
    pub(crate) fn interviewed(&mut self, answer: Option<String>) {
        self.say_to_model(
            answer.unwrap_or_else(|| "<system-reminder>No answer came.</system-reminder>".into()),
        );
        self.ask_for_plan();
    }

    fn plan_of_one(&self) -> Plan {
        let tools: Vec<_> = allowed_tools(&self.state).map(|spec| spec.name.clone()).collect();
        let goal = self.state.order.goal.clone();
        let node =
            DraftedNode { id: "goal".into(), goal, done_when: String::new(), tools, after: Vec::new() };
        Plan { nodes: vec![self.weigh(node)] }
    }

    /// Checks names, tools and order; sorts the goals behind those they build on.
    fn check_plan(&self, mut nodes: Vec<DraftedNode>) -> Result<Plan, String> {
        if nodes.is_empty() || nodes.len() > MOST_NODES {
            return Err(format!("a plan has 1 to {MOST_NODES} nodes, this has {}", nodes.len()));
        }
        let ids: BTreeSet<_> = nodes.iter().map(|node| node.id.clone()).collect();
        if ids.len() < nodes.len() || ids.contains("") {
            return Err("each node needs an id of its own".into());
        }
        for node in &nodes {
            if let Some(unknown) = node.after.iter().find(|id| !ids.contains(*id)) {
                return Err(format!("node {} is after {unknown}, which is no node", node.id));
            }
            let known = |name: &String| allowed_tools(&self.state).any(|spec| spec.name == *name);
            if let Some(unknown) = node.tools.iter().find(|name| !known(name)) {
                return Err(format!("node {} wants the tool {unknown}, which there is not", node.id));
            }
        }
        let mut sorted: Vec<PlanNode> = Vec::new();
        while !nodes.is_empty() {
            let ready =
                |node: &DraftedNode| node.after.iter().all(|id| sorted.iter().any(|done| done.id == *id));
            let Some(at) = nodes.iter().position(ready) else {
                return Err(format!("the nodes around {} wait for each other", nodes[0].id));
            };
            let node = nodes.remove(at);
            sorted.push(self.weigh(node));
        }
        Ok(Plan { nodes: sorted })
    }

    /// What a goal may leave in the world and cost: two turns, and one more for each tool.
    fn weigh(&self, node: DraftedNode) -> PlanNode {
        let specs = || self.state.order.tools.iter().filter(|spec| node.tools.contains(&spec.name));
        let effect = specs().map(|spec| spec.effect).max().unwrap_or(EffectClass::ReadOnly);
        let fees: NanoUsd = specs().map(|spec| spec.fee).sum();
        let turns = 2 + i64::try_from(node.tools.len()).unwrap_or(0);
        let cost = self.state.order.price.as_ref().map(|price| {
            let one = upper_bound(price, 3_000, 400, 1, ServiceTier::Standard);
            NanoUsd(one.0.saturating_mul(turns)) + fees
        });
        let DraftedNode { id, goal, done_when, tools, after } = node;
        PlanNode { id, goal, done_when, tools, after, effect, cost }
    }

    fn planned(&mut self, plan: Plan) {
        self.state.chances.corrections = 1;
        self.state.plan = Some(plan.clone());
        self.tell(Notice::Planned(plan.clone()));
        let gravest = plan.nodes.iter().map(|node| node.effect).max();
        if self.policy().consent_from.is_some_and(|from| gravest >= Some(from))
            && !self.state.order.is_sub_agent()
        {
            self.state.phase = Phase::Consent;
            self.ask(ApprovalSubject::Plan(plan), "plan");
        } else {
            self.carry_out();
        }
    }

    pub(crate) fn plan_answered(&mut self, answer: Answer) {
        match answer {
            Answer::Deny(Some(reason)) => {
                self.state.owner_texts.push(reason.clone());
                self.say_to_model(reason);
                self.ask_for_plan();
            }
            Answer::Deny(None) => {
                let lang = self.state.order.lang;
                let denied = lang.pick("the plan was not wanted", "계획이 거부되었습니다");
                self.fail("plan.denied", denied.to_owned());
            }
            _ => self.carry_out(),
        }
    }

    fn carry_out(&mut self) {
        if self.policy().waves {
            return self.begin_waves();
        }
        self.state.phase = Phase::Act;
        self.say_to_model(fill(prompts::ACT, &[]));
        self.call_model();
    }
}
