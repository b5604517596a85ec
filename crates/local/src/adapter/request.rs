//! Translates a request of the gateway into the chat engine's words.

use crate::chat::{
    ChatCall, ChatMessage, ChatRequest, ChatRole, ChatTool, CompiledSchema, GenerationOptions, Grammar,
    WantedCall,
};
use crate::error::LocalError;
use nunchi_core::{Message, ModelRequest, Note, Part, ResponseFormat, Role, ToolChoice, ToolDefinition};
use serde_json::Value;
use std::sync::Arc;

/// Most alternative answers to one request.
const MOST_CHOICES: u32 = 8;
/// Small models repeat themselves without end when they sample too freely; what their makers recommend.
const DEFAULT_TEMPERATURE: f64 = 0.2;
/// The nucleus that goes with it.
const DEFAULT_TOP_P: f64 = 0.9;

/// The request for the engine, and notes of what it cannot be told. What would change the meaning of the answer is an
/// error, so that the gateway asks another model. `chosen` is the tool to call, as a place in the request's list.
pub(super) fn translate(
    request: &ModelRequest,
    chosen: Option<usize>,
) -> Result<(ChatRequest, Vec<Note>), LocalError> {
    if request.choices > MOST_CHOICES {
        return Err(LocalError::Unsupported("more than 8 alternatives".to_owned()));
    }
    let mut notes = notes(request);
    let mut messages = Vec::new();
    for message in &request.messages {
        add_message(message, &mut messages)?;
    }
    let call = match chosen.and_then(|at| request.tools.get(at)) {
        Some(tool) => {
            let said = messages.iter().rfind(|message| message.is_said());
            let quoted = said.map(|message| message.text.clone()).unwrap_or_default();
            Some(WantedCall { tool: chat_tool(tool, &mut notes)?, quoted })
        }
        None => None,
    };
    let grammar =
        if call.is_some() { None } else { answer_grammar(&request.format, &mut messages, &mut notes)? };
    let offered = !request.tools.is_empty();
    let mut options = options(request);
    // Where the form is given, chance only does harm, unless the caller wants it.
    if (call.is_some() || grammar.is_some()) && request.sampling.temperature.is_none() {
        options.temperature = 0.0;
    }
    Ok((ChatRequest { messages, call, offered, grammar, options }, notes))
}

fn note(field: &str, what: impl Into<String>) -> Note {
    Note { field: field.to_owned(), what: what.into() }
}

fn chat_tool(tool: &ToolDefinition, notes: &mut Vec<Note>) -> Result<ChatTool, LocalError> {
    let parameters = tool.parameters.as_ref().map_or("{}", |schema| schema.get());
    let compiled = compile(parameters, &format!("the arguments of `{}`", tool.name))?;
    // Arguments are an object, whatever the schema leaves open.
    let arguments = if parameters.trim() == "{}" { Grammar::object() } else { compiled.grammar };
    refuse_or_note(&compiled.ignored, tool.strict, "tools", notes)?;
    Ok(ChatTool {
        name: tool.name.clone(),
        description: tool.description.clone().unwrap_or_default(),
        parameters: parameters.to_owned(),
        arguments: Arc::new(arguments),
    })
}

fn compile(schema: &str, of: &str) -> Result<CompiledSchema, LocalError> {
    let unsupported = |what: String| LocalError::Unsupported(format!("{of}: {what}"));
    let schema: Value = serde_json::from_str(schema).map_err(|error| unsupported(error.to_string()))?;
    Grammar::of_schema(&schema).map_err(unsupported)
}

/// A strict schema is kept to wholly or not at all.
fn refuse_or_note(
    ignored: &[String],
    strict: Option<bool>,
    field: &str,
    notes: &mut Vec<Note>,
) -> Result<(), LocalError> {
    if ignored.is_empty() {
        return Ok(());
    }
    let what = format!("not enforced: {}", ignored.join(", "));
    if strict == Some(true) {
        return Err(LocalError::Unsupported(format!("a strict schema, {what}")));
    }
    notes.push(note(field, what));
    Ok(())
}

