//! Writes a request to the Messages API: the caller's own body with our changes, or a translation.

use super::facts::{Facts, facts};
use super::fit;
use super::schema::fitted;
use super::tuning::tune;
use super::turns::{Conversation, conversation, is_own};
use super::wire::{Body, CacheControl, Choice, Content, Format, Metadata, OutputConfig, Tool};
use crate::codec::Encoded;
use crate::notes::Notes;
use crate::shared::{garbage, unsupported};
use http::{HeaderName, HeaderValue};
use nunchi_core::{
    Dialect, Json, ModelError, ModelRequest, Part, ResponseFormat, ToolChoice, ToolDefinition,
};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

const PATH: &str = "/v1/messages";

/// The version of the API that is spoken, sent with every request.
pub(crate) const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// The output cap of a request without one: Anthropic wants one. The gateway normally sets it, since it holds money for it.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// Sent as a header, kept by the door as if it were a field.
pub(crate) const BETA: &str = "anthropic-beta";

/// The beta that reads uploaded files.
const FILES_BETA: &str = "files-api-2025-04-14";

/// What is asked of a model when any JSON object will do, for which Anthropic has no parameter.
const JSON_INSTRUCTION: &str =
    "Answer with one JSON object and nothing else: no introduction, no code fence.";

pub(super) fn request(request: &ModelRequest) -> Result<Encoded, ModelError> {
    if request.choices > 1 {
        return Err(unsupported("Anthropic gives one answer only"));
    }
    let facts = facts(&request.model);
    let own = request.origin.as_ref().filter(|origin| origin.dialect == Dialect::Anthropic);
    if let Some(origin) = own.filter(|_| !has_foreign_proof(request))
        && let Some((body, notes)) = fit::spliced(request, facts, &origin.body)
    {
        let headers = own_headers(request, false);
        return Ok(Encoded { notes, headers, ..Encoded::new(PATH, body) });
    }
    translated(request, facts)
}

/// Reasoning of another provider, which a client carried here: Anthropic refuses the whole request for it.
fn has_foreign_proof(request: &ModelRequest) -> bool {
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| match part {
        Part::Thinking { signature, .. } => signature.as_deref().is_none_or(|proof| !is_own(proof)),
        Part::RedactedThinking(data) => !is_own(data),
        _ => false,
    })
}

/// The version, the caller's betas, and ours.
fn own_headers(request: &ModelRequest, files: bool) -> Vec<(HeaderName, HeaderValue)> {
    let anthropic = request.origin.as_ref().is_some_and(|origin| origin.dialect == Dialect::Anthropic);
    let given = request.rest.iter().find(|(name, _)| anthropic && name == BETA);
    let mut betas: String =
        given.and_then(|(_, json)| serde_json::from_str(json.get()).ok()).unwrap_or_default();
    if files && !betas.contains(FILES_BETA) {
        betas = if betas.is_empty() { FILES_BETA.into() } else { format!("{betas},{FILES_BETA}") };
    }
    let value = HeaderValue::try_from(betas).ok().filter(|value| !value.is_empty());
    let beta = value.map(|value| (HeaderName::from_static(BETA), value));
    std::iter::once(VERSION).chain(beta).collect()
}

