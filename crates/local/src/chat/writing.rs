//! Writing one answer: tokens become text, within a grammar if there is one.

use super::grammar::{Grammar, JsonGuard};
use super::model::{Flow, Listener};
use super::quoting::Quoting;
use super::text::TextStream;
use super::tokenizer::Tokenizer;
use super::words::{ChatEvent, FinishReason, GenerationOptions};
use crate::error::LocalError;
use std::ops::ControlFlow;

/// What is to be written.
pub(super) struct Answer<'a> {
    pub(super) options: &'a GenerationOptions,
    pub(super) choice: u32,
    /// What may be written; anything if there is none.
    pub(super) grammar: Option<&'a Grammar>,
    /// Whether it is the arguments of a call.
    pub(super) arguments: bool,
    /// What its strings are likely to quote.
    pub(super) quoting: Option<Quoting<'a>>,
}

/// Between the colon before a call's arguments and the arguments: the first token holds both.
const LEAD: &[u8] = b" ";

/// A guard, and what stands between its text and the tokens.
pub(super) struct Guarded<'g> {
    guard: JsonGuard<'g>,
    /// Bytes before the text that are still to be written and are no part of it.
    lead: &'static [u8],
    /// Determined bytes that the next token must begin with: the model may go on within the token that ends a determined text.
    begun: Vec<u8>,
    /// What stands in the open string.
    string: Vec<u8>,
    quoting: Option<Quoting<'g>>,
}

impl<'g> Guarded<'g> {
    fn new(grammar: &'g Grammar, lead: &'static [u8], quoting: Option<Quoting<'g>>) -> Self {
        Self { guard: JsonGuard::new(grammar), lead, begun: Vec::new(), string: Vec::new(), quoting }
    }

    /// Raises the scores of tokens that quote.
    pub(super) fn raise(&self, tokenizer: &Tokenizer, scores: &mut [f32]) {
        if let Some(quoting) = self.quoting.filter(|_| self.begun.is_empty() && self.guard.in_text()) {
            quoting.raise(&self.string, tokenizer, scores);
        }
    }

    /// The tokens of the text that is determined, but for the last, unless nothing is left to choose or a string begins: what
    /// is quoted in it begins with a token of its own.
    pub(super) fn determined(&mut self, tokenizer: &Tokenizer) -> Result<Vec<u32>, LocalError> {
        self.begun.clear();
        let forced = [self.lead, &self.guard.forced()].concat();
        let Ok(text) = std::str::from_utf8(&forced) else { return Ok(Vec::new()) };
        let mut tokens = Vec::new();
        tokenizer.encode(text, &mut tokens)?;
        let bytes = |tokens: &[u32]| -> Vec<u8> {
            tokens.iter().flat_map(|token| tokenizer.token_bytes(*token).iter().copied()).collect()
        };
        // Composing characters may have changed the text: then the model writes it itself.
        if bytes(&tokens) != forced {
            return Ok(Vec::new());
        }
        let mut after = self.guard.clone();
        after.accept(&forced[self.lead.len()..]);
        if !after.is_complete()
            && !after.in_text()
            && let Some(last) = tokens.pop()
        {
            self.begun = bytes(&[last]);
        }
        Ok(tokens)
    }

    /// Which tokens may come next.
    pub(super) fn allowed<'a>(&'a self, tokenizer: &'a Tokenizer) -> impl Fn(u32) -> bool + 'a {
        let specials = tokenizer.specials();
        let mut first = self.guard.first_bytes();
        if let Some(begun) = self.begun.first() {
            first = [false; 256];
            first[usize::from(*begun)] = true;
        }
        move |token| {
            if specials.ends(token) {
                return self.begun.is_empty() && self.guard.may_end();
            }
            let bytes = tokenizer.token_bytes(token);
            token != specials.start
                && bytes.first().is_some_and(|byte| first[usize::from(*byte)])
                && self.allows(bytes)
        }
    }

