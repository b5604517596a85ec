//! What a caller hears of an answer in which the model may call tools that the gateway answers itself: everything but those calls.

use super::hidden::HiddenTools;
use nunchi_core::{Frame, NanoUsd, Part, ReplyEvent, ServiceTier, StopReason, Usage, assemble_reply};
use std::collections::BTreeSet;

/// A call that the gateway answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HiddenCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// An answer for the caller.
    Answer,
    /// Only calls that the gateway answers itself: the calls, and all that the model said.
    Round(Vec<HiddenCall>, Vec<Part>),
    /// Such calls, and calls of the caller's own tools: those to answer, and the ids of the caller's.
    Mixed(Vec<HiddenCall>, Vec<String>),
}

/// Passes frames on without what the caller must not see. Usage and end are held back until it is known that the answer ends here.
#[derive(Debug)]
pub(crate) struct Screen {
    hidden: HiddenTools,
    /// Whether the caller wants a stream.
    streamed: bool,
    /// Whether this is the first attempt.
    first: bool,
    /// Whether a text was passed on in an earlier round, so that the next one begins a paragraph.
    spoke: bool,
    /// Whether anything of this attempt was passed on that cannot be taken back.
    begun: bool,
    /// Everything this attempt said.
    said: Vec<ReplyEvent>,
    /// Reasoning that is passed on only with what follows it: reasoning before a hidden call stays hidden with it.
    held: Vec<ReplyEvent>,
    hidden_calls: BTreeSet<u32>,
    /// The caller's calls by the upstream's count, in order.
    own_calls: Vec<u32>,
    usage: Option<(Usage, Option<NanoUsd>, Option<ServiceTier>)>,
    stop: Option<StopReason>,
    /// Whether a whole body went through as it came.
    whole: bool,
}

impl Screen {
    pub(crate) fn new(hidden: HiddenTools, streamed: bool) -> Self {
        Self {
            hidden,
            streamed,
            first: true,
            spoke: false,
            begun: false,
            said: Vec::new(),
            held: Vec::new(),
            hidden_calls: BTreeSet::new(),
            own_calls: Vec::new(),
            usage: None,
            stop: None,
            whole: false,
        }
    }

    /// What is passed on of a frame.
    pub(crate) fn pass(&mut self, frame: Frame) -> Option<Frame> {
        let calls_us =
            |event: &ReplyEvent| matches!(event, ReplyEvent::ToolCall { name, .. } if self.hidden.owns(name));
        let complete = frame.events.iter().any(|event| matches!(event, ReplyEvent::End(_)));
        let untouched = !self.streamed && self.first && self.said.is_empty();
        if untouched && complete && !frame.events.iter().any(calls_us) {
            self.whole = true;
            return Some(frame);
        }
        let mut passed = Vec::new();
        for event in frame.events {
            self.event(event, &mut passed);
        }
        (!passed.is_empty()).then(|| Frame::of(passed))
    }

    fn event(&mut self, event: ReplyEvent, passed: &mut Vec<ReplyEvent>) {
        match event {
            ReplyEvent::Usage { usage, reported_cost, service_tier } => {
                self.usage = Some((usage, reported_cost, service_tier));
                if self.first && !self.begun {
                    // The prompt's tokens, which some dialects tell at the head.
                    passed.push(event);
                }
                return;
            }
            ReplyEvent::End(stop) => {
                self.stop = Some(stop);
                return;
            }
            ReplyEvent::Start { .. } => {
                passed.extend(Some(event).filter(|_| self.first));
                return;
            }
            ReplyEvent::Choice(_) | ReplyEvent::Settled(_) => return,
            _ => {}
        }
        self.said.push(event.clone());
        match event {
            ReplyEvent::Thinking(_) | ReplyEvent::ThinkingSignature(_) | ReplyEvent::RedactedThinking(_) => {
                self.held.push(event);
            }
            ReplyEvent::ToolCall { index, id, name } => {
                if self.hidden.owns(&name) {
                    self.hidden_calls.insert(index);
                    return;
                }
                self.release(passed);
                self.own_calls.push(index);
                let index = place(self.own_calls.len() - 1);
                passed.push(ReplyEvent::ToolCall { index, id, name });
            }
            ReplyEvent::ToolArguments { index, delta } => {
                if let Some(index) = self.own_place(index) {
                    passed.push(ReplyEvent::ToolArguments { index, delta });
                }
            }
            ReplyEvent::ToolSignature { index, signature } => {
                if let Some(index) = self.own_place(index) {
                    passed.push(ReplyEvent::ToolSignature { index, signature });
                }
            }
            ReplyEvent::Text(text) if text.is_empty() => {}
            other => {
                self.release(passed);
                if matches!(other, ReplyEvent::Text(_)) && std::mem::take(&mut self.spoke) && !self.first {
                    passed.push(ReplyEvent::Text("\n\n".to_owned()));
                }
                passed.push(other);
            }
        }
    }

    fn own_place(&self, index: u32) -> Option<u32> {
        self.own_calls.iter().position(|own| *own == index).map(place)
    }

    fn release(&mut self, passed: &mut Vec<ReplyEvent>) {
        self.begun = true;
        passed.append(&mut self.held);
    }

    /// What the attempt came to.
    pub(crate) fn heard(&self) -> Heard {
        if self.hidden_calls.is_empty() {
            return Heard::Answer;
        }
        let parts = assemble_reply(&self.said).choices.swap_remove(0).parts;
        let mut calls = Vec::new();
        let mut own = Vec::new();
        for part in &parts {
            if let Part::ToolCall { id, name, arguments, .. } = part {
                if self.hidden.owns(name) {
                    let (id, name, arguments) = (id.clone(), name.clone(), arguments.clone());
                    calls.push(HiddenCall { id, name, arguments });
                } else {
                    own.push(id.clone());
                }
            }
        }
        if own.is_empty() { Heard::Round(calls, parts) } else { Heard::Mixed(calls, own) }
    }

    /// Begins the next attempt, with the tools that are sent with it.
    pub(crate) fn next(self, hidden: HiddenTools) -> Self {
        let spoke = self.spoke
            || self.said.iter().any(|event| matches!(event, ReplyEvent::Text(text) if !text.is_empty()));
        Self { first: false, spoke, ..Self::new(hidden, self.streamed) }
    }

    /// The end of the answer: what was held back, the tokens of all rounds, and why it ended.
    pub(crate) fn close(&mut self, before: Usage, early: Option<StopReason>) -> Option<Frame> {
        if self.whole {
            return None;
        }
        let mut events = std::mem::take(&mut self.held);
        if let Some((usage, reported_cost, service_tier)) = self.usage {
            // What a provider says it cost is of one attempt alone.
            let reported_cost = reported_cost.filter(|_| self.first);
            events.push(ReplyEvent::Usage { usage: usage + before, reported_cost, service_tier });
        }
        let waits_for_nothing = self.own_calls.is_empty() && !self.hidden_calls.is_empty();
        let stop = match early.or_else(|| self.stop.clone())? {
            StopReason::ToolUse if waits_for_nothing => StopReason::EndTurn,
            stop => stop,
        };
        events.push(ReplyEvent::End(stop));
        Some(Frame::of(events))
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
