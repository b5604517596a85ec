//! `search_memory`: what is remembered that fits a question, within a budget of tokens.

use super::{refused, text_of};
use nunchi_core::{
    BoxFuture, FactKind, Label, Memory, RankedFact, Tool, ToolCall, ToolError, ToolOutput, ToolSpec,
    fact_lines, fill_budget,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most tokens of one answer.
const MOST_TOKENS: u64 = 4_000;
/// Facts that are shown, unless said otherwise, and at most.
const USUAL: u64 = 10;
const MOST: u64 = 50;
/// The best so many count as used: they fade more slowly.
const OF_USE: usize = 3;

/// The tool.
pub(super) struct SearchMemory(pub(super) Arc<dyn Memory>);

impl SearchMemory {
    async fn search(&self, call: ToolCall) -> Result<ToolOutput, ToolError> {
        let limit = call.arguments.get("limit").and_then(Value::as_u64).unwrap_or(USUAL).clamp(1, MOST);
        let kind = match text_of(&call.arguments, "kind") {
            "facts" => Some(FactKind::Fact),
            "said" => Some(FactKind::Turn),
            _ => None,
        };
        let question = text_of(&call.arguments, "query");
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let failed = |error| refused(&error);
        let found = self.0.search(question, kind, limit).await.map_err(failed)?;
        let found = fill_budget(found, MOST_TOKENS);
        if found.is_empty() {
            return Ok(ToolOutput::text("Nothing that fits is remembered."));
        }
        self.0.used(found.iter().take(OF_USE).map(|one| one.fact.id).collect()).await.map_err(failed)?;
        let label = found.iter().map(|one| one.fact.label).max();
        Ok(ToolOutput { text: lines(&found), label, ..ToolOutput::default() })
    }
}

/// One line a fact, its id in brackets.
fn lines(found: &[RankedFact]) -> String {
    let line = |one: &RankedFact| {
        let line = fact_lines([&one.fact]);
        format!("[{}] {}", one.fact.id, line.trim_start_matches("- "))
    };
    found.iter().map(line).collect::<Vec<_>>().concat()
}

impl Tool for SearchMemory {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({
            "type": "object", "required": ["query"], "additionalProperties": false,
            "properties": {
                "query": {"type": "string", "maxLength": 1000, "description": "What to look for, in plain words."},
                "kind": {"enum": ["facts", "said", "all"], "description": "Facts that hold, or what was said in conversations."},
                "limit": {"type": "integer", "minimum": 1, "maximum": MOST},
            },
        });
        ToolSpec {
            // What is found keeps its own label; without one it is a tool's word.
            output: Label::Tool,
            ..ToolSpec::new(
                "search_memory",
                "Look up what was said and learned in earlier conversations.",
                parameters,
            )
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(self.search(call))
    }
}
