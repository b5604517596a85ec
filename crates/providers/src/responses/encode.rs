//! Writes a responses request: the caller's own body with our changes, or a translation.

use super::input;
use super::wire::{Body, Choice, Format, Reasoning, StreamOptions, TextOptions, Tool};
use crate::changed_turns::{Form, changed_turns};
use crate::codec::Encoded;
use crate::kept_tools::kept_tools;
use crate::notes::Notes;
use crate::openai::{effort_word, is_shared, reasons, shared_fields};
use crate::shared::{garbage, unsupported};
use crate::splice::{Edit, Object};
use bytes::Bytes;
use nunchi_core::{Dialect, Message, ModelError, ModelRequest, ResponseFormat, ToolChoice, ToolDefinition};
use serde::Deserialize;

const PATH: &str = "/responses";

pub(super) fn request(request: &ModelRequest) -> Result<Encoded, ModelError> {
    let origin = request.origin.as_ref().filter(|origin| origin.dialect == Dialect::OpenAiResponses);
    if let Some(body) = origin.and_then(|origin| spliced(request, &origin.body)) {
        return Ok(Encoded::new(PATH, body));
    }
    translated(request)
}

/// The caller's body with model, cap and stream as the gateway decided; `None` when it is no JSON object.
fn spliced(request: &ModelRequest, body: &Bytes) -> Option<Bytes> {
    const CAP: &str = "max_output_tokens";
    let object = Object::scan(body)?;
    let mut edits = Vec::with_capacity(4);
    if object.read::<&str>("model") != Some(&request.model) {
        edits.push(("model", Edit::string(&request.model)));
    }
    if object.read::<bool>("stream").unwrap_or(false) != request.stream {
        edits.push(("stream", Edit::bool(request.stream)));
    }
    let tool = |tool: &ToolDefinition| serde_json::to_string(&tool_of(tool).ok()?).ok();
    edits.extend(kept_tools(&object, request, tool).ok()?.map(|edit| ("tools", edit)));
    let write = |added: &[Message]| {
        let written = input::items(added, &mut Notes::default()).ok()?;
        written.iter().map(|item| serde_json::to_string(item).ok()).collect()
    };
    edits.extend(changed_turns(&object, request, Form::Responses, write).ok()?);
    if request.changes.as_ref().is_some_and(|changes| changes.no_more_tools) {
        edits.push(("tool_choice", Edit::string("none")));
    }
    if let Some(cap) = request.max_output_tokens
        && object.read::<u64>(CAP) != Some(cap)
    {
        edits.push((CAP, Edit::number(cap)));
    }
    if !request.stream {
        edits.push(("stream_options", Edit::Remove));
    }
    Some(object.with(&edits))
}

fn translated(request: &ModelRequest) -> Result<Encoded, ModelError> {
    if request.choices > 1 {
        return Err(unsupported("responses give one answer only"));
    }
    if !request.sampling.stop.is_empty() {
        return Err(unsupported("responses take no stop texts"));
    }
    let mut notes = Notes::of_rest_but(request, |name| is_shared(request, name));
    let mut shared = shared_fields(request, Dialect::OpenAiResponses);
    let (format, verbosity) = (format(&request.format), shared.remove("text.verbosity"));
    let (instructions, rest) = input::instructions(&request.messages);
    let mut body = Body {
        model: &request.model,
        instructions,
        input: input::items(rest, &mut notes)?,
        tools: request.tools.iter().map(tool_of).collect::<Result<_, _>>()?,
        tool_choice: tool_choice(request),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| !request.tools.is_empty()),
        text: (format.is_some() || verbosity.is_some()).then_some(TextOptions { format, verbosity }),
        shared,
        max_output_tokens: request.max_output_tokens,
        user: request.end_user.as_deref(),
        // Nothing is kept at the provider that the caller did not ask to be kept.
        store: false,
        stream: request.stream.then_some(true),
        stream_options: request.stream.then_some(StreamOptions { include_obfuscation: false }),
        ..Body::default()
    };
    sampling(request, &mut body, &mut notes);
    reasoning(request, &mut body, &mut notes);
    let bytes = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded { notes: notes.into_list(), ..Encoded::new(PATH, bytes) })
}