/// What an answer must be. The model is told as well: it then writes better what it is free to.
fn answer_grammar(
    format: &ResponseFormat,
    messages: &mut Vec<ChatMessage>,
    notes: &mut Vec<Note>,
) -> Result<Option<Arc<Grammar>>, LocalError> {
    let (grammar, told) = match format {
        ResponseFormat::Text => return Ok(None),
        ResponseFormat::JsonObject => (Grammar::object(), "Answer with one JSON object.".to_owned()),
        ResponseFormat::JsonSchema(format) => {
            let compiled = compile(format.schema.get(), "the schema of the answer")?;
            refuse_or_note(&compiled.ignored, format.strict, "response_format", notes)?;
            (compiled.grammar, format!("Answer in JSON that fits this schema: {}", format.schema.get()))
        }
    };
    match messages.first_mut() {
        Some(first) if first.role == ChatRole::System => first.text.push_str(&format!("\n\n{told}")),
        _ => messages.insert(0, ChatMessage::new(ChatRole::System, told)),
    }
    Ok(Some(Arc::new(grammar)))
}

/// Adds a turn; the results of tools become turns of their own.
fn add_message(message: &Message, out: &mut Vec<ChatMessage>) -> Result<(), LocalError> {
    let role = match message.role {
        Role::System | Role::Developer => ChatRole::System,
        Role::User => ChatRole::User,
        Role::Assistant => ChatRole::Assistant,
        Role::Tool => ChatRole::Tool,
    };
    let mut turn = ChatMessage::new(role, String::new());
    let before = out.len();
    for part in &message.parts {
        match part {
            Part::Text(more) | Part::Refusal(more) => turn.text.push_str(more),
            // A model's own earlier reasoning is no part of the conversation.
            Part::Thinking { .. } | Part::RedactedThinking(_) | Part::CachePoint(_) => {}
            Part::Media(_) => return Err(media()),
            Part::ToolCall { name, arguments, .. } => {
                turn.calls.push(ChatCall { name: name.clone(), arguments: arguments.clone() });
            }
            Part::ToolResult { content, .. } => {
                let texts: Option<String> = content.iter().map(Part::as_text).collect();
                out.push(ChatMessage::new(ChatRole::Tool, texts.ok_or_else(media)?));
            }
        }
    }
    if !turn.text.is_empty() || !turn.calls.is_empty() || out.len() == before {
        out.push(turn);
    }
    Ok(())
}

fn media() -> LocalError {
    LocalError::Unsupported("images and other media".to_owned())
}

fn options(request: &ModelRequest) -> GenerationOptions {
    let sampling = &request.sampling;
    let number = |value: Option<f64>, default: f64| value.unwrap_or(default) as f32;
    GenerationOptions {
        max_tokens: request.max_output_tokens.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        temperature: number(sampling.temperature, DEFAULT_TEMPERATURE),
        top_p: number(sampling.top_p, DEFAULT_TOP_P),
        top_k: sampling.top_k.map_or(0, |n| usize::try_from(n).unwrap_or(0)),
        seed: sampling.seed.map(i64::cast_unsigned),
        presence_penalty: number(sampling.presence_penalty, 0.0),
        frequency_penalty: number(sampling.frequency_penalty, 0.0),
        stop: sampling.stop.clone(),
        choices: request.choices.max(1),
    }
}

