//! One way to send a conversation: which results and turns are shortened, and what that comes to in tokens.

use super::memo::ShortTexts;
use super::sessions::Applied;
use nunchi_core::{ConversationChanges, Message, Part, ReplacedRun, ShortenedResult};
use nunchi_saving::{
    FrozenHistory, HistoryPolicy, ResultKind, ResultPolicy, compress_history, compress_result, message_tokens,
};
use std::collections::BTreeMap;

/// What a tool result is sent as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShortText {
    pub(super) text: String,
    pub(super) kind: ResultKind,
    /// The id of the original, where something was left out.
    pub(super) recall_id: Option<String>,
    pub(super) tokens_before: u64,
    pub(super) tokens_after: u64,
}

/// A conversation as it would be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) applied: Applied,
    pub(crate) changes: ConversationChanges,
    /// Originals of what was left out, by id.
    pub(crate) originals: BTreeMap<String, String>,
    /// The messages that are sent.
    sent: Vec<Message>,
    /// Their tokens, estimated.
    pub(crate) tokens: u64,
}

impl Draft {
    /// Drafts what was decided on. Without a way to recall, only what loses nothing is shortened.
    pub(super) fn new(
        texts: &ShortTexts,
        messages: &[Message],
        applied: &Applied,
        recallable: bool,
        summaries: &[String],
    ) -> Self {
        let mut draft = Self { applied: applied.clone(), ..Self::default() };
        let instructions = applied.instructions;
        let covered = applied.frozen.covered();
        if covered > 0 {
            let lines = if summaries.is_empty() {
                frozen_lines(messages, instructions, &applied.frozen)
            } else {
                summaries.iter().map(|text| Message::text(nunchi_core::Role::User, text)).collect()
            };
            draft.changes.runs.push(ReplacedRun { at: instructions, removed: covered, messages: lines });
        }
        let results = applied.results.0.max(instructions + covered)..applied.results.1.min(messages.len());
        for message in messages.get(results).unwrap_or_default() {
            draft.shorten(texts, message, recallable);
        }
        draft.sent = draft.changes.apply(messages);
        draft.tokens = draft.sent.iter().map(message_tokens).sum();
        draft
    }

    fn shorten(&mut self, texts: &ShortTexts, message: &Message, recallable: bool) {
        for (call_id, text) in result_texts(message) {
            let short = texts.get(text).filter(|short| recallable || short.recall_id.is_none());
            let Some(short) = short else { continue };
            if self.changes.short_of(call_id, text).is_some() {
                continue;
            }
            if let Some(id) = &short.recall_id {
                self.originals.insert(id.clone(), text.to_owned());
            }
            self.changes.results.push(ShortenedResult {
                call_id: call_id.to_owned(),
                before: text.to_owned(),
                after: short.text.clone(),
            });
        }
    }

    /// Whether something is left out that a model may want back.
    pub(crate) fn lossy(&self) -> bool {
        !self.originals.is_empty() || self.applied.frozen.covered() > 0
    }

    /// Tokens at the head that both are sent with.
    pub(super) fn common_tokens(&self, other: &Self) -> u64 {
        let same = self.sent.iter().zip(&other.sent).take_while(|(a, b)| a == b);
        same.map(|(message, _)| message_tokens(message)).sum()
    }
}

/// The texts of the tool results in a message, with the calls they answer.
pub(super) fn result_texts(message: &Message) -> impl Iterator<Item = (&str, &str)> {
    message.parts.iter().flat_map(|part| match part {
        Part::ToolResult { call_id, content, is_error: false } => {
            content.iter().filter_map(|inner| Some((call_id.as_str(), inner.as_text()?))).collect()
        }
        _ => Vec::new(),
    })
}

/// A text of a tool result, shortened; `None` where it stays as it is.
pub(super) fn shortened(text: &str) -> Option<ShortText> {
    let short = compress_result(text, &ResultPolicy::default());
    if short.text == text {
        return None;
    }
    Some(ShortText {
        text: short.text,
        kind: short.kind,
        recall_id: short.recall_id,
        tokens_before: short.tokens_before,
        tokens_after: short.tokens_after,
    })
}

/// What is sent in place of the frozen turns.
fn frozen_lines(messages: &[Message], instructions: usize, frozen: &FrozenHistory) -> Vec<Message> {
    let end = instructions + frozen.covered();
    let nothing_new = HistoryPolicy { segment_tokens: u64::MAX, ..HistoryPolicy::default() };
    let Some(own) = messages.get(..end) else { return Vec::new() };
    let mut short = compress_history(own, frozen, &nothing_new).messages;
    short.drain(..instructions.min(short.len()));
    short
}