fn sampling(request: &ModelRequest, body: &mut Body<'_>, notes: &mut Notes) {
    let wanted = &request.sampling;
    let absent = [
        ("top_k", wanted.top_k.is_some()),
        ("seed", wanted.seed.is_some()),
        ("presence_penalty", wanted.presence_penalty.is_some()),
        ("frequency_penalty", wanted.frequency_penalty.is_some()),
    ];
    for (name, _) in absent.into_iter().filter(|(_, given)| *given) {
        notes.add(name, "left out: responses have no such field");
    }
    if wanted.top_logprobs.is_some() {
        body.top_logprobs = wanted.top_logprobs;
        body.include.push("message.output_text.logprobs");
    }
    if !reasons(&request.model) {
        body.temperature = wanted.temperature;
        body.top_p = wanted.top_p;
        return;
    }
    let refused = [("temperature", wanted.temperature.is_some()), ("top_p", wanted.top_p.is_some())];
    for (name, _) in refused.into_iter().filter(|(_, given)| *given) {
        notes.add(name, "left out: OpenAI's reasoning models refuse it");
    }
}

fn reasoning<'a>(request: &'a ModelRequest, body: &mut Body<'a>, notes: &mut Notes) {
    if !reasons(&request.model) {
        if request.reasoning.is_some() {
            notes.add("reasoning", "left out: this model does not reason");
        }
        return;
    }
    // Nothing is stored, so the reasoning has to travel with the conversation.
    body.include.push("reasoning.encrypted_content");
    if let Some(wanted) = &request.reasoning {
        let effort = effort_word(wanted, notes);
        body.reasoning = Some(Reasoning { effort, summary: wanted.summary.as_deref() });
    }
}

fn tool_of(tool: &ToolDefinition) -> Result<Tool<'_>, ModelError> {
    let Some(own) = &tool.builtin else {
        return Ok(Tool::Function {
            kind: "function",
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
            strict: tool.strict.unwrap_or(false),
        });
    };
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type", default)]
        kind: String,
    }
    let kind = serde_json::from_str::<Kind>(own.get()).map(|kind| kind.kind).unwrap_or_default();
    if is_own_tool(&kind) {
        return Ok(Tool::Own(own));
    }
    Err(unsupported(format!("the tool {} runs at another provider only", tool.name)))
}

/// Whether OpenAI runs a tool of this type.
fn is_own_tool(kind: &str) -> bool {
    const TYPES: [&str; 12] = [
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "custom",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "shell",
        "web_search",
        "web_search_preview",
    ];
    // Dated by OpenAI with dashes (`web_search_2025_08_26`) or by Anthropic without (`web_search_20250305`).
    let undated =
        kind.split_once("_20").map_or(kind, |(name, date)| if date.contains('_') { name } else { kind });
    TYPES.contains(&undated)
}

fn tool_choice(request: &ModelRequest) -> Option<Choice<'_>> {
    match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => (!request.tools.is_empty()).then_some(Choice::Word("none")),
        ToolChoice::Required => Some(Choice::Word("required")),
        ToolChoice::Named(name) => Some(Choice::Named { kind: "function", name }),
    }
}

fn format(format: &ResponseFormat) -> Option<Format<'_>> {
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(Format::JsonObject),
        ResponseFormat::JsonSchema(wanted) => Some(Format::JsonSchema {
            name: &wanted.name,
            description: wanted.description.as_deref(),
            schema: &wanted.schema,
            strict: wanted.strict,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::is_own_tool;

    #[test]
    fn own_and_foreign_tools() {
        for kind in ["web_search", "web_search_2025_08_26", "web_search_preview_2025_03_11", "mcp", "custom"]
        {
            assert!(is_own_tool(kind), "{kind}");
        }
        for kind in ["web_search_20250305", "bash_20250124", "googleSearch", "", "function"] {
            assert!(!is_own_tool(kind), "{kind}");
        }
    }
}