fn notes(request: &ModelRequest) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |field: &str, what: &str| notes.push(note(field, what));
    if !request.tools.is_empty() && request.tool_choice == ToolChoice::None {
        note("tools", "left out, as no tool may be called");
    }
    if request.reasoning.is_some() {
        note("reasoning", "the embedded model does not reason apart");
    }
    if request.sampling.top_logprobs.is_some() {
        note("top_logprobs", "not returned");
    }
    for (field, _) in &request.rest {
        note(field, "unknown to the embedded model");
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::translate;
    use crate::chat::{ChatMessage, ChatRole};
    use nunchi_core::{
        JsonSchemaFormat, Media, MediaSource, Message, ModelRequest, Part, ResponseFormat, Role, ToolChoice,
        ToolDefinition,
    };

    /// A change to a request; some use the picture.
    type Change = fn(&mut ModelRequest, Media);

    fn request() -> ModelRequest {
        let messages =
            vec![Message::text(Role::Developer, "Be short."), Message::text(Role::User, "안녕하세요")];
        ModelRequest::new("auto", messages)
    }

    fn tool() -> ToolDefinition {
        let name = "weather".to_owned();
        ToolDefinition { name, description: None, parameters: None, strict: None, builtin: None }
    }

    fn format(schema: &str, strict: Option<bool>) -> ResponseFormat {
        let schema = serde_json::value::RawValue::from_string(schema.to_owned()).expect("JSON");
        let name = "s".to_owned();
        ResponseFormat::JsonSchema(JsonSchemaFormat { name, description: None, schema, strict })
    }

    #[test]
    fn calls_and_their_results_are_turns() {
        let mut asked = request();
        let (id, name) = ("c1".to_owned(), "weather".to_owned());
        let call = Part::ToolCall { id: id.clone(), name, arguments: "{}".to_owned(), signature: None };
        asked.messages.push(Message { role: Role::Assistant, parts: vec![call], name: None });
        let result =
            Part::ToolResult { call_id: id, content: vec![Part::Text("21".to_owned())], is_error: false };
        let more = Part::Text("And now?".to_owned());
        // Results stand in turns of their own, or before what the person says.
        asked.messages.push(Message { role: Role::User, parts: vec![result, more], name: None });
        asked.tools.push(tool());
        let (chat, _) = translate(&asked, Some(0)).expect("supported");
        assert_eq!(chat.messages[2].calls[0].name, "weather");
        assert_eq!(chat.messages[3], ChatMessage::new(ChatRole::Tool, "21"));
        assert_eq!(chat.messages[4], ChatMessage::new(ChatRole::User, "And now?"));
        assert_eq!(chat.call.expect("a call").quoted, "And now?");
    }

    #[test]
    fn what_is_not_enforced_is_noted() {
        let mut asked = request();
        asked.format = format(r#"{"type": "string", "pattern": "^a"}"#, None);
        let (chat, notes) = translate(&asked, None).expect("supported");
        assert!(chat.grammar.is_some() && chat.messages[0].text.contains("pattern"));
        assert_eq!(
            (notes[0].field.as_str(), notes[0].what.as_str()),
            ("response_format", "not enforced: pattern")
        );
    }

    #[test]
    fn text_and_parameters_are_kept() {
        let mut asked = request();
        asked.max_output_tokens = Some(7);
        asked.sampling.temperature = Some(0.0);
        asked.sampling.seed = Some(-1);
        asked.sampling.stop = vec!["\n".to_owned()];
        let (chat, notes) = translate(&asked, None).expect("supported");
        assert_eq!(chat.messages[0], ChatMessage::new(ChatRole::System, "Be short."));
        assert_eq!(chat.messages[1], ChatMessage::new(ChatRole::User, "안녕하세요"));
        assert_eq!(chat.options.max_tokens, Some(7));
        assert_eq!(chat.options.seed, Some(u64::MAX));
        assert_eq!(chat.options.stop, ["\n"]);
        assert!(chat.options.temperature.abs() < f32::EPSILON);
        assert!(notes.is_empty());
    }

    #[test]
    fn what_would_change_the_answer_is_an_error() {
        let image = Media {
            media_type: "image/png".to_owned(),
            source: MediaSource::Url("https://example.com/a.png".to_owned()),
            detail: None,
            name: None,
        };
        let cases: [(&str, Change); 4] = [
            ("image", |r, image| r.messages[1].parts.push(Part::Media(image))),
            ("schema", |r, _| r.format = format(r#"{"$ref": "https://example.com"}"#, None)),
            ("strict", |r, _| r.format = format(r#"{"type": "string", "pattern": "^a"}"#, Some(true))),
            ("choices", |r, _| r.choices = 9),
        ];
        for (name, change) in cases {
            let mut asked = request();
            change(&mut asked, image.clone());
            assert!(translate(&asked, None).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_noted() {
        let mut asked = request();
        asked.tools.push(tool());
        asked.tool_choice = ToolChoice::None;
        asked.sampling.top_logprobs = Some(3);
        let (_, notes) = translate(&asked, None).expect("supported");
        let fields: Vec<_> = notes.iter().map(|n| n.field.as_str()).collect();
        assert_eq!(fields, ["tools", "top_logprobs"]);
    }
}
