//! Streams of chat completion chunks: the upstream's own where it speaks the dialect, else written from events.

use super::Chat;
use super::render::{annotation, finish, id, model, urls};
use crate::answer::Head;
use crate::failure::{Failure, Shape};
use crate::openai::usage::{chat_usage, with_cost};
use crate::relay::{Piece, Relay};
use crate::sse::{Writer, put_event, put_value};
use bytes::BytesMut;
use nunchi_core::{
    Citation, Frame, ModelError, ModelErrorKind, NanoUsd, ReplyEvent, ServiceTier, StopReason, Usage,
};
use serde_json::{Value, json};

/// Writes a stream of chunks.
pub(crate) struct ChatStream {
    head: Head,
    include_usage: bool,
    relay: Relay,
    /// `{"id":…,"model":…,` of every chunk of ours, once the model is known.
    prefix: Vec<u8>,
    upstream_id: Option<String>,
    upstream_model: String,
    choice: u32,
    /// Reasoning since the last proof; the proof is told together with what it proves.
    thinking: String,
    /// How many reasoning blocks were told. Clients put lists of deltas together by `index`.
    blocks: usize,
    /// Which choices have had their role.
    begun: Vec<u32>,
    sources: Vec<Citation>,
    /// Whether the next chunk lists the sources: after each new one, and at the end.
    list_sources: bool,
    usage: Option<Usage>,
    /// What the answer cost, where whoever gave it said so.
    cost: Option<NanoUsd>,
    /// The service tier, where the upstream said so.
    service_tier: Option<ServiceTier>,
    usage_sent: bool,
    ended: bool,
}

impl ChatStream {
    pub(super) fn new(head: Head, include_usage: bool) -> Self {
        Self {
            head,
            include_usage,
            relay: Relay::default(),
            prefix: Vec::new(),
            upstream_id: None,
            upstream_model: String::new(),
            choice: 0,
            thinking: String::new(),
            blocks: 0,
            begun: Vec::new(),
            sources: Vec::new(),
            list_sources: false,
            usage: None,
            cost: None,
            service_tier: None,
            usage_sent: false,
            ended: false,
        }
    }

    /// Forwards an upstream's chunk; token counts only to those who asked.
    fn forward(&mut self, frame: &Frame, data: &[u8], out: &mut BytesMut) {
        let mut only_usage = !frame.events.is_empty();
        for event in &frame.events {
            match event {
                ReplyEvent::Start { id, model } => {
                    self.upstream_id = Some(id.clone());
                    self.upstream_model.clone_from(model);
                }
                ReplyEvent::Usage { usage, .. } => self.usage = Some(*usage),
                ReplyEvent::Choice(_) | ReplyEvent::Settled(_) => {}
                ReplyEvent::End(_) => (only_usage, self.ended) = (false, true),
                _ => only_usage = false,
            }
        }
        let counts = frame.events.iter().any(|event| matches!(event, ReplyEvent::Usage { .. }));
        if data == b"[DONE]" || (only_usage && counts && !self.include_usage) {
            return;
        }
        self.usage_sent |= counts;
        put_event(out, None, data);
    }

    fn event(&mut self, event: &ReplyEvent, out: &mut BytesMut) {
        match event {
            ReplyEvent::Start { model, .. } => {
                self.upstream_model.clone_from(model);
                self.begin(out);
            }
            ReplyEvent::Choice(index) => self.choice = *index,
            ReplyEvent::Text(text) => self.text_chunk("content", text, out),
            ReplyEvent::Thinking(text) => {
                self.thinking.push_str(text);
                self.text_chunk("reasoning_content", text, out);
            }
            ReplyEvent::Refusal(text) => self.text_chunk("refusal", text, out),
            ReplyEvent::ThinkingSignature(signature) => {
                let text = std::mem::take(&mut self.thinking);
                self.block(json!({"type": "thinking", "thinking": text, "signature": signature}), out);
            }
            ReplyEvent::RedactedThinking(data) => {
                self.block(json!({"type": "redacted_thinking", "data": data}), out);
            }
            ReplyEvent::ToolCall { index, id, name } => {
                let function = json!({"name": name, "arguments": ""});
                let call = json!({"index": index, "id": id, "type": "function", "function": function});
                self.chunk(&json!({"tool_calls": [call]}), None, out);
            }
            ReplyEvent::ToolArguments { index, delta } => {
                let call = json!({"index": index, "function": {"arguments": delta}});
                self.chunk(&json!({"tool_calls": [call]}), None, out);
            }
            ReplyEvent::ToolSignature { index, signature } => {
                let extra = json!({"google": {"thought_signature": signature}});
                // SDKs insist on a function in every delta of a call.
                let call = json!({"index": index, "function": {"arguments": ""}, "extra_content": extra});
                self.chunk(&json!({"tool_calls": [call]}), None, out);
            }
            ReplyEvent::Citation(source) => {
                self.sources.push(source.clone());
                self.list_sources = true;
                let mut annotation = annotation(source);
                annotation["index"] = (self.sources.len() - 1).into();
                self.chunk(&json!({"annotations": [annotation]}), None, out);
            }
            ReplyEvent::Usage { usage, reported_cost, service_tier } => {
                (self.usage, self.cost) = (Some(*usage), *reported_cost);
                self.service_tier = *service_tier;
            }
            ReplyEvent::End(stop) => {
                self.ended = true;
                self.chunk(&json!({}), Some(stop), out);
            }
            ReplyEvent::Settled(summary) => self.usage = self.usage.or(Some(summary.usage)),
        }
    }

