//! The `find_tools` tool: the model asks for tools that were not sent, and gets their names and what they do.

use super::catalog::{ToolCatalog, ToolQuery};
use super::memory::ExampleMemory;
use nunchi_core::ToolDefinition;
use serde_json::Value;

/// The tool's name.
pub const FIND_TOOLS: &str = "find_tools";
/// Most tools one answer names.
const MOST_FOUND: usize = 10;
/// Most characters of a description in an answer.
const MOST_CHARS: usize = 200;

/// The definition to send when tools were left out. Its bytes never change, so that they stay in the prompt cache.
pub fn find_tools_definition() -> ToolDefinition {
    let parameters = r#"{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}"#;
    ToolDefinition {
        name: FIND_TOOLS.to_owned(),
        description: Some("More tools exist. Search them by what you need done.".to_owned()),
        parameters: serde_json::from_str(parameters).ok(),
        strict: None,
        builtin: None,
    }
}

/// A tool that answers a search.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundTool {
    /// Its place in the catalog.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The head of its description.
    pub description: String,
}

/// The query in the arguments of a `find_tools` call; arguments that are no such JSON are taken as the query themselves.
pub fn find_tools_query(arguments: &str) -> String {
    serde_json::from_str::<Value>(arguments)
        .ok()
        .and_then(|arguments| Some(arguments.get("query")?.as_str()?.to_owned()))
        .unwrap_or_else(|| arguments.to_owned())
}

/// Answers a search: the tools that fit best and the text to return to the model. Tools found are to be sent from then on
/// ([`super::ToolSession::request_tool`]).
pub fn find_tools_answer(
    catalog: &ToolCatalog,
    query: ToolQuery<'_>,
    memory: Option<&ExampleMemory>,
    limit: usize,
) -> (Vec<FoundTool>, String) {
    let found: Vec<FoundTool> = catalog
        .rank(query, memory)
        .into_iter()
        .take(limit.clamp(1, MOST_FOUND))
        .filter_map(|tool| {
            Some(FoundTool {
                index: tool.index,
                name: catalog.name(tool.index)?.to_owned(),
                description: catalog.description(tool.index)?.chars().take(MOST_CHARS).collect(),
            })
        })
        .collect();
    let lines: Vec<String> =
        found.iter().map(|tool| format!("{}: {}", tool.name, tool.description)).collect();
    let text = if lines.is_empty() {
        "No tools.".to_owned()
    } else {
        format!("These can be called from the next step on:\n{}", lines.join("\n"))
    };
    (found, text)
}

#[cfg(test)]
mod tests {
    use super::super::catalog::tests::{SIX, definitions};
    use super::*;

    #[test]
    fn a_search_answers() {
        let catalog = ToolCatalog::new(&definitions(&SIX));
        let query = find_tools_query(r#"{"query":"환전"}"#);
        let (found, text) = find_tools_answer(&catalog, ToolQuery { text: &query, vector: None }, None, 2);
        assert_eq!((found.len(), found[0].name.as_str()), (2, "exchange_rate"));
        assert!(text.contains("exchange_rate: Converts"), "{text}");
        for broken in ["{", "[]", "{\"query\":1}", "plain words"] {
            assert_eq!(find_tools_query(broken), broken);
        }
        let (found, text) =
            find_tools_answer(&ToolCatalog::new(&[]), ToolQuery { text: "x", vector: None }, None, 0);
        assert!(found.is_empty() && text == "No tools.");
    }

    #[test]
    fn the_definition_is_small_and_whole() {
        let definition = find_tools_definition();
        assert!(definition.parameters.is_some());
        assert!(super::super::definition_tokens(&definition) < 70);
    }
}
