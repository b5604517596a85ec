//! How far a workflow has come. Each edge is decided once its node has ended; a node begins when all edges that lead to it are
//! decided and one is taken, and is skipped when none is. Going back makes a loop's nodes and edges undecided again.

use super::graph::{NodeWork, When, Workflow};
use crate::effect::EffectId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStage {
    /// Not begun.
    #[default]
    Waiting,
    /// At work, or waiting for a person.
    Running,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
    /// Not on the way that was taken.
    Skipped,
}

/// What came of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeResult {
    /// Whether it ended well.
    pub ok: bool,
    /// What it said.
    pub text: String,
    /// The same as data, where it is.
    pub output: Value,
    /// The code of what went wrong.
    pub error: Option<String>,
}

/// One node's progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeProgress {
    /// Where it stands.
    pub stage: NodeStage,
    /// What came of it the last time.
    pub result: Option<NodeResult>,
    /// How often it was begun.
    pub visits: u32,
    /// The number of the step that tells how it ended the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Failures of this visit.
    pub(crate) failures: u8,
    /// The sub-agent that works on it.
    pub(crate) effect: Option<EffectId>,
}

/// Where an edge stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EdgeStage {
    #[default]
    Open,
    Taken,
    Dead,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EdgeProgress {
    pub(crate) stage: EdgeStage,
    /// How often an edge that leads back was taken.
    pub(crate) rounds: u32,
}

/// How far a workflow has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Its nodes, by index.
    pub nodes: Vec<NodeProgress>,
    pub(crate) edges: Vec<EdgeProgress>,
    /// The first failure that stops it: the node, the code, the words. What is at work still ends.
    pub(crate) stopped: Option<(usize, String, String)>,
}

impl Progress {
    /// Nothing has begun.
    pub fn new(workflow: &Workflow) -> Self {
        Self {
            nodes: vec![NodeProgress::default(); workflow.nodes.len()],
            edges: vec![EdgeProgress::default(); workflow.edges.len()],
            stopped: None,
        }
    }

    /// The first node that may begin.
    pub(crate) fn ready(&self, workflow: &Workflow) -> Option<usize> {
        (0..self.nodes.len()).find(|node| {
            self.nodes[*node].stage == NodeStage::Waiting && self.is_led_to(workflow, *node) == Some(true)
        })
    }

    /// How many nodes may begin that need a model.
    pub(crate) fn ready_prompts(&self, workflow: &Workflow) -> usize {
        let prompt = |node: &usize| matches!(workflow.nodes[*node].work, NodeWork::Prompt(_));
        let ready = |node: &usize| {
            self.nodes[*node].stage == NodeStage::Waiting && self.is_led_to(workflow, *node) == Some(true)
        };
        (0..self.nodes.len()).filter(prompt).filter(ready).count()
    }

    /// Whether the edges to a node are decided, and whether one of them is taken.
    fn is_led_to(&self, workflow: &Workflow, node: usize) -> Option<bool> {
        let mut taken = workflow.start.contains(&node);
        for (index, _) in workflow.arriving(node) {
            match self.edges[index].stage {
                EdgeStage::Open => return None,
                EdgeStage::Taken => taken = true,
                EdgeStage::Dead => {}
            }
        }
        Some(taken)
    }

    pub(crate) fn begin(&mut self, node: usize, effect: Option<EffectId>) {
        let node = &mut self.nodes[node];
        node.stage = NodeStage::Running;
        node.visits += 1;
        node.effect = effect;
    }

    /// A node has ended; its edges are decided by what holds. Tells the edge that leads back, if one is taken.
    ///
    /// # Errors
    /// When a condition cannot be decided; then nothing has changed but the node.
    pub(crate) fn end(
        &mut self,
        workflow: &Workflow,
        node: usize,
        result: NodeResult,
        holds: impl Fn(&Self, &When) -> Result<bool, String>,
    ) -> Result<Option<usize>, String> {
        let decided = result.output.as_bool();
        self.nodes[node].stage = if result.ok { NodeStage::Done } else { NodeStage::Failed };
        self.nodes[node].result = Some(result);
        self.nodes[node].effect = None;
        let wanted: Vec<_> = workflow
            .leaving(node)
            .map(|(index, edge)| Ok((index, edge, holds(self, &edge.when)?)))
            .collect::<Result<_, String>>()?;
        let back = wanted.iter().find(|(_, edge, wanted)| *wanted && edge.rounds.is_some());
        let mut used_up = false;
        if let Some((index, edge, _)) = back {
            if edge.rounds.is_some_and(|most| self.edges[*index].rounds < most) {
                self.edges[*index].rounds += 1;
                self.go_back(workflow, *index);
                return Ok(Some(*index));
            }
            used_up = true;
        }
        for (index, edge, wanted) in wanted {
            // Once its rounds are used up, a decision leads the other way.
            let turned = used_up && matches!(&edge.when, When::Decided(when) if Some(*when) != decided);
            let taken = (wanted || turned) && edge.rounds.is_none();
            self.edges[index].stage = if taken { EdgeStage::Taken } else { EdgeStage::Dead };
        }
        self.skip(workflow);
        Ok(None)
    }

