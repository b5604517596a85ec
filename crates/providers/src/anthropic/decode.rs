//! Reads a messages reply, streamed or whole.

use super::usage::WireUsage;
use super::{ErrorDetail, kind_of_error};
use crate::codec::Decoder;
use crate::shared::{cut, garbage, masked, mid_stream, read_object};
use bytes::Bytes;
use http::StatusCode;
use nunchi_core::{Citation, Dialect, Frame, ModelError, ModelErrorKind, ReplyEvent, StopReason};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads one reply.
#[derive(Debug, Default)]
pub(super) struct MessagesDecoder {
    usage: WireUsage,
    counted: bool,
    /// Tool calls by the index of their block: position, and whether arguments came.
    calls: BTreeMap<u64, u32>,
    content: bool,
    ended: bool,
}

#[derive(Deserialize)]
struct Whole {
    id: String,
    model: String,
    #[serde(default)]
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

/// One event of a stream; which fields are there depends on its type.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    message: Option<Whole>,
    #[serde(default)]
    content_block: Option<Block>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<ErrorDetail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    thinking: String,
    signature: String,
    data: String,
    id: String,
    name: String,
    input: Option<Value>,
    citations: Option<Vec<WireCitation>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    partial_json: String,
    thinking: String,
    signature: String,
    citation: Option<WireCitation>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireCitation {
    url: Option<String>,
    title: Option<String>,
    document_title: Option<String>,
    cited_text: Option<String>,
}

impl Decoder for MessagesDecoder {
    fn event(&mut self, _event: Option<&str>, data: Bytes) -> Result<Frame, ModelError> {
        let event: Event = read_object(&data, "an event")?;
        let mut events = Vec::new();
        match event.kind.as_str() {
            "message_start" => {
                let Some(message) = event.message else {
                    return Err(garbage("message_start without a message"));
                };
                self.count(message.usage);
                events.push(ReplyEvent::Start { id: message.id, model: message.model });
                events.extend(self.usage_event());
            }
            "content_block_start" => {
                let block = event.content_block.unwrap_or_default();
                self.open(event.index, block, &mut events);
            }
            "content_block_delta" => self.delta(event.index, event.delta.unwrap_or_default(), &mut events)?,
            "message_delta" => {
                self.count(event.usage);
                events.extend(self.usage_event());
                let delta = event.delta.unwrap_or_default();
                if let Some(stop) = delta.stop_reason {
                    events.push(ReplyEvent::End(stop_of(&stop, delta.stop_sequence)));
                }
            }
            "message_stop" => self.ended = true,
            "error" => return Err(self.failed(event.error, &data)),
            // Pings, ends of blocks, and what later versions add.
            _ => {}
        }
        Ok(Frame::of(events))
    }

    fn finish(&mut self) -> Result<Frame, ModelError> {
        if self.ended { Ok(Frame::default()) } else { Err(cut()) }
    }

    fn whole(&mut self, body: Bytes) -> Result<Frame, ModelError> {
        let message: Whole = read_object(&body, "the message")?;
        let mut events = vec![ReplyEvent::Start { id: message.id, model: message.model }];
        for (index, block) in message.content.into_iter().enumerate() {
            let arguments = block.input.clone().filter(|_| block.kind == "tool_use");
            self.open(index as u64, block, &mut events);
            if let (Some(input), Some(position)) = (arguments, self.calls.get(&(index as u64))) {
                events.push(ReplyEvent::ToolArguments { index: *position, delta: input.to_string() });
            }
        }
        self.count(message.usage);
        events.extend(self.usage_event());
        let stop = message.stop_reason.ok_or_else(|| garbage("a message without a stop reason"))?;
        events.push(ReplyEvent::End(stop_of(&stop, message.stop_sequence)));
        self.ended = true;
        Ok(Frame::of(events))
    }

    fn done(&self) -> bool {
        self.ended
    }
}

impl MessagesDecoder {
    fn count(&mut self, usage: Option<WireUsage>) {
        if let Some(usage) = usage {
            self.usage.update(usage);
            self.counted = true;
        }
    }

    fn usage_event(&self) -> Option<ReplyEvent> {
        self.counted.then(|| ReplyEvent::Usage {
            usage: self.usage.usage(),
            reported_cost: None,
            service_tier: None,
        })
    }

    /// A block opens; a whole one brings its content along.
    fn open(&mut self, index: u64, block: Block, events: &mut Vec<ReplyEvent>) {
        self.content = true;
        match block.kind.as_str() {
            "tool_use" => {
                let position = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                self.calls.insert(index, position);
                events.push(ReplyEvent::ToolCall { index: position, id: block.id, name: block.name });
            }
            "redacted_thinking" => events.push(ReplyEvent::RedactedThinking(block.data)),
            "thinking" => {
                if !block.thinking.is_empty() {
                    events.push(ReplyEvent::Thinking(block.thinking));
                }
                if !block.signature.is_empty() {
                    events.push(ReplyEvent::ThinkingSignature(block.signature));
                }
            }
            "text" => {
                if !block.text.is_empty() {
                    events.push(ReplyEvent::Text(block.text));
                }
                events.extend(block.citations.into_iter().flatten().filter_map(citation));
            }
            _ => {}
        }
    }

