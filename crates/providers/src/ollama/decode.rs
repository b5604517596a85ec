//! Reads a chat reply, streamed or whole: the last line of a stream has the form of a whole reply.

use super::error;
use crate::codec::Decoder;
use crate::openai::{Text, lenient_count};
use crate::shared::{INDEX_LIMIT, cut, garbage, read_object};
use bytes::Bytes;
use nunchi_core::{Frame, ModelError, ModelRequest, Part, ReplyEvent, StopReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Reads one reply.
pub(super) struct ChatDecoder {
    begun: bool,
    /// Something was said: an error behind that comes too late for another attempt.
    answered: bool,
    /// The ids of tool calls in the conversation and in this reply.
    ids: HashSet<String>,
    /// Tool calls of this reply.
    calls: u32,
    /// `done` came.
    done: bool,
}

/// A line of a stream, or a whole reply.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow)]
    message: Option<Said<'a>>,
    #[serde(default)]
    done: bool,
    #[serde(borrow, default)]
    done_reason: Text<'a>,
    #[serde(default, deserialize_with = "lenient_count")]
    prompt_eval_count: u64,
    #[serde(default, deserialize_with = "lenient_count")]
    eval_count: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(borrow)]
    content: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl ChatDecoder {
    pub(super) fn new(request: &ModelRequest) -> Self {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let ids = parts.filter_map(|part| match part {
            Part::ToolCall { id, .. } => Some(id.clone()),
            _ => None,
        });
        Self { begun: false, answered: false, ids: ids.collect(), calls: 0, done: false }
    }

    fn line(&mut self, data: &[u8]) -> Result<Frame, ModelError> {
        let line: Line<'_> = read_object(data, "a line")?;
        if line.error.is_some() {
            return Err(error::in_stream(self.answered, data));
        }
        if line.message.is_none() && !line.done {
            return Err(garbage("a line without a message"));
        }
        let mut out = Vec::with_capacity(2);
        if !std::mem::replace(&mut self.begun, true) {
            // Ollama gives replies no id.
            out.push(ReplyEvent::Start { id: String::new(), model: line.model.as_str().to_owned() });
        }
        if let Some(said) = line.message {
            self.said(said, &mut out)?;
        }
        if line.done {
            self.done = true;
            let usage = usage(line.prompt_eval_count, line.eval_count, self.answered);
            out.extend(usage.map(|usage| ReplyEvent::Usage {
                usage,
                reported_cost: None,
                service_tier: None,
            }));
            out.push(ReplyEvent::End(stop_of(line.done_reason.as_str(), self.calls > 0)));
        }
        Ok(Frame::of(out))
    }

    fn said(&mut self, said: Said<'_>, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let before = out.len();
        out.extend(said.thinking.some().map(ReplyEvent::Thinking));
        out.extend(said.content.some().map(ReplyEvent::Text));
        for call in said.tool_calls.unwrap_or_default() {
            self.call(&call, out)?;
        }
        self.answered |= out.len() > before;
        Ok(())
    }

    /// A call, which always comes whole.
    fn call(&mut self, call: &Call<'_>, out: &mut Vec<ReplyEvent>) -> Result<(), ModelError> {
        let index = self.calls;
        if u64::from(index) > INDEX_LIMIT {
            return Err(garbage(format!("more than {INDEX_LIMIT} tool calls")));
        }
        self.calls += 1;
        let id = self.id(call.id.as_str());
        let name = call.function.name.as_str().to_owned();
        out.push(ReplyEvent::ToolCall { index, id, name });
        out.push(ReplyEvent::ToolArguments { index, delta: arguments(call.function.arguments) });
        Ok(())
    }

    /// The id that the server gave, or one of our own (older servers give none). No call of the conversation has the same: a
    /// result is matched with its call, and with the call's name, by nothing else.
    fn id(&mut self, given: &str) -> String {
        let mut id = given.to_owned();
        let mut number = self.ids.len();
        while id.is_empty() || self.ids.contains(&id) {
            id = format!("call_{number}");
            number += 1;
        }
        self.ids.insert(id.clone());
        id
    }
}

impl Decoder for ChatDecoder {
    fn event(&mut self, _event: Option<&str>, data: Bytes) -> Result<Frame, ModelError> {
        self.line(&data)
    }

    fn finish(&mut self) -> Result<Frame, ModelError> {
        if self.done { Ok(Frame::default()) } else { Err(cut()) }
    }

    fn whole(&mut self, body: Bytes) -> Result<Frame, ModelError> {
        let frame = self.line(&body)?;
        if self.done { Ok(frame) } else { Err(cut()) }
    }

    fn done(&self) -> bool {
        self.done
    }
}

/// The counts, if they are known.
///
/// Ollama leaves a count of zero out. No prompt has zero tokens: older servers left the count out when they had kept the whole prompt
/// from the call before. Such a reply has no usage at all, and so is booked by estimate; the same holds for an answer of zero tokens
/// that says something. Newer servers count the tokens they had kept among the others and do not tell them apart, nor reasoning.
fn usage(input: u64, output: u64, answered: bool) -> Option<Usage> {
    (input > 0 && (output > 0 || !answered)).then(|| Usage { input, output, ..Usage::default() })
}

/// Why the reply ended. Ollama says `stop` for a stop text and for tool calls as well, and the oldest servers say nothing. `load` and
/// `unload` are no answers, so they keep their words.
fn stop_of(word: &str, calls: bool) -> StopReason {
    match word {
        "stop" | "" if calls => StopReason::ToolUse,
        "stop" | "" => StopReason::EndTurn,
        "length" => StopReason::MaxTokens,
        other => StopReason::Other(other.to_owned()),
    }
}

/// Arguments as JSON text: the object as the server wrote it, or the text that some servers wrap it in.
fn arguments(raw: Option<&RawValue>) -> String {
    let text = raw.map_or("null", RawValue::get);
    let text = match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).unwrap_or_default(),
        _ => text.to_owned(),
    };
    if text.trim().is_empty() || text == "null" { "{}".to_owned() } else { text }
}
