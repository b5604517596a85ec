//! Where the goals of a plan and the nodes of a workflow stand, and the step that tells of each.

use super::super::session::Session;
use super::run::Found;
use maud::{Markup, html};
use nunchi_agent::{Node, NodeProgress, NodeStage, NodeWork};
use nunchi_core::{
    ApprovalSubject, Lang, PlanNode, RunId, RunRecord, RunStatus, StepKind, StepRecord, StepStatus,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where a goal or a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Waiting,
    Running,
    Parked,
    Done,
    Failed,
    Skipped,
    Undone,
}

impl Stage {
    /// The class of its shape.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Parked => "parked",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Undone => "undone",
        }
    }

    /// Its name for people.
    pub(super) fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Waiting => lang.pick("waiting", "대기"),
            Self::Running => lang.pick("at work", "진행 중"),
            Self::Parked => lang.pick("waits for you", "답변 대기"),
            Self::Done => lang.pick("done", "완료"),
            Self::Failed => lang.pick("failed", "실패"),
            Self::Skipped => lang.pick("skipped", "건너뜀"),
            Self::Undone => lang.pick("undone", "되돌림"),
        }
    }
}

/// Where something stands, and the number of the step that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) stage: Stage,
    pub(super) step: Option<u32>,
}

impl Standing {
    /// The address of its step within the page.
    pub(super) fn href(self) -> Option<String> {
        self.step.map(|step| format!("#step-{step}"))
    }
}

/// The numbers of the steps that were taken back and not done again.
pub(super) fn undone(steps: &[StepRecord]) -> BTreeSet<u32> {
    let mut undone = BTreeSet::new();
    // An undo without a record of its own was refused: it changed nothing.
    for step in steps.iter().filter(|step| step.kind == StepKind::Undo && step.undo.is_some()) {
        let input = serde_json::from_str::<Value>(&step.input).unwrap_or_default();
        let Some(number) = input["step"].as_u64().and_then(|number| u32::try_from(number).ok()) else {
            continue;
        };
        if step.why == "undo" {
            undone.insert(number);
        } else {
            undone.remove(&number);
        }
    }
    undone
}

/// Whether a step was taken back: itself, or what the sub-agent did of which it tells.
fn is_undone(found: &Found, step: &StepRecord) -> bool {
    let below = || step.input.parse::<RunId>().is_ok_and(|run| found.undone_below.contains(&run));
    found.undone.contains(&step.number) || (step.kind == StepKind::Delegated && below())
}

/// Where a goal of a plan stands.
pub(super) fn of_goal(node: &PlanNode, found: &Found) -> Standing {
    let delegated =
        found.steps.iter().rev().find(|step| step.kind == StepKind::Delegated && step.why == node.goal);
    if let Some(step) = delegated {
        let stage = match step.status {
            StepStatus::Ok if is_undone(found, step) => Stage::Undone,
            StepStatus::Ok => Stage::Done,
            _ => Stage::Failed,
        };
        return Standing { stage, step: Some(step.number) };
    }
    if let Some(sub_agent) = found.below.iter().rev().find(|run| run.user_input == node.goal) {
        return Standing { stage: of_sub_agent(sub_agent), step: None };
    }
    let own = own_step(node, found);
    let stage = match found.run.status {
        RunStatus::Done if is_unmet(node, &found.run) => Stage::Failed,
        RunStatus::Done if own.is_some_and(|step| is_undone(found, step)) => Stage::Undone,
        RunStatus::Done => Stage::Done,
        RunStatus::Failed | RunStatus::Cancelled => Stage::Waiting,
        _ if asks_for(found, &node.tools) => Stage::Parked,
        _ if own.is_some() => Stage::Running,
        _ => Stage::Waiting,
    };
    Standing { stage, step: own.map(|step| step.number) }
}

const fn of_sub_agent(run: &RunRecord) -> Stage {
    match run.status {
        RunStatus::Running => Stage::Running,
        RunStatus::Parked => Stage::Parked,
        RunStatus::Done => Stage::Done,
        RunStatus::Failed | RunStatus::Cancelled => Stage::Failed,
    }
}

