//! Goes on with a workflow at a node: with what an earlier run left, or with nothing but the parameters.

use super::graph::{NodeWork, Workflow};
use super::order::{Earlier, OrderError, WorkflowOrder};
use super::templates::{expression_names, template_names, texts};
use crate::order::RunOrder;
use crate::state::RunState;
use nunchi_core::RunId;
use std::collections::BTreeSet;

impl RunState {
    /// The order of a new run that goes on with this ended one's workflow at a node. What lies behind the node is done again;
    /// everything else stays as it was, with its results, receipts and labels.
    ///
    /// # Errors
    /// When the run is no workflow, has not ended, or never came to that node.
    pub fn resumed_at(&self, id: RunId, node: &str) -> Result<RunOrder, OrderError> {
        let own = self.order().id;
        let (Some(workflow), Some(progress)) = (&self.order().workflow, self.workflow_progress()) else {
            return Err(OrderError::NoWorkflow(own));
        };
        if !self.status().is_final() {
            return Err(OrderError::NotEnded(own));
        }
        let graph = &workflow.workflow;
        let index = graph.node(node).ok_or_else(|| OrderError::UnknownNode(node.to_owned()))?;
        let progress =
            progress.rewound(graph, index).ok_or_else(|| OrderError::NotReached(node.to_owned()))?;
        let earlier = Earlier {
            run: own,
            from: node.to_owned(),
            progress,
            receipts: self.receipts.clone(),
            seen: self.seen.clone(),
            uncertain: self.uncertain.clone(),
            stranger: self.has_stranger(),
        };
        let mut workflow = workflow.clone();
        workflow.earlier = Some(Box::new(earlier));
        Ok(RunOrder { id, root: id, workflow: Some(workflow), ..self.order().clone() })
    }
}

impl WorkflowOrder {
    /// The same workflow, begun at a node instead of at its start.
    ///
    /// # Errors
    /// When there is no such node, or it needs what comes before it.
    pub fn beginning_at(mut self, node: &str) -> Result<Self, OrderError> {
        let graph = &mut self.workflow;
        let index = graph.node(node).ok_or_else(|| OrderError::UnknownNode(node.to_owned()))?;
        let behind = graph.behind(index);
        for (needed, _) in behind.iter().enumerate().filter(|(_, behind)| !**behind) {
            let name = &graph.nodes[needed].id;
            let named = |index: usize| behind[index] && names_of(graph, index).contains(name);
            if (0..graph.nodes.len()).any(named) || answer_names(graph).contains(name) {
                return Err(OrderError::NotReached(name.clone()));
            }
        }
        graph.start = vec![index];
        graph.edges.retain(|edge| behind[edge.from] && behind[edge.to]);
        Ok(self)
    }
}

fn node_names(names: BTreeSet<String>) -> impl Iterator<Item = String> {
    names.into_iter().filter_map(|name| name.strip_prefix("nodes.")?.split('.').next().map(str::to_owned))
}

fn answer_names(graph: &Workflow) -> BTreeSet<String> {
    let names = graph.answer.as_deref().and_then(|answer| template_names(answer).ok());
    names.map(|names| node_names(names).collect()).unwrap_or_default()
}

/// The nodes that the templates of a node name.
fn names_of(graph: &Workflow, index: usize) -> BTreeSet<String> {
    let templates: Vec<&str> = match &graph.nodes[index].work {
        NodeWork::Prompt(work) => vec![&work.prompt],
        NodeWork::Tool { args, .. } => texts(args),
        NodeWork::Approve(text) | NodeWork::Ask(text) | NodeWork::Merge(text) => vec![text],
        NodeWork::If(expression) => {
            return expression_names(expression).map(|names| node_names(names).collect()).unwrap_or_default();
        }
    };
    templates.into_iter().filter_map(|text| template_names(text).ok()).flat_map(node_names).collect()
}
