//! Anthropic messages into our words.

use super::wire::{Block, Body, Choice, Format, OutputConfig, Source, Thinking, Tool};
use crate::media;
use crate::openai::shared::{cache_point, effort, json_schema, sampling_stop};
use crate::problem::Problem;
use crate::wire::{Rest, TextOr, hoist, json_of, read_at, read_body};
use bytes::Bytes;
use http::HeaderMap;
use nunchi_core::{
    Dialect, Json, Media, MediaSource, Message, ModelRequest, Origin, Part, ReasoningRequest, ResponseFormat,
    Role, ToolChoice, ToolDefinition,
};

/// How deep content may hold content: a document in a tool result is 2.
const MAX_DEPTH: u32 = 3;

/// Translates a body. The `anthropic-beta` header goes along as if it were a field, since fields depend on it.
pub(super) fn translate(headers: &HeaderMap, bytes: Bytes) -> Result<ModelRequest, Problem> {
    let mut body: Body = read_body(&bytes)?;
    let mut rest = std::mem::take(&mut body.rest);
    let model =
        body.model.take().filter(|model| !model.is_empty()).ok_or_else(|| Problem::missing("model"))?;
    let mut messages = Vec::new();
    if let Some(system) = body.system.take() {
        let parts = content(system, &|| "system".into(), 0, &mut rest)?;
        messages.push(Message { role: Role::System, parts, name: None });
    }
    let turns = body.messages.take().ok_or_else(|| Problem::missing("messages"))?;
    if turns.is_empty() {
        return Err(Problem::invalid("messages", "at least one message is needed"));
    }
    for (index, mut turn) in turns.into_iter().enumerate() {
        let at = || format!("messages[{index}]");
        let role = role(turn.role.take(), &at)?;
        let said = turn.content.take().ok_or_else(|| Problem::missing(at() + ".content"))?;
        let parts = content(said, &|| at() + ".content", 0, &mut rest)?;
        hoist(&mut rest, at, turn.rest);
        push_turn(&mut messages, role, parts);
    }
    let mut request = ModelRequest::new(model, messages);
    for (index, tool) in body.tools.take().unwrap_or_default().into_iter().enumerate() {
        request.tools.push(definition(tool, index, &mut rest)?);
    }
    if let Some(choice) = body.tool_choice.take() {
        request.parallel_tool_calls = choice.disable_parallel_tool_use.map(|disabled| !disabled);
        request.tool_choice = tool_choice(choice)?;
    }
    options(&mut request, &mut body, &mut rest)?;
    let betas: Vec<_> =
        headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok()).collect();
    if !betas.is_empty() {
        rest.push(("anthropic-beta".into(), json_of(&betas.join(","))));
    }
    request.rest = rest;
    request.origin = Some(Origin { dialect: Dialect::Anthropic, body: bytes });
    Ok(request)
}

fn role(word: Option<String>, at: &dyn Fn() -> String) -> Result<Role, Problem> {
    let word = word.ok_or_else(|| Problem::missing(at() + ".role"))?;
    match word.as_str() {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        _ => Err(Problem::invalid(at() + ".role", format!("\"{word}\" is neither user nor assistant"))),
    }
}

/// Adds a turn. Tool results, which Anthropic puts into the user's turn, become turns of the tool.
fn push_turn(messages: &mut Vec<Message>, role: Role, parts: Vec<Part>) {
    if role != Role::User || !parts.iter().any(|part| matches!(part, Part::ToolResult { .. })) {
        messages.push(Message { role, parts, name: None });
        return;
    }
    let mut current: Option<Message> = None;
    for part in parts {
        let role = match (&part, &current) {
            (Part::ToolResult { .. }, _) => Role::Tool,
            // A cache mark belongs to what stands before it.
            (Part::CachePoint(_), Some(before)) => before.role,
            _ => Role::User,
        };
        match &mut current {
            Some(message) if message.role == role => message.parts.push(part),
            _ => messages.extend(current.replace(Message { role, parts: vec![part], name: None })),
        }
    }
    messages.extend(current);
}

