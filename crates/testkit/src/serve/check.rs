//! What a provider checks before any model runs: keys, required fields, unknown fields, tool results without calls.

use super::known;
use super::seen::Seen;
use crate::dialect::{Dialect, Endpoint};
use serde_json::Value;
use std::collections::HashSet;

/// The key of a request, taken from where the provider wants it.
pub(super) fn key(seen: &Seen) -> Option<String> {
    let bearer = || seen.header("authorization")?.strip_prefix("Bearer ");
    let query = || seen.query.as_deref()?.split('&').find_map(|pair| pair.strip_prefix("key="));
    match seen.dialect {
        Dialect::Anthropic => seen.header("x-api-key").or_else(bearer),
        Dialect::Gemini => seen.header("x-goog-api-key").or_else(query),
        _ => bearer(),
    }
    .map(str::to_owned)
}

/// The first thing a provider would not accept.
pub(super) fn request(seen: &Seen) -> Option<String> {
    let body = &seen.body;
    if matches!(seen.endpoint?, Endpoint::Models | Endpoint::Version) || seen.endpoint?.is_of_batches() {
        return None;
    }
    if !body.is_object() {
        return Some("We could not parse the JSON body of your request.".into());
    }
    let generates = matches!(seen.endpoint?, Endpoint::Chat | Endpoint::Responses);
    known::unknown_field(seen.dialect, seen.endpoint?, body).or_else(|| {
        match (seen.dialect, seen.endpoint?) {
            (Dialect::Gemini, _) => gemini(body, generates),
            (_, _) if !body["model"].is_string() => Some("you must provide a model parameter".into()),
            (Dialect::OpenAi, Endpoint::Chat) => openai_chat(body),
            (Dialect::OpenAi, Endpoint::Responses) => missing(body, "input"),
            (Dialect::OpenAi | Dialect::Ollama, Endpoint::Embeddings) => missing(body, "input"),
            (Dialect::Anthropic, _) => anthropic(seen, generates),
            (Dialect::Perplexity, _) => no_messages(body).or_else(|| perplexity(body)),
            _ => no_messages(body),
        }
    })
}

fn missing(body: &Value, field: &str) -> Option<String> {
    body[field].is_null().then(|| format!("Missing required parameter: '{field}'."))
}

fn no_messages(body: &Value) -> Option<String> {
    list(&body["messages"]).is_empty().then(|| "messages: at least one message is required".into())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn openai_chat(body: &Value) -> Option<String> {
    if body["stream_options"].is_object() && body["stream"] != true {
        return Some("The 'stream_options' parameter is only allowed when 'stream' is enabled.".into());
    }
    let mut open: HashSet<&str> = HashSet::new();
    for (index, message) in list(&body["messages"]).iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
            return Some(format!("Invalid value for messages[{index}].role: '{role}'."));
        }
        if role == "tool" {
            if !open.remove(message["tool_call_id"].as_str().unwrap_or_default()) {
                return Some(format!(
                    "messages[{index}]: a 'tool' message must follow the 'tool_calls' it answers."
                ));
            }
            continue;
        }
        if !open.is_empty() {
            return Some(format!(
                "messages[{index}]: an assistant message with 'tool_calls' has no answer to {open:?}."
            ));
        }
        open = list(&message["tool_calls"]).iter().filter_map(|call| call["id"].as_str()).collect();
    }
    no_messages(body)
}

fn anthropic(seen: &Seen, generates: bool) -> Option<String> {
    let body = &seen.body;
    if seen.header("anthropic-version").is_none() {
        return Some("anthropic-version: header is required".into());
    }
    let cap = body["max_tokens"].as_u64().unwrap_or(0);
    if generates && cap == 0 {
        return Some("max_tokens: Field required".into());
    }
    let thinking = body["thinking"]["budget_tokens"].as_u64();
    if generates && thinking.is_some_and(|budget| budget < 1024 || budget >= cap) {
        return Some("thinking.budget_tokens: must be at least 1024 and less than max_tokens".into());
    }
    let mut open: HashSet<&str> = HashSet::new();
    for (index, message) in list(&body["messages"]).iter().enumerate() {
        if message["role"] != "user" && message["role"] != "assistant" {
            return Some(format!("messages.{index}.role: Input should be 'user' or 'assistant'"));
        }
        let blocks = |kind: &'static str, id: &'static str| {
            let of_kind = list(&message["content"]).iter().filter(move |block| block["type"] == kind);
            of_kind.filter_map(move |block| block[id].as_str())
        };
        if let Some(stray) = blocks("tool_result", "tool_use_id").find(|&id| !open.remove(id)) {
            return Some(format!(
                "messages.{index}: unexpected `tool_use_id` in a `tool_result` block: {stray}"
            ));
        }
        if !open.is_empty() {
            return Some(format!(
                "messages.{index}: `tool_use` ids without `tool_result` right after: {open:?}"
            ));
        }
        open = blocks("tool_use", "id").collect();
    }
    no_messages(body)
}

fn gemini(body: &Value, generates: bool) -> Option<String> {
    if !generates {
        return None;
    }
    for (index, content) in list(&body["contents"]).iter().enumerate() {
        let role = content["role"].as_str().unwrap_or("user");
        if role != "user" && role != "model" && role != "function" {
            return Some("Please use a valid role: user, model.".into());
        }
        if list(&content["parts"]).is_empty() {
            return Some(format!("contents[{index}].parts must not be empty."));
        }
    }
    list(&body["contents"]).is_empty().then(|| "contents is not specified".into())
}

/// After the system messages, user and assistant take turns, and the user has the last word.
fn perplexity(body: &Value) -> Option<String> {
    let roles = list(&body["messages"]).iter().filter_map(|message| message["role"].as_str());
    let roles: Vec<&str> = roles.skip_while(|&role| role == "system").collect();
    let wrong = (roles.iter().enumerate()).any(|(index, role)| {
        (index.is_multiple_of(2)) != matches!(*role, "user" | "tool") || *role == "system"
    });
    (wrong || roles.last() == Some(&"assistant"))
        .then(|| "After the system messages, user messages should alternate with assistant messages.".into())
}
