//! Writes a chat completions request: the caller's own body with our changes, or a translation.

use super::breakpoints::breakpoints;
use super::wire::{Body, Choice, Format, Function, Name, Schema, StreamOptions, Tool};
use super::{Flavour, is_shared, messages, reasons, shared_fields};
use crate::changed_turns::{Form, changed_turns};
use crate::codec::Encoded;
use crate::kept_tools::kept_tools;
use crate::notes::Notes;
use crate::shared::{garbage, unsupported};
use crate::splice::{Edit, Object};
use bytes::Bytes;
use nunchi_core::{
    Dialect, Message, ModelError, ModelRequest, ReasoningEffort, ReasoningRequest, ResponseFormat,
    ToolChoice, ToolDefinition,
};
use serde::Deserialize;
use std::collections::BTreeMap;

const PATH: &str = "/chat/completions";

/// OpenAI takes at most this many stop texts.
const STOP_LIMIT: usize = 4;

pub(super) fn request(flavour: Flavour, request: &ModelRequest) -> Result<Encoded, ModelError> {
    if flavour == Flavour::Perplexity {
        perplexity_can(request)?;
    }
    let origin = request.origin.as_ref().filter(|origin| origin.dialect == Dialect::OpenAiChat);
    if let Some(body) = origin.and_then(|origin| spliced(flavour, request, &origin.body)) {
        return Ok(Encoded::new(PATH, body));
    }
    translated(flavour, request)
}

/// What Perplexity would leave out without a word.
fn perplexity_can(request: &ModelRequest) -> Result<(), ModelError> {
    let tools = !request.tools.is_empty() && request.tool_choice != ToolChoice::None;
    match () {
        () if tools => Err(unsupported("Perplexity calls no tools")),
        () if request.choices > 1 => Err(unsupported("Perplexity gives one answer only")),
        () if matches!(request.format, ResponseFormat::JsonObject) => {
            Err(unsupported("Perplexity answers in JSON only with a schema"))
        }
        () => Ok(()),
    }
}

/// The caller's body with model, cap and stream as the gateway decided; `None` when it is no JSON object.
fn spliced(flavour: Flavour, request: &ModelRequest, body: &Bytes) -> Option<Bytes> {
    let object = Object::scan(body)?;
    let mut edits = Vec::with_capacity(4);
    if object.read::<&str>("model") != Some(&request.model) {
        edits.push(("model", Edit::string(&request.model)));
    }
    if object.read::<bool>("stream").unwrap_or(false) != request.stream {
        edits.push(("stream", Edit::bool(request.stream)));
    }
    let tool = |tool: &ToolDefinition| serde_json::to_string(&tool_of(flavour, tool).ok()?).ok();
    edits.extend(kept_tools(&object, request, tool).ok()?.map(|edit| ("tools", edit)));
    let write = |added: &[Message]| {
        let written = messages::translate(flavour, added, &mut Notes::default()).ok()?;
        written.iter().map(|message| serde_json::to_string(message).ok()).collect()
    };
    edits.extend(changed_turns(&object, request, Form::Chat, write).ok()?);
    if let Some(marks) = breakpoints(request).filter(|_| flavour == Flavour::OpenAi) {
        let changed = edits.iter().find_map(|(name, edit)| match edit {
            Edit::Set(text) if *name == "messages" => Some(text.as_ref()),
            _ => None,
        });
        if let Some(marked) = marks.edits(&object, changed, request.messages.len()) {
            edits.retain(|(name, _)| *name != "messages");
            edits.extend(marked);
        }
    }
    if request.changes.as_ref().is_some_and(|changes| changes.no_more_tools) {
        edits.push(("tool_choice", Edit::string("none")));
    }
    cap_edits(flavour, request, &object, &mut edits);
    if !request.stream {
        edits.push(("stream_options", Edit::Remove));
    } else if flavour != Flavour::Perplexity {
        edits.extend(usage_edit(&object));
    }
    Some(object.with(&edits))
}