fn translated(request: &ModelRequest, facts: Facts) -> Result<Encoded, ModelError> {
    let own = request.origin.as_ref().is_some_and(|origin| origin.dialect == Dialect::Anthropic);
    let mut notes = Notes::of_rest_but(request, |name| own && name == BETA);
    let max_tokens = request.max_output_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let Conversation { mut system, turns, tools_mark, files } = conversation(&request.messages, &mut notes)?;
    let format = match &request.format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => {
            notes.add("response_format", "asked for in the instructions: Anthropic has no such mode");
            system.push(Content::Text { text: JSON_INSTRUCTION }.into());
            None
        }
        ResponseFormat::JsonSchema(_) if !facts.schemas => {
            return Err(unsupported(format!("{} does not answer by a schema", request.model)));
        }
        ResponseFormat::JsonSchema(schema) => {
            Some(Format { kind: "json_schema", schema: fitted(schema, &mut notes) })
        }
    };
    let tuning = tune(request, facts, max_tokens, &mut notes);
    let config = OutputConfig { effort: tuning.effort, format };
    let body = Body {
        model: &request.model,
        max_tokens,
        system,
        messages: turns,
        tools: tools(&request.tools, tools_mark)?,
        tool_choice: tool_choice(request),
        stop_sequences: &request.sampling.stop,
        temperature: tuning.temperature,
        top_p: tuning.top_p,
        top_k: tuning.top_k,
        thinking: tuning.thinking,
        output_config: (config.effort.is_some() || config.format.is_some()).then_some(config),
        metadata: request.end_user.as_deref().map(|user_id| Metadata { user_id }),
        stream: request.stream,
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    let headers = own_headers(request, files);
    Ok(Encoded { notes: notes.into_list(), headers, ..Encoded::new(PATH, bytes) })
}

fn tools(tools: &[ToolDefinition], mark: Option<CacheControl>) -> Result<Vec<Tool<'_>>, ModelError> {
    let mut out: Vec<Tool<'_>> = tools.iter().map(tool).collect::<Result<_, _>>()?;
    if let Some(Tool::Own { cache_control, .. }) = out.last_mut() {
        *cache_control = mark;
    }
    Ok(out)
}

pub(super) fn tool(tool: &ToolDefinition) -> Result<Tool<'_>, ModelError> {
    if let Some(raw) = &tool.builtin {
        if !is_server_tool(raw) {
            return Err(unsupported(format!("the tool {} runs at another provider only", tool.name)));
        }
        return Ok(Tool::Builtin(raw));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if tool.name.is_empty() || tool.name.len() > 128 || !tool.name.chars().all(fits) {
        return Err(unsupported(format!("Anthropic takes no tool named \"{}\"", tool.name)));
    }
    Ok(Tool::Own {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: input_schema(tool.parameters.as_ref())?,
        strict: tool.strict.filter(|strict| *strict),
        cache_control: None,
    })
}

/// The schema of the arguments; a tool without one takes an empty object.
fn input_schema(parameters: Option<&Json>) -> Result<Cow<'_, RawValue>, ModelError> {
    // A schema without a type is refused, whatever else it says.
    let typed = |raw: &Json| {
        let kind: Result<serde_json::Value, _> = serde_json::from_str(raw.get());
        kind.is_ok_and(|schema| schema.get("type").is_some())
    };
    if let Some(raw) = parameters.filter(|raw| typed(raw)) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut schema: serde_json::Map<String, serde_json::Value> =
        parameters.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    schema.insert("type".into(), "object".into());
    let raw = to_raw_value(&schema).map_err(|error| garbage(format!("the schema of a tool: {error}")))?;
    Ok(Cow::Owned(raw))
}

/// Anthropic's own tools carry a date in their type: `web_search_20250305`.
fn is_server_tool(raw: &Json) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    let Ok(Kind { kind }) = serde_json::from_str(raw.get()) else { return false };
    kind.rsplit_once('_').is_some_and(|(name, date)| {
        !name.is_empty() && date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn tool_choice(request: &ModelRequest) -> Option<Choice<'_>> {
    if request.tools.is_empty() {
        return None;
    }
    let (kind, name) = match &request.tool_choice {
        ToolChoice::Auto => ("auto", None),
        ToolChoice::None => ("none", None),
        ToolChoice::Required => ("any", None),
        ToolChoice::Named(name) => ("tool", Some(name.as_str())),
    };
    let one = request.parallel_tool_calls == Some(false) && kind != "none";
    let disable_parallel_tool_use = one.then_some(true);
    (kind != "auto" || one).then_some(Choice { kind, name, disable_parallel_tool_use })
}
