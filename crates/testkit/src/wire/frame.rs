//! Events and the three ways they are framed: SSE, one JSON a line, one JSON array.

use crate::turn::LineEnd;
use bytes::Bytes;
use serde_json::Value;

/// One event of a stream.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The SSE event name.
    name: Option<String>,
    /// The payload.
    data: String,
    /// Whether this event tells that the stream is complete.
    pub(super) last: bool,
}

impl Event {
    /// An event without a name.
    pub(super) fn data(value: &Value) -> Self {
        Self { name: None, data: value.to_string(), last: false }
    }

    /// An event named by its own `type`.
    pub(super) fn typed(value: &Value) -> Self {
        Self { name: value["type"].as_str().map(str::to_owned), ..Self::data(value) }
    }

    /// OpenAI's end mark.
    pub(super) fn done() -> Self {
        Self { name: None, data: "[DONE]".into(), last: true }
    }

    /// Marks the event as the one that completes the stream.
    pub(super) fn terminal(mut self) -> Self {
        self.last = true;
        self
    }

    /// Cuts the payload in half, which leaves broken JSON.
    pub(super) fn spoil(&mut self) {
        let half = (0..=self.data.len() / 2).rev().find(|&at| self.data.is_char_boundary(at)).unwrap_or(0);
        self.data.truncate(half);
    }
}

/// How events are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Sse,
    /// NDJSON.
    Lines,
    /// A JSON array, element by element.
    Array,
}

/// Frames events, one `Bytes` an event; an array is closed only when the stream is complete.
pub(super) fn frame(framing: Framing, line_end: LineEnd, events: &[Event], complete: bool) -> Vec<Bytes> {
    let end = line_end.as_str();
    let mut framed: Vec<Bytes> = events
        .iter()
        .enumerate()
        .map(|(index, Event { name, data, .. })| match (framing, name) {
            (Framing::Sse, Some(name)) => format!("event: {name}{end}data: {data}{end}{end}"),
            (Framing::Sse, None) => format!("data: {data}{end}{end}"),
            (Framing::Lines, _) => format!("{data}{end}"),
            (Framing::Array, _) if index == 0 => format!("[{data}"),
            (Framing::Array, _) => format!("{end},{end}{data}"),
        })
        .map(Bytes::from)
        .collect();
    if framing == Framing::Array && complete {
        framed.push(if events.is_empty() { "[]".into() } else { format!("{end}]").into() });
    }
    framed
}
