//! Chat completions into our words.

use super::Echo;
use super::wire::{Audio, Body, Call, Choice, File, Format, ImageUrl, Named, Piece, Thought, Tool, Turn};
use crate::media;
use crate::openai::shared::{cache_point, effort, image_detail, json_schema, sampling_stop};
use crate::problem::Problem;
use crate::wire::{Rest, TextOr, WordOr, hoist, json_of, read_at, read_body};
use bytes::Bytes;
use nunchi_core::{
    Dialect, Json, Media, Message, ModelRequest, Origin, Part, ReasoningRequest, ResponseFormat, Role,
    Sampling, ToolChoice, ToolDefinition,
};

/// Most alternatives of one request.
const MAX_CHOICES: u32 = 128;

/// Translates a body.
pub(super) fn translate(bytes: Bytes) -> Result<(ModelRequest, Echo), Problem> {
    let mut body: Body = read_body(&bytes)?;
    let mut rest = std::mem::take(&mut body.rest);
    let model =
        body.model.take().filter(|model| !model.is_empty()).ok_or_else(|| Problem::missing("model"))?;
    let turns = body.messages.take().ok_or_else(|| Problem::missing("messages"))?;
    if turns.is_empty() {
        return Err(Problem::invalid("messages", "at least one message is needed"));
    }
    let mut messages = Vec::with_capacity(turns.len());
    for (index, turn) in turns.into_iter().enumerate() {
        messages.push(message(turn, index, &mut rest)?);
    }
    let mut request = ModelRequest::new(model, messages);
    for (index, tool) in body.tools.take().unwrap_or_default().into_iter().enumerate() {
        request.tools.push(definition(tool, index, &mut rest)?);
    }
    request.tool_choice =
        body.tool_choice.take().map_or(Ok(ToolChoice::Auto), |choice| tool_choice(choice, &mut rest))?;
    request.parallel_tool_calls = body.parallel_tool_calls;
    request.format =
        body.response_format.take().map_or(Ok(ResponseFormat::Text), |it| format(it, &mut rest))?;
    request.max_output_tokens = output_cap(&body)?;
    request.reasoning = body.reasoning_effort.take().and_then(|word| reasoning(word, &mut rest));
    request.choices = body.n.unwrap_or(1);
    if !(1..=MAX_CHOICES).contains(&request.choices) {
        return Err(Problem::invalid("n", format!("it must be from 1 to {MAX_CHOICES}")));
    }
    request.stream = body.stream.unwrap_or(false);
    request.end_user = body.user.take();
    let options = body.stream_options.take().unwrap_or_default();
    let include_usage = options.include_usage.unwrap_or(false);
    hoist(&mut rest, || "stream_options".into(), options.rest);
    request.sampling = sampling(body)?;
    request.rest = rest;
    request.origin = Some(Origin { dialect: Dialect::OpenAiChat, body: bytes });
    Ok((request, Echo { include_usage }))
}

/// The cap in either spelling; two different ones would be read one way here and another way upstream.
fn output_cap(body: &Body) -> Result<Option<u64>, Problem> {
    let cap = match (body.max_completion_tokens, body.max_tokens) {
        (Some(new), Some(old)) if new != old => {
            return Err(Problem::invalid("max_tokens", "it contradicts `max_completion_tokens`"));
        }
        (new, old) => new.or(old),
    };
    if cap == Some(0) {
        return Err(Problem::invalid("max_completion_tokens", "it must be at least 1"));
    }
    Ok(cap)
}

fn sampling(body: Body) -> Result<Sampling, Problem> {
    let top_logprobs = match (body.logprobs, body.top_logprobs) {
        (Some(false), None | Some(0)) | (None, None) => None,
        (Some(true), None) => Some(0),
        (Some(true), some) => some,
        (_, Some(_)) => return Err(Problem::invalid("top_logprobs", "`logprobs` must be true with it")),
    };
    Ok(Sampling {
        temperature: body.temperature,
        top_p: body.top_p,
        top_k: body.top_k,
        seed: body.seed,
        presence_penalty: body.presence_penalty,
        frequency_penalty: body.frequency_penalty,
        stop: sampling_stop(body.stop, "stop")?,
        top_logprobs,
    })
}

fn reasoning(word: String, rest: &mut Rest) -> Option<ReasoningRequest> {
    let level = effort(&word);
    if level.is_none() {
        rest.push(("reasoning_effort".into(), json_of(&word)));
    }
    level.map(|effort| ReasoningRequest { effort: Some(effort), ..ReasoningRequest::default() })
}