    /// A reasoning block that must return unchanged.
    fn block(&mut self, mut block: Value, out: &mut BytesMut) {
        block["index"] = self.blocks.into();
        self.blocks += 1;
        self.chunk(&json!({"thinking_blocks": [block]}), None, out);
    }

    /// Opens the current choice with its role.
    fn begin(&mut self, out: &mut BytesMut) {
        if self.begun.contains(&self.choice) {
            return;
        }
        self.begun.push(self.choice);
        self.open_chunk(out);
        out.extend_from_slice(b"{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
        self.close_chunk(None, out);
    }

    /// The commonest chunk, written without a detour over a JSON tree.
    fn text_chunk(&mut self, field: &str, text: &str, out: &mut BytesMut) {
        self.begin(out);
        self.open_chunk(out);
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":");
        put_value(out, &text);
        out.extend_from_slice(b"}");
        self.close_chunk(None, out);
    }

    fn chunk(&mut self, delta: &Value, stop: Option<&StopReason>, out: &mut BytesMut) {
        self.begin(out);
        self.open_chunk(out);
        put_value(out, delta);
        self.close_chunk(stop, out);
    }

    fn open_chunk(&mut self, out: &mut BytesMut) {
        self.put_prefix(out);
        out.extend_from_slice(b"\"choices\":[{\"index\":");
        put_value(out, &self.choice);
        out.extend_from_slice(b",\"delta\":");
    }

    fn close_chunk(&mut self, stop: Option<&StopReason>, out: &mut BytesMut) {
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        put_value(out, &stop.map(finish));
        if let Some(StopReason::Other(word)) = stop {
            out.extend_from_slice(b",\"native_finish_reason\":");
            put_value(out, word);
        }
        out.extend_from_slice(b"}]");
        if !self.sources.is_empty() && (stop.is_some() || std::mem::take(&mut self.list_sources)) {
            out.extend_from_slice(b",\"citations\":");
            put_value(out, &urls(&self.sources));
        }
        if self.include_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }

    /// `data: {…` up to the choices.
    fn put_prefix(&mut self, out: &mut BytesMut) {
        if self.prefix.is_empty() {
            let id = self.upstream_id.clone().unwrap_or_else(|| id(&self.head));
            let model = model(&self.head, &self.upstream_model);
            let head = json!({
                "id": id, "object": "chat.completion.chunk", "created": self.head.created, "model": model,
            });
            let mut text = format!("data: {head}");
            text.pop();
            text.push(',');
            self.prefix = text.into_bytes();
        }
        out.extend_from_slice(&self.prefix);
    }
}

impl Writer for ChatStream {
    fn frame(&mut self, frame: &Frame, out: &mut BytesMut) {
        match self.relay.next::<Chat>(frame) {
            Piece::Raw(raw) => self.forward(frame, &raw.data, out),
            Piece::Events(events) => events.iter().for_each(|event| self.event(event, out)),
            Piece::Aside(events) => events.iter().for_each(|event| match event {
                ReplyEvent::Settled(summary) => self.usage = self.usage.or(Some(summary.usage)),
                ReplyEvent::Usage { usage, .. } => self.usage = Some(*usage),
                _ => {}
            }),
        }
    }

    fn error(&mut self, error: &ModelError, out: &mut BytesMut) {
        let failure = Failure::of_model(error, self.head.lang);
        put_event(out, None, &failure.body(Shape::OpenAi, Some(self.head.request)));
    }

    fn end(&mut self, out: &mut BytesMut) {
        if !self.ended && self.relay != Relay::Raw {
            return self.error(&ModelError::new(ModelErrorKind::Cut, ""), out);
        }
        if let Some(usage) = self.usage.filter(|_| self.include_usage && !self.usage_sent) {
            self.put_prefix(out);
            if let Some(tier) = self.service_tier {
                out.extend_from_slice(b"\"service_tier\":");
                put_value(out, &tier.word());
                out.extend_from_slice(b",");
            }
            out.extend_from_slice(b"\"choices\":[],\"usage\":");
            put_json_tail(out, &with_cost(chat_usage(&usage), self.cost));
        }
        put_event(out, None, b"[DONE]");
    }
}

fn put_json_tail(out: &mut BytesMut, usage: &Value) {
    put_value(out, usage);
    out.extend_from_slice(b"}\n\n");
}
