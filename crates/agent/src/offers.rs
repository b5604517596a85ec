//! Which tools the model is shown: those of the order that no rule denies outright, and two of the machine's own.

use crate::modes::policy;
use crate::order::MAX_DEPTH;
use crate::state::RunState;
use crate::workflow::approval_spec;
use nunchi_core::{Mode, ToolDefinition, ToolSpec, never_allowed};
use serde_json::{Value, json, value::to_raw_value};

/// Asks the owner a question.
pub(crate) const ASK_USER: &str = "ask_user";
/// Asks the owner whether a workflow may go on.
pub(crate) const APPROVE: &str = "workflow.approve";
/// Gives a part of the work to a sub-agent.
pub(crate) const DELEGATE: &str = "delegate";

/// What a model call is sent, in a stable order.
pub(crate) fn offered_tools(state: &RunState) -> Vec<ToolDefinition> {
    specs(state).iter().map(definition).collect()
}

/// The specification of an offered tool.
pub(crate) fn offered(state: &RunState, name: &str) -> Option<ToolSpec> {
    specs(state).into_iter().find(|spec| spec.name == name)
}

/// The tools of the order that no rule denies outright.
pub(crate) fn allowed_tools(state: &RunState) -> impl Iterator<Item = &ToolSpec> {
    let rules = &state.order.rules;
    state.order.tools.iter().filter(|spec| !never_allowed(rules, &spec.name))
}

fn specs(state: &RunState) -> Vec<ToolSpec> {
    if state.toolless {
        return Vec::new();
    }
    // No model is shown anything, and whoever calls hears which rule denies it.
    if state.order.call.is_some() {
        return state.order.tools.clone();
    }
    let mut specs: Vec<_> = allowed_tools(state).cloned().collect();
    // A workflow shows no model its tools, but its nodes ask people.
    if state.order.workflow.is_some() {
        specs.push(ToolSpec::new(ASK_USER, "Asks the owner.", question()));
        specs.push(approval_spec());
        return specs;
    }
    // Without tools a run only answers: a question is then an answer, too.
    if specs.is_empty() {
        return specs;
    }
    if policy(state.mode).interviews && !state.order.is_sub_agent() {
        specs.push(ToolSpec::new(
            ASK_USER,
            "Ask the owner, only if the answer changes what you do.",
            question(),
        ));
    }
    if state.order.depth < MAX_DEPTH && matches!(state.mode, Mode::Deliberate | Mode::Autonomous) {
        specs.push(ToolSpec::new(DELEGATE, "Give an independent part of the work to a sub-agent.", brief()));
    }
    specs
}

fn definition(spec: &ToolSpec) -> ToolDefinition {
    ToolDefinition {
        name: spec.name.clone(),
        description: Some(spec.description.clone()),
        parameters: to_raw_value(&spec.parameters).ok(),
        strict: None,
        builtin: None,
    }
}

fn question() -> Value {
    json!({
        "type": "object", "required": ["question"], "additionalProperties": false,
        "properties": {"question": {"type": "string", "minLength": 1}},
    })
}

fn brief() -> Value {
    json!({
        "type": "object", "required": ["goal"], "additionalProperties": false,
        "properties": {
            "goal": {"type": "string", "minLength": 1},
            "done": {"type": "string", "description": "What was done so far."},
            "data": {"type": "string", "description": "What the sub-agent needs to know."},
            "tools": {"type": "array", "items": {"type": "string"}},
            "output_schema": {"type": "object", "description": "JSON Schema of its answer."},
        },
    })
}