    /// Skips the nodes that no way leads to any more.
    fn skip(&mut self, workflow: &Workflow) {
        let dead = |progress: &Self, node: &usize| {
            progress.nodes[*node].stage == NodeStage::Waiting
                && progress.is_led_to(workflow, *node) == Some(false)
        };
        while let Some(node) = (0..self.nodes.len()).find(|node| dead(self, node)) {
            self.nodes[node].stage = NodeStage::Skipped;
            for (index, _) in workflow.leaving(node) {
                self.edges[index].stage = EdgeStage::Dead;
            }
        }
    }

    fn go_back(&mut self, workflow: &Workflow, back: usize) {
        let inside = workflow.loop_of(&workflow.edges[back]);
        let size = |inside: &[bool]| inside.iter().filter(|inside| **inside).count();
        self.reopen(workflow, &inside);
        for (index, edge) in workflow.edges.iter().enumerate() {
            // Only loops within this one begin anew: of two alike, neither may feed the other for ever.
            let within = edge.rounds.is_some() && inside[edge.from] && inside[edge.to];
            if within && size(&workflow.loop_of(edge)) < size(&inside) {
                self.edges[index].rounds = 0;
            }
        }
    }

    fn reopen(&mut self, workflow: &Workflow, nodes: &[bool]) {
        for (node, _) in nodes.iter().enumerate().filter(|(_, reopened)| **reopened) {
            self.nodes[node].stage = NodeStage::Waiting;
            self.nodes[node].failures = 0;
            for (index, _) in workflow.leaving(node) {
                self.edges[index].stage = EdgeStage::Open;
            }
        }
    }

    /// The progress from which the workflow goes on at a node: what lies behind it is done again, the rest stays as it was.
    /// `None` when nothing led to that node.
    pub(crate) fn rewound(&self, workflow: &Workflow, node: usize) -> Option<Self> {
        let mut progress = self.clone();
        progress.stopped = None;
        progress.reopen(workflow, &workflow.behind(node));
        let unfinished: Vec<_> = progress
            .nodes
            .iter()
            .map(|node| matches!(node.stage, NodeStage::Running | NodeStage::Failed))
            .collect();
        progress.reopen(workflow, &unfinished);
        for (index, edge) in workflow.edges.iter().enumerate() {
            let behind = workflow.behind(node);
            if edge.rounds.is_some() && behind[edge.from] && behind[edge.to] {
                progress.edges[index].rounds = 0;
            }
        }
        progress.nodes.iter_mut().for_each(|node| node.effect = None);
        (progress.is_led_to(workflow, node) == Some(true)).then_some(progress)
    }

    /// How many nodes are at work.
    pub(crate) fn running(&self) -> usize {
        self.nodes.iter().filter(|node| node.stage == NodeStage::Running).count()
    }

    /// The nodes that ended well and from which no edge was taken: the ends of the way.
    pub(crate) fn ends(&self, workflow: &Workflow) -> Vec<usize> {
        let leads_on = |node: usize| {
            workflow.leaving(node).any(|(index, _)| self.edges[index].stage == EdgeStage::Taken)
        };
        (0..self.nodes.len())
            .filter(|node| self.nodes[*node].stage == NodeStage::Done && !leads_on(*node))
            .collect()
    }

    /// What templates see of the nodes.
    pub(crate) fn values(&self, workflow: &Workflow) -> Value {
        let value = |(node, progress): (&super::graph::Node, &NodeProgress)| {
            let result = progress.result.as_ref()?;
            let value = json!({
                "ok": result.ok, "text": result.text, "output": result.output,
                "error": result.error, "visits": progress.visits,
            });
            Some((node.id.clone(), value))
        };
        workflow.nodes.iter().zip(&self.nodes).filter_map(value).collect()
    }
}