fn options(request: &mut ModelRequest, body: &mut Body, rest: &mut Rest) -> Result<(), Problem> {
    if body.max_tokens == Some(0) {
        return Err(Problem::invalid("max_tokens", "it must be at least 1"));
    }
    request.max_output_tokens = body.max_tokens;
    request.stream = body.stream.unwrap_or(false);
    request.sampling.temperature = body.temperature;
    request.sampling.top_k = body.top_k;
    request.sampling.top_p = body.top_p;
    request.sampling.stop = sampling_stop(body.stop_sequences.take().map(TextOr::List), "stop_sequences")?;
    if let Some(metadata) = body.metadata.take() {
        request.end_user = metadata.user_id;
        hoist(rest, || "metadata".into(), metadata.rest);
    }
    let config = body.output_config.take().unwrap_or_default();
    request.reasoning = reasoning(body.thinking.take(), &config, rest)?;
    hoist(rest, || "output_config".into(), config.rest);
    request.format = match (config.format, body.output_format.take()) {
        (Some(shape), _) => format(shape, "output_config.format", rest)?,
        (None, Some(shape)) => format(shape, "output_format", rest)?,
        (None, None) => ResponseFormat::Text,
    };
    Ok(())
}

fn reasoning(
    thinking: Option<Thinking>,
    config: &OutputConfig,
    rest: &mut Rest,
) -> Result<Option<ReasoningRequest>, Problem> {
    let level = config.effort.as_deref().and_then(effort);
    if let (Some(word), None) = (&config.effort, level) {
        rest.push(("output_config.effort".into(), json_of(word)));
    }
    let wish = |budget_tokens| ReasoningRequest { effort: level, budget_tokens, summary: None };
    let Some(thinking) = thinking else { return Ok(level.map(|_| wish(None))) };
    let kind = thinking.kind.ok_or_else(|| Problem::missing("thinking.type"))?;
    hoist(rest, || "thinking".into(), thinking.rest);
    match kind.as_str() {
        "enabled" => match thinking.budget_tokens {
            Some(budget) if budget > 0 => Ok(Some(wish(Some(budget)))),
            Some(_) => Err(Problem::invalid("thinking.budget_tokens", "it must be at least 1")),
            None => Err(Problem::missing("thinking.budget_tokens")),
        },
        "disabled" => Ok(Some(wish(Some(0)))),
        "adaptive" => Ok(Some(wish(None))),
        _ => Err(Problem::invalid(
            "thinking.type",
            format!("\"{kind}\" is none of enabled, disabled, adaptive"),
        )),
    }
}

fn format(shape: Format, path: &str, rest: &mut Rest) -> Result<ResponseFormat, Problem> {
    hoist(rest, || path.into(), shape.rest);
    match shape.kind.as_deref() {
        Some("json_schema") => json_schema(shape.name, None, shape.schema, Some(true), path),
        Some("text") => Ok(ResponseFormat::Text),
        Some(kind) => Err(Problem::invalid(format!("{path}.type"), format!("\"{kind}\" is not json_schema"))),
        None => Err(Problem::missing(format!("{path}.type"))),
    }
}

