//! Writes a messages request: the caller's own body with our changes, or a translation.

use super::messages;
use crate::codec::Encoded;
use crate::notes::Notes;
use crate::shared::{garbage, unsupported};
use crate::splice::{Edit, Object};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use nunchi_core::{
    Dialect, ModelError, ModelRequest, ReasoningEffort, ReasoningRequest, ResponseFormat, ToolChoice,
    ToolDefinition,
};
use serde_json::{Map, Value, json};

const PATH: &str = "/v1/messages";
/// The API version spoken.
const VERSION: &str = "2023-06-01";
/// The cap where neither the caller nor the gateway gave one; Anthropic demands one.
const DEFAULT_CAP: u64 = 4_096;
/// The least that Anthropic takes as a budget for thinking, in tokens.
const LEAST_THINKING: u64 = 1_024;
/// The caller's header that switches beta features on, as `api` hands it over.
const BETA: &str = "anthropic-beta";

pub(super) fn request(request: &ModelRequest) -> Result<Encoded, ModelError> {
    let origin = request.origin.as_ref().filter(|origin| origin.dialect == Dialect::Anthropic);
    let mut encoded = match origin.and_then(|origin| spliced(request, &origin.body)) {
        Some(body) => Encoded::new(PATH, body),
        None => translated(request)?,
    };
    encoded.headers.push((HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION)));
    let beta = request.rest.iter().find(|(name, _)| name == BETA);
    let beta = beta.and_then(|(_, value)| serde_json::from_str::<String>(value.get()).ok());
    if let Some(value) = beta.and_then(|text| HeaderValue::from_str(&text).ok()) {
        encoded.headers.push((HeaderName::from_static(BETA), value));
    }
    Ok(encoded)
}

/// The caller's body with model, cap and stream as the gateway decided; `None` when it is no JSON object.
fn spliced(request: &ModelRequest, body: &Bytes) -> Option<Bytes> {
    let object = Object::scan(body)?;
    let mut edits = Vec::with_capacity(3);
    if object.read::<&str>("model") != Some(&request.model) {
        edits.push(("model", Edit::string(&request.model)));
    }
    if object.read::<bool>("stream").unwrap_or(false) != request.stream {
        edits.push(("stream", Edit::bool(request.stream)));
    }
    if let Some(cap) = request.max_output_tokens
        && object.read::<u64>("max_tokens") != Some(cap)
    {
        edits.push(("max_tokens", Edit::number(cap)));
    }
    Some(object.with(&edits))
}

fn translated(request: &ModelRequest) -> Result<Encoded, ModelError> {
    if request.choices > 1 {
        return Err(unsupported("Anthropic gives one answer only"));
    }
    let mut notes = Notes::of_rest_but(request, |name| name == BETA);
    let cap = request.max_output_tokens.unwrap_or(DEFAULT_CAP);
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), cap.into());
    let (system, messages) = messages::translate(&request.messages, &mut notes)?;
    if !system.is_empty() {
        body.insert("system".into(), system.into());
    }
    body.insert("messages".into(), messages.into());
    tools(request, &mut body)?;
    format(request, &mut body, &mut notes)?;
    let thinks = thinking(request, cap, &mut body, &mut notes);
    sampling(request, thinks, &mut body, &mut notes);
    if let Some(user) = &request.end_user {
        body.insert("metadata".into(), json!({ "user_id": user }));
    }
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    let bytes = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded { notes: notes.into_list(), ..Encoded::new(PATH, bytes) })
}

fn tools(request: &ModelRequest, body: &mut Map<String, Value>) -> Result<(), ModelError> {
    if request.tools.is_empty() {
        return Ok(());
    }
    let tools = request.tools.iter().map(tool).collect::<Result<Vec<_>, _>>()?;
    body.insert("tools".into(), tools.into());
    let mut choice = match &request.tool_choice {
        ToolChoice::Auto => json!({ "type": "auto" }),
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
    };
    if request.parallel_tool_calls == Some(false) && request.tool_choice != ToolChoice::None {
        choice["disable_parallel_tool_use"] = true.into();
    }
    if request.tool_choice != ToolChoice::Auto || request.parallel_tool_calls == Some(false) {
        body.insert("tool_choice".into(), choice);
    }
    Ok(())
}

