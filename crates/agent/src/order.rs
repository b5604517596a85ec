//! The order of a run: everything it is told before it begins.

use crate::remote::CallOrder;
use crate::workflow::WorkflowOrder;
use nunchi_core::{
    Label, Lang, Message, Mode, ModelPrice, PermissionRule, Principal, RunId, RunLimits, RunOrigin, ToolSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Deepest nesting of sub-agents.
pub(crate) const MAX_DEPTH: u8 = 1;

/// What a run is to do, with what, and within which limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOrder {
    /// The run's id.
    pub id: RunId,
    /// The run that delegated it, and the one at the top.
    pub parent: Option<RunId>,
    /// The run at the top; itself for an owner's run.
    pub root: RunId,
    /// 0 for an owner's run.
    pub depth: u8,
    /// Where it came from.
    #[serde(default)]
    pub origin: RunOrigin,
    /// The conversation.
    pub session: Option<String>,
    /// On whose behalf models are called and budgets held; `None`: the agent's own principal.
    #[serde(default)]
    pub principal: Option<Arc<Principal>>,
    /// The conversation before this order, the oldest turn first.
    #[serde(default)]
    pub history: Vec<Message>,
    /// Sentences of what was left out of `history` that fit the goal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fitting: String,
    /// The conversation as it was, where `history` tells it shortened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Message>,
    /// What the run is told besides, at the end of the system prompt: facts remembered, skills at hand.
    #[serde(default)]
    pub context: String,
    /// What was asked for.
    pub goal: String,
    /// Who asked: a stranger's words (an incoming mail) are not the owner's.
    pub asked_by: Label,
    /// What the owner said before, for telling whose a value is.
    pub owner_texts: Vec<String>,
    /// Whether a stranger's text is in the context from the beginning.
    pub stranger: bool,
    /// Facts and results of others, for a sub-agent.
    pub brief: Option<Brief>,
    /// The mode; `auto` is resolved when the run begins.
    pub mode: Mode,
    /// Whether the schedule began it, so that nobody sits in front of it.
    pub scheduled: bool,
    /// The language of answers.
    pub lang: Lang,
    /// The model to ask for: `auto`, `auto:complex`, a name.
    pub model: String,
    /// The dearest price that model may have; with it the run's money limit holds whatever a call answers.
    pub price: Option<ModelPrice>,
    /// Cap on generated tokens of one call.
    pub max_output_tokens: u64,
    /// Its limits.
    pub limits: RunLimits,
    /// The tools it may call.
    pub tools: Vec<ToolSpec>,
    /// Names of those that speak for the goal; the model finds the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen_tools: Vec<String>,
    /// The owner's rules.
    pub rules: Vec<PermissionRule>,
    /// JSON Schema of the answer.
    pub output_schema: Option<Value>,
    /// The declared graph that is carried out instead of what a model decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<Box<WorkflowOrder>>,
    /// The one call that is made instead of what a model decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallOrder>>,
}

/// What a sub-agent is told besides its goal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// What was done so far.
    pub done: String,
    /// What it needs to know.
    pub data: String,
}

impl RunOrder {
    /// An owner's order with the usual limits, the model `auto` and the language of the goal.
    pub fn new(id: RunId, goal: impl Into<String>) -> Self {
        let goal = goal.into();
        let korean = goal.chars().any(|c| matches!(c, '\u{AC00}'..='\u{D7A3}'));
        Self {
            id,
            parent: None,
            root: id,
            depth: 0,
            origin: RunOrigin::default(),
            session: None,
            principal: None,
            history: Vec::new(),
            fitting: String::new(),
            earlier: Vec::new(),
            context: String::new(),
            goal,
            asked_by: Label::Owner,
            owner_texts: Vec::new(),
            stranger: false,
            brief: None,
            mode: Mode::Auto,
            scheduled: false,
            lang: if korean { Lang::Ko } else { Lang::En },
            model: "auto".into(),
            price: None,
            max_output_tokens: 4_096,
            limits: RunLimits::default(),
            tools: Vec::new(),
            chosen_tools: Vec::new(),
            rules: Vec::new(),
            output_schema: None,
            workflow: None,
            call: None,
        }
    }

    /// Whether somebody may be asked in words.
    pub(crate) fn is_sub_agent(&self) -> bool {
        self.parent.is_some()
    }
}
