//! One scripted answer: what is said, how it is cut into pieces, how fast it comes and how it breaks.

mod piece;
mod plan;
mod spec;
mod usage;

use bytes::Bytes;
pub use piece::{Piece, Source, Stop, ToolCall};
pub(crate) use plan::Opening;
pub use plan::{ChunkPlan, Ending, Fault, LineEnd, Pace, Split};
use serde_json::Value;
use std::time::Duration;
pub use usage::{Tokens, UsageShape};

/// One scripted answer.
///
/// Begin with what is said (`Turn::text`, `Turn::tool_calls`, …) or with a failure (`Turn::status`, `Turn::hang`, …), then refine it.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) alternatives: Vec<String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) usage: UsageShape,
    pub(crate) stop: Option<Stop>,
    pub(crate) model: Option<String>,
    pub(crate) service_tier: Option<String>,
    pub(crate) fault: Option<Fault>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) raw: Option<Bytes>,
    pub(crate) text_split: Option<Split>,
    pub(crate) argument_split: Option<Split>,
    pub(crate) interleaved: bool,
    pub(crate) chunks: ChunkPlan,
    pub(crate) line_end: Option<LineEnd>,
    pub(crate) pace: Pace,
    pub(crate) ending: Ending,
    pub(crate) opening: Opening,
}

/// What is said.
impl Turn {
    /// A plain answer.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().then_text(text)
    }

    /// An answer whose text is this JSON, as structured output arrives.
    pub fn json(value: &Value) -> Self {
        Self::text(value.to_string())
    }

    /// An answer that begins with reasoning; the signature is sent where the dialect has one.
    pub fn thinking(text: impl Into<String>, signature: impl Into<String>) -> Self {
        Self::default().then_thinking(text, signature)
    }

    /// An answer that asks for tools, in parallel when there are several.
    pub fn tool_calls(calls: impl IntoIterator<Item = ToolCall>) -> Self {
        Self::default().then_tools(calls)
    }

    /// The model declines.
    pub fn refusal(text: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Refusal(text.into())], ..Self::default() }
    }

    /// An answer without any content.
    pub fn empty() -> Self {
        Self::default()
    }

    /// More text.
    pub fn then_text(mut self, text: impl Into<String>) -> Self {
        self.pieces.push(Piece::Text(text.into()));
        self
    }

    /// More reasoning.
    pub fn then_thinking(mut self, text: impl Into<String>, signature: impl Into<String>) -> Self {
        self.pieces.push(Piece::Thinking { text: text.into(), signature: signature.into() });
        self
    }

    /// Reasoning that the provider hides (Anthropic's `redacted_thinking`, OpenAI's `encrypted_content`).
    pub fn then_redacted_thinking(mut self, data: impl Into<String>) -> Self {
        self.pieces.push(Piece::RedactedThinking(data.into()));
        self
    }

    /// Tool calls after what was said.
    pub fn then_tools(mut self, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        self.pieces.extend(calls.into_iter().map(Piece::ToolCall));
        self
    }

    /// Further alternatives (`n` > 1), where the dialect has them: OpenAI chat and Gemini.
    pub fn alternatives<T: Into<String>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.alternatives = texts.into_iter().map(Into::into).collect();
        self
    }

    /// Sources of the answer, in the dialect's way.
    pub fn citations(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// What the answer claims to have used.
    pub fn usage(mut self, usage: UsageShape) -> Self {
        self.usage = usage;
        self
    }

    /// Why it ends; found from the content until said.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The model the answer names; the one asked for until said.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The service tier the answer names, in OpenAI's two dialects; the one asked for until said.
    pub fn service_tier(mut self, tier: impl Into<String>) -> Self {
        self.service_tier = Some(tier.into());
        self
    }
}

/// Failures.
impl Turn {
    /// An error of this status with the dialect's own body.
    pub fn status(status: u16) -> Self {
        Self { fault: Some(Fault::new(status)), ..Self::default() }
    }

    /// Takes the request and never answers: no headers, no body.
    pub fn hang() -> Self {
        Opening::Silence.into()
    }

    /// Takes the request and closes the connection without a word.
    pub fn drop_connection() -> Self {
        Opening::Drop.into()
    }

    /// Status 200 and a body (or an event) that is not JSON.
    pub fn garbage() -> Self {
        Self::text("never seen").garbage_after(0)
    }

