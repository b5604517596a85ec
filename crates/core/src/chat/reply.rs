//! The events of a reply, in the order a provider produces them, and their fold into a whole answer.

use super::message::Part;
use super::request::Dialect;
use crate::ports::ModelError;
use crate::words::{CallSummary, ContextUse, NanoUsd, ServiceTier, Tier, Usage};
use bytes::Bytes;
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A reply as it arrives.
///
/// Ends after the first error or after [`ReplyEvent::Settled`] (from the gateway) or [`ReplyEvent::End`] (from a provider).
pub type ReplyStream = Pin<Box<dyn Stream<Item = Result<Frame, ModelError>> + Send>>;

/// What came in one piece from upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The piece in our words; may be empty (a ping).
    pub events: Vec<ReplyEvent>,
    /// The piece as the upstream wrote it, for callers of the same dialect.
    pub raw: Option<RawFrame>,
}

impl Frame {
    /// A frame without the upstream's own bytes.
    pub fn of(events: Vec<ReplyEvent>) -> Self {
        Self { events, raw: None }
    }
}

/// An upstream's own bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawFrame {
    /// The dialect of `data`.
    pub dialect: Dialect,
    /// The SSE event name, where the dialect uses them.
    pub event: Option<String>,
    /// One SSE `data:` payload, or the whole JSON body of a reply that was not streamed.
    #[serde(with = "super::text_bytes")]
    pub data: Bytes,
}

/// One thing that happened in a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyEvent {
    /// The upstream began: its own id of the reply and the model it names.
    Start {
        /// The upstream's id of the reply.
        id: String,
        /// The model the upstream says it ran.
        model: String,
    },
    /// What follows belongs to this alternative (0 until said otherwise).
    Choice(u32),
    /// More text of the answer.
    Text(String),
    /// More reasoning.
    Thinking(String),
    /// The proof of the reasoning so far; ends that reasoning block.
    ThinkingSignature(String),
    /// Hidden reasoning, whole.
    RedactedThinking(String),
    /// A tool call begins.
    ToolCall {
        /// Position among this choice's tool calls.
        index: u32,
        /// Pairs the call with its result.
        id: String,
        /// The tool.
        name: String,
    },
    /// More of a tool call's arguments (JSON text, cut anywhere between characters).
    ToolArguments {
        /// Position among this choice's tool calls.
        index: u32,
        /// The next piece.
        delta: String,
    },
    /// A provider's opaque proof for a tool call.
    ToolSignature {
        /// Position among this choice's tool calls.
        index: u32,
        /// The proof.
        signature: String,
    },
    /// More of the model's refusal.
    Refusal(String),
    /// A source the answer rests on.
    Citation(Citation),
    /// Tokens used so far; the last one counts.
    Usage {
        /// The tokens.
        usage: Usage,
        /// What the provider says the call cost.
        reported_cost: Option<NanoUsd>,
        /// The service tier that the provider says it served the call in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service_tier: Option<ServiceTier>,
    },
    /// The current choice is complete.
    End(StopReason),
    /// The call is booked: always the last event of a reply that came through the gateway.
    Settled(Arc<CallSummary>),
}

/// A source the answer rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Where it is.
    pub url: String,
    /// Its title.
    pub title: Option<String>,
    /// The text quoted.
    pub quote: Option<String>,
    /// Its date as the provider gave it.
    pub date: Option<String>,
}

/// Why a choice ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// The output cap was reached.
    MaxTokens,
    /// This stop text was met (empty where the dialect does not tell which).
    StopSequence(String),
    /// The model waits for tool results.
    ToolUse,
    /// The provider's filter cut in.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The provider paused a long turn; send the reply back to continue.
    Pause,
    /// Another reason, in the provider's word.
    Other(String),
}

/// Something the caller asked for that the chosen upstream cannot be told; recorded, never silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The field of the caller's request.
    pub field: String,
    /// What was done instead.
    pub what: String,
}

/// What a provider says is left of its rate limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests that may still be made.
    pub requests: Option<u64>,
    /// Tokens that may still be used; the least where prompts and answers are counted apart.
    pub tokens: Option<u64>,
    /// Time until the first of the limits is reset.
    pub resets_in: Option<Duration>,
}

/// What is known about a reply before its first event.
#[derive(Clone, Debug, Default)]
pub struct ReplyInfo {
    /// The provider that answers.
    pub provider: String,
    /// The model as that provider names it.
    pub model: String,
    /// The tier it was chosen for, if any.
    pub tier: Option<Tier>,
    /// The upstream's own request id.
    pub upstream_id: Option<String>,
    /// What could not be said to the upstream.
    pub notes: Vec<Note>,
    /// What is left of the provider's rate limits, if it says so.
    pub quota: Option<Quota>,
    /// How full the model's context window is, once it is nearly full.
    pub context: Option<ContextUse>,
    /// Facts the gateway adds; empty from a provider.
    pub served: Option<Arc<crate::words::Served>>,
}

/// A reply whose head is known.
pub struct Reply {
    /// What is known already.
    pub info: ReplyInfo,
    /// The events.
    pub stream: ReplyStream,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("info", &self.info).finish_non_exhaustive()
    }
}

/// One whole alternative of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Reasoning, text, tool calls and refusals in order.
    pub parts: Vec<Part>,
    /// Why it ended; `None` when it was cut.
    pub stop: Option<StopReason>,
}