    fn delta(&mut self, index: u64, delta: Delta, events: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        match delta.kind.as_str() {
            "text_delta" => events.push(ReplyEvent::Text(delta.text)),
            "thinking_delta" => events.push(ReplyEvent::Thinking(delta.thinking)),
            "signature_delta" => events.push(ReplyEvent::ThinkingSignature(delta.signature)),
            "citations_delta" => events.extend(delta.citation.and_then(citation)),
            "input_json_delta" => {
                // Blocks of tools that run at Anthropic have arguments as well; they are not ours to call.
                if let Some(position) = self.calls.get(&index).filter(|_| !delta.partial_json.is_empty()) {
                    events.push(ReplyEvent::ToolArguments { index: *position, delta: delta.partial_json });
                }
            }
            "" => return Err(garbage("a delta without a type")),
            _ => {}
        }
        Ok(())
    }

    /// An error event: before any content it is as good as an error reply, so that the next attempt may be made.
    fn failed(&self, error: Option<ErrorDetail>, data: &[u8]) -> ModelError {
        let error = error.unwrap_or(ErrorDetail { kind: String::new(), message: String::new() });
        if self.content {
            return mid_stream(Dialect::Anthropic, &error.message, data);
        }
        let kind = match kind_of_error(&error.kind, StatusCode::INTERNAL_SERVER_ERROR) {
            ModelErrorKind::UnknownModel => ModelErrorKind::UpstreamFailed,
            kind => kind,
        };
        ModelError::new(kind, masked(&error.message))
    }
}

fn citation(wire: WireCitation) -> Option<ReplyEvent> {
    let url = wire.url?;
    let title = wire.title.or(wire.document_title);
    Some(ReplyEvent::Citation(Citation { url, title, quote: wire.cited_text, date: None }))
}

fn stop_of(word: &str, sequence: Option<String>) -> StopReason {
    match word {
        "end_turn" => StopReason::EndTurn,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence(sequence.unwrap_or_default()),
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::Pause,
        "refusal" => StopReason::Refusal,
        other => StopReason::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Anthropic;
    use crate::testing::{cut_behind_every_event, decode_whole, golden, rich_request, same_at_every_cut};
    use nunchi_core::{Part, Usage, assemble_reply};
    use nunchi_testkit::{Dialect, Endpoint, ToolCall, Turn, UsageShape, wire};
    use serde_json::json;

    fn turn() -> Turn {
        Turn::thinking("let me think", "proof")
            .then_text("안녕하세요 there")
            .then_tools([ToolCall::new("get_weather", &json!({ "city": "서울", "days": [1, 2] }))])
            .usage(UsageShape::CacheWrite { input: 10, cached: 20, write_5m: 30, write_1h: 40, output: 50 })
    }

    #[test]
    fn a_stream_cut_at_every_byte_is_the_same_reply() {
        let events = wire(Dialect::Anthropic, Endpoint::Chat, &turn(), true);
        let body = same_at_every_cut(&Anthropic, &events.concat());
        assert_eq!(body.choices[0].parts.len(), 3);
        let Part::ToolCall { name, arguments, .. } = &body.choices[0].parts[2] else { panic!("a tool call") };
        assert_eq!(name, "get_weather");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(arguments).unwrap(),
            json!({ "city": "서울", "days": [1, 2] })
        );
        assert_eq!(body.usage.cache_read, 20);
        assert_eq!(body.usage.prompt_tokens(), 100);
        cut_behind_every_event(&Anthropic, &events);
    }

    #[test]
    fn whole_and_streamed_agree() {
        let whole = wire(Dialect::Anthropic, Endpoint::Chat, &turn(), false).concat();
        let whole = assemble_reply(&decode_whole(&Anthropic, &whole).unwrap());
        let usage = Usage {
            input: 10,
            cache_read: 20,
            cache_write_5m: 30,
            cache_write_1h: 40,
            output: 50,
            ..Usage::default()
        };
        assert_eq!(whole.usage, usage);
        let streamed =
            same_at_every_cut(&Anthropic, &wire(Dialect::Anthropic, Endpoint::Chat, &turn(), true).concat());
        assert_eq!(whole.choices.len(), streamed.choices.len());
        assert_eq!(whole.choices[0].parts[..2], streamed.choices[0].parts[..2]);
    }

    #[test]
    fn a_rich_request() {
        golden("rich", "anthropic", &Anthropic, &rich_request("claude-sonnet-4-5"));
    }
}