    /// The HTML page of a proxy in between.
    pub fn html(status: u16) -> Self {
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body><h1>{status}</h1></body>\r\n</html>\r\n"
        );
        Self::raw(status, "text/html", page)
    }

    /// Exactly these bytes with this status and content type.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let fault = Some(Fault::new(status));
        Self { fault, raw: Some(body.into()), ..Self::default() }.header("content-type", content_type)
    }

    /// The message of a [`Turn::status`] error.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.fault.get_or_insert_with(|| Fault::new(500)).message = Some(message.into());
        self
    }

    /// The code of a [`Turn::status`] error (`context_length_exceeded`, `insufficient_quota`, …).
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.fault.get_or_insert_with(|| Fault::new(500)).code = Some(code.into());
        self
    }

    /// When to come back, in the dialect's way: a `retry-after` header, or Gemini's `RetryInfo`.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.fault.get_or_insert_with(|| Fault::new(429)).retry_after = Some(seconds);
        self
    }

    /// Drops the connection after this many events (of a stream) or halfway through the body.
    pub fn cut_after(self, events: usize) -> Self {
        self.ending(Ending::Cut(events))
    }

    /// Falls silent after this many events, the connection staying open.
    pub fn hang_after(self, events: usize) -> Self {
        self.ending(Ending::Hang(events))
    }

    /// Sends the dialect's error event after this many events.
    pub fn error_after(self, events: usize, status: u16) -> Self {
        self.ending(Ending::Error(events, Fault::new(status)))
    }

    /// Replaces the event of this number by broken JSON.
    pub fn garbage_after(self, events: usize) -> Self {
        self.ending(Ending::Garbage(events))
    }

    /// Ends the stream cleanly but without the dialect's last event (`[DONE]`, `message_stop`, `response.completed`, …).
    pub fn without_terminator(self) -> Self {
        self.ending(Ending::NoTerminator)
    }

    /// Ends the stream without the last line end (and blank line).
    pub fn without_last_blank_line(self) -> Self {
        self.ending(Ending::NoLastBlankLine)
    }

    fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }
}

/// Shape and speed on the wire.
impl Turn {
    /// A response header; replaces the one the dialect would send.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A content type that does not fit the body.
    pub fn content_type(self, value: &str) -> Self {
        self.header("content-type", value)
    }

    /// How the bytes are cut into writes.
    pub fn chunks(mut self, plan: ChunkPlan) -> Self {
        self.chunks = plan;
        self
    }

    /// How texts (and reasoning) are cut into deltas; words until said.
    pub fn deltas(mut self, split: Split) -> Self {
        self.text_split = Some(split);
        self
    }

    /// How tool arguments are cut into deltas; pieces of eight characters until said.
    pub fn arguments(mut self, split: Split) -> Self {
        self.argument_split = Some(split);
        self
    }

    /// Deltas of parallel tool calls take turns (OpenAI chat only, as some compatible servers do).
    pub fn interleaved(mut self) -> Self {
        self.interleaved = true;
        self
    }

    /// The line ends of a stream.
    pub fn line_ends(mut self, line_end: LineEnd) -> Self {
        self.line_end = Some(line_end);
        self
    }

    /// Milliseconds before the response headers.
    pub fn delay_headers(mut self, millis: u64) -> Self {
        self.pace.headers = Duration::from_millis(millis);
        self
    }

    /// Milliseconds between the headers and the first byte of the body.
    pub fn delay_first_byte(mut self, millis: u64) -> Self {
        self.pace.first_byte = Duration::from_millis(millis);
        self
    }

    /// Milliseconds between writes.
    pub fn delay_between(mut self, millis: u64) -> Self {
        self.pace.between = Duration::from_millis(millis);
        self
    }
}

/// What the renderers ask.
impl Turn {
    pub(crate) fn tools(&self) -> impl Iterator<Item = &ToolCall> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    pub(crate) fn stop_reason(&self) -> Stop {
        let refused = || self.pieces.iter().any(|piece| matches!(piece, Piece::Refusal(_)));
        match &self.stop {
            Some(stop) => stop.clone(),
            None if self.tools().next().is_some() => Stop::ToolUse,
            None if refused() => Stop::Refusal,
            None => Stop::EndTurn,
        }
    }

    pub(crate) fn split_text<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.text_split.as_ref().unwrap_or(&Split::Words).apply(text)
    }

    pub(crate) fn split_arguments<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.argument_split.as_ref().unwrap_or(&Split::Every(8)).apply(text)
    }

    /// The text pieces, joined.
    pub(crate) fn all_text(&self) -> String {
        self.collect(|piece| match piece {
            Piece::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The reasoning pieces, joined.
    pub(crate) fn all_thinking(&self) -> String {
        self.collect(|piece| match piece {
            Piece::Thinking { text, .. } => Some(text),
            _ => None,
        })
    }

    /// The refusal, if the model declines.
    pub(crate) fn all_refusal(&self) -> Option<String> {
        let refusal = self.collect(|piece| match piece {
            Piece::Refusal(text) => Some(text),
            _ => None,
        });
        (!refusal.is_empty()).then_some(refusal)
    }

    fn collect(&self, pick: impl Fn(&Piece) -> Option<&String>) -> String {
        self.pieces.iter().filter_map(pick).map(String::as_str).collect()
    }
}

/// A turn that only opens in this way.
impl From<Opening> for Turn {
    fn from(opening: Opening) -> Self {
        Self { opening, ..Self::default() }
    }
}
