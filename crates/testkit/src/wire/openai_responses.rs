//! OpenAI `/v1/responses`: typed output items, numbered events.

use super::frame::Event;
use super::{Ask, CREATED};
use crate::turn::{Piece, Source, Stop, Tokens, ToolCall, Turn};
use serde_json::{Value, json};

/// The whole answer.
pub(super) fn body(ask: &Ask, turn: &Turn) -> Value {
    let output: Vec<Value> = items(ask, turn).iter().map(|item| item.whole("completed")).collect();
    response(ask, turn, status(turn), output.into(), turn.usage.render(usage))
}

/// The stream.
pub(super) fn events(ask: &Ask, turn: &Turn) -> Vec<Event> {
    let begun = response(ask, turn, "in_progress", json!([]), None);
    let mut all = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    for (index, item) in items(ask, turn).iter().enumerate() {
        all.push(
            json!({"type": "response.output_item.added", "output_index": index, "item": item.opening()}),
        );
        for mut event in item.content_events(turn) {
            event["item_id"] = item.id.clone().into();
            event["output_index"] = index.into();
            all.push(event);
        }
        all.push(json!({"type": "response.output_item.done", "output_index": index, "item": item.whole("completed")}));
    }
    let kind = format!("response.{}", status(turn));
    all.push(json!({"type": kind, "response": body(ask, turn)}));
    let last = all.len() - 1;
    let numbered = all.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        Event::typed(&event)
    });
    numbered
        .enumerate()
        .map(|(number, event)| if number == last { event.terminal() } else { event })
        .collect()
}

/// The events of an error in the middle: `error`, then `response.failed`.
pub(super) fn failure(ask: &Ask, code: &str, message: &str, number: usize) -> Vec<Event> {
    let turn = Turn::empty();
    let mut failed = response(ask, &turn, "failed", json!([]), None);
    failed["error"] = json!({"code": code, "message": message});
    let error =
        json!({"type": "error", "code": code, "message": message, "param": null, "sequence_number": number});
    let failed = json!({"type": "response.failed", "response": failed, "sequence_number": number + 1});
    vec![Event::typed(&error), Event::typed(&failed).terminal()]
}

/// The response object around the output.
fn response(ask: &Ask, turn: &Turn, status: &str, output: Value, usage: Option<Value>) -> Value {
    let reason = match turn.stop_reason() {
        Stop::MaxTokens => "max_output_tokens",
        _ => "content_filter",
    };
    let incomplete = (status == "incomplete").then(|| json!({"reason": reason}));
    let echo = |field: &str, usual: Value| ask.body.get(field).cloned().unwrap_or(usual);
    json!({
        "id": ask.id("resp_"), "object": "response", "created_at": CREATED, "status": status,
        "background": false, "error": null, "incomplete_details": incomplete,
        "instructions": echo("instructions", Value::Null),
        "max_output_tokens": echo("max_output_tokens", Value::Null), "max_tool_calls": null,
        "model": ask.model_of(turn), "output": output,
        "parallel_tool_calls": echo("parallel_tool_calls", true.into()),
        "previous_response_id": echo("previous_response_id", Value::Null),
        "reasoning": echo("reasoning", json!({"effort": null, "summary": null})),
        "service_tier": ask.service_tier_of(turn), "store": echo("store", true.into()),
        "temperature": echo("temperature", json!(1.0)),
        "text": echo("text", json!({"format": {"type": "text"}})),
        "tool_choice": echo("tool_choice", "auto".into()), "tools": echo("tools", json!([])),
        "top_logprobs": 0, "top_p": echo("top_p", json!(1.0)), "truncation": "disabled",
        "usage": usage, "user": echo("user", Value::Null), "metadata": echo("metadata", json!({})),
    })
}

/// One output item.
struct Item<'a> {
    id: String,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Reasoning { summary: &'a str, encrypted: Option<&'a str> },
    Call { call: &'a ToolCall, call_id: String },
    Message { text: &'a str, sources: &'a [Source] },
    Refusal(&'a str),
}

/// The output items, in order.
fn items<'a>(ask: &Ask, turn: &'a Turn) -> Vec<Item<'a>> {
    let mut calls = 0;
    let item = |(index, piece): (usize, &'a Piece)| {
        let id = |prefix: &str| ask.id(&format!("{prefix}{index:02}"));
        match piece {
            Piece::Thinking { text, signature } => {
                let encrypted = (!signature.is_empty()).then_some(signature.as_str());
                Item { id: id("rs_"), kind: Kind::Reasoning { summary: text, encrypted } }
            }
            Piece::RedactedThinking(data) => {
                Item { id: id("rs_"), kind: Kind::Reasoning { summary: "", encrypted: Some(data) } }
            }
            Piece::ToolCall(call) => {
                calls += 1;
                Item { id: id("fc_"), kind: Kind::Call { call, call_id: call.id_or("call_", calls - 1) } }
            }
            Piece::Text(text) => {
                Item { id: id("msg_"), kind: Kind::Message { text, sources: &turn.sources } }
            }
            Piece::Refusal(text) => Item { id: id("msg_"), kind: Kind::Refusal(text) },
        }
    };
    turn.pieces.iter().enumerate().map(item).collect()
}

