//! Writes a chat request.

use super::messages;
use super::options::{options, think};
use super::wire::{Body, Format, Function, Tool};
use crate::codec::Encoded;
use crate::notes::Notes;
use crate::shared::{garbage, unsupported};
use nunchi_core::{
    Json, ModelError, ModelErrorKind, ModelRequest, ResponseFormat, ToolChoice, ToolDefinition,
};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

const PATH: &str = "/api/chat";

/// Ollama gives at most this many alternatives of a token.
const TOP_LOGPROBS_LIMIT: u32 = 20;

pub(super) fn request(request: &ModelRequest) -> Result<Encoded, ModelError> {
    possible(request)?;
    let mut notes = Notes::of_rest(request);
    let messages = messages::translate(&request.messages, &mut notes)?;
    let tools = tools(request, &mut notes)?;
    let top_logprobs = top_logprobs(request, &mut notes);
    let body = Body {
        model: &request.model,
        messages,
        format: format(&request.format, !tools.is_empty(), &mut notes),
        tools,
        think: think(request, &mut notes),
        options: options(request),
        logprobs: top_logprobs.map(|_| true),
        top_logprobs,
        truncate: false,
        stream: request.stream,
    };
    if request.end_user.is_some() {
        notes.add("user", "left out: Ollama has no such field");
    }
    let bytes = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded { notes: notes.into_list(), ..Encoded::new(PATH, bytes) })
}

/// Refuses what Ollama would leave out without a word.
fn possible(request: &ModelRequest) -> Result<(), ModelError> {
    match &request.tool_choice {
        // Ollama takes a request without messages for the wish to load the model, and answers nothing.
        _ if request.messages.is_empty() => {
            Err(ModelError::new(ModelErrorKind::InvalidRequest, "there are no messages to answer"))
        }
        _ if request.choices > 1 => Err(unsupported("Ollama gives one answer only")),
        ToolChoice::Required | ToolChoice::Named(_) => {
            Err(unsupported("Ollama cannot be made to call a tool"))
        }
        ToolChoice::Auto | ToolChoice::None => Ok(()),
    }
}

fn tools<'a>(request: &'a ModelRequest, notes: &mut Notes) -> Result<Vec<Tool<'a>>, ModelError> {
    if request.tools.is_empty() {
        return Ok(Vec::new());
    }
    if request.tool_choice == ToolChoice::None {
        notes.add("tools", "left out, as none may be called: Ollama has no other way to say so");
        return Ok(Vec::new());
    }
    if request.parallel_tool_calls == Some(false) {
        notes.add("parallel_tool_calls", "left out: with Ollama the model decides");
    }
    request.tools.iter().map(|definition| tool(definition, notes)).collect()
}

fn tool<'a>(tool: &'a ToolDefinition, notes: &mut Notes) -> Result<Tool<'a>, ModelError> {
    if tool.builtin.is_some() {
        return Err(unsupported(format!("the tool {} runs at another provider only", tool.name)));
    }
    if tool.strict == Some(true) {
        notes.add("tools.strict", "left out: Ollama shows the schema to the model and does not enforce it");
    }
    let function = Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters: parameters(tool.parameters.as_ref())?,
    };
    Ok(Tool { kind: "function", function })
}

/// The schema of the arguments. The models' templates walk through `properties`, so these are always there.
fn parameters(schema: Option<&Json>) -> Result<Cow<'_, RawValue>, ModelError> {
    let mut fields: Map<String, Value> =
        schema.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    if let Some(raw) = schema
        && fields.contains_key("type")
        && fields.get("properties").is_some_and(Value::is_object)
    {
        return Ok(Cow::Borrowed(raw));
    }
    fields.entry("type").or_insert_with(|| "object".into());
    fields.insert(
        "properties".into(),
        fields.get("properties").filter(|p| p.is_object()).cloned().unwrap_or_else(|| json!({})),
    );
    let raw = to_raw_value(&fields).map_err(|error| garbage(format!("the schema of a tool: {error}")))?;
    Ok(Cow::Owned(raw))
}

fn format<'a>(format: &'a ResponseFormat, tools: bool, notes: &mut Notes) -> Option<Format<'a>> {
    let format = match format {
        ResponseFormat::Text => return None,
        ResponseFormat::JsonObject => Format::Word("json"),
        ResponseFormat::JsonSchema(wanted) => {
            if wanted.description.is_some() {
                notes.add("response_format.description", "left out: Ollama takes the schema only");
            }
            Format::Schema(&wanted.schema)
        }
    };
    if tools {
        notes.add("tools", "a model that does not think first can only answer in the format asked for");
    }
    Some(format)
}

fn top_logprobs(request: &ModelRequest, notes: &mut Notes) -> Option<u32> {
    let wanted = request.sampling.top_logprobs?;
    notes.add("top_logprobs", "asked for, but only callers of Ollama's own dialect can read them");
    Some(wanted.min(TOP_LOGPROBS_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_of_arguments() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (schema, wanted) in [
            (None, r#"{"type":"object","properties":{}}"#),
            (Some("null"), r#"{"type":"object","properties":{}}"#),
            (Some("{}"), r#"{"type":"object","properties":{}}"#),
            (Some(r#"{"type":"object"}"#), r#"{"type":"object","properties":{}}"#),
            (Some(r#"{"properties":{"a":{}}}"#), r#"{"properties":{"a":{}},"type":"object"}"#),
            (Some(r#"{"type":"object", "properties":{}}"#), r#"{"type":"object", "properties":{}}"#),
        ] {
            assert_eq!(parameters(schema.map(raw).as_ref()).unwrap().get(), wanted, "{schema:?}");
        }
    }
}
