//! Translates a request of the gateway into the chat engine's words.

use crate::chat::{ChatMessage, ChatRequest, ChatRole, GenerationOptions};
use crate::error::LocalError;
use nunchi_core::{Message, ModelRequest, Note, Part, ResponseFormat, Role, ToolChoice};

/// Most alternative answers to one request.
const MOST_CHOICES: u32 = 8;
/// Small models repeat themselves without end when they sample too freely; what their makers recommend.
const DEFAULT_TEMPERATURE: f64 = 0.2;
/// The nucleus that goes with it.
const DEFAULT_TOP_P: f64 = 0.9;

/// The request for the engine, and notes of what it cannot be told. What would change the meaning of the answer is an
/// error, so that the gateway asks another model.
pub(super) fn translate(request: &ModelRequest) -> Result<(ChatRequest, Vec<Note>), LocalError> {
    let unsupported = |what: &str| Err(LocalError::Unsupported(what.to_owned()));
    if !request.tools.is_empty() && request.tool_choice != ToolChoice::None {
        return unsupported("tools");
    }
    match request.format {
        ResponseFormat::Text => {}
        ResponseFormat::JsonObject | ResponseFormat::JsonSchema(_) => {
            return unsupported("structured output");
        }
    }
    if request.choices > MOST_CHOICES {
        return unsupported("more than 8 alternatives");
    }
    let messages = request.messages.iter().map(message).collect::<Result<_, _>>()?;
    Ok((ChatRequest { messages, options: options(request) }, notes(request)))
}

fn message(message: &Message) -> Result<ChatMessage, LocalError> {
    let role = match message.role {
        Role::System | Role::Developer => ChatRole::System,
        Role::User => ChatRole::User,
        Role::Assistant => ChatRole::Assistant,
        Role::Tool => return Err(LocalError::Unsupported("tool results".to_owned())),
    };
    let mut text = String::new();
    for part in &message.parts {
        match part {
            Part::Text(more) | Part::Refusal(more) => text.push_str(more),
            // A model's own earlier reasoning is no part of the conversation.
            Part::Thinking { .. } | Part::RedactedThinking(_) | Part::CachePoint(_) => {}
            Part::Media(_) => return Err(LocalError::Unsupported("images and other media".to_owned())),
            Part::ToolCall { .. } | Part::ToolResult { .. } => {
                return Err(LocalError::Unsupported("tool calls".to_owned()));
            }
        }
    }
    Ok(ChatMessage { role, text })
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
        json_object: matches!(request.format, ResponseFormat::JsonObject),
    }
}

fn notes(request: &ModelRequest) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note =
        |field: &str, what: &str| notes.push(Note { field: field.to_owned(), what: what.to_owned() });
    if !request.tools.is_empty() {
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

    #[test]
    fn text_and_parameters_are_kept() {
        let mut asked = request();
        asked.max_output_tokens = Some(7);
        asked.sampling.temperature = Some(0.0);
        asked.sampling.seed = Some(-1);
        asked.sampling.stop = vec!["\n".to_owned()];
        let (chat, notes) = translate(&asked).expect("supported");
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
        let cases: [(&str, Change); 5] = [
            ("image", |r, image| r.messages[1].parts.push(Part::Media(image))),
            ("tools", |r, _| r.tools.push(tool())),
            ("schema", |r, _| {
                let schema = serde_json::value::RawValue::from_string("{}".to_owned()).expect("JSON");
                let format =
                    JsonSchemaFormat { name: "s".to_owned(), description: None, schema, strict: None };
                r.format = ResponseFormat::JsonSchema(format);
            }),
            ("choices", |r, _| r.choices = 9),
            ("tool result", |r, _| r.messages.push(Message::text(Role::Tool, "21"))),
        ];
        for (name, change) in cases {
            let mut asked = request();
            change(&mut asked, image.clone());
            assert!(translate(&asked).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_noted() {
        let mut asked = request();
        asked.tools.push(tool());
        asked.tool_choice = ToolChoice::None;
        asked.sampling.top_logprobs = Some(3);
        let (_, notes) = translate(&asked).expect("supported");
        let fields: Vec<_> = notes.iter().map(|n| n.field.as_str()).collect();
        assert_eq!(fields, ["tools", "top_logprobs"]);
    }
}
