//! Whole Anthropic messages, and the pieces that streams share with them.

use crate::answer::Head;
use crate::openai::usage::with_cost;
use crate::wire::json_of;
use nunchi_core::{Citation, Json, Part, ReplyBody, StopReason, Usage};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A message as it is answered whole, and as a stream begins with it.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'a str>,
    usage: Value,
}

/// A content block.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Value>,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Json,
    },
}

impl<'a> Answer<'a> {
    /// A message without content.
    pub(super) fn begin(head: &'a Head, upstream_model: &'a str, counts: &Usage) -> Self {
        let model = if head.model.is_empty() { upstream_model } else { &head.model };
        Self {
            id: format!("msg_{}", head.request),
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: usage(counts),
        }
    }
}

/// A whole answer.
pub(super) fn whole(head: &Head, reply: &ReplyBody) -> Vec<u8> {
    let mut answer = Answer::begin(head, &reply.model, &reply.usage);
    let Some(choice) = reply.choices.first() else { return Vec::new() };
    answer.content = choice.parts.iter().filter_map(block).collect();
    let last = answer.content.iter_mut().rev().find_map(|block| match block {
        Block::Text { citations, .. } => Some(citations),
        _ => None,
    });
    if let Some(citations) = last {
        citations.extend(reply.citations.iter().map(citation));
    }
    let stop = choice.stop.as_ref().unwrap_or(&StopReason::EndTurn);
    answer.usage = with_cost(answer.usage, reply.reported_cost);
    answer.stop_reason = Some(stop_reason(stop));
    answer.stop_sequence = stop_sequence(stop);
    serde_json::to_vec(&answer).unwrap_or_default()
}

fn block(part: &Part) -> Option<Block<'_>> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) => Block::Text { text, citations: Vec::new() },
        Part::Thinking { text, signature } => {
            Block::Thinking { thinking: text, signature: signature.as_deref().unwrap_or("") }
        }
        Part::RedactedThinking(data) => Block::RedactedThinking { data },
        Part::ToolCall { id, name, arguments, .. } => Block::ToolUse { id, name, input: input(arguments) },
        Part::Media(_) | Part::ToolResult { .. } | Part::CachePoint(_) => return None,
    })
}

/// Arguments as the object that Anthropic wants. Text that is no object is kept, visibly, under one field.
pub(super) fn input(arguments: &str) -> Json {
    if arguments.trim().is_empty() {
        return json_of(&json!({}));
    }
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(raw) if raw.get().starts_with('{') => raw.to_owned(),
        _ => json_of(&json!({"invalid_arguments": arguments})),
    }
}

/// A source. `encrypted_index` is a secret of Anthropic's own search, which did not take place.
pub(super) fn citation(source: &Citation) -> Value {
    json!({
        "type": "web_search_result_location", "url": source.url, "title": source.title,
        "cited_text": source.quote.as_deref().unwrap_or(""), "encrypted_index": "",
    })
}

/// Token counts: Anthropic's input tokens leave the cache's out, its output tokens include reasoning.
pub(super) fn usage(usage: &Usage) -> Value {
    let mut counts = json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m, "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.completion_tokens(),
    });
    if usage.tool_uses > 0 {
        counts["server_tool_use"] = json!({"web_search_requests": usage.tool_uses});
    }
    counts
}

/// Why it ended, in Anthropic's words. Strict clients know no others.
pub(super) fn stop_reason(stop: &StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn | StopReason::Other(_) => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence(_) => "stop_sequence",
        StopReason::ToolUse => "tool_use",
        StopReason::ContentFilter | StopReason::Refusal => "refusal",
        StopReason::Pause => "pause_turn",
    }
}

/// The stop text that was met, where it is known.
pub(super) fn stop_sequence(stop: &StopReason) -> Option<&str> {
    match stop {
        StopReason::StopSequence(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}
