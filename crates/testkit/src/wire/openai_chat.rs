//! OpenAI `/v1/chat/completions`. Reasoning travels as `reasoning_content`, as OpenAI-compatible servers send it.

use super::frame::Event;
use super::{Ask, CREATED};
use crate::turn::{Piece, Source, Stop, Tokens, Turn};
use serde_json::{Map, Value, json};

/// The whole answer.
pub(super) fn body(ask: &Ask, turn: &Turn) -> Value {
    let mut choices = vec![json!({
        "index": 0, "message": message(turn), "logprobs": null, "finish_reason": finish(&turn.stop_reason()),
    })];
    for (index, text) in turn.alternatives.iter().enumerate() {
        choices.push(json!({
            "index": index + 1,
            "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
            "logprobs": null, "finish_reason": "stop",
        }));
    }
    let mut body = json!({
        "id": ask.id("chatcmpl-"), "object": "chat.completion", "created": CREATED, "model": ask.model_of(turn),
        "choices": choices,
    });
    if let Some(usage) = turn.usage.render(usage) {
        body["usage"] = usage;
    }
    body["service_tier"] = json!(ask.service_tier_of(turn));
    body["system_fingerprint"] = json!("fp_scripted");
    body
}

fn message(turn: &Turn) -> Value {
    let text = turn.all_text();
    let silent = text.is_empty() && turn.stop_reason() != Stop::EndTurn;
    let mut message = json!({
        "role": "assistant",
        "content": if silent { Value::Null } else { Value::from(text.clone()) },
        "refusal": turn.all_refusal(),
        "annotations": annotations(&turn.sources, &text),
    });
    let thinking = turn.all_thinking();
    if !thinking.is_empty() {
        message["reasoning_content"] = thinking.into();
    }
    let calls: Vec<Value> = (turn.tools().enumerate())
        .map(|(index, call)| {
            json!({
                "id": call.id_or("call_", index), "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })
        })
        .collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

fn annotations(sources: &[Source], text: &str) -> Vec<Value> {
    let end = text.chars().count();
    (sources.iter())
        .map(|source| {
            let citation =
                json!({"start_index": 0, "end_index": end, "url": source.url, "title": source.title});
            json!({"type": "url_citation", "url_citation": citation})
        })
        .collect()
}

/// The stream.
pub(super) fn events(ask: &Ask, turn: &Turn) -> Vec<Event> {
    let chunk = |choices: Value| {
        let mut chunk = json!({
            "id": ask.id("chatcmpl-"), "object": "chat.completion.chunk", "created": CREATED,
            "model": ask.model_of(turn), "service_tier": ask.service_tier_of(turn), "system_fingerprint": "fp_scripted",
            "choices": choices,
        });
        if ask.usage_in_stream {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    let delta = |index: usize, delta: Value, finish: Option<&str>| {
        Event::data(&chunk(
            json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish}]),
        ))
    };
    let mut events: Vec<Event> = deltas(turn).into_iter().map(|piece| delta(0, piece, None)).collect();
    events.push(delta(0, json!({}), Some(finish(&turn.stop_reason()))));
    for (index, text) in turn.alternatives.iter().enumerate() {
        events.push(delta(index + 1, json!({"role": "assistant", "content": "", "refusal": null}), None));
        events.extend(
            turn.split_text(text).into_iter().map(|piece| delta(index + 1, json!({"content": piece}), None)),
        );
        events.push(delta(index + 1, json!({}), Some("stop")));
    }
    if let Some(usage) = turn.usage.render(usage).filter(|_| ask.usage_in_stream) {
        let mut last = chunk(json!([]));
        last["usage"] = usage;
        events.push(Event::data(&last));
    }
    events.push(Event::done());
    events
}

/// The deltas of the first choice.
fn deltas(turn: &Turn) -> Vec<Value> {
    let tools = turn.tools().next().is_some();
    let opening = if tools && turn.all_text().is_empty() { Value::Null } else { json!("") };
    let mut deltas = vec![json!({"role": "assistant", "content": opening, "refusal": null})];
    for piece in &turn.pieces {
        let (field, text) = match piece {
            Piece::Text(text) => ("content", text),
            Piece::Thinking { text, .. } => ("reasoning_content", text),
            Piece::Refusal(text) => ("refusal", text),
            Piece::ToolCall(_) | Piece::RedactedThinking(_) => continue,
        };
        for part in turn.split_text(text) {
            deltas.push(Value::Object(Map::from_iter([(field.to_owned(), Value::from(part))])));
        }
    }
    if !turn.sources.is_empty() {
        deltas.push(json!({"annotations": annotations(&turn.sources, &turn.all_text())}));
    }
    deltas.extend(tool_deltas(turn));
    deltas
}

/// The deltas of all tool calls, one call after the other or taking turns.
fn tool_deltas(turn: &Turn) -> Vec<Value> {
    let mut calls: Vec<Vec<Value>> = Vec::new();
    for (index, call) in turn.tools().enumerate() {
        let opening = json!({
            "index": index, "id": call.id_or("call_", index), "type": "function",
            "function": {"name": call.name, "arguments": ""},
        });
        let more = turn.split_arguments(&call.arguments).into_iter();
        let more = more.map(|piece| json!({"index": index, "function": {"arguments": piece}}));
        calls.push([opening].into_iter().chain(more).map(|call| json!({"tool_calls": [call]})).collect());
    }
    if !turn.interleaved {
        return calls.concat();
    }
    let longest = calls.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|at| calls.iter().filter_map(move |call| call.get(at).cloned())).collect()
}

fn finish(stop: &Stop) -> &str {
    match stop {
        Stop::EndTurn | Stop::StopSequence(_) | Stop::Refusal | Stop::Pause => "stop",
        Stop::MaxTokens => "length",
        Stop::ToolUse => "tool_calls",
        Stop::ContentFilter => "content_filter",
        Stop::Other(word) => word,
    }
}

fn usage(tokens: Tokens) -> Value {
    let prompt = tokens.prompt() + tokens.tool_prompt;
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": tokens.generated(),
        "total_tokens": prompt + tokens.generated(),
        "prompt_tokens_details": {
            "cached_tokens": tokens.cache_read, "audio_tokens": 0, "cache_write_tokens": tokens.cache_write(),
        },
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}