/// The content of a message, of a tool result or of a document; each of the latter two is one level deeper.
fn content(
    said: TextOr<Json>,
    at: &dyn Fn() -> String,
    depth: u32,
    rest: &mut Rest,
) -> Result<Vec<Part>, Problem> {
    if depth > MAX_DEPTH {
        return Err(Problem::invalid(at(), format!("nested more than {MAX_DEPTH} levels deep")));
    }
    let blocks = match said {
        TextOr::Text(text) => return Ok(vec![Part::Text(text)]),
        TextOr::List(blocks) => blocks,
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.into_iter().enumerate() {
        part(block, &|| format!("{}[{index}]", at()), depth, rest, &mut parts)?;
    }
    Ok(parts)
}

/// One block, and the cache mark behind it.
fn part(
    raw: Json,
    at: &dyn Fn() -> String,
    depth: u32,
    rest: &mut Rest,
    parts: &mut Vec<Part>,
) -> Result<(), Problem> {
    let mut block: Block = read_at(raw.get(), at)?;
    let kind = block.kind.take().ok_or_else(|| Problem::missing(at() + ".type"))?;
    let need = |value: Option<String>, field: &str| {
        value.ok_or_else(|| Problem::missing(format!("{}.{field}", at())))
    };
    match kind.as_str() {
        "text" => parts.push(Part::Text(need(block.text.take(), "text")?)),
        "image" | "document" => document(&kind, &mut block, at, depth, rest, parts)?,
        "tool_use" => parts.push(Part::ToolCall {
            id: need(block.id.take(), "id")?,
            name: need(block.name.take(), "name")?,
            arguments: block
                .input
                .take()
                .map_or_else(|| "{}".into(), |input| String::from(Box::<str>::from(input))),
            signature: None,
        }),
        "tool_result" => parts.push(Part::ToolResult {
            call_id: need(block.tool_use_id.take(), "tool_use_id")?,
            content: match block.content.take() {
                Some(said) => inner(&said, &|| at() + ".content", depth, rest)?,
                None => Vec::new(),
            },
            is_error: block.is_error.unwrap_or(false),
        }),
        "thinking" => parts.push(Part::Thinking {
            text: need(block.thinking.take(), "thinking")?,
            signature: block.signature.take().filter(|signature| !signature.is_empty()),
        }),
        "redacted_thinking" => parts.push(Part::RedactedThinking(need(block.data.take(), "data")?)),
        // A block we have no word for still reaches an upstream of this dialect; others are told by a note.
        _ => {
            rest.push((at(), raw));
            return Ok(());
        }
    }
    if let Some(mark) = block.cache_control.take() {
        parts.extend(cache_point(mark.kind, mark.ttl, &(at() + ".cache_control"))?);
    }
    hoist(rest, at, block.rest);
    Ok(())
}

/// Content inside content.
fn inner(said: &Json, at: &dyn Fn() -> String, depth: u32, rest: &mut Rest) -> Result<Vec<Part>, Problem> {
    content(read_at(said.get(), at)?, at, depth + 1, rest)
}

fn document(
    kind: &str,
    block: &mut Block,
    at: &dyn Fn() -> String,
    depth: u32,
    rest: &mut Rest,
    parts: &mut Vec<Part>,
) -> Result<(), Problem> {
    let path = || at() + ".source";
    let source = block.source.take().ok_or_else(|| Problem::missing(path()))?;
    let name = block.title.take();
    if source.kind.as_deref() == Some("content") {
        // A document made of blocks is its blocks.
        let said = source.content.ok_or_else(|| Problem::missing(path() + ".content"))?;
        parts.extend(inner(&said, &|| path() + ".content", depth, rest)?);
        return Ok(());
    }
    parts.push(Part::Media(Media { name, ..source_media(kind, source, &path, rest)? }));
    Ok(())
}

fn source_media(
    kind: &str,
    source: Source,
    path: &dyn Fn() -> String,
    rest: &mut Rest,
) -> Result<Media, Problem> {
    let missing = |field: &str| Problem::missing(format!("{}.{field}", path()));
    let document = kind == "document";
    let source_kind = source.kind.ok_or_else(|| missing("type"))?;
    hoist(rest, path, source.rest);
    let (media_type, source) = match source_kind.as_str() {
        "base64" => {
            let media_type = source.media_type.ok_or_else(|| missing("media_type"))?;
            (media_type, MediaSource::Base64(source.data.ok_or_else(|| missing("data"))?.into()))
        }
        "text" => {
            let text = source.data.ok_or_else(|| missing("data"))?;
            ("text/plain".into(), MediaSource::Base64(media::encode(&text)))
        }
        "url" => {
            let media_type = if document { "application/pdf" } else { "" };
            (media_type.into(), MediaSource::Url(source.url.ok_or_else(|| missing("url"))?))
        }
        "file" => {
            let id = source.file_id.ok_or_else(|| missing("file_id"))?;
            let media_type =
                if document { media::from_file_id(String::new()).media_type } else { String::new() };
            (media_type, MediaSource::FileId(id))
        }
        _ => {
            let detail = format!("\"{source_kind}\" is none of base64, url, file, text, content");
            return Err(Problem::invalid(path() + ".type", detail));
        }
    };
    Ok(Media { media_type, source, detail: None, name: None })
}

fn definition(raw: Json, index: usize, rest: &mut Rest) -> Result<ToolDefinition, Problem> {
    let path = format!("tools[{index}]");
    let tool: Tool = read_at(raw.get(), &|| path.clone())?;
    let name = tool.name.filter(|name| !name.is_empty());
    if tool.kind.as_deref().is_some_and(|kind| kind != "custom") {
        let name = name.or(tool.kind).unwrap_or_default();
        return Ok(ToolDefinition {
            name,
            description: None,
            parameters: None,
            strict: None,
            builtin: Some(raw),
        });
    }
    hoist(rest, || path.clone(), tool.rest);
    Ok(ToolDefinition {
        name: name.ok_or_else(|| Problem::missing(format!("{path}.name")))?,
        description: tool.description,
        parameters: Some(tool.input_schema.ok_or_else(|| Problem::missing(format!("{path}.input_schema")))?),
        strict: tool.strict,
        builtin: None,
    })
}

fn tool_choice(choice: Choice) -> Result<ToolChoice, Problem> {
    let kind = choice.kind.ok_or_else(|| Problem::missing("tool_choice.type"))?;
    match kind.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "any" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        "tool" => choice.name.map(ToolChoice::Named).ok_or_else(|| Problem::missing("tool_choice.name")),
        _ => {
            Err(Problem::invalid("tool_choice.type", format!("\"{kind}\" is none of auto, any, tool, none")))
        }
    }
}
