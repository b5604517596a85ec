//! Streams of Anthropic events: the upstream's own where it speaks the dialect, else written from our events.

use super::messages::Messages;
use super::render::{Answer, Block, citation, input, stop_reason, stop_sequence, usage};
use crate::answer::Head;
use crate::failure::{Failure, Shape};
use crate::openai::usage::with_cost;
use crate::relay::{Piece, Relay, put_named};
use crate::sequence::Sequence;
use crate::sse::{Writer, put_event, put_json};
use bytes::BytesMut;
use nunchi_core::{Citation, Frame, ModelError, ModelErrorKind, NanoUsd, ReplyEvent, StopReason, Usage};
use serde_json::{Value, json};

/// The kind of block that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Tool,
}

/// Writes a stream of Anthropic events.
pub(crate) struct MessageStream {
    head: Head,
    relay: Relay,
    started: bool,
    upstream_model: String,
    /// The index of the next block.
    next: u32,
    open: Option<Kind>,
    sequence: Sequence,
    /// Sources that wait for a text block.
    sources: Vec<Citation>,
    usage: Option<Usage>,
    /// What the answer cost, where whoever gave it said so.
    cost: Option<NanoUsd>,
    stop: Option<StopReason>,
    /// Whether what comes belongs to an alternative that this dialect cannot say.
    muted: bool,
}

impl MessageStream {
    pub(super) fn new(head: Head) -> Self {
        Self {
            head,
            relay: Relay::default(),
            started: false,
            upstream_model: String::new(),
            next: 0,
            open: None,
            sequence: Sequence::default(),
            sources: Vec::new(),
            usage: None,
            cost: None,
            stop: None,
            muted: false,
        }
    }

    fn event(&mut self, event: &ReplyEvent, out: &mut BytesMut) {
        match event {
            ReplyEvent::Start { model, .. } => self.upstream_model.clone_from(model),
            ReplyEvent::Choice(index) => self.muted = *index != 0,
            ReplyEvent::Usage { usage, reported_cost, .. } => {
                (self.usage, self.cost) = (Some(*usage), *reported_cost);
            }
            ReplyEvent::Settled(summary) => self.usage = self.usage.or(Some(summary.usage)),
            ReplyEvent::End(stop) if !self.muted => self.stop = Some(stop.clone()),
            content if !self.muted => {
                self.start(out);
                let mut told = Vec::new();
                self.sequence.push(content.clone(), &mut told);
                told.iter().for_each(|event| self.content(event, out));
            }
            _ => {}
        }
    }

    /// Writes content that comes in the order of its blocks.
    fn content(&mut self, event: &ReplyEvent, out: &mut BytesMut) {
        match event {
            ReplyEvent::Text(text) | ReplyEvent::Refusal(text) if !text.is_empty() => {
                self.enter_text(out);
                self.delta(&json!({"type": "text_delta", "text": text}), out);
            }
            ReplyEvent::Thinking(text) if !text.is_empty() => {
                self.enter_thinking(out);
                self.delta(&json!({"type": "thinking_delta", "thinking": text}), out);
            }
            ReplyEvent::ThinkingSignature(signature) => {
                self.enter_thinking(out);
                self.delta(&json!({"type": "signature_delta", "signature": signature}), out);
                self.close(out);
            }
            ReplyEvent::RedactedThinking(data) => {
                self.close(out);
                self.open_block(Kind::Thinking, &Block::RedactedThinking { data }, out);
                self.close(out);
            }
            ReplyEvent::ToolCall { id, name, .. } => {
                self.close(out);
                self.open_block(Kind::Tool, &Block::ToolUse { id, name, input: input("") }, out);
            }
            ReplyEvent::ToolArguments { delta, .. } if self.open == Some(Kind::Tool) => {
                self.delta(&json!({"type": "input_json_delta", "partial_json": delta}), out);
            }
            ReplyEvent::Citation(source) if self.open == Some(Kind::Text) => self.cite(source, out),
            ReplyEvent::Citation(source) => self.sources.push(source.clone()),
            _ => {}
        }
    }

    /// `message_start`, once.
    fn start(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Answer::begin(&self.head, &self.upstream_model, &self.usage.unwrap_or_default());
        let event = Event { kind: "message_start", message };
        put_json(out, Some("message_start"), &event);
    }

    fn enter_text(&mut self, out: &mut BytesMut) {
        if self.open == Some(Kind::Text) {
            return;
        }
        self.close(out);
        self.open_block(Kind::Text, &Block::Text { text: "", citations: Vec::new() }, out);
        for source in std::mem::take(&mut self.sources) {
            self.cite(&source, out);
        }
    }

    fn enter_thinking(&mut self, out: &mut BytesMut) {
        if self.open != Some(Kind::Thinking) {
            self.close(out);
            self.open_block(Kind::Thinking, &Block::Thinking { thinking: "", signature: "" }, out);
        }
    }

    fn cite(&self, source: &Citation, out: &mut BytesMut) {
        self.delta(&json!({"type": "citations_delta", "citation": citation(source)}), out);
    }

    fn open_block(&mut self, kind: Kind, block: &Block<'_>, out: &mut BytesMut) {
        self.open = Some(kind);
        self.next += 1;
        let event = json!({"type": "content_block_start", "index": self.next - 1, "content_block": block});
        put_json(out, Some("content_block_start"), &event);
    }

    fn delta(&self, delta: &Value, out: &mut BytesMut) {
        let index = self.next.saturating_sub(1);
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        put_json(out, Some("content_block_delta"), &event);
    }

    /// Closes the block that is open, if any.
    fn close(&mut self, out: &mut BytesMut) {
        if self.open.take().is_some() {
            let event = json!({"type": "content_block_stop", "index": self.next.saturating_sub(1)});
            put_json(out, Some("content_block_stop"), &event);
        }
    }
}

/// An event with a whole message.
#[derive(serde::Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Answer<'a>,
}

impl Writer for MessageStream {
    fn frame(&mut self, frame: &Frame, out: &mut BytesMut) {
        let events = match self.relay.next::<Messages>(frame) {
            Piece::Raw(raw) => return put_named(out, raw),
            Piece::Aside(_) => return,
            Piece::Events(events) => events,
        };
        for event in events {
            self.event(event, out);
        }
        if events.iter().any(|event| matches!(event, ReplyEvent::Start { .. })) {
            self.start(out);
        }
    }

    fn error(&mut self, error: &ModelError, out: &mut BytesMut) {
        let failure = Failure::of_model(error, self.head.lang);
        put_event(out, Some("error"), &failure.body(Shape::Anthropic, Some(self.head.request)));
    }

    fn end(&mut self, out: &mut BytesMut) {
        if self.relay == Relay::Raw {
            return;
        }
        let Some(stop) = self.stop.take() else {
            return self.error(&ModelError::new(ModelErrorKind::Cut, ""), out);
        };
        self.start(out);
        let mut told = Vec::new();
        self.sequence.finish(&mut told);
        told.iter().for_each(|event| self.content(event, out));
        if !self.sources.is_empty() {
            self.enter_text(out);
        }
        self.close(out);
        let delta = json!({"stop_reason": stop_reason(&stop), "stop_sequence": stop_sequence(&stop)});
        let counts = with_cost(usage(&self.usage.unwrap_or_default()), self.cost);
        put_json(
            out,
            Some("message_delta"),
            &json!({"type": "message_delta", "delta": delta, "usage": counts}),
        );
        put_json(out, Some("message_stop"), &json!({"type": "message_stop"}));
    }
}
