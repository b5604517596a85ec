//! Ollama `/api/chat`: one JSON object a line, counts on the last one.

use super::Ask;
use super::frame::Event;
use crate::turn::{Piece, Stop, Tokens, Turn};
use serde_json::{Value, json};

/// When the fictional answers were made.
const CREATED_AT: &str = "2026-01-01T00:00:00.000000001Z";

/// The whole answer.
pub(super) fn body(ask: &Ask, turn: &Turn) -> Value {
    let mut message = json!({"role": "assistant", "content": content(turn)});
    let thinking = turn.all_thinking();
    if !thinking.is_empty() {
        message["thinking"] = thinking.into();
    }
    let calls: Vec<Value> =
        turn.tools().enumerate().map(|(index, call)| tool(index, &call.name, call.value())).collect();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    last(ask, turn, message)
}

/// The stream.
pub(super) fn events(ask: &Ask, turn: &Turn) -> Vec<Event> {
    let line = |mut message: Value| {
        message["role"] = "assistant".into();
        Event::data(
            &json!({"model": ask.model_of(turn), "created_at": CREATED_AT, "message": message, "done": false}),
        )
    };
    let mut calls = 0;
    let mut events = Vec::new();
    for piece in &turn.pieces {
        match piece {
            Piece::Text(text) | Piece::Refusal(text) => {
                events.extend(
                    turn.split_text(text).into_iter().map(|text| line(json!({"role": "", "content": text}))),
                );
            }
            Piece::Thinking { text, .. } => {
                let parts = turn.split_text(text).into_iter();
                events.extend(parts.map(|text| line(json!({"role": "", "content": "", "thinking": text}))));
            }
            Piece::ToolCall(call) => {
                let call = tool(calls, &call.name, call.value());
                calls += 1;
                events.push(line(json!({"role": "", "content": "", "tool_calls": [call]})));
            }
            Piece::RedactedThinking(_) => {}
        }
    }
    events.push(Event::data(&last(ask, turn, json!({"role": "assistant", "content": ""}))).terminal());
    events
}

fn content(turn: &Turn) -> String {
    turn.all_text() + &turn.all_refusal().unwrap_or_default()
}

fn tool(index: usize, name: &str, arguments: Value) -> Value {
    json!({"function": {"index": index, "name": name, "arguments": arguments}})
}

fn last(ask: &Ask, turn: &Turn, message: Value) -> Value {
    let stop = turn.stop_reason();
    let reason = match &stop {
        Stop::MaxTokens => "length",
        Stop::Other(word) => word,
        _ => "stop",
    };
    let mut line = json!({
        "model": ask.model_of(turn), "created_at": CREATED_AT, "message": message, "done": true,
        "done_reason": reason, "total_duration": 1_500_000_000_u64, "load_duration": 1_000_000_u64,
    });
    if let (Some(counts), Some(fields)) = (turn.usage.render(usage), line.as_object_mut()) {
        fields.extend(counts.as_object().cloned().unwrap_or_default());
    }
    line
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_eval_count": tokens.prompt() + tokens.tool_prompt, "prompt_eval_duration": 500_000_000_u64,
        "eval_count": tokens.generated(), "eval_duration": 900_000_000_u64,
    })
}
