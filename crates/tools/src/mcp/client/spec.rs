//! What an accepted tool is to our agents: its name, its effect and its labels, by the owner's word and not by the server's.

use super::config::McpServerConfig;
use super::pins::PinnedTool;
use nunchi_core::{ContentHash, EffectClass, Reach, ToolSpec, Zone, pattern_matches};
use serde_json::Value;

/// Longest name that every model provider takes.
const MAX_NAME: usize = 64;

/// The name under which a server's tool is offered. Servers' names hold no `_`, so that no two of them share a name, and
/// built-in tools hold no `__`, so that none can be shadowed.
pub(crate) fn offered_name(server: &str, tool: &str) -> String {
    let plain: String =
        tool.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let name = format!("{server}__{plain}");
    if plain == tool && name.len() <= MAX_NAME {
        return name;
    }
    // What had to be changed is told apart by a piece of its hash.
    let hash = ContentHash::of(tool).to_string();
    let cut = name.len().min(MAX_NAME - 9);
    format!("{}_{}", &name[..cut], &hash[..8])
}

/// Whether a server's tool is offered at all.
pub(crate) fn is_offered(config: &McpServerConfig, tool: &str) -> bool {
    config.tools.is_empty() || config.tools.iter().any(|pattern| pattern_matches(pattern, tool))
}

/// The specification of an accepted tool.
pub(crate) fn spec_of(config: &McpServerConfig, tool: &PinnedTool) -> ToolSpec {
    let said = if tool.description.is_empty() { "(no description)" } else { &tool.description };
    let description = format!("[MCP server \"{}\" says:] {said}", config.name);
    let mut spec =
        ToolSpec::new(offered_name(&config.name, &tool.name), description, tool.parameters.clone());
    spec.effect = effect(config, tool);
    spec.reach = Reach::Outside;
    spec.zone = Zone::Data;
    spec.output = config.output;
    spec.guarded = arguments(&tool.parameters);
    spec.timeout_ms = u64::try_from(config.call_timeout.as_millis()).unwrap_or(u64::MAX);
    spec.max_output_bytes = config.max_output_bytes;
    spec
}

fn effect(config: &McpServerConfig, tool: &PinnedTool) -> EffectClass {
    if config.read_only.iter().any(|pattern| pattern_matches(pattern, &tool.name)) {
        return EffectClass::ReadOnly;
    }
    if config.undo.contains_key(&tool.name) {
        return EffectClass::Compensable;
    }
    match (config.trust_hints, tool.read_only, tool.destructive) {
        (true, true, _) => EffectClass::ReadOnly,
        (true, false, false) => EffectClass::Compensable,
        _ => EffectClass::Final,
    }
}

/// All arguments leave the house, so that a stranger's text may choose none of them.
fn arguments(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::client::McpInverse;
    use crate::mcp::client::config::McpTransport;
    use nunchi_core::Label;
    use serde_json::json;

    fn server() -> McpServerConfig {
        let transport = McpTransport::Http {
            url: "http://localhost/".into(),
            headers: Vec::new(),
            bearer: None,
            oauth: None,
        };
        McpServerConfig::new("files", transport)
    }

    fn tool(read_only: bool, destructive: bool) -> PinnedTool {
        PinnedTool {
            name: "list_files".into(),
            description: "Lists.".into(),
            parameters: json!({"type": "object", "properties": {"path": {}, "depth": {}}}),
            read_only,
            destructive,
            hash: ContentHash::default(),
        }
    }

    #[test]
    fn names_are_plain_short_and_different() {
        assert_eq!(offered_name("files", "read_file"), "files__read_file");
        let names = ["a.b", "a/b", "a_b", "a-b", &"n".repeat(100), &"n".repeat(101)]
            .map(|tool| offered_name("files", tool));
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() <= MAX_NAME && name.starts_with("files__"), "{name}");
            assert!(!names[..at].contains(name), "{name}");
        }
    }

    #[test]
    fn hints_count_only_when_the_owner_says_so() {
        let mut config = server();
        assert_eq!(spec_of(&config, &tool(true, false)).effect, EffectClass::Final);
        config.trust_hints = true;
        for (read_only, destructive, effect) in [
            (true, true, EffectClass::ReadOnly),
            (false, false, EffectClass::Compensable),
            (false, true, EffectClass::Final),
        ] {
            assert_eq!(spec_of(&config, &tool(read_only, destructive)).effect, effect);
        }
        config.trust_hints = false;
        config.read_only = vec!["list_*".into()];
        let spec = spec_of(&config, &tool(false, true));
        assert_eq!(
            (spec.effect, spec.reach, spec.output),
            (EffectClass::ReadOnly, Reach::Outside, Label::Stranger)
        );
        assert_eq!(spec.guarded, ["path", "depth"]);
        config.read_only.clear();
        config.undo.insert("list_files".into(), McpInverse::default());
        assert_eq!(spec_of(&config, &tool(false, true)).effect, EffectClass::Compensable);
        config.tools = vec!["read_*".into()];
        assert!(!is_offered(&config, "list_files") && is_offered(&config, "read_x"));
    }
}
