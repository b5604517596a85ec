//! Streams of response events: the upstream's own where it speaks the dialect, else written from our events.

use super::Responses;
use super::echo::{Echo, Response};
use super::items::REDACTED;
use super::output::{Content, Item, Summary, annotation, status};
use super::render::item_id;
use crate::answer::Head;
use crate::failure::Failure;
use crate::openai::usage::with_cost;
use crate::relay::{Piece, Relay, put_named};
use crate::sequence::Sequence;
use crate::sse::{Writer, put_json};
use bytes::BytesMut;
use nunchi_core::{
    Citation, Frame, ModelError, ModelErrorKind, NanoUsd, ReplyEvent, ServiceTier, StopReason, Usage,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Writes a stream of response events.
pub(crate) struct ResponseStream {
    head: Head,
    echo: Echo,
    relay: Relay,
    started: bool,
    upstream_model: String,
    number: u64,
    output: Vec<Item>,
    /// The item that is being written: its position in `output`.
    open: Option<usize>,
    sequence: Sequence,
    /// Sources that wait for a text.
    sources: Vec<Citation>,
    usage: Option<Usage>,
    /// What the answer cost, where whoever gave it said so.
    cost: Option<NanoUsd>,
    /// The service tier, where the upstream said so.
    service_tier: Option<ServiceTier>,
    stop: Option<StopReason>,
    /// Whether what comes belongs to an alternative that this dialect cannot say.
    muted: bool,
}

impl ResponseStream {
    pub(super) fn new(head: Head, echo: Echo) -> Self {
        Self {
            head,
            echo,
            relay: Relay::default(),
            started: false,
            upstream_model: String::new(),
            number: 0,
            output: Vec::new(),
            open: None,
            sequence: Sequence::default(),
            sources: Vec::new(),
            usage: None,
            cost: None,
            service_tier: None,
            stop: None,
            muted: false,
        }
    }

    fn event(&mut self, event: &ReplyEvent, out: &mut BytesMut) {
        match event {
            ReplyEvent::Start { model, .. } => {
                self.upstream_model.clone_from(model);
                self.start(out);
            }
            ReplyEvent::Choice(index) => self.muted = *index != 0,
            ReplyEvent::Usage { usage, reported_cost, service_tier } => {
                (self.usage, self.cost) = (Some(*usage), *reported_cost);
                self.service_tier = *service_tier;
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

    /// Writes content that comes in the order of its items.
    fn content(&mut self, event: &ReplyEvent, out: &mut BytesMut) {
        match event {
            ReplyEvent::Text(delta) | ReplyEvent::Thinking(delta) | ReplyEvent::Refusal(delta)
                if delta.is_empty() => {}
            ReplyEvent::Text(delta) => self.text(delta, out),
            ReplyEvent::Refusal(delta) => self.refusal(delta, out),
            ReplyEvent::Thinking(delta) => self.thinking(delta, out),
            ReplyEvent::ThinkingSignature(proof) => self.prove(proof.clone(), out),
            ReplyEvent::RedactedThinking(data) => {
                self.close(out);
                self.prove(format!("{REDACTED}{data}"), out);
            }
            ReplyEvent::ToolCall { id, name, .. } => self.begin_tool(id, name, out),
            ReplyEvent::ToolArguments { delta, .. } => self.tool_arguments(delta, out),
            ReplyEvent::Citation(source) => {
                self.sources.push(source.clone());
                self.cite(out);
            }
            _ => {}
        }
    }

    /// `response.created` and `response.in_progress`, once.
    fn start(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            let response = Response::new(&self.head, &self.echo, &self.upstream_model, &[], None);
            emit(&mut self.number, out, kind, &Whole { response });
        }
    }

    fn text(&mut self, delta: &str, out: &mut BytesMut) {
        let at = self.enter_message(out);
        if !matches!(self.last_content(at), Some(Content::OutputText { .. })) {
            self.close_content(at, out);
            self.add_content(at, Content::text(""), out);
            self.cite(out);
        }
        let Some(Item::Message { id, content, .. }) = self.output.get_mut(at) else { return };
        let index = content.len().saturating_sub(1);
        if let Some(Content::OutputText { text, .. }) = content.last_mut() {
            text.push_str(delta);
        }
        let event = json!({
            "item_id": id, "output_index": at, "content_index": index, "delta": delta, "logprobs": [],
        });
        emit(&mut self.number, out, "response.output_text.delta", &event);
    }

    fn refusal(&mut self, delta: &str, out: &mut BytesMut) {
        let at = self.enter_message(out);
        if !matches!(self.last_content(at), Some(Content::Refusal { .. })) {
            self.close_content(at, out);
            self.add_content(at, Content::Refusal { refusal: String::new() }, out);
        }
        let Some(Item::Message { id, content, .. }) = self.output.get_mut(at) else { return };
        let index = content.len().saturating_sub(1);
        if let Some(Content::Refusal { refusal }) = content.last_mut() {
            refusal.push_str(delta);
        }
        let event = json!({"item_id": id, "output_index": at, "content_index": index, "delta": delta});
        emit(&mut self.number, out, "response.refusal.delta", &event);
    }

    fn last_content(&self, at: usize) -> Option<&Content> {
        match self.output.get(at) {
            Some(Item::Message { content, .. }) => content.last(),
            _ => None,
        }
    }

    fn enter_message(&mut self, out: &mut BytesMut) -> usize {
        if let Some(at) = self.open
            && matches!(self.output.get(at), Some(Item::Message { .. }))
        {
            return at;
        }
        self.close(out);
        let id = item_id("msg", &self.head, self.output.len());
        let item = Item::Message { id, role: "assistant", status: "in_progress", content: Vec::new() };
        self.add_item(item, out)
    }

    fn add_item(&mut self, item: Item, out: &mut BytesMut) -> usize {
        let at = self.output.len();
        emit(&mut self.number, out, "response.output_item.added", &json!({"output_index": at, "item": item}));
        self.open = Some(at);
        self.output.push(item);
        at
    }

    fn add_content(&mut self, at: usize, part: Content, out: &mut BytesMut) {
        let Some(Item::Message { id, content, .. }) = self.output.get_mut(at) else { return };
        let event = json!({"item_id": id, "output_index": at, "content_index": content.len(), "part": part});
        content.push(part);
        emit(&mut self.number, out, "response.content_part.added", &event);
    }

    /// Ends the content part that is being written, if any.
    fn close_content(&mut self, at: usize, out: &mut BytesMut) {
        let Some(Item::Message { id, content, .. }) = self.output.get(at) else { return };
        let Some(part) = content.last() else { return };
        let place = |mut event: Value| {
            event["item_id"] = id.as_str().into();
            event["output_index"] = at.into();
            event["content_index"] = (content.len() - 1).into();
            event
        };
        let (kind, done) = match part {
            Content::OutputText { text, .. } => {
                ("response.output_text.done", json!({"text": text, "logprobs": []}))
            }
            Content::Refusal { refusal } => ("response.refusal.done", json!({"refusal": refusal})),
        };
        emit(&mut self.number, out, kind, &place(done));
        emit(&mut self.number, out, "response.content_part.done", &place(json!({"part": part})));
    }

    /// Hangs waiting sources on the text that is being written.
    fn cite(&mut self, out: &mut BytesMut) {
        let Some(at) = self.open else { return };
        let Some(Item::Message { id, content, .. }) = self.output.get_mut(at) else { return };
        let content_index = content.len().saturating_sub(1);
        let Some(Content::OutputText { annotations, .. }) = content.last_mut() else { return };
        for source in self.sources.drain(..) {
            let annotation = annotation(&source);
            let event = json!({
                "item_id": id, "output_index": at, "content_index": content_index,
                "annotation_index": annotations.len(), "annotation": annotation,
            });
            annotations.push(annotation);
            emit(&mut self.number, out, "response.output_text.annotation.added", &event);
        }
    }

    fn enter_reasoning(&mut self, out: &mut BytesMut) -> usize {
        if let Some(at) = self.open
            && matches!(self.output.get(at), Some(Item::Reasoning { .. }))
        {
            return at;
        }
        self.close(out);
        let id = item_id("rs", &self.head, self.output.len());
        self.add_item(Item::Reasoning { id, summary: Vec::new(), encrypted_content: None }, out)
    }

    fn thinking(&mut self, delta: &str, out: &mut BytesMut) {
        let at = self.enter_reasoning(out);
        let Some(Item::Reasoning { id, summary, .. }) = self.output.get_mut(at) else { return };
        if summary.is_empty() {
            summary.push(Summary { text: String::new() });
            let part = json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary.last()});
            emit(&mut self.number, out, "response.reasoning_summary_part.added", &part);
        }
        if let Some(paragraph) = summary.last_mut() {
            paragraph.text.push_str(delta);
        }
        let event = json!({"item_id": id, "output_index": at, "summary_index": 0, "delta": delta});
        emit(&mut self.number, out, "response.reasoning_summary_text.delta", &event);
    }

    /// Adds the proof of the reasoning and ends it.
    fn prove(&mut self, proof: String, out: &mut BytesMut) {
        let at = self.enter_reasoning(out);
        if let Some(Item::Reasoning { encrypted_content, .. }) = self.output.get_mut(at) {
            *encrypted_content = Some(proof);
        }
        self.close(out);
    }

    fn begin_tool(&mut self, call_id: &str, name: &str, out: &mut BytesMut) {
        self.close(out);
        let item = Item::FunctionCall {
            id: item_id("fc", &self.head, self.output.len()),
            call_id: call_id.to_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            status: "in_progress",
        };
        self.add_item(item, out);
    }

    fn tool_arguments(&mut self, delta: &str, out: &mut BytesMut) {
        let Some(at) = self.open else { return };
        let Some(Item::FunctionCall { id, arguments, .. }) = self.output.get_mut(at) else { return };
        arguments.push_str(delta);
        let event = json!({"item_id": id, "output_index": at, "delta": delta});
        emit(&mut self.number, out, "response.function_call_arguments.delta", &event);
    }

    /// Ends the item that is being written, if any.
    fn close(&mut self, out: &mut BytesMut) {
        let Some(at) = self.open.take() else { return };
        match self.output.get_mut(at) {
            Some(Item::Reasoning { id, summary, .. }) => {
                if let Some(paragraph) = summary.last() {
                    let place = json!({"item_id": id, "output_index": at, "summary_index": 0});
                    let mut text = place.clone();
                    text["text"] = paragraph.text.as_str().into();
                    emit(&mut self.number, out, "response.reasoning_summary_text.done", &text);
                    let mut part = place;
                    part["part"] = json!(paragraph);
                    emit(&mut self.number, out, "response.reasoning_summary_part.done", &part);
                }
            }
            Some(Item::FunctionCall { id, arguments, .. }) => {
                if arguments.is_empty() {
                    arguments.push_str("{}");
                }
                let event = json!({"item_id": id, "output_index": at, "arguments": arguments});
                emit(&mut self.number, out, "response.function_call_arguments.done", &event);
            }
            Some(Item::Message { .. }) => self.close_content(at, out),
            None => {}
        }
        self.done(at, out);
    }

    fn done(&mut self, at: usize, out: &mut BytesMut) {
        let Some(item) = self.output.get_mut(at) else { return };
        // Only the last item of an incomplete response is incomplete, and it is closed once that is known.
        item.set_status(self.stop.as_ref().map_or("completed", |stop| status(stop).0));
        emit(&mut self.number, out, "response.output_item.done", &json!({"output_index": at, "item": item}));
    }

    fn finish(&mut self, failed: Option<Value>, out: &mut BytesMut) {
        let (status, details) = match (&failed, &self.stop) {
            (Some(_), _) => ("failed", None),
            (None, Some(stop)) => status(stop),
            (None, None) => ("completed", None),
        };
        let kind = format!("response.{status}");
        let usage = self.usage.unwrap_or_default();
        let counts = failed.is_none().then_some(&usage);
        let mut response = Response::new(&self.head, &self.echo, &self.upstream_model, &self.output, counts);
        response.usage = response.usage.map(|counts| with_cost(counts, self.cost));
        response.service_tier = self.service_tier.map(ServiceTier::word);
        response.status = status;
        response.incomplete_details = details;
        response.error = failed;
        emit(&mut self.number, out, &kind, &Whole { response });
    }
}

/// An event with the response object.
#[derive(Serialize)]
struct Whole<'a> {
    response: Response<'a>,
}

