//! Puts the events of a reply one after the other, for dialects whose blocks cannot overlap.
//!
//! Upstreams may let tool calls take turns. What arrives while a call's arguments are not whole yet is held until they are.

use nunchi_core::ReplyEvent;
use serde::de::IgnoredAny;
use std::collections::VecDeque;

/// A tool call whose arguments are under way.
#[derive(Debug)]
struct OpenCall {
    index: u32,
    arguments: String,
}

impl OpenCall {
    /// Whether the arguments are whole: nothing but white space can follow.
    fn is_whole(&self) -> bool {
        !self.arguments.is_empty() && serde_json::from_str::<IgnoredAny>(&self.arguments).is_ok()
    }
}

/// Content events in, the same events out, each tool call in one piece.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    open: Option<OpenCall>,
    held: VecDeque<ReplyEvent>,
}

impl Sequence {
    /// Takes an event; tells what may be written now.
    pub(crate) fn push(&mut self, event: ReplyEvent, told: &mut Vec<ReplyEvent>) {
        match (&mut self.open, &event) {
            (Some(call), ReplyEvent::ToolArguments { index, delta }) if call.index == *index => {
                call.arguments.push_str(delta);
                told.push(event);
                // Looked at only when something waits for it.
                if !self.held.is_empty() && self.open.as_ref().is_some_and(OpenCall::is_whole) {
                    self.release(told);
                }
            }
            (Some(call), _) if !self.held.is_empty() || !call.is_whole() => self.held.push_back(event),
            _ => {
                self.open = match &event {
                    ReplyEvent::ToolCall { index, .. } => {
                        Some(OpenCall { index: *index, arguments: String::new() })
                    }
                    _ => None,
                };
                told.push(event);
            }
        }
    }

    /// Nothing more comes: tells all that was held.
    pub(crate) fn finish(&mut self, told: &mut Vec<ReplyEvent>) {
        while !self.held.is_empty() {
            self.release(told);
        }
    }

    /// Ends the open call and takes what was held once more, in order.
    fn release(&mut self, told: &mut Vec<ReplyEvent>) {
        self.open = None;
        for event in std::mem::take(&mut self.held) {
            self.push(event, told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: u32) -> ReplyEvent {
        ReplyEvent::ToolCall { index, id: String::new(), name: String::new() }
    }

    fn more(index: u32, delta: &str) -> ReplyEvent {
        ReplyEvent::ToolArguments { index, delta: delta.into() }
    }

    fn shown(told: &[ReplyEvent]) -> String {
        told.iter()
            .map(|event| match event {
                ReplyEvent::ToolCall { index, .. } => format!("<{index}>"),
                ReplyEvent::ToolArguments { delta, .. } => delta.clone(),
                ReplyEvent::Text(text) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn calls_that_take_turns_are_told_one_after_the_other() {
        let (mut sequence, mut told) = (Sequence::default(), Vec::new());
        for event in
            [call(0), more(0, "{\"x\""), call(1), more(1, "{}"), ReplyEvent::Text("t".into()), call(2)]
        {
            sequence.push(event, &mut told);
        }
        assert_eq!(shown(&told), "<0>{\"x\"");
        sequence.push(more(0, ":1}"), &mut told);
        assert_eq!(shown(&told), "<0>{\"x\":1}<1>{}t<2>");
    }

    #[test]
    fn calls_in_sequence_are_told_at_once() {
        let (mut sequence, mut told) = (Sequence::default(), Vec::new());
        for event in [call(0), more(0, "{}"), call(1), more(1, "{\"y")] {
            sequence.push(event, &mut told);
        }
        assert_eq!(shown(&told), "<0>{}<1>{\"y");
    }

    #[test]
    fn what_never_becomes_whole_is_told_at_the_end() {
        let (mut sequence, mut told) = (Sequence::default(), Vec::new());
        for event in [call(0), call(1), more(1, "{"), ReplyEvent::Text("t".into())] {
            sequence.push(event, &mut told);
        }
        assert_eq!(shown(&told), "<0>");
        sequence.finish(&mut told);
        assert_eq!(shown(&told), "<0><1>{t");
    }
}