/// A whole reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyBody {
    /// The upstream's id of the reply.
    pub id: String,
    /// The model the upstream says it ran.
    pub model: String,
    /// The alternatives, by index.
    pub choices: Vec<Choice>,
    /// Sources.
    pub citations: Vec<Citation>,
    /// Tokens.
    pub usage: Usage,
    /// What the provider says it cost.
    pub reported_cost: Option<NanoUsd>,
    /// The service tier that the provider says it served the call in.
    pub service_tier: Option<ServiceTier>,
    /// How the gateway booked it.
    pub summary: Option<Arc<CallSummary>>,
}

/// Folds events into a whole reply, whatever pieces they came in.
pub fn assemble_reply<'a>(events: impl IntoIterator<Item = &'a ReplyEvent>) -> ReplyBody {
    let mut body = ReplyBody { choices: vec![Choice::default()], ..ReplyBody::default() };
    let mut current = 0_usize;
    for event in events {
        match event {
            ReplyEvent::Start { id, model } => {
                body.id.clone_from(id);
                body.model.clone_from(model);
            }
            ReplyEvent::Choice(index) => {
                current = *index as usize;
                if body.choices.len() <= current {
                    body.choices.resize(current + 1, Choice::default());
                }
            }
            ReplyEvent::Citation(citation) => body.citations.push(citation.clone()),
            ReplyEvent::Usage { usage, reported_cost, service_tier } => {
                body.usage = *usage;
                body.reported_cost = *reported_cost;
                body.service_tier = *service_tier;
            }
            ReplyEvent::End(stop) => body.choices[current].stop = Some(stop.clone()),
            ReplyEvent::Settled(summary) => body.summary = Some(Arc::clone(summary)),
            piece => append(&mut body.choices[current].parts, piece),
        }
    }
    body
}

/// Appends one content event to the parts of a choice.
fn append(parts: &mut Vec<Part>, event: &ReplyEvent) {
    match (event, parts.last_mut()) {
        (ReplyEvent::Text(more), Some(Part::Text(text)))
        | (ReplyEvent::Refusal(more), Some(Part::Refusal(text)))
        | (ReplyEvent::Thinking(more), Some(Part::Thinking { text, signature: None })) => text.push_str(more),
        (ReplyEvent::ThinkingSignature(proof), Some(Part::Thinking { signature, .. }))
            if signature.is_none() =>
        {
            *signature = Some(proof.clone());
        }
        (ReplyEvent::Text(text), _) => parts.push(Part::Text(text.clone())),
        (ReplyEvent::Refusal(text), _) => parts.push(Part::Refusal(text.clone())),
        (ReplyEvent::Thinking(text), _) => parts.push(Part::Thinking { text: text.clone(), signature: None }),
        (ReplyEvent::ThinkingSignature(proof), _) => {
            parts.push(Part::Thinking { text: String::new(), signature: Some(proof.clone()) });
        }
        (ReplyEvent::RedactedThinking(data), _) => parts.push(Part::RedactedThinking(data.clone())),
        (ReplyEvent::ToolCall { id, name, .. }, _) => parts.push(Part::ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: String::new(),
            signature: None,
        }),
        (ReplyEvent::ToolArguments { index, delta }, _) => {
            if let Some(Part::ToolCall { arguments, .. }) = nth_tool_call(parts, *index) {
                arguments.push_str(delta);
            }
        }
        (ReplyEvent::ToolSignature { index, signature: proof }, _) => {
            if let Some(Part::ToolCall { signature, .. }) = nth_tool_call(parts, *index) {
                *signature = Some(proof.clone());
            }
        }
        _ => {}
    }
}

fn nth_tool_call(parts: &mut [Part], index: u32) -> Option<&mut Part> {
    parts.iter_mut().filter(|part| matches!(part, Part::ToolCall { .. })).nth(index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fold_into_parts_in_order() {
        let events = [
            ReplyEvent::Start { id: "r1".into(), model: "m".into() },
            ReplyEvent::Thinking("let ".into()),
            ReplyEvent::Thinking("me".into()),
            ReplyEvent::ThinkingSignature("sig".into()),
            ReplyEvent::Text("안".into()),
            ReplyEvent::Text("녕".into()),
            ReplyEvent::ToolCall { index: 0, id: "a".into(), name: "f".into() },
            ReplyEvent::ToolCall { index: 1, id: "b".into(), name: "g".into() },
            ReplyEvent::ToolArguments { index: 1, delta: "{}".into() },
            ReplyEvent::ToolArguments { index: 0, delta: "{\"x\"".into() },
            ReplyEvent::ToolArguments { index: 0, delta: ":1}".into() },
            ReplyEvent::End(StopReason::ToolUse),
        ];
        let body = assemble_reply(&events);
        let call = |id: &str, name: &str, arguments: &str| Part::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            signature: None,
        };
        assert_eq!(
            body.choices[0].parts,
            [
                Part::Thinking { text: "let me".into(), signature: Some("sig".into()) },
                Part::Text("안녕".into()),
                call("a", "f", "{\"x\":1}"),
                call("b", "g", "{}"),
            ]
        );
        assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
    }

    #[test]
    fn alternatives_stay_apart() {
        let events = [
            ReplyEvent::Text("a".into()),
            ReplyEvent::Choice(1),
            ReplyEvent::Text("b".into()),
            ReplyEvent::Choice(0),
            ReplyEvent::Text("a".into()),
        ];
        let body = assemble_reply(&events);
        assert_eq!(body.choices.len(), 2);
        assert_eq!(body.choices[0].parts, [Part::Text("aa".into())]);
        assert_eq!(body.choices[1].parts, [Part::Text("b".into())]);
    }
}
