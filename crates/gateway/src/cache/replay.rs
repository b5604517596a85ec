//! A stored answer as a reply again: a stream where a stream is wanted, a whole body where not.

use super::stored::Stored;
use nunchi_core::{CallSummary, Frame, ReplyEvent, ReplyStream};
use std::sync::Arc;

/// Characters of one replayed piece of an answer that was stored whole.
const PIECE_CHARS: usize = 24;

/// The frames of a stored answer, ending with how this hit was booked.
pub(crate) fn replay(stored: &Stored, as_stream: bool, summary: Arc<CallSummary>) -> ReplyStream {
    let mut frames: Vec<Frame> = match (stored.streamed, as_stream) {
        (true, true) | (false, false) => stored.frames.to_vec(),
        (true, false) => stored.frames.iter().map(|frame| Frame::of(frame.events.clone())).collect(),
        (false, true) => stored.frames.iter().flat_map(|frame| &frame.events).flat_map(pieces).collect(),
    };
    frames.push(Frame::of(vec![ReplyEvent::Settled(summary)]));
    Box::pin(futures_util::stream::iter(frames.into_iter().map(Ok)))
}

/// One event as the frames a stream would have brought it in.
fn pieces(event: &ReplyEvent) -> Vec<Frame> {
    let split = |text: &str, wrap: &dyn Fn(String) -> ReplyEvent| -> Vec<Frame> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(PIECE_CHARS).map(|piece| Frame::of(vec![wrap(piece.iter().collect())])).collect()
    };
    match event {
        ReplyEvent::Text(text) => split(text, &ReplyEvent::Text),
        ReplyEvent::Thinking(text) => split(text, &ReplyEvent::Thinking),
        ReplyEvent::ToolArguments { index, delta } => {
            split(delta, &|delta| ReplyEvent::ToolArguments { index: *index, delta })
        }
        other => vec![Frame::of(vec![other.clone()])],
    }
}
