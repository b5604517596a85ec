//! Tools with every kind of content, progress, log lines and failures.

use super::{asking, inputs};
use nunchi_core::BoxFuture;
use nunchi_tools::{
    McpAnswer, McpCaller, McpChange, McpFault, McpHttp, McpLink, OfferTools, OfferedCall, OfferedTool,
};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// A red pixel, as PNG.
pub(crate) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
/// No sound, as WAV.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// The tools, and the server whose clients they tell of changes.
pub(crate) struct FixtureTools {
    pub(crate) http: Arc<OnceLock<McpHttp>>,
}

/// Tools without arguments, each with what it does.
const PLAIN: [(&str, &str); 14] = [
    ("test_simple_text", "Answers a text"),
    ("test_image_content", "Answers an image"),
    ("test_audio_content", "Answers a sound"),
    ("test_embedded_resource", "Answers a resource"),
    ("test_multiple_content_types", "Answers a text, an image and a resource"),
    ("test_tool_with_logging", "Writes to the log while it works"),
    ("test_error_handling", "Fails"),
    ("test_tool_with_progress", "Tells how far it is"),
    ("test_reconnection", "Answers a text"),
    ("test_trigger_tool_change", "Says that the list of tools has changed"),
    ("test_trigger_prompt_change", "Says that the list of prompts has changed"),
    ("test_missing_capability", "Needs a client that can sample"),
    ("test_logging_tool", "Writes to the log where the client asks for it"),
    ("test_never_ends", "Never answers"),
];

impl OfferTools for FixtureTools {
    fn tools<'a>(&'a self, _: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedTool>> {
        let empty = json!({"type": "object", "properties": {}});
        let plain = PLAIN.iter().map(|(name, text)| offered(name, text, empty.clone()));
        let inputs = inputs::NAMES.iter().map(|name| offered(name, "Asks before it answers", empty.clone()));
        let asking = asking::declared().into_iter().map(|(name, text, schema)| offered(name, text, schema));
        let mut tools: Vec<_> = plain.chain(inputs).chain(asking).collect();
        tools.push(offered(
            "add",
            "Adds two numbers",
            json!({
                "type": "object", "required": ["a", "b"], "additionalProperties": false,
                "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            }),
        ));
        tools.push(offered("json_schema_2020_12_tool", "Has a schema of many words", rich_schema()));
        Box::pin(std::future::ready(tools))
    }

    fn call<'a>(
        &'a self,
        call: OfferedCall,
        _: &'a McpCaller,
        link: &'a dyn McpLink,
    ) -> BoxFuture<'a, Result<McpAnswer, McpFault>> {
        Box::pin(async move {
            if inputs::NAMES.contains(&call.tool.as_str()) {
                return inputs::call(&call, link);
            }
            if let Some(answer) = asking::call(&call, link).await {
                return answer;
            }
            self.plain(&call, link).await
        })
    }
}

impl FixtureTools {
    async fn plain(&self, call: &OfferedCall, link: &dyn McpLink) -> Result<McpAnswer, McpFault> {
        match call.tool.as_str() {
            "test_tool_with_logging" => {
                for line in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    link.log("info", json!(line)).await;
                }
                Ok(McpAnswer::text("Logging test completed"))
            }
            "test_logging_tool" => {
                link.log("error", json!("the log was asked for")).await;
                Ok(McpAnswer::text("Logging tool completed"))
            }
            "test_tool_with_progress" => {
                for (done, message) in [(0.0, "Starting"), (50.0, "Halfway"), (100.0, "Complete")] {
                    link.progress(done, 100.0, message).await;
                }
                Ok(McpAnswer::text("Progress test completed"))
            }
            "test_trigger_tool_change" => self.tell(McpChange::Tools).await,
            "test_trigger_prompt_change" => self.tell(McpChange::Prompts).await,
            "test_missing_capability" if !link.can("sampling") => Err(McpFault::Missing("sampling")),
            "test_missing_capability" => Ok(McpAnswer::text("The client can sample")),
            "test_never_ends" => std::future::pending().await,
            "add" => {
                let number = |name: &str| call.arguments[name].as_f64();
                match number("a").zip(number("b")) {
                    Some((a, b)) => Ok(McpAnswer::text((a + b).to_string())),
                    None => Err(McpFault::Invalid("a and b must be numbers".into())),
                }
            }
            name => content(name).ok_or_else(|| McpFault::Unknown(format!("tool \"{name}\""))),
        }
    }

    async fn tell(&self, change: McpChange) -> Result<McpAnswer, McpFault> {
        if let Some(http) = self.http.get() {
            http.tell(&change).await;
        }
        Ok(McpAnswer::text("Told"))
    }
}

/// Answers that are always the same.
fn content(tool: &str) -> Option<McpAnswer> {
    let text = |text: &str| json!({"type": "text", "text": text});
    let image = || json!({"type": "image", "data": PIXEL, "mimeType": "image/png"});
    let resource = |uri: &str, mime: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": mime, "text": text}});
    let content = match tool {
        "test_simple_text" => vec![text("This is a simple text response for testing.")],
        "test_image_content" => vec![image()],
        "test_audio_content" => vec![json!({"type": "audio", "data": SILENCE, "mimeType": "audio/wav"})],
        "test_embedded_resource" => {
            vec![resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        }
        "test_multiple_content_types" => vec![
            text("Multiple content types test:"),
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ],
        "test_reconnection" => vec![text("Reconnection test completed")],
        "json_schema_2020_12_tool" => vec![text("It fits the schema")],
        "test_error_handling" => {
            return Some(McpAnswer::failure("This tool intentionally returns an error for testing"));
        }
        _ => return None,
    };
    Some(McpAnswer::Content { content, structured: None, failed: false })
}

fn offered(name: &str, description: &str, parameters: Value) -> OfferedTool {
    OfferedTool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
        read_only: true,
        destructive: false,
        open_world: false,
    }
}

fn rich_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "address", "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }},
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "allOf": [{"anyOf": [{"required": ["name"]}, {"required": ["address"]}]}],
        "if": {"required": ["address"]},
        "then": {"properties": {"address": {"required": ["street"]}}},
        "else": {"required": ["name"]},
        "additionalProperties": false,
    })
}