fn tool(tool: &ToolDefinition) -> Result<Value, ModelError> {
    if tool.builtin.is_some() {
        return Err(unsupported(format!("the tool {} runs at another provider only", tool.name)));
    }
    let schema = match &tool.parameters {
        Some(schema) => serde_json::from_str(schema.get())
            .map_err(|error| garbage(format!("the schema of {}: {error}", tool.name)))?,
        None => json!({ "type": "object", "properties": {} }),
    };
    let mut written = json!({ "name": tool.name, "input_schema": schema });
    if let Some(description) = &tool.description {
        written["description"] = description.as_str().into();
    }
    if tool.strict == Some(true) {
        written["strict"] = true.into();
    }
    Ok(written)
}

fn format(
    request: &ModelRequest,
    body: &mut Map<String, Value>,
    notes: &mut Notes,
) -> Result<(), ModelError> {
    match &request.format {
        ResponseFormat::Text => {}
        ResponseFormat::JsonObject => {
            return Err(unsupported("Anthropic answers in JSON only with a schema"));
        }
        ResponseFormat::JsonSchema(wanted) => {
            let schema: Value = serde_json::from_str(wanted.schema.get())
                .map_err(|error| garbage(format!("the schema: {error}")))?;
            let format = json!({ "type": "json_schema", "schema": schema });
            body.insert("output_config".into(), json!({ "format": format }));
            if wanted.strict == Some(false) {
                notes.add("response_format.strict", "Anthropic always follows the schema");
            }
        }
    }
    Ok(())
}

/// Asks for thinking; tells whether it will.
fn thinking(request: &ModelRequest, cap: u64, body: &mut Map<String, Value>, notes: &mut Notes) -> bool {
    let Some(wanted) = &request.reasoning else { return false };
    if wanted.summary.is_some() {
        notes.add("reasoning.summary", "left out: Anthropic chooses how thinking is shown");
    }
    let Some(budget) = thinking_budget(wanted) else { return false };
    let most = cap.saturating_sub(1);
    if most < LEAST_THINKING {
        notes.add("reasoning", "left out: the output cap leaves no room for thinking");
        return false;
    }
    body.insert(
        "thinking".into(),
        json!({ "type": "enabled", "budget_tokens": budget.clamp(LEAST_THINKING, most) }),
    );
    true
}

/// Tokens for a level of thinking.
fn thinking_budget(wanted: &ReasoningRequest) -> Option<u64> {
    let by_level = || {
        Some(match wanted.effort? {
            ReasoningEffort::None => return None,
            ReasoningEffort::Minimal | ReasoningEffort::Low => LEAST_THINKING,
            ReasoningEffort::Medium => 4_096,
            ReasoningEffort::High => 16_384,
            ReasoningEffort::Xhigh => 32_768,
        })
    };
    wanted.budget_tokens.or_else(by_level).filter(|budget| *budget > 0)
}

fn sampling(request: &ModelRequest, thinks: bool, body: &mut Map<String, Value>, notes: &mut Notes) {
    let wanted = &request.sampling;
    if !wanted.stop.is_empty() {
        body.insert("stop_sequences".into(), wanted.stop.clone().into());
    }
    let absent = [
        ("seed", wanted.seed.is_some()),
        ("presence_penalty", wanted.presence_penalty.is_some()),
        ("frequency_penalty", wanted.frequency_penalty.is_some()),
        ("top_logprobs", wanted.top_logprobs.is_some()),
    ];
    for (name, _) in absent.into_iter().filter(|(_, given)| *given) {
        notes.add(name, "left out: Anthropic has no such field");
    }
    if thinks {
        for (name, _) in [("temperature", wanted.temperature), ("top_p", wanted.top_p)]
            .into_iter()
            .filter(|(_, v)| v.is_some())
        {
            notes.add(name, "left out: Anthropic refuses it together with thinking");
        }
        return;
    }
    if let Some(temperature) = wanted.temperature {
        if temperature > 1.0 {
            notes.add("temperature", "lowered to 1, the most Anthropic takes");
        }
        body.insert("temperature".into(), temperature.clamp(0.0, 1.0).into());
    }
    if let Some(top_p) = wanted.top_p {
        body.insert("top_p".into(), top_p.into());
    }
    if let Some(top_k) = wanted.top_k {
        body.insert("top_k".into(), top_k.into());
    }
}