/// The output cap, under the name the caller used unless the model refuses that one.
fn cap_edits(
    flavour: Flavour,
    request: &ModelRequest,
    object: &Object<'_>,
    edits: &mut Vec<(&'static str, Edit<'static>)>,
) {
    const OLD: &str = "max_tokens";
    const NEW: &str = "max_completion_tokens";
    let name = match flavour {
        Flavour::OpenAi if !object.has(OLD) || reasons(&request.model) => NEW,
        Flavour::OpenAi => OLD,
        _ if object.has(NEW) => NEW,
        _ => OLD,
    };
    if name == NEW && flavour == Flavour::OpenAi && object.get(OLD).is_some() {
        edits.push((OLD, Edit::Remove));
    }
    if let Some(cap) = request.max_output_tokens.or_else(|| object.read(OLD))
        && object.read::<u64>(name) != Some(cap)
    {
        edits.push((name, Edit::number(cap)));
    }
}

/// Makes the upstream report usage at the end of the stream; the caller's other stream options stay.
fn usage_edit(object: &Object<'_>) -> Option<(&'static str, Edit<'static>)> {
    const NAME: &str = "stream_options";
    let whole = || Some((NAME, Edit::Set(r#"{"include_usage":true}"#.into())));
    let Some(options) = object.get(NAME) else { return whole() };
    let options = Bytes::copy_from_slice(options);
    let Some(inner) = Object::scan(&options) else { return whole() };
    if inner.read::<bool>("include_usage") == Some(true) {
        return None;
    }
    let changed = inner.with(&[("include_usage", Edit::bool(true))]);
    Some((NAME, Edit::Set(String::from_utf8(changed.to_vec()).ok()?.into())))
}

fn translated(flavour: Flavour, request: &ModelRequest) -> Result<Encoded, ModelError> {
    let own = flavour == Flavour::OpenAi;
    let mut notes = Notes::of_rest_but(request, |name| own && is_shared(request, name));
    if flavour == Flavour::OpenAi && request.sampling.stop.len() > STOP_LIMIT {
        return Err(unsupported(format!("OpenAI takes at most {STOP_LIMIT} stop texts")));
    }
    let mut body = Body {
        model: &request.model,
        messages: messages::translate(flavour, &request.messages, &mut notes)?,
        tools: request.tools.iter().map(|tool| tool_of(flavour, tool)).collect::<Result<_, _>>()?,
        tool_choice: tool_choice(request),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !request.tools.is_empty()),
        response_format: format(&request.format),
        reasoning_effort: effort(flavour, request, &mut notes),
        stop: &request.sampling.stop,
        n: (request.choices > 1).then_some(request.choices),
        user: request.end_user.as_deref(),
        shared: if own { shared_fields(request, Dialect::OpenAiChat) } else { BTreeMap::new() },
        stream: request.stream.then_some(true),
        stream_options: (request.stream && flavour != Flavour::Perplexity)
            .then_some(StreamOptions { include_usage: true }),
        ..Body::default()
    };
    match flavour {
        Flavour::OpenAi => body.max_completion_tokens = request.max_output_tokens,
        _ => body.max_tokens = request.max_output_tokens,
    }
    sampling(flavour, request, &mut body, &mut notes);
    if let Some(marks) = breakpoints(request).filter(|_| own) {
        marks.mark(&mut body.messages, request);
        body.prompt_cache_options = marks.mode();
        body.cache_key = (!body.shared.contains_key("prompt_cache_key")).then(|| marks.into_key());
    }
    let bytes = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded { notes: notes.into_list(), ..Encoded::new(PATH, bytes) })
}

fn sampling<'a>(flavour: Flavour, request: &'a ModelRequest, body: &mut Body<'a>, notes: &mut Notes) {
    let wanted = &request.sampling;
    if wanted.top_k.is_some() && flavour != Flavour::Perplexity {
        notes.add("top_k", "left out: chat completions have no such field");
    } else {
        body.top_k = wanted.top_k;
    }
    body.seed = wanted.seed;
    body.logprobs = wanted.top_logprobs.map(|_| true);
    body.top_logprobs = wanted.top_logprobs;
    if flavour == Flavour::OpenAi && reasons(&request.model) {
        let fields = [
            ("temperature", wanted.temperature),
            ("top_p", wanted.top_p),
            ("presence_penalty", wanted.presence_penalty),
            ("frequency_penalty", wanted.frequency_penalty),
        ];
        for (name, _) in fields.into_iter().filter(|(_, value)| value.is_some()) {
            notes.add(name, "left out: OpenAI's reasoning models refuse it");
        }
        return;
    }
    body.temperature = wanted.temperature;
    body.top_p = wanted.top_p;
    body.presence_penalty = wanted.presence_penalty;
    body.frequency_penalty = wanted.frequency_penalty;
}

