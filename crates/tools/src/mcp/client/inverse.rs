//! How a server's call is taken back: by another call, whose arguments are made of what was asked and what was answered.

use super::config::McpServerConfig;
use super::content::answer_value;
use rmcp::model::CallToolResult;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The call that takes another one back, by the owner's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpInverse {
    /// The tool of the same server.
    pub tool: String,
    /// Its arguments. In texts, `{arguments.name}` stands for what was asked and `{answer.path.0.id}` for what was answered; a text that is
    /// nothing else keeps the value's type.
    pub arguments: Map<String, Value>,
}

/// What is kept of a call, so that it can be taken back; `None` where the answer lacks what the other call needs.
pub(super) fn record_of(
    config: &McpServerConfig,
    tool: &str,
    arguments: &Value,
    result: &CallToolResult,
) -> Option<Value> {
    let inverse = config.undo.get(tool)?;
    let sources = json!({"arguments": arguments, "answer": answer_value(result)});
    let filled = fill(&Value::Object(inverse.arguments.clone()), &sources);
    if filled.is_none() {
        tracing::warn!(server = config.name, tool, "the answer lacks what would take the call back");
    }
    Some(json!({"tool": inverse.tool, "arguments": filled?}))
}

fn fill(template: &Value, sources: &Value) -> Option<Value> {
    match template {
        Value::String(text) => fill_text(text, sources),
        Value::Array(items) => {
            items.iter().map(|item| fill(item, sources)).collect::<Option<_>>().map(Value::Array)
        }
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, value)| Some((name.clone(), fill(value, sources)?)));
            filled.collect::<Option<_>>().map(Value::Object)
        }
        other => Some(other.clone()),
    }
}

fn fill_text(text: &str, sources: &Value) -> Option<Value> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, (path, after))) =
        rest.split_once('{').and_then(|(before, from)| Some((before, from.split_once('}')?)))
    {
        let found = find(path, sources)?;
        if before.is_empty() && after.is_empty() && filled.is_empty() {
            return Some(found.clone());
        }
        filled.push_str(before);
        match found {
            Value::String(found) => filled.push_str(found),
            other => filled.push_str(&other.to_string()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(Value::String(filled))
}

fn find<'a>(path: &str, sources: &'a Value) -> Option<&'a Value> {
    path.split('.').try_fold(sources, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_made_of_the_call_and_its_answer() {
        let sources = json!({"arguments": {"calendar": "work"}, "answer": {"events": [{"id": 7}]}});
        let template = json!({"id": "{answer.events.0.id}", "why": "undo of {arguments.calendar}/{answer.events.0.id}",
            "list": ["{arguments.calendar}", true], "open": "{x"});
        let filled = fill(&template, &sources).unwrap();
        let expected = json!({"id": 7, "why": "undo of work/7", "list": ["work", true], "open": "{x"});
        assert_eq!(filled, expected);
        assert_eq!(fill(&json!({"id": "{answer.id}"}), &sources), None);
    }
}