fn message(mut turn: Turn, index: usize, rest: &mut Rest) -> Result<Message, Problem> {
    let at = |field: &str| format!("messages[{index}]{field}");
    let word = turn.role.take().ok_or_else(|| Problem::missing(at(".role")))?;
    let role = match word.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => return Err(Problem::invalid(at(".role"), format!("\"{word}\" is no role"))),
    };
    let mut parts = Vec::new();
    if role == Role::Assistant {
        thoughts(&mut turn, &mut parts);
    }
    let speaks = turn.tool_calls.is_some() || turn.function_call.is_some() || turn.refusal.is_some();
    match turn.content.take() {
        Some(TextOr::Text(text)) => parts.push(Part::Text(text)),
        Some(TextOr::List(pieces)) => {
            for (number, piece) in pieces.into_iter().enumerate() {
                let at = || at(&format!(".content[{number}]"));
                parts.extend(part(piece, &at, rest)?);
            }
        }
        None if role == Role::Assistant || speaks => {}
        None => return Err(Problem::missing(at(".content"))),
    }
    parts.extend(turn.refusal.take().filter(|text| !text.is_empty()).map(Part::Refusal));
    for (number, call) in turn.tool_calls.take().unwrap_or_default().into_iter().enumerate() {
        parts.push(tool_call(call, &|| at(&format!(".tool_calls[{number}]")), rest)?);
    }
    if let Some(Named { name: Some(name), arguments, .. }) = turn.function_call.take() {
        let arguments = arguments.unwrap_or_default();
        parts.push(Part::ToolCall { id: name.clone(), name, arguments, signature: None });
    }
    let mut name = turn.name.take();
    if role == Role::Tool {
        // The retired `function` role pairs by name.
        let id = turn.tool_call_id.take().or_else(|| if word == "function" { name.take() } else { None });
        let call_id = id.ok_or_else(|| Problem::missing(at(".tool_call_id")))?;
        let (marks, content): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part, Part::CachePoint(_)));
        parts = vec![Part::ToolResult { call_id, content, is_error: false }];
        parts.extend(marks);
    }
    hoist(rest, || at(""), turn.rest);
    Ok(Message { role, parts, name })
}

/// Reasoning of an earlier answer: with its proof where the client kept it, else as bare text.
fn thoughts(turn: &mut Turn, parts: &mut Vec<Part>) {
    let blocks = turn.thinking_blocks.take().unwrap_or_default();
    let bare = turn.reasoning_content.take().or(turn.reasoning.take());
    if blocks.is_empty() {
        let bare = bare.filter(|text| !text.is_empty());
        parts.extend(bare.map(|text| Part::Thinking { text, signature: None }));
        return;
    }
    parts.extend(blocks.into_iter().map(|Thought { thinking, signature, data, .. }| match data {
        Some(data) => Part::RedactedThinking(data),
        None => Part::Thinking { text: thinking.unwrap_or_default(), signature },
    }));
}

/// One content part, and the cache mark behind it.
fn part(raw: Json, at: &dyn Fn() -> String, rest: &mut Rest) -> Result<Vec<Part>, Problem> {
    let mut piece: Piece = read_at(raw.get(), at)?;
    let kind = piece.kind.take().ok_or_else(|| Problem::missing(at() + ".type"))?;
    let missing = |field: &str| Problem::missing(format!("{}.{field}", at()));
    let mut parts = match kind.as_str() {
        "text" => vec![Part::Text(piece.text.take().ok_or_else(|| missing("text"))?)],
        "refusal" => vec![Part::Refusal(piece.refusal.take().ok_or_else(|| missing("refusal"))?)],
        "image_url" => {
            vec![Part::Media(image(piece.image_url.take().ok_or_else(|| missing("image_url"))?, at, rest)?)]
        }
        "input_audio" => {
            vec![Part::Media(audio(piece.input_audio.take().ok_or_else(|| missing("input_audio"))?, at)?)]
        }
        "file" => vec![Part::Media(file(piece.file.take().ok_or_else(|| missing("file"))?, at, rest)?)],
        _ => {
            // A kind we have no word for still reaches an upstream of this dialect; others are told by a note.
            rest.push((at(), raw));
            return Ok(Vec::new());
        }
    };
    if let Some(mark) = piece.cache_control.take() {
        parts.extend(cache_point(mark.kind, mark.ttl, &(at() + ".cache_control"))?);
    }
    hoist(rest, at, piece.rest);
    Ok(parts)
}

