//! Reads out of a request, in any dialect, what steers an answer: the person's text, the tools, the wanted shape.

use crate::dialect::{Dialect, Endpoint};
use serde_json::Value;

/// What was understood of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The text of the last message that a person wrote.
    pub(crate) user_text: String,
    /// The tool result, when that is what the conversation ends with.
    pub(crate) tool_result: Option<String>,
    /// Tools on offer: name and JSON Schema of the arguments.
    pub(crate) tools: Vec<(String, Value)>,
    /// Whether a tool must be called: any, or this one.
    pub(crate) forced: Option<Option<String>>,
    /// Whether tools must not be called.
    pub(crate) no_tools: bool,
    /// The JSON Schema that the answer has to follow.
    pub(crate) schema: Option<Value>,
    /// Whether any JSON will do.
    pub(crate) json: bool,
}

impl Reading {
    /// Reads a request.
    pub(crate) fn of(dialect: Dialect, endpoint: Endpoint, body: &Value) -> Self {
        match (dialect, endpoint) {
            (_, Endpoint::Responses) => responses(body),
            (Dialect::Anthropic, _) => anthropic(body),
            (Dialect::Gemini, _) => gemini(body),
            (Dialect::Ollama, _) => ollama(body),
            (Dialect::OpenAi | Dialect::Perplexity, _) => chat(body),
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A string, or the `text` of a list's parts, joined.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        _ => list(content).iter().filter_map(|part| part["text"].as_str()).collect(),
    }
}

/// The last text that is not empty among messages of a role.
fn last_text<'a>(messages: &'a [Value], role: &str, text: impl Fn(&'a Value) -> String) -> String {
    let of_role = messages.iter().rev().filter(|message| message["role"] == role);
    of_role.map(text).find(|text| !text.trim().is_empty()).unwrap_or_default()
}

/// Finds name and schema of each tool.
fn tools(offers: &[Value], part: impl Fn(&Value) -> &Value, schema: &str) -> Vec<(String, Value)> {
    let named = |offer: &Value| Some((part(offer)["name"].as_str()?.to_owned(), part(offer)[schema].clone()));
    offers.iter().filter_map(named).collect()
}

/// OpenAI's `tool_choice`, whose named form differs by endpoint.
fn choice(reading: &mut Reading, choice: &Value, name: &Value) {
    reading.no_tools = *choice == "none";
    if *choice == "required" {
        reading.forced = Some(None);
    } else if let Some(name) = name.as_str() {
        reading.forced = Some(Some(name.to_owned()));
    }
}

fn chat(body: &Value) -> Reading {
    let messages = list(&body["messages"]);
    let last = messages.last().filter(|message| message["role"] == "tool");
    let format = &body["response_format"];
    let mut reading = Reading {
        user_text: last_text(messages, "user", |message| text_of(&message["content"])),
        tool_result: last.map(|message| text_of(&message["content"])),
        tools: tools(list(&body["tools"]), |tool| &tool["function"], "parameters"),
        schema: format["json_schema"].get("schema").cloned(),
        json: format["type"] == "json_object",
        ..Reading::default()
    };
    choice(&mut reading, &body["tool_choice"], &body["tool_choice"]["function"]["name"]);
    reading
}

fn responses(body: &Value) -> Reading {
    let items = list(&body["input"]);
    let last = items.last().filter(|item| item["type"] == "function_call_output");
    let format = &body["text"]["format"];
    let mut reading = Reading {
        user_text: match body["input"].as_str() {
            Some(text) => text.to_owned(),
            None => last_text(items, "user", |item| text_of(&item["content"])),
        },
        tool_result: last.map(|item| text_of(&item["output"])),
        tools: tools(list(&body["tools"]), |tool| tool, "parameters"),
        schema: format.get("schema").cloned(),
        json: format["type"] == "json_object",
        ..Reading::default()
    };
    choice(&mut reading, &body["tool_choice"], &body["tool_choice"]["name"]);
    reading
}

fn anthropic(body: &Value) -> Reading {
    let messages = list(&body["messages"]);
    let blocks = messages.last().map(|message| list(&message["content"])).unwrap_or_default();
    let result = blocks.iter().find(|block| block["type"] == "tool_result");
    let schema =
        body["output_config"]["format"].get("schema").or_else(|| body["output_format"].get("schema"));
    let choice = &body["tool_choice"];
    Reading {
        user_text: last_text(messages, "user", |message| text_of(&message["content"])),
        tool_result: result.map(|block| text_of(&block["content"])),
        tools: tools(list(&body["tools"]), |tool| tool, "input_schema"),
        forced: match choice["type"].as_str() {
            Some("any") => Some(None),
            Some("tool") => Some(choice["name"].as_str().map(str::to_owned)),
            _ => None,
        },
        no_tools: choice["type"] == "none",
        schema: schema.cloned(),
        json: false,
    }
}

/// A field of Gemini's, in either spelling: its JSON takes `camelCase` and `snake_case` side by side.
fn either<'a>(value: &'a Value, camel: &str) -> &'a Value {
    let snake: String = (camel.chars())
        .flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase()))
        .collect();
    value.get(camel).or_else(|| value.get(&snake)).unwrap_or(&Value::Null)
}

fn gemini(body: &Value) -> Reading {
    let first = |value: &Value, one: &str, other: &str| {
        [one, other].map(|name| either(value, name)).into_iter().find(|value| !value.is_null()).cloned()
    };
    let contents = list(&body["contents"]);
    let parts = contents.last().map(|content| list(&content["parts"])).unwrap_or_default();
    let result = parts.iter().map(|part| either(part, "functionResponse")).find(|result| !result.is_null());
    let offers = list(&body["tools"]).iter().flat_map(|tool| list(either(tool, "functionDeclarations")));
    let schema = |offer: &Value| first(offer, "parameters", "parametersJsonSchema").unwrap_or_default();
    let config = either(body, "generationConfig");
    let calling = either(either(body, "toolConfig"), "functionCallingConfig");
    let allowed = either(calling, "allowedFunctionNames")[0].as_str().map(str::to_owned);
    Reading {
        user_text: last_text(contents, "user", |content| text_of(&content["parts"])),
        tool_result: result.map(|result| result["response"].to_string()),
        tools: offers.map(|offer| (text_of(&offer["name"]), schema(offer))).collect(),
        forced: (calling["mode"] == "ANY").then_some(allowed),
        no_tools: calling["mode"] == "NONE",
        schema: first(config, "responseSchema", "responseJsonSchema"),
        json: *either(config, "responseMimeType") == "application/json",
    }
}

fn ollama(body: &Value) -> Reading {
    Reading {
        schema: body["format"].is_object().then(|| body["format"].clone()),
        json: body["format"] == "json",
        ..chat(body)
    }
}