/// Writes one numbered event.
fn emit(number: &mut u64, out: &mut BytesMut, kind: &str, body: &impl Serialize) {
    #[derive(Serialize)]
    struct Event<'a, T> {
        #[serde(rename = "type")]
        kind: &'a str,
        sequence_number: u64,
        #[serde(flatten)]
        body: &'a T,
    }
    put_json(out, Some(kind), &Event { kind, sequence_number: *number, body });
    *number += 1;
}

impl Writer for ResponseStream {
    fn frame(&mut self, frame: &Frame, out: &mut BytesMut) {
        match self.relay.next::<Responses>(frame) {
            Piece::Raw(raw) => {
                self.number += 1;
                put_named(out, raw);
            }
            Piece::Aside(_) => {}
            Piece::Events(events) => events.iter().for_each(|event| self.event(event, out)),
        }
    }

    fn error(&mut self, error: &ModelError, out: &mut BytesMut) {
        let failure = Failure::of_model(error, self.head.lang);
        let event = json!({
            "code": failure.code, "message": failure.message, "param": failure.param, "hint": failure.hint,
        });
        emit(&mut self.number, out, "error", &event);
        if let Some(item) = self.open.take().and_then(|at| self.output.get_mut(at)) {
            item.set_status("incomplete");
        }
        let error = json!({"code": failure.code, "message": failure.message, "hint": failure.hint});
        self.finish(Some(error), out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        if self.relay == Relay::Raw {
            return;
        }
        if self.stop.is_none() {
            return self.error(&ModelError::new(ModelErrorKind::Cut, ""), out);
        }
        self.start(out);
        let mut told = Vec::new();
        self.sequence.finish(&mut told);
        told.iter().for_each(|event| self.content(event, out));
        if !self.sources.is_empty() {
            self.text("", out);
        }
        self.close(out);
        self.finish(None, out);
    }
}