/// The last call of a tool that this goal alone names: without sub-agents nothing else says which goal a step was for.
fn own_step<'a>(node: &PlanNode, found: &'a Found) -> Option<&'a StepRecord> {
    let plan = found.plan.as_ref()?;
    let alone = |tool: &String| plan.nodes.iter().filter(|other| other.tools.contains(tool)).count() == 1;
    let own: Vec<_> = node.tools.iter().filter(|tool| alone(tool)).collect();
    let of = |step: &&StepRecord| {
        step.kind == StepKind::Tool && own.iter().any(|tool| step.tool.as_ref() == Some(*tool))
    };
    found.steps.iter().rev().find(of)
}

fn is_unmet(node: &PlanNode, run: &RunRecord) -> bool {
    let of = |line: &String| line.starts_with(&format!("{}:", node.id)) || line.contains(&node.goal);
    run.outcome.as_ref().is_some_and(|outcome| outcome.unmet.iter().any(of))
}

/// Whether a call of one of these tools waits for its owner.
fn asks_for(found: &Found, tools: &[String]) -> bool {
    found.open.iter().any(|asked| match &asked.subject {
        ApprovalSubject::Calls(calls) => calls.iter().any(|call| tools.contains(&call.tool)),
        ApprovalSubject::Fate(call) => tools.contains(&call.tool),
        _ => false,
    })
}

/// Where a node of a workflow stands.
pub(super) fn of_node(node: &Node, progress: &NodeProgress, found: &Found) -> Standing {
    // Calls may end together, so that of each its own step is looked up; sub-agents end one by one.
    let called = match node.work {
        NodeWork::Tool { .. } | NodeWork::Approve(_) | NodeWork::Ask(_) => {
            found.steps.iter().rev().find(|step| {
                matches!(step.kind, StepKind::Tool | StepKind::Asked | StepKind::Answered)
                    && step.why == node.label()
            })
        }
        _ => None,
    };
    let step = called.map(|step| step.number).or(progress.step);
    let told = found.steps.iter().find(|told| Some(told.number) == step);
    let waits = match &node.work {
        NodeWork::Approve(_) | NodeWork::Ask(_) => true,
        NodeWork::Tool { tool, .. } => asks_for(found, std::slice::from_ref(tool)),
        _ => found.run.status == RunStatus::Parked,
    };
    let stage = match progress.stage {
        NodeStage::Waiting => Stage::Waiting,
        NodeStage::Running if found.run.status.is_final() => Stage::Failed,
        NodeStage::Running if waits => Stage::Parked,
        NodeStage::Running => Stage::Running,
        NodeStage::Done if told.is_some_and(|step| is_undone(found, step)) => Stage::Undone,
        NodeStage::Done => Stage::Done,
        NodeStage::Failed => Stage::Failed,
        NodeStage::Skipped => Stage::Skipped,
    };
    Standing { stage, step }
}

/// What the colours of a drawing mean: those that occur.
pub(super) fn legend(session: &Session, standings: &[Standing]) -> Markup {
    let stages: BTreeSet<Stage> = standings.iter().map(|standing| standing.stage).collect();
    html! { ul.legend.stages { @for stage in stages { li class=(stage.class()) { (stage.words(session.taste.lang)) } } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{ContentHash, NanoUsd, StepId, Usage};
    use serde_json::json;

    fn undo_step(number: u32, of: u32, why: &str, worked: bool) -> StepRecord {
        StepRecord {
            id: StepId(uuid::Uuid::nil()),
            run: RunId(uuid::Uuid::nil()),
            number,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: StepKind::Undo,
            tool: None,
            why: why.into(),
            input: json!({ "step": of, "by": "owner" }).to_string(),
            output: String::new(),
            arguments: None,
            usage: Usage::default(),
            cost: NanoUsd::ZERO,
            latency_us: 0,
            status: StepStatus::Ok,
            code: None,
            undo: worked.then(|| json!({})),
            previous: ContentHash::default(),
            hash: ContentHash::default(),
        }
    }

    #[test]
    fn the_last_undo_that_worked_counts() {
        let steps = [
            undo_step(5, 2, "undo", true),
            undo_step(6, 3, "undo", true),
            undo_step(7, 2, "redo", true),
            undo_step(8, 4, "undo", false),
            undo_step(9, 3, "redo", false),
        ];
        assert_eq!(undone(&steps), BTreeSet::from([3]));
        assert_eq!(undone(&[]), BTreeSet::new());
    }
}
