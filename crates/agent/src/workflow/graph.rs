//! A declared workflow: parameters, nodes, edges. Plain data that is stored with the run that carries it out.

use nunchi_core::NanoUsd;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most nodes of a workflow.
pub(crate) const MOST_NODES: usize = 50;
/// Most edges of a workflow.
pub(crate) const MOST_EDGES: usize = 200;
/// Most rounds of a loop.
pub(crate) const MOST_ROUNDS: u32 = 100;
/// Most tries of a node after it has failed.
pub(crate) const MOST_RETRIES: u8 = 5;

/// A graph of nodes that was checked: what it names is there, and it comes to an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it is told.
    pub params: Vec<Param>,
    /// What it does.
    pub nodes: Vec<Node>,
    /// What follows what.
    pub edges: Vec<Edge>,
    /// The nodes it begins with, by index.
    pub start: Vec<usize>,
    /// The answer, as a template; `None`: what the last nodes said.
    pub answer: Option<String>,
    /// What the runs used that it was compiled from, each on the average.
    pub baseline: Option<Baseline>,
}

/// What runs with a model used that do the same, each on the average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// How many runs.
    pub runs: u32,
    /// Tokens.
    pub tokens: u64,
    /// Money.
    pub cost: NanoUsd,
    /// Microseconds of all steps.
    pub latency_us: u64,
}

/// Something a workflow is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// What it must be.
    pub kind: ParamKind,
    /// Its value when none is given; `None`: one must be given.
    pub default: Option<Value>,
    /// What it is for.
    pub description: String,
}

/// What a parameter must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParamKind {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list of anything.
    List,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name in the graph and in templates.
    pub id: String,
    /// Its name for people; empty: the id.
    pub title: String,
    /// What it does.
    pub work: NodeWork,
    /// Whether the run goes on when it fails.
    pub go_on: bool,
    /// Tries after a failure, where nothing was left in the world.
    pub retries: u8,
}

/// What a node does. Texts are templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeWork {
    /// Has a sub-agent do something.
    Prompt(PromptWork),
    /// Calls a tool, without a model.
    Tool {
        /// Which.
        tool: String,
        /// Its arguments; texts in them are templates.
        args: Value,
    },
    /// Decides by an expression.
    If(String),
    /// Asks a person whether to go on.
    Approve(String),
    /// Asks a person for words.
    Ask(String),
    /// Makes a text of what is known.
    Merge(String),
}

/// What a sub-agent is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptWork {
    /// Its goal.
    pub prompt: String,
    /// The tools it may call.
    pub tools: Vec<String>,
    /// Its model; `None`: the run's.
    pub model: Option<String>,
    /// JSON Schema of its answer.
    pub schema: Option<Value>,
    /// Most model turns; `None`: as usual for sub-agents.
    pub turns: Option<u32>,
}

/// Leads from one node to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// From, by index.
    pub from: usize,
    /// To, by index.
    pub to: usize,
    /// When it is taken.
    pub when: When,
    /// For an edge that leads back: how often it may be taken.
    pub rounds: Option<u32>,
}

/// When an edge is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Always.
    Always,
    /// When an expression holds.
    Holds(String),
    /// When its node decided so, or was answered so.
    Decided(bool),
}

impl Workflow {
    /// The index of a node.
    pub fn node(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    /// The names of all tools that it may call.
    pub fn tools(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.nodes.iter().flat_map(|node| node.work.tools()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of all models that its nodes ask for.
    pub fn models(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.nodes.iter().filter_map(|node| node.work.model()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The edges that leave a node, with their indices.
    pub(crate) fn leaving(&self, node: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.edges.iter().enumerate().filter(move |(_, edge)| edge.from == node)
    }

    /// The forward edges that lead to a node, with their indices.
    pub(crate) fn arriving(&self, node: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.edges.iter().enumerate().filter(move |(_, edge)| edge.to == node && edge.rounds.is_none())
    }

    /// The nodes of the loop that an edge closes: all that lead to its begin without passing its end.
    pub(crate) fn loop_of(&self, back: &Edge) -> Vec<bool> {
        let mut inside = vec![false; self.nodes.len()];
        inside[back.to] = true;
        let mut open = vec![back.from];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut inside[node], true) {
                open.extend(self.edges.iter().filter(|edge| edge.to == node).map(|edge| edge.from));
            }
        }
        inside
    }

    /// The nodes that forward edges lead to from a node, itself included.
    pub(crate) fn behind(&self, node: usize) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if !std::mem::replace(&mut reached[node], true) {
                open.extend(
                    self.leaving(node).filter(|(_, edge)| edge.rounds.is_none()).map(|(_, edge)| edge.to),
                );
            }
        }
        reached
    }
}

impl Node {
    /// Its name for people.
    pub fn label(&self) -> &str {
        if self.title.is_empty() { &self.id } else { &self.title }
    }
}

impl NodeWork {
    /// The tools it may call.
    pub fn tools(&self) -> Vec<&str> {
        match self {
            Self::Prompt(work) => work.tools.iter().map(String::as_str).collect(),
            Self::Tool { tool, .. } => vec![tool],
            Self::If(_) | Self::Approve(_) | Self::Ask(_) | Self::Merge(_) => Vec::new(),
        }
    }

    /// The model it asks for.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Prompt(work) => work.model.as_deref(),
            _ => None,
        }
    }

    /// The key by which a file says it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Prompt(_) => "prompt",
            Self::Tool { .. } => "tool",
            Self::If(_) => "if",
            Self::Approve(_) => "approve",
            Self::Ask(_) => "ask",
            Self::Merge(_) => "merge",
        }
    }
}

impl ParamKind {
    /// The name used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
        }
    }

    /// The kind of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::List]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether a value is of this kind.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
        }
    }

    /// A value as it is written on a command line.
    pub fn read(self, text: &str) -> Option<Value> {
        let value = match self {
            Self::String => return Some(Value::String(text.to_owned())),
            Self::List if !text.trim_start().starts_with('[') => {
                return Some(text.split(',').map(|item| Value::String(item.trim().to_owned())).collect());
            }
            _ => serde_json::from_str::<Value>(text.trim()).ok()?,
        };
        self.fits(&value).then_some(value)
    }
}