    fn allows(&self, bytes: &[u8]) -> bool {
        let (lead, text) = bytes.split_at(self.lead.len().min(bytes.len()));
        bytes.starts_with(&self.begun)
            && self.lead.starts_with(lead)
            && (text.is_empty() || self.guard.allows(text))
    }

    /// Takes the bytes of a token and returns those that are text.
    fn accept<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let lead = self.lead.len().min(bytes.len());
        self.lead = &self.lead[lead..];
        for byte in &bytes[lead..] {
            let inside = self.guard.in_text();
            self.guard.accept(&[*byte]);
            if inside && self.guard.in_text() {
                self.string.push(*byte);
            } else {
                self.string.clear();
            }
        }
        &bytes[lead..]
    }
}

/// An answer being written, and who listens to it.
pub(super) struct Writer<'a, L> {
    choice: u32,
    arguments: bool,
    stream: TextStream,
    pub(super) guarded: Option<Guarded<'a>>,
    /// Tokens that may still be written.
    pub(super) left: usize,
    output: &'a mut usize,
    listener: &'a mut L,
}

/// Why the writing ended; `None` when nobody listens any more.
pub(super) type Ended = Option<FinishReason>;

impl<'a, L: Listener> Writer<'a, L> {
    /// Begins an answer for which there is room for so many tokens.
    pub(super) fn new(answer: &Answer<'a>, room: usize, output: &'a mut usize, listener: &'a mut L) -> Self {
        let lead = if answer.arguments { LEAD } else { &[] };
        // The owner's stop texts are about what is said, not about arguments.
        let stops = if answer.arguments { &[] } else { answer.options.stop.as_slice() };
        Self {
            choice: answer.choice,
            arguments: answer.arguments,
            stream: TextStream::new(stops),
            guarded: answer.grammar.map(|grammar| Guarded::new(grammar, lead, answer.quoting)),
            left: answer.options.max_tokens.unwrap_or(room).min(room),
            output,
            listener,
        }
    }

    /// Writes one token.
    pub(super) fn put(&mut self, token: u32, tokenizer: &Tokenizer) -> ControlFlow<Ended> {
        *self.output += 1;
        self.left -= 1;
        if tokenizer.specials().ends(token) {
            return ControlFlow::Break(Some(FinishReason::EndOfTurn));
        }
        let mut bytes = tokenizer.token_bytes(token);
        if let Some(guarded) = &mut self.guarded {
            bytes = guarded.accept(bytes);
        }
        let progress = self.stream.push(bytes);
        if let Flow::Cancelled = self.hand_on(progress.text) {
            return ControlFlow::Break(None);
        }
        let whole = self.guarded.as_ref().is_some_and(|guarded| guarded.guard.is_complete());
        match progress.stop {
            Some(stop) => ControlFlow::Break(Some(FinishReason::Stop(stop))),
            None if whole => ControlFlow::Break(Some(FinishReason::EndOfTurn)),
            None if self.left == 0 => ControlFlow::Break(Some(FinishReason::Length)),
            None => ControlFlow::Continue(()),
        }
    }

    /// Hands on what was held back.
    pub(super) fn finish(mut self, reason: FinishReason) -> Ended {
        if matches!(reason, FinishReason::Stop(_)) {
            return Some(reason);
        }
        let progress = self.stream.finish();
        if let Flow::Cancelled = self.hand_on(progress.text) {
            return None;
        }
        Some(match (progress.stop, reason) {
            (Some(stop), _) => FinishReason::Stop(stop),
            (None, FinishReason::EndOfTurn) if self.arguments => FinishReason::ToolCall,
            (None, reason) => reason,
        })
    }

    /// Hands on text if there is any, else only asks whether somebody listens.
    fn hand_on(&mut self, text: String) -> Flow {
        let choice = self.choice;
        match (text.is_empty(), self.arguments) {
            (true, _) => self.listener.check(),
            (false, true) => self.listener.event(ChatEvent::Arguments { choice, text }),
            (false, false) => self.listener.event(ChatEvent::Text { choice, text }),
        }
    }
}
