//! Reads replies of responses, streamed and whole.

use super::item::{Annotation, Event, Item, Response};
use crate::codec::Decoder;
use crate::openai::stream_error;
use crate::shared::{cut, garbage, index, read_object};
use bytes::Bytes;
use nunchi_core::{Dialect, Frame, ModelError, ReplyEvent, ServiceTier};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Output items of one reply that are followed.
const ITEM_LIMIT: usize = 4_096;

/// Reads one reply.
#[derive(Default)]
pub(super) struct ResponsesDecoder {
    begun: bool,
    /// Something was answered: errors from here on are mid-stream.
    answered: bool,
    items: BTreeMap<u64, ItemState>,
    /// Tool calls so far.
    calls: u64,
    searches: u64,
    refused: bool,
    done: bool,
}

/// What was told of an output item so far.
#[derive(Default)]
struct ItemState {
    /// Its place among the tool calls.
    call: Option<u32>,
    /// Text, reasoning or arguments came in pieces.
    pieces: bool,
    /// Sources of it were told.
    sources: bool,
}

impl ResponsesDecoder {
    fn begin(&mut self, response: &Response<'_>, out: &mut Vec<ReplyEvent>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.push(ReplyEvent::Start {
                id: response.id.as_str().to_owned(),
                model: response.model.as_str().to_owned(),
            });
        }
    }

    fn item(&mut self, at: u64) -> Result<&mut ItemState, ModelError> {
        if self.items.len() >= ITEM_LIMIT && !self.items.contains_key(&at) {
            return Err(garbage(format!("more than {ITEM_LIMIT} output items")));
        }
        Ok(self.items.entry(at).or_default())
    }

    /// The place of a tool call; told of when it is new.
    fn call(&mut self, at: u64, item: &Item<'_>, out: &mut Vec<ReplyEvent>) -> Result<u32, ModelError> {
        if let Some(place) = self.item(at)?.call {
            return Ok(place);
        }
        let place = index(self.calls)?;
        self.calls += 1;
        self.item(at)?.call = Some(place);
        let (id, name) = (item.call_id.as_str().to_owned(), item.name.as_str().to_owned());
        out.push(ReplyEvent::ToolCall { index: place, id, name });
        Ok(place)
    }

    /// More text of an item.
    fn piece(
        &mut self,
        event: &mut Event<'_>,
        kind: fn(String) -> ReplyEvent,
        out: &mut Vec<ReplyEvent>,
    ) -> Result<(), ModelError> {
        let state = self.item(event.output_index)?;
        if let Some(delta) = event.delta.take().filter(|delta| !delta.is_empty()) {
            state.pieces = true;
            out.push(kind(delta));
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        at: u64,
        delta: Option<String>,
        out: &mut Vec<ReplyEvent>,
    ) -> Result<(), ModelError> {
        let state = self.item(at)?;
        let Some(place) = state.call else {
            return Err(garbage("arguments of a call that was not announced"));
        };
        if let Some(delta) = delta.filter(|delta| !delta.is_empty()) {
            state.pieces = true;
            out.push(ReplyEvent::ToolArguments { index: place, delta });
        }
        Ok(())
    }

    /// An item is complete: whatever of it did not come in pieces is told now.
    fn completed(
        &mut self,
        at: u64,
        mut item: Item<'_>,
        out: &mut Vec<ReplyEvent>,
    ) -> Result<(), ModelError> {
        self.searches += u64::from(item.is_search());
        if item.is_call() {
            self.call(at, &item, out)?;
            let all = item.arguments.take().or(item.input.take());
            let pieces = self.item(at)?.pieces;
            return if pieces { Ok(()) } else { self.arguments(at, all, out) };
        }
        let state = self.item(at)?;
        let (pieces, sources) = (state.pieces, state.sources);
        match item.kind.as_str() {
            "message" => self.message(item, pieces, sources, out),
            "reasoning" => reasoning(item, pieces, out),
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, item: Item<'_>, pieces: bool, sources: bool, out: &mut Vec<ReplyEvent>) {
        for content in item.content.into_iter().flatten() {
            self.refused |= content.refusal.is_some();
            if !pieces {
                out.extend(content.text.filter(|text| !text.is_empty()).map(ReplyEvent::Text));
                out.extend(content.refusal.filter(|text| !text.is_empty()).map(ReplyEvent::Refusal));
            }
            if !sources {
                let citations = content.annotations.iter().flatten().filter_map(Annotation::citation);
                out.extend(citations.map(ReplyEvent::Citation));
            }
        }
    }

    /// The last event: usage and the reason to stop.
    fn ended(&mut self, response: &Response<'_>, out: &mut Vec<ReplyEvent>) {
        self.begin(response, out);
        if let Some(usage) = &response.usage {
            let usage = usage.usage(self.searches);
            let service_tier = ServiceTier::of_word(response.service_tier.as_str());
            out.push(ReplyEvent::Usage { usage, reported_cost: None, service_tier });
        }
        out.push(ReplyEvent::End(response.stop(self.calls > 0, self.refused)));
        self.done = true;
    }

    fn read(&mut self, mut event: Event<'_>, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let at = event.output_index;
        match event.kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.begin(&response(event.response)?, out);
            }
            "response.output_item.added" => {
                if let Some(item) = event.item.filter(Item::is_call) {
                    self.call(at, &item, out)?;
                }
            }
            "response.output_text.delta" => self.piece(&mut event, ReplyEvent::Text, out)?,
            "response.refusal.delta" => {
                self.refused = true;
                self.piece(&mut event, ReplyEvent::Refusal, out)?;
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.piece(&mut event, ReplyEvent::Thinking, out)?;
            }
            "response.reasoning_summary_part.added" if event.summary_index > 0 => {
                out.push(ReplyEvent::Thinking("\n\n".to_owned()));
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(at, event.delta.take(), out)?;
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                let pieces = self.item(at)?.pieces;
                let all = event.arguments.take().or(event.input.take()).filter(|_| !pieces);
                self.arguments(at, all, out)?;
            }
            "response.output_text.annotation.added" => {
                if let Some(citation) = event.annotation.as_ref().and_then(Annotation::citation) {
                    self.item(at)?.sources = true;
                    out.push(ReplyEvent::Citation(citation));
                }
            }
            "response.output_item.done" => self.completed(at, event.item.unwrap_or_default(), out)?,
            "response.completed" | "response.incomplete" => self.ended(&response(event.response)?, out),
            _ => {}
        }
        self.answered |= out.iter().any(|event| !matches!(event, ReplyEvent::Start { .. }));
        Ok(())
    }

    fn failure(&self, data: &[u8]) -> ModelError {
        stream_error(Dialect::OpenAiResponses, self.answered, data)
    }
}