impl Item<'_> {
    /// The item as it is first announced.
    fn opening(&self) -> Value {
        let mut item = self.whole("in_progress");
        match &self.kind {
            Kind::Reasoning { .. } => item["summary"] = json!([]),
            Kind::Call { .. } => item["arguments"] = json!(""),
            Kind::Message { .. } | Kind::Refusal(_) => item["content"] = json!([]),
        }
        item
    }

    /// The item when it is complete.
    fn whole(&self, status: &str) -> Value {
        match &self.kind {
            Kind::Reasoning { summary, encrypted } => {
                let parts: &[&str] = if summary.is_empty() { &[] } else { &[summary] };
                let summary: Vec<Value> =
                    parts.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
                json!({"id": self.id, "type": "reasoning", "summary": summary, "encrypted_content": encrypted})
            }
            Kind::Call { call, call_id } => json!({
                "id": self.id, "type": "function_call", "status": status,
                "arguments": call.arguments, "call_id": call_id, "name": call.name,
            }),
            Kind::Message { .. } | Kind::Refusal(_) => json!({
                "id": self.id, "type": "message", "status": status,
                "content": [self.part(true)], "role": "assistant",
            }),
        }
    }

    /// The content part of a message, filled or still empty.
    fn part(&self, full: bool) -> Value {
        match &self.kind {
            Kind::Message { text, sources } => {
                let text = if full { *text } else { "" };
                let annotations = if full { annotations(sources, text) } else { Vec::new() };
                json!({"type": "output_text", "annotations": annotations, "logprobs": [], "text": text})
            }
            Kind::Refusal(text) => json!({"type": "refusal", "refusal": if full { *text } else { "" }}),
            _ => Value::Null,
        }
    }

    /// The events between announcement and completion; item id and position are filled in by the caller.
    fn content_events(&self, turn: &Turn) -> Vec<Value> {
        match &self.kind {
            Kind::Reasoning { summary, .. } => reasoning_events(turn, summary),
            Kind::Call { call, .. } => {
                let pieces = turn.split_arguments(&call.arguments).into_iter();
                let kind = "response.function_call_arguments";
                let deltas = pieces.map(|piece| json!({"type": format!("{kind}.delta"), "delta": piece}));
                deltas.chain([json!({"type": format!("{kind}.done"), "arguments": call.arguments})]).collect()
            }
            Kind::Message { text, sources } => {
                let mut inner = delta_events(turn, "response.output_text", "text", text);
                let done = inner.pop();
                inner.extend(annotations(sources, text).into_iter().enumerate().map(
                    |(index, annotation)| {
                        json!({
                            "type": "response.output_text.annotation.added", "content_index": 0,
                            "annotation_index": index, "annotation": annotation,
                        })
                    },
                ));
                inner.extend(done);
                self.in_part(inner)
            }
            Kind::Refusal(text) => self.in_part(delta_events(turn, "response.refusal", "refusal", text)),
        }
    }

    /// Puts the events of a content part between its beginning and its end.
    fn in_part(&self, inner: Vec<Value>) -> Vec<Value> {
        let edge = |kind: &str, full| json!({"type": kind, "content_index": 0, "part": self.part(full)});
        let added = edge("response.content_part.added", false);
        [added].into_iter().chain(inner).chain([edge("response.content_part.done", true)]).collect()
    }
}

/// Deltas of a text and the event that repeats it whole.
fn delta_events(turn: &Turn, kind: &str, field: &str, text: &str) -> Vec<Value> {
    let deltas = turn.split_text(text).into_iter();
    let mut events: Vec<Value> = deltas
        .map(|piece| json!({"type": format!("{kind}.delta"), "content_index": 0, "delta": piece}))
        .collect();
    let mut done = json!({"type": format!("{kind}.done"), "content_index": 0});
    done[field] = text.into();
    events.push(done);
    if field == "text" {
        events.iter_mut().for_each(|event| event["logprobs"] = json!([]));
    }
    events
}

fn reasoning_events(turn: &Turn, summary: &str) -> Vec<Value> {
    if summary.is_empty() {
        return Vec::new();
    }
    let edge = |kind: &str, text: &str| json!({"type": kind, "summary_index": 0, "part": {"type": "summary_text", "text": text}});
    let mut events = vec![edge("response.reasoning_summary_part.added", "")];
    let kind = "response.reasoning_summary_text";
    for piece in turn.split_text(summary) {
        events.push(json!({"type": format!("{kind}.delta"), "summary_index": 0, "delta": piece}));
    }
    events.push(json!({"type": format!("{kind}.done"), "summary_index": 0, "text": summary}));
    events.push(edge("response.reasoning_summary_part.done", summary));
    events
}

fn annotations(sources: &[Source], text: &str) -> Vec<Value> {
    let end = text.chars().count();
    let citation = |source: &Source| {
        json!({
            "type": "url_citation", "start_index": 0, "end_index": end, "url": source.url, "title": source.title,
        })
    };
    sources.iter().map(citation).collect()
}

fn status(turn: &Turn) -> &'static str {
    match turn.stop_reason() {
        Stop::MaxTokens | Stop::ContentFilter => "incomplete",
        _ => "completed",
    }
}

fn usage(tokens: Tokens) -> Value {
    let input = tokens.prompt() + tokens.tool_prompt;
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write(),
        },
        "output_tokens": tokens.generated(),
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": input + tokens.generated(),
    })
}