fn tool_of(flavour: Flavour, tool: &ToolDefinition) -> Result<Tool<'_>, ModelError> {
    let Some(own) = &tool.builtin else {
        let function = Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
            strict: tool.strict,
        };
        return Ok(Tool::Function { kind: "function", function });
    };
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type", default)]
        kind: String,
    }
    // Only `custom` tools exist in this dialect besides functions; everything else runs at another provider.
    match serde_json::from_str::<Kind>(own.get()) {
        Ok(Kind { kind }) if kind == "custom" || (kind == "function" && flavour == Flavour::Compatible) => {
            Ok(Tool::Own(own))
        }
        _ => Err(unsupported(format!("the tool {} runs at another provider only", tool.name))),
    }
}

fn tool_choice(request: &ModelRequest) -> Option<Choice<'_>> {
    match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => (!request.tools.is_empty()).then_some(Choice::Word("none")),
        ToolChoice::Required => Some(Choice::Word("required")),
        ToolChoice::Named(name) => Some(Choice::Named { kind: "function", function: Name { name } }),
    }
}

fn format(format: &ResponseFormat) -> Option<Format<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(Format::JsonObject),
        ResponseFormat::JsonSchema(wanted) => Some(Format::JsonSchema {
            json_schema: Schema {
                name: &wanted.name,
                description: wanted.description.as_deref(),
                schema: &wanted.schema,
                strict: wanted.strict,
            },
        }),
    }
}

fn effort(flavour: Flavour, request: &ModelRequest, notes: &mut Notes) -> Option<&'static str> {
    let wanted = request.reasoning.as_ref()?;
    if wanted.summary.is_some() {
        notes.add("reasoning.summary", "left out: chat completions show no reasoning");
    }
    if flavour == Flavour::OpenAi && !reasons(&request.model) {
        notes.add("reasoning", "left out: this model does not reason");
        return None;
    }
    effort_word(wanted, notes)
}

/// The word for an effort; a cap in tokens becomes the nearest level.
pub(crate) fn effort_word(wanted: &ReasoningRequest, notes: &mut Notes) -> Option<&'static str> {
    if let Some(effort) = wanted.effort {
        return Some(match effort {
            ReasoningEffort::None => "none",
            ReasoningEffort::Minimal => "minimal",
            ReasoningEffort::Low => "low",
            ReasoningEffort::Medium => "medium",
            ReasoningEffort::High => "high",
            ReasoningEffort::Xhigh => "xhigh",
        });
    }
    let budget = wanted.budget_tokens?;
    let word = match budget {
        // "none" is refused by the older reasoning models; every one of them takes "low".
        0..=2_048 => "low",
        2_049..=8_192 => "medium",
        _ => "high",
    };
    notes.add("reasoning.budget_tokens", format!("{budget} tokens became the effort \"{word}\""));
    Some(word)
}
