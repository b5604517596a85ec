//! Responses requests into our words.

use super::echo::Echo;
use super::items::{Conversation, push_item};
use super::wire::{Body, Choice, Format, Reasoning, Tool};
use crate::openai::shared::{effort, json_schema, no_parameters};
use crate::problem::Problem;
use crate::wire::{Rest, TextOr, WordOr, hoist, json_of, read_at, read_body};
use bytes::Bytes;
use nunchi_core::{
    Dialect, Json, Message, ModelRequest, Origin, ReasoningRequest, ResponseFormat, Role, ToolChoice,
    ToolDefinition,
};

/// Translates a body. `same_dialect` tells whether a model of that name is served by an upstream that speaks this
/// dialect itself; only such an upstream can continue a conversation that it stored.
pub(super) fn translate(
    bytes: Bytes,
    same_dialect: &dyn Fn(&str) -> bool,
) -> Result<(ModelRequest, Echo), Problem> {
    let mut body: Body = read_body(&bytes)?;
    let mut rest = std::mem::take(&mut body.rest);
    let model =
        body.model.take().filter(|model| !model.is_empty()).ok_or_else(|| Problem::missing("model"))?;
    if body.background == Some(true) {
        return Err(Problem::unsupported("background", "answers are given on this connection only"));
    }
    let stored = Stored::take(&mut body);
    let stored_there = || same_dialect(&model);
    if let Some((field, _)) = stored.fields.first()
        && !stored_there()
    {
        let detail = format!(
            "what it names is stored nowhere that \"{model}\" could read it; send the content itself as `input`"
        );
        return Err(Problem::unsupported(*field, detail));
    }
    let messages = conversation(&mut body, !stored.fields.is_empty(), &stored_there, &mut rest)?;
    let mut echo = Echo::default();
    echo.of_body(&body);
    let mut request = ModelRequest::new(model, messages);
    let tools = body.tools.take().unwrap_or_default();
    for (index, tool) in tools.iter().enumerate() {
        request.tools.push(definition(tool, index, &mut rest)?);
    }
    echo.tools = tools;
    let choice = body.tool_choice.take();
    request.tool_choice =
        choice.map_or(Ok(ToolChoice::Auto), |choice| tool_choice(choice, &mut rest, &mut echo))?;
    options(&mut request, body, &mut rest, &mut echo)?;
    echo.of_rest(&rest);
    rest.extend(stored.fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    request.rest = rest;
    request.origin = Some(Origin { dialect: Dialect::OpenAiResponses, body: bytes });
    Ok((request, echo))
}

/// Fields that point to something the upstream stores.
struct Stored {
    fields: Vec<(&'static str, Json)>,
}

impl Stored {
    fn take(body: &mut Body) -> Self {
        let previous = body.previous_response_id.as_ref().map(json_of);
        let fields = [
            ("previous_response_id", previous),
            ("conversation", body.conversation.take()),
            ("prompt", body.prompt.take()),
        ];
        Self { fields: fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect() }
    }
}

/// The conversation; `continued` when the upstream has its beginning, so that it may be empty here.
fn conversation(
    body: &mut Body,
    continued: bool,
    stored_there: &dyn Fn() -> bool,
    rest: &mut Rest,
) -> Result<Vec<Message>, Problem> {
    let mut conversation = Conversation::default();
    if let Some(text) = &body.instructions {
        conversation.messages.push(Message::text(Role::System, text.clone()));
    }
    match body.input.take() {
        Some(TextOr::Text(text)) => conversation.messages.push(Message::text(Role::User, text)),
        Some(TextOr::List(items)) => {
            for (index, item) in items.into_iter().enumerate() {
                push_item(&mut conversation, item, &|| format!("input[{index}]"), stored_there, rest)?;
            }
        }
        None if continued => {}
        None => return Err(Problem::missing("input")),
    }
    if conversation.messages.is_empty() && !continued {
        return Err(Problem::invalid("input", "at least one item is needed"));
    }
    Ok(conversation.messages)
}

fn options(
    request: &mut ModelRequest,
    mut body: Body,
    rest: &mut Rest,
    echo: &mut Echo,
) -> Result<(), Problem> {
    if body.max_output_tokens == Some(0) {
        return Err(Problem::invalid("max_output_tokens", "it must be at least 1"));
    }
    request.parallel_tool_calls = body.parallel_tool_calls;
    request.max_output_tokens = body.max_output_tokens;
    request.sampling.temperature = body.temperature;
    request.sampling.top_p = body.top_p;
    request.sampling.top_logprobs = body.top_logprobs.filter(|count| *count > 0);
    request.stream = body.stream.unwrap_or(false);
    request.end_user = body.user.take();
    if let Some(text) = body.text.take() {
        hoist(rest, || "text".into(), text.rest);
        request.format = text.format.map_or(Ok(ResponseFormat::Text), |shape| format(shape, rest))?;
    }
    echo.format = Some(request.format.clone());
    request.reasoning = body.reasoning.take().and_then(|wish| reasoning(wish, rest));
    echo.reasoning.clone_from(&request.reasoning);
    Ok(())
}

fn reasoning(wish: Reasoning, rest: &mut Rest) -> Option<ReasoningRequest> {
    let level = wish.effort.as_deref().and_then(effort);
    if let (Some(word), None) = (&wish.effort, level) {
        rest.push(("reasoning.effort".into(), json_of(word)));
    }
    hoist(rest, || "reasoning".into(), wish.rest);
    let summary = wish.summary.or(wish.generate_summary);
    (level.is_some() || summary.is_some()).then_some(ReasoningRequest {
        effort: level,
        budget_tokens: None,
        summary,
    })
}

fn format(shape: Format, rest: &mut Rest) -> Result<ResponseFormat, Problem> {
    let path = "text.format";
    let kind = shape.kind.ok_or_else(|| Problem::missing("text.format.type"))?;
    hoist(rest, || path.into(), shape.rest);
    match kind.as_str() {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => json_schema(shape.name, shape.description, shape.schema, shape.strict, path),
        _ => {
            rest.push(("text.format.type".into(), json_of(&kind)));
            Ok(ResponseFormat::Text)
        }
    }
}

fn definition(raw: &Json, index: usize, rest: &mut Rest) -> Result<ToolDefinition, Problem> {
    let path = format!("tools[{index}]");
    let tool: Tool = read_at(raw.get(), &|| path.clone())?;
    let kind = tool.kind.ok_or_else(|| Problem::missing(format!("{path}.type")))?;
    let name = tool.name.filter(|name| !name.is_empty());
    if kind != "function" {
        let name = name.unwrap_or(kind);
        let builtin = Some(raw.clone());
        return Ok(ToolDefinition { name, description: None, parameters: None, strict: None, builtin });
    }
    hoist(rest, || path.clone(), tool.rest);
    Ok(ToolDefinition {
        name: name.ok_or_else(|| Problem::missing(format!("{path}.name")))?,
        description: tool.description,
        parameters: Some(tool.parameters.unwrap_or_else(no_parameters)),
        strict: tool.strict,
        builtin: None,
    })
}

fn tool_choice(choice: WordOr<Choice>, rest: &mut Rest, echo: &mut Echo) -> Result<ToolChoice, Problem> {
    let word = match choice {
        WordOr::Word(word) => word,
        WordOr::Object(choice) => {
            if let Some(name) = choice.name {
                echo.tool_choice = Some(json_of(&serde_json::json!({"type": "function", "name": name})));
                return Ok(ToolChoice::Named(name));
            }
            match (choice.mode, choice.kind) {
                (Some(mode), _) => {
                    rest.extend(choice.tools.map(|tools| ("tool_choice.tools".to_owned(), tools)));
                    mode
                }
                // A tool of the provider is named by its type.
                (None, Some(kind)) => return Ok(ToolChoice::Named(kind)),
                (None, None) => return Err(Problem::missing("tool_choice.name")),
            }
        }
    };
    echo.tool_choice = Some(json_of(&word));
    match word.as_str() {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(Problem::invalid("tool_choice", format!("\"{word}\" is none of auto, none, required"))),
    }
}
