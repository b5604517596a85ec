//! The order of a workflow: the graph, what it is told, and what an earlier run of it left.

use super::graph::{Param, Workflow};
use super::progress::Progress;
use nunchi_core::{Explain, Label, Lang, ModelPrice, Receipt, RunId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A workflow to be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowOrder {
    /// The graph.
    pub workflow: Workflow,
    /// Its parameters, all of them.
    pub params: Map<String, Value>,
    /// Whose file it is: what a stranger's file names is not the owner's word.
    pub label: Label,
    /// The dearest prices of the models that its nodes name.
    pub prices: BTreeMap<String, ModelPrice>,
    /// What an earlier run of it left, when it goes on from a node.
    pub earlier: Option<Box<Earlier>>,
}

/// What an earlier run left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// That run.
    pub run: RunId,
    /// The node at which it goes on.
    pub from: String,
    /// How far it had come, with what lies behind that node undone.
    pub progress: Progress,
    /// What it did.
    pub receipts: Vec<Receipt>,
    /// Versions of what it read or wrote.
    pub seen: BTreeMap<String, String>,
    /// Calls of which nobody knows whether they happened.
    pub uncertain: Vec<String>,
    /// Whether it had read a stranger's text.
    pub stranger: bool,
}

/// Why a workflow cannot be carried out so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is no such parameter.
    #[error("there is no parameter `{0}`")]
    UnknownParam(String),
    /// A parameter without a default was not given.
    #[error("the parameter `{0}` is missing")]
    MissingParam(String),
    /// A parameter is not what it must be.
    #[error("the parameter `{0}` must be of type {1}")]
    WrongParam(String, &'static str),
    /// The run is none of a workflow.
    #[error("run {0} is no workflow")]
    NoWorkflow(RunId),
    /// The run has not ended.
    #[error("run {0} has not ended")]
    NotEnded(RunId),
    /// There is no such node.
    #[error("there is no node `{0}`")]
    UnknownNode(String),
    /// The run never came to that node.
    #[error("nothing had led to the node `{0}`")]
    NotReached(String),
}

impl Explain for OrderError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownParam(_) | Self::MissingParam(_) | Self::WrongParam(..) => "workflow.param",
            Self::NoWorkflow(_) => "workflow.none",
            Self::NotEnded(_) => "workflow.not_ended",
            Self::UnknownNode(_) => "workflow.unknown_node",
            Self::NotReached(_) => "workflow.not_reached",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (_, Lang::En) => self.to_string(),
            (Self::UnknownParam(name), _) => format!("`{name}`라는 매개변수가 없습니다"),
            (Self::MissingParam(name), _) => format!("매개변수 `{name}`이(가) 없습니다"),
            (Self::WrongParam(name, kind), _) => format!("매개변수 `{name}`은(는) {kind} 값이어야 합니다"),
            (Self::NoWorkflow(run), _) => format!("실행 {run}은(는) 워크플로가 아닙니다"),
            (Self::NotEnded(run), _) => format!("실행 {run}이(가) 아직 끝나지 않았습니다"),
            (Self::UnknownNode(node), _) => format!("`{node}`라는 노드가 없습니다"),
            (Self::NotReached(node), _) => format!("노드 `{node}`까지 간 적이 없습니다"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::UnknownParam(_) | Self::MissingParam(_) | Self::WrongParam(..) => {
                ("Give parameters as --param name=value.", "매개변수는 --param 이름=값으로 주세요.")
            }
            Self::NoWorkflow(_) => ("Resume it without a node.", "노드 없이 이어서 실행하세요."),
            Self::NotEnded(_) => ("Cancel it first.", "먼저 취소하세요."),
            Self::UnknownNode(_) | Self::NotReached(_) => {
                ("Name a node that the run has reached.", "그 실행이 도달한 노드를 지정하세요.")
            }
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

impl WorkflowOrder {
    /// The owner's order of a workflow, its parameters checked and completed.
    ///
    /// # Errors
    /// When a parameter is unknown, missing, or not what it must be.
    pub fn new(workflow: Workflow, mut given: Map<String, Value>) -> Result<Self, OrderError> {
        let mut params = Map::new();
        for param in &workflow.params {
            let value = given.remove(&param.name).or_else(|| param.default.clone());
            let value = value.ok_or_else(|| OrderError::MissingParam(param.name.clone()))?;
            if !param.kind.fits(&value) {
                return Err(OrderError::WrongParam(param.name.clone(), param.kind.as_str()));
            }
            params.insert(param.name.clone(), value);
        }
        match given.into_iter().next() {
            Some((name, _)) => Err(OrderError::UnknownParam(name)),
            None => {
                Ok(Self { workflow, params, label: Label::Owner, prices: BTreeMap::new(), earlier: None })
            }
        }
    }

    /// The same, with parameters as a command line gives them.
    ///
    /// # Errors
    /// As [`WorkflowOrder::new`].
    pub fn from_texts(workflow: Workflow, given: &[(String, String)]) -> Result<Self, OrderError> {
        let read = |(name, text): &(String, String)| {
            let param: &Param = workflow
                .params
                .iter()
                .find(|param| param.name == *name)
                .ok_or_else(|| OrderError::UnknownParam(name.clone()))?;
            let value = param.kind.read(text);
            let value = value.ok_or_else(|| OrderError::WrongParam(name.clone(), param.kind.as_str()))?;
            Ok((name.clone(), value))
        };
        let params = given.iter().map(read).collect::<Result<Map<_, _>, OrderError>>()?;
        Self::new(workflow, params)
    }

    /// What the run is called in lists.
    pub fn goal(&self) -> String {
        let mut goal = format!("workflow {}", self.workflow.name);
        for (name, value) in &self.params {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            goal.push_str(&format!(" {name}={value}"));
        }
        goal
    }
}
