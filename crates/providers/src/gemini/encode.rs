//! Writes a request to `generateContent`.

use super::facts::{Facts, facts};
use super::models::resource;
use super::tuning::config;
use super::turns::{Conversation, conversation};
use super::wire::{Body, Calling, Content, Data, Function, Tool, ToolConfig};
use crate::codec::Encoded;
use crate::notes::Notes;
use crate::shared::{garbage, unsupported};
use nunchi_core::{Json, ModelError, ModelRequest, ResponseFormat, ToolChoice, ToolDefinition};
use serde_json::{Map, Value};

/// What is asked of a model when any JSON object will do and its parameter cannot be set.
const JSON_INSTRUCTION: &str =
    "Answer with one JSON object and nothing else: no introduction, no code fence.";

/// The tools that run at Google, in both spellings.
const BUILTINS: [&str; 14] = [
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "googleMaps",
    "google_maps",
    "fileSearch",
    "file_search",
    "computerUse",
    "computer_use",
];

/// The longest name of a function.
const NAME_LIMIT: usize = 128;

pub(super) fn request(request: &ModelRequest) -> Result<Encoded, ModelError> {
    let path = path(request)?;
    let facts = facts(&request.model);
    let mut notes = Notes::of_rest(request);
    let Conversation { mut system, turns: contents, .. } =
        conversation(&request.messages, facts, &mut notes)?;
    let mut generation_config = config(request, facts, &mut notes)?;
    let offered = offered(request, facts, &mut notes)?;
    if clash(request, facts, offered) {
        generation_config.response_mime_type = None;
        notes.add("response_format", "asked for in the instructions: this model has no such mode with tools");
        system.push(Data::Text(JSON_INSTRUCTION).into());
    }
    if request.end_user.is_some() {
        notes.add("user", "left out: Gemini has no such field");
    }
    if request.parallel_tool_calls == Some(false) && !offered.is_empty() {
        notes.add("parallel_tool_calls", "left out: Gemini has no such field");
    }
    let body = Body {
        system_instruction: (!system.is_empty()).then_some(Content { role: None, parts: system }),
        contents,
        tools: tools(offered, request, &mut notes)?,
        tool_config: tool_config(offered, &request.tool_choice),
        generation_config,
    };
    let bytes = serde_json::to_vec(&body).map_err(|error| garbage(format!("the request: {error}")))?;
    Ok(Encoded { notes: notes.into_list(), ..Encoded::new(path, bytes) })
}

fn path(request: &ModelRequest) -> Result<String, ModelError> {
    let verb = if request.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    Ok(format!("/v1beta/{}:{verb}", resource(&request.model)?))
}

/// Whether the answer's shape and the tools exclude each other.
fn clash(request: &ModelRequest, facts: Facts, offered: &[ToolDefinition]) -> bool {
    matches!(request.format, ResponseFormat::JsonObject) && !offered.is_empty() && !facts.newest
}

/// The tools that are offered. Before Gemini 3 a model answers in JSON or calls tools, not both.
fn offered<'a>(
    request: &'a ModelRequest,
    facts: Facts,
    notes: &mut Notes,
) -> Result<&'a [ToolDefinition], ModelError> {
    let shaped = !matches!(request.format, ResponseFormat::Text) && !facts.newest;
    if !shaped || request.tools.is_empty() {
        return Ok(&request.tools);
    }
    if request.tool_choice == ToolChoice::None {
        notes.add("tools", "left out: none may be called, and this model answers in JSON without tools only");
        return Ok(&[]);
    }
    if matches!(request.format, ResponseFormat::JsonSchema(_)) {
        return Err(unsupported(format!(
            "{} does not both answer by a schema and call tools",
            request.model
        )));
    }
    Ok(&request.tools)
}

fn tools<'a>(
    tools: &'a [ToolDefinition],
    request: &ModelRequest,
    notes: &mut Notes,
) -> Result<Vec<Tool<'a>>, ModelError> {
    let mut out = Vec::new();
    let mut function_declarations = Vec::new();
    for tool in tools {
        match &tool.builtin {
            Some(raw) if is_builtin(raw) => out.push(Tool::Builtin(raw)),
            Some(_) => {
                return Err(unsupported(format!("the tool {} runs at another provider only", tool.name)));
            }
            None => function_declarations.push(function(tool)?),
        }
        // A forced call follows its schema anyway.
        if tool.strict == Some(true) && request.tool_choice == ToolChoice::Auto {
            notes.add("tools.strict", "left out: Gemini follows schemas exactly only where a call is forced");
        }
    }
    if !out.is_empty() && !function_declarations.is_empty() {
        return Err(unsupported("Gemini's own tools do not go together with functions"));
    }
    if !function_declarations.is_empty() {
        out.push(Tool::Functions { function_declarations });
    }
    Ok(out)
}

fn function(tool: &ToolDefinition) -> Result<Function<'_>, ModelError> {
    let name = tool.name.as_str();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if !begins || name.len() > NAME_LIMIT || !name.chars().all(fits) {
        return Err(unsupported(format!("Gemini takes no tool named \"{name}\"")));
    }
    Ok(Function {
        name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.parameters.as_ref().filter(|schema| asks_something(schema)),
    })
}

/// Whether a schema has any parameter. One without is left out: Gemini refuses objects that hold nothing.
fn asks_something(schema: &Json) -> bool {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(schema.get()) else { return true };
    let says = |name: &str| match fields.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Object(inner)) => !inner.is_empty(),
        Some(_) => true,
    };
    ["properties", "additionalProperties", "patternProperties", "$ref", "anyOf", "oneOf", "allOf"]
        .into_iter()
        .any(says)
}

fn is_builtin(raw: &Json) -> bool {
    let fields: Map<String, Value> = serde_json::from_str(raw.get()).unwrap_or_default();
    !fields.is_empty() && fields.keys().all(|name| BUILTINS.contains(&name.as_str()))
}

fn tool_config<'a>(offered: &[ToolDefinition], choice: &'a ToolChoice) -> Option<ToolConfig<'a>> {
    let (mode, allowed) = match choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some([name.as_str()])),
    };
    // The tools that run at Google are not called but used.
    offered
        .iter()
        .any(|tool| tool.builtin.is_none())
        .then_some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names: allowed } })
}
