//! Whole chat completions, and the pieces that streams share with them.

use crate::answer::Head;
use crate::openai::usage::{chat_usage, with_cost};
use nunchi_core::{Choice, Citation, Part, ReplyBody, StopReason};
use serde_json::{Map, Value, json};

/// A whole answer.
pub(super) fn whole(head: &Head, reply: &ReplyBody) -> Vec<u8> {
    let choices: Vec<Value> = (reply.choices.iter().enumerate())
        .map(|(index, choice)| {
            let sources = if index == 0 { reply.citations.as_slice() } else { &[] };
            let stop = choice.stop.as_ref().unwrap_or(&StopReason::EndTurn);
            let mut value = json!({
                "index": index, "message": message(choice, sources), "logprobs": null, "finish_reason": finish(stop),
            });
            if let StopReason::Other(word) = stop {
                value["native_finish_reason"] = word.as_str().into();
            }
            value
        })
        .collect();
    let mut body = json!({
        "id": id(head), "object": "chat.completion", "created": head.created, "model": model(head, &reply.model),
        "choices": choices, "usage": with_cost(chat_usage(&reply.usage), reply.reported_cost),
    });
    if let Some(tier) = reply.service_tier {
        body["service_tier"] = tier.word().into();
    }
    if !reply.citations.is_empty() {
        body["citations"] = urls(&reply.citations);
        body["search_results"] = reply.citations.iter().map(search_result).collect();
    }
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The id of a completion that we write ourselves.
pub(super) fn id(head: &Head) -> String {
    format!("chatcmpl-{}", head.request)
}

/// The model that answered.
pub(super) fn model<'a>(head: &'a Head, upstream: &'a str) -> &'a str {
    if head.model.is_empty() { upstream } else { &head.model }
}

fn message(choice: &Choice, sources: &[Citation]) -> Value {
    let joined = |pick: fn(&Part) -> Option<&str>| {
        let texts: Vec<&str> = choice.parts.iter().filter_map(pick).collect();
        (!texts.is_empty()).then(|| texts.concat())
    };
    let text = joined(Part::as_text);
    let refusal = joined(|part| match part {
        Part::Refusal(text) => Some(text),
        _ => None,
    });
    let thinking = joined(|part| match part {
        Part::Thinking { text, .. } if !text.is_empty() => Some(text),
        _ => None,
    });
    let calls: Vec<Value> = choice.parts.iter().filter_map(tool_call).collect();
    let silent = refusal.is_some() || !calls.is_empty();
    let content = text.or_else(|| (!silent).then(String::new));
    let annotations: Vec<Value> = sources.iter().map(annotation).collect();
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), content.into());
    message.insert("refusal".into(), refusal.into());
    message.insert("annotations".into(), annotations.into());
    if let Some(thinking) = thinking {
        message.insert("reasoning_content".into(), thinking.into());
    }
    let proofs: Vec<Value> = choice.parts.iter().filter_map(thinking_block).collect();
    if !proofs.is_empty() {
        message.insert("thinking_blocks".into(), proofs.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    message.into()
}

fn tool_call(part: &Part) -> Option<Value> {
    let Part::ToolCall { id, name, arguments, signature } = part else { return None };
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let function = json!({"name": name, "arguments": arguments});
    let mut call = json!({"id": id, "type": "function", "function": function});
    if let Some(signature) = signature {
        call["extra_content"] = json!({"google": {"thought_signature": signature}});
    }
    Some(call)
}

/// Reasoning with its proof, so that clients that keep it can hand it back.
fn thinking_block(part: &Part) -> Option<Value> {
    match part {
        Part::Thinking { text, signature: Some(signature) } => {
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Part::RedactedThinking(data) => Some(json!({"type": "redacted_thinking", "data": data})),
        _ => None,
    }
}

/// A source as OpenAI writes it. Where in the text it belongs is not known.
pub(super) fn annotation(source: &Citation) -> Value {
    let title = source.title.as_deref().unwrap_or("");
    json!({
        "type": "url_citation",
        "url_citation": {"url": source.url, "title": title, "start_index": 0, "end_index": 0},
    })
}

/// The sources as Perplexity lists them.
pub(super) fn urls(sources: &[Citation]) -> Value {
    sources.iter().map(|source| Value::from(source.url.as_str())).collect()
}

fn search_result(source: &Citation) -> Value {
    json!({"title": source.title, "url": source.url, "date": source.date, "snippet": source.quote})
}

/// Why it ended, in OpenAI's words. Strict clients know no others.
pub(super) fn finish(stop: &StopReason) -> &'static str {
    match stop {
        StopReason::MaxTokens => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::ContentFilter | StopReason::Refusal => "content_filter",
        StopReason::EndTurn | StopReason::StopSequence(_) | StopReason::Pause | StopReason::Other(_) => {
            "stop"
        }
    }
}
