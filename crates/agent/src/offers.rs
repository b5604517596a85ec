//! Which tools the model is shown: those of the order that no rule denies outright, and two of the machine's own.

use crate::modes::policy;
use crate::order::MAX_DEPTH;
use crate::recall::{RECALL, recall_spec};
use crate::results::{RECALL_RESULT, recall_result_spec};
use crate::state::RunState;
use crate::workflow::approval_spec;
use nunchi_core::{Mode, RunLimits, Tier, ToolDefinition, ToolSpec, never_allowed};
use serde_json::{Value, json, value::to_raw_value};
use std::collections::BTreeSet;

/// Asks the owner a question.
pub(crate) const ASK_USER: &str = "ask_user";
/// Asks the owner whether a workflow may go on.
pub(crate) const APPROVE: &str = "workflow.approve";
/// Gives a part of the work to a sub-agent.
pub(crate) const DELEGATE: &str = "delegate";

/// By these skills are read, so no skill takes them away.
const SKILLS: [&str; 2] = ["use_skill", "read_skill_file"];

/// With more tools than this the model is shown those that the goal needs.
const MANY: usize = 20;

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

/// Whether the model is shown only the tools that the goal needs, and a way to find the others.
pub(crate) fn has_many_tools(state: &RunState) -> bool {
    let specs = specs(state);
    specs.len() > MANY || specs.iter().any(|spec| state.order.chosen_tools.contains(&spec.name))
}

/// The tools that the model is shown whatever the gateway finds the goal to need: the machine's own, those chosen for the goal, those
/// of the plan, and those that the prompt speaks of.
pub(crate) fn kept_tools(state: &RunState) -> Vec<String> {
    let order = &state.order;
    let planned =
        |name: &String| state.plan.iter().flat_map(|plan| &plan.nodes).any(|node| node.tools.contains(name));
    let spoken_of = |name: &String| [&order.context, &order.goal].iter().any(|text| speaks_of(text, name));
    let own = |name: &String| is_own(name);
    let names = specs(state).into_iter().map(|spec| spec.name);
    let kept =
        |name: &String| own(name) || order.chosen_tools.contains(name) || planned(name) || spoken_of(name);
    names.filter(kept).collect()
}

/// Whether a tool is the machine's own.
fn is_own(name: &str) -> bool {
    matches!(name, ASK_USER | DELEGATE | RECALL | RECALL_RESULT)
}

/// Adds the tools that a skill goes with to those of the skills before it. A list that names none of the run's own tools, as one
/// written for another product, takes nothing away.
pub(crate) fn narrow(state: &mut RunState, names: &[String]) {
    let known = |name: &String| state.order.tools.iter().any(|spec| spec.name == *name);
    if names.is_empty() || names.iter().any(known) {
        state.narrowed.get_or_insert_default().extend(names.iter().cloned());
    }
}

/// The tools that the skills in use leave, where they take this one away. A workflow's nodes are the owner's own word.
pub(crate) fn taken_away<'a>(state: &'a RunState, tool: &str) -> Option<&'a BTreeSet<String>> {
    let left = state.narrowed.as_ref().filter(|_| state.order.workflow.is_none())?;
    let stays = is_own(tool) || SKILLS.contains(&tool) || left.contains(tool);
    (!stays).then_some(left)
}

/// Whether a text has a tool's name as a word. A name without a joint is a word that may mean anything.
fn speaks_of(text: &str, name: &str) -> bool {
    let whole = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    name.contains('_') && text.split(whole).any(|word| word == name)
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
    if !state.order.earlier.is_empty() {
        specs.push(recall_spec());
    }
    if state.recallable {
        specs.push(recall_result_spec());
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
            "tier": {"enum": [Tier::Trivial, Tier::Standard, Tier::Complex],
                "description": "How demanding it is; never above your own."},
            "turns": {"type": "integer", "minimum": 1, "maximum": RunLimits::of_sub_agent().turns},
            "max_usd": {"type": "number", "exclusiveMinimum": 0, "description": "Most dollars, of what you have left."},
            "output_schema": {"type": "object", "description": "JSON Schema of its answer."},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::RunOrder;
    use jiff::Timestamp;
    use nunchi_core::RunId;

    #[test]
    fn chosen_tools_are_shown_and_the_others_stay_the_runs_own() {
        let mut order = RunOrder::new(RunId(uuid::Uuid::nil()), "Work the sales out");
        order.tools =
            ["calculator", "notify", "write_file"].map(|name| ToolSpec::new(name, name, json!({}))).into();
        let state = RunState::new(order.clone(), Timestamp::UNIX_EPOCH);
        assert!(!has_many_tools(&state) && kept_tools(&state).is_empty());
        order.chosen_tools = vec!["calculator".into(), "gone".into()];
        let state = RunState::new(order, Timestamp::UNIX_EPOCH);
        assert!(has_many_tools(&state) && offered(&state, "write_file").is_some());
        assert_eq!(kept_tools(&state), ["calculator"]);
    }
}