/// The proof of the reasoning, and its text where it did not come in pieces.
fn reasoning(item: Item<'_>, pieces: bool, out: &mut Vec<ReplyEvent>) {
    let summary: Vec<String> = item.summary.into_iter().flatten().map(|part| part.text).collect();
    let open: String = item.content.into_iter().flatten().filter_map(|part| part.text).collect();
    let text = if summary.is_empty() { open } else { summary.join("\n\n") };
    let shown = pieces || !text.is_empty();
    if !pieces && !text.is_empty() {
        out.push(ReplyEvent::Thinking(text));
    }
    if let Some(proof) = item.encrypted_content.filter(|proof| !proof.is_empty()) {
        out.push(if shown {
            ReplyEvent::ThinkingSignature(proof)
        } else {
            ReplyEvent::RedactedThinking(proof)
        });
    }
}

fn response(raw: Option<&RawValue>) -> Result<Response<'_>, ModelError> {
    let raw = raw.ok_or_else(|| garbage("an event without its response"))?;
    read_object(raw.get().as_bytes(), "a response")
}

impl Decoder for ResponsesDecoder {
    fn event(&mut self, _event: Option<&str>, data: Bytes) -> Result<Frame, ModelError> {
        if data.trim_ascii() == b"[DONE]" {
            return Ok(Frame::default());
        }
        let event: Event<'_> = read_object(&data, "an event")?;
        match (event.kind.as_str(), event.response) {
            ("response.failed" | "response.cancelled", Some(response)) => {
                return Err(self.failure(response.get().as_bytes()));
            }
            ("error" | "response.failed" | "response.cancelled", _) => return Err(self.failure(&data)),
            ("", _) if event.error.is_some() => return Err(self.failure(&data)),
            ("", _) => return Err(garbage("an event without a type")),
            _ => {}
        }
        let mut out = Vec::new();
        self.read(event, &mut out)?;
        Ok(Frame::of(out))
    }

    fn finish(&mut self) -> Result<Frame, ModelError> {
        if self.done { Ok(Frame::default()) } else { Err(cut()) }
    }

    fn whole(&mut self, body: Bytes) -> Result<Frame, ModelError> {
        let mut response: Response<'_> = read_object(&body, "the answer")?;
        if response.error.is_some() || response.status.as_str() == "failed" {
            return Err(self.failure(&body));
        }
        let items = response.output.take().ok_or_else(|| garbage("an answer without output"))?;
        let mut out = Vec::with_capacity(items.len() + 3);
        self.begin(&response, &mut out);
        for (at, item) in items.into_iter().enumerate() {
            self.completed(at as u64, item, &mut out)?;
        }
        self.ended(&response, &mut out);
        Ok(Frame::of(out))
    }

    fn done(&self) -> bool {
        self.done
    }
}
