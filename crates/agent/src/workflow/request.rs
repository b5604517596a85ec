//! A workflow as it travels: the file's text, its prompts' texts, the parameters; and what it would do, without doing it.

use super::graph::NodeWork;
use super::order::{OrderError, WorkflowOrder};
use super::parse::{WorkflowSource, parse_workflow};
use super::problem::WorkflowErrors;
use super::templates::render_value;
use crate::order::RunOrder;
use nunchi_core::{EffectClass, Explain, Label, Lang, RetryClass, ToolSpec, Verdict, decide_permission};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Somebody asks for a workflow to be carried out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowRequest {
    /// The file's name; it says whether it is YAML.
    pub file: String,
    /// What stands in it.
    pub text: String,
    /// The texts of its prompts' files, by their names in it.
    #[serde(default)]
    pub prompts: BTreeMap<String, String>,
    /// The parameters; a text is read as the type that the parameter has.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The node at which it begins instead of at its start.
    #[serde(default)]
    pub from: Option<String>,
}

/// Why a workflow is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowRefused {
    /// Its file is wrong.
    #[error(transparent)]
    File(#[from] WorkflowErrors),
    /// It was asked for in a wrong way.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl Explain for WorkflowRefused {
    fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Order(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        match self {
            Self::File(error) => error.message(lang),
            Self::Order(error) => error.message(lang),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        match self {
            Self::File(error) => error.hint(lang),
            Self::Order(error) => error.hint(lang),
        }
    }

    fn retry_class(&self) -> RetryClass {
        RetryClass::Stop
    }
}

impl WorkflowRequest {
    /// The order, checked against the tools there are.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or with how it was asked for.
    pub fn order(self, tools: &[ToolSpec]) -> Result<WorkflowOrder, WorkflowRefused> {
        let prompt = |name: &str| self.prompts.get(name).cloned().ok_or_else(|| "it was not sent".to_owned());
        let source = WorkflowSource { name: &self.file, text: &self.text, prompt: &prompt };
        let workflow = parse_workflow(&source, Some(tools))?;
        let mut params = self.params;
        for param in &workflow.params {
            if let Some(Value::String(text)) = params.get(&param.name) {
                let wrong = || OrderError::WrongParam(param.name.clone(), param.kind.as_str());
                let value = param.kind.read(text).ok_or_else(wrong)?;
                params.insert(param.name.clone(), value);
            }
        }
        let order = WorkflowOrder::new(workflow, params)?;
        Ok(match self.from {
            Some(node) => order.beginning_at(&node)?,
            None => order,
        })
    }
}

/// What a node would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsed {
    /// The node.
    pub node: String,
    /// Its name for people.
    pub title: String,
    /// What it does: the key by which the file says it.
    pub kind: &'static str,
    /// The tools that it may call.
    pub tools: Vec<String>,
    /// The gravest that they leave in the world.
    pub effect: EffectClass,
    /// The arguments of a tool, where they need nothing that is not known yet.
    pub arguments: Option<Value>,
    /// Whether its call would be made, asked about or denied; `None` where it depends on what comes before.
    pub verdict: Option<Verdict>,
    /// The rule that says so, in English and Korean.
    pub because: Option<[String; 2]>,
}

impl RunOrder {
    /// What the nodes of its workflow would do, under the rules it holds. Nothing is done, and no model is asked.
    pub fn rehearsed(&self) -> Vec<Rehearsed> {
        let Some(order) = &self.workflow else { return Vec::new() };
        let values = json!({ "params": order.params });
        let rehearse = |node: &super::graph::Node| {
            let names = node.work.tools();
            let specs = || self.tools.iter().filter(|spec| names.contains(&spec.name.as_str()));
            let arguments = match &node.work {
                NodeWork::Tool { args, .. } => render_value(args, &values).ok(),
                _ => None,
            };
            let decided = arguments.as_ref().zip(specs().next()).map(|(arguments, spec)| {
                let owner = vec![arguments.to_string(), self.goal.clone()];
                let stranger = self.stranger || order.label == Label::Stranger;
                decide_permission(&self.rules, spec, arguments, &owner, stranger)
            });
            Rehearsed {
                node: node.id.clone(),
                title: node.label().to_owned(),
                kind: node.work.kind(),
                effect: specs().map(|spec| spec.effect).max().unwrap_or(EffectClass::ReadOnly),
                tools: names.iter().map(|name| (*name).to_owned()).collect(),
                verdict: decided.as_ref().map(|decision| decision.verdict),
                because: decided.map(|decision| [decision.explain(Lang::En), decision.explain(Lang::Ko)]),
                arguments,
            }
        };
        order.workflow.nodes.iter().map(rehearse).collect()
    }
}