fn image(image: WordOr<ImageUrl>, at: &dyn Fn() -> String, rest: &mut Rest) -> Result<Media, Problem> {
    let image = match image {
        WordOr::Word(url) => ImageUrl { url: Some(url), ..ImageUrl::default() },
        WordOr::Object(image) => image,
    };
    let path = || at() + ".image_url";
    let url = image.url.filter(|url| !url.is_empty()).ok_or_else(|| Problem::missing(path() + ".url"))?;
    let detail = image_detail(image.detail, &path, rest);
    hoist(rest, path, image.rest);
    Ok(Media { detail, ..media::from_url(url) })
}

fn audio(audio: Audio, at: &dyn Fn() -> String) -> Result<Media, Problem> {
    let missing = |field: &str| Problem::missing(format!("{}.input_audio.{field}", at()));
    let format = audio.format.ok_or_else(|| missing("format"))?;
    Ok(media::from_base64(&media::audio_type(&format), audio.data.ok_or_else(|| missing("data"))?))
}

fn file(file: File, at: &dyn Fn() -> String, rest: &mut Rest) -> Result<Media, Problem> {
    hoist(rest, || at() + ".file", file.rest);
    let media = match (file.file_id, file.file_data) {
        (Some(id), _) => media::from_file_id(id),
        (None, Some(data)) => media::from_base64("application/pdf", data),
        (None, None) => return Err(Problem::missing(at() + ".file.file_data")),
    };
    Ok(Media { name: file.filename, ..media })
}

fn tool_call(call: Call, at: &dyn Fn() -> String, rest: &mut Rest) -> Result<Part, Problem> {
    let id = call.id.ok_or_else(|| Problem::missing(at() + ".id"))?;
    let function = call.function.ok_or_else(|| Problem::missing(at() + ".function"))?;
    let name = function.name.ok_or_else(|| Problem::missing(at() + ".function.name"))?;
    let signature =
        call.extra_content.and_then(|extra| extra.google).and_then(|google| google.thought_signature);
    hoist(rest, at, call.rest);
    Ok(Part::ToolCall { id, name, arguments: function.arguments.unwrap_or_default(), signature })
}

fn definition(raw: Json, index: usize, rest: &mut Rest) -> Result<ToolDefinition, Problem> {
    let path = format!("tools[{index}]");
    let tool: Tool = read_at(raw.get(), &|| path.clone())?;
    let kind = tool.kind.unwrap_or_else(|| "function".into());
    if kind != "function" {
        let name = tool.custom.and_then(|custom| custom.name).unwrap_or(kind);
        return Ok(ToolDefinition {
            name,
            description: None,
            parameters: None,
            strict: None,
            builtin: Some(raw),
        });
    }
    let function = tool.function.ok_or_else(|| Problem::missing(format!("{path}.function")))?;
    let name = function.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Problem::missing(format!("{path}.function.name")))?;
    hoist(rest, || path.clone(), tool.rest);
    hoist(rest, || format!("{path}.function"), function.rest);
    Ok(ToolDefinition {
        name,
        description: function.description,
        parameters: Some(function.parameters.unwrap_or_else(crate::openai::shared::no_parameters)),
        strict: function.strict,
        builtin: None,
    })
}

fn tool_choice(choice: WordOr<Choice>, rest: &mut Rest) -> Result<ToolChoice, Problem> {
    let path = "tool_choice";
    let word = match choice {
        WordOr::Word(word) => word,
        WordOr::Object(choice) => {
            if let Some(name) = choice.function.or(choice.custom).and_then(|named| named.name) {
                return Ok(ToolChoice::Named(name));
            }
            let allowed =
                choice.allowed_tools.ok_or_else(|| Problem::missing("tool_choice.function.name"))?;
            rest.extend(allowed.tools.map(|tools| ("tool_choice.allowed_tools".to_owned(), tools)));
            allowed.mode.unwrap_or_else(|| "auto".into())
        }
    };
    match word.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(Problem::invalid(path, format!("\"{word}\" is none of auto, none, required"))),
    }
}

fn format(format: Format, rest: &mut Rest) -> Result<ResponseFormat, Problem> {
    let path = "response_format";
    let kind = format.kind.ok_or_else(|| Problem::missing("response_format.type"))?;
    hoist(rest, || path.into(), format.rest);
    match kind.as_str() {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => {
            let at = "response_format.json_schema";
            let schema = format.json_schema.ok_or_else(|| Problem::missing(at))?;
            hoist(rest, || at.into(), schema.rest);
            json_schema(schema.name, schema.description, schema.schema, schema.strict, at)
        }
        _ => {
            rest.push((format!("{path}.type"), json_of(&kind)));
            Ok(ResponseFormat::Text)
        }
    }
}
