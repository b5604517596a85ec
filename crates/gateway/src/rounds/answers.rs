//! Answers to the gateway's own tools.

use super::screen::HiddenCall;
use crate::ask::Ask;
use crate::compression::{Shape, result_by_id};
use crate::gateway::Gateway;
use crate::tool_selection::Chosen;
use nunchi_core::{CallContext, Message, Part, Role};
use nunchi_saving::{
    HISTORY_ID, RecallCall, RecallOptions, Recalled, estimate_tokens, history_passages, recall, recall_lines,
    recall_passages,
};

/// Tokens of one answer: this share of the original, in percent, within these bounds.
const SHARE: u64 = 6;
const LENGTHS: (u64, u64) = (600, 2_000);
/// Longer turns are searched in pieces, in tokens.
const LONGEST_TURN: u64 = 300;
/// Longer originals are searched by words alone, in passages.
const MOST_EMBEDDED: usize = 256;
/// Most pages of one search.
const MOST_PAGES: usize = 20;

impl Gateway {
    /// Answers calls as a message of results. `messages` is what the model had seen of the caller's conversation.
    pub(super) async fn answer_hidden(
        &self,
        ask: &Ask,
        messages: &[Message],
        shape: &Shape,
        chosen: Option<&mut Chosen>,
        calls: &[HiddenCall],
    ) -> Message {
        let mut chosen = chosen;
        let mut parts = Vec::with_capacity(calls.len());
        for call in calls {
            let text = if shape.hidden.recall.as_deref() == Some(&call.name) {
                self.answer_recall(ask, messages, &shape.visible, &call.arguments).await
            } else {
                match &mut chosen {
                    Some(chosen) => self.find_more(ask, chosen, &call.arguments).await,
                    None => "No tools.".to_owned(),
                }
            };
            let content = vec![Part::Text(text)];
            parts.push(Part::ToolResult { call_id: call.id.clone(), content, is_error: false });
        }
        Message { role: Role::Tool, parts, name: None }
    }

    async fn answer_recall(
        &self,
        ask: &Ask,
        messages: &[Message],
        visible: &[bool],
        arguments: &str,
    ) -> String {
        if let Some(id) = ask.exact_conversation() {
            self.compression.note_recall(id);
        }
        let Some(wanted) = RecallCall::parse(arguments) else {
            return "Name the id that the shortened text names, and a query or lines.".to_owned();
        };
        if wanted.id == HISTORY_ID {
            let turns = history_passages(messages);
            // What is not shortened is in sight.
            let in_sight = visible.iter().copied().chain(std::iter::repeat(true));
            let pieces = turns
                .iter()
                .zip(in_sight)
                .flat_map(|(turn, seen)| turn_passages(turn).into_iter().map(move |passage| (passage, seen)));
            let (passages, seen): (Vec<String>, Vec<bool>) = pieces.unzip();
            let original = passages.join("\n");
            return self.recalled(&wanted, &original, &passages, Some(&seen), &ask.context).await;
        }
        let held = result_by_id(messages, &wanted.id).map(str::to_owned);
        let original = match held {
            Some(text) => Some(text),
            None => self.originals.find(self, &ask.context.principal, &wanted.id).await,
        };
        match original {
            Some(text) => {
                let passages = recall_passages(&text);
                self.recalled(&wanted, &text, &passages, None, &ask.context).await
            }
            None => format!("Nothing is kept under the id {}.", wanted.id),
        }
    }

    async fn recalled(
        &self,
        wanted: &RecallCall,
        original: &str,
        passages: &[String],
        visible: Option<&[bool]>,
        context: &CallContext,
    ) -> String {
        let limit = (estimate_tokens(original) * SHARE / 100).clamp(LENGTHS.0, LENGTHS.1);
        let Some(query) = &wanted.query else {
            let lines = wanted.lines.clone().unwrap_or(1..=usize::MAX);
            let found = recall_lines(original, &lines, limit);
            let next = found.passages.last().map_or(1, |last| last + 2);
            let more = format!("lines {next}-");
            return told(&found, &more);
        };
        let vectors = self.passage_vectors(passages, query, context).await;
        let vectors = vectors.as_ref().map(|(rows, vector)| (rows.as_slice(), vector.as_slice()));
        let mut skip = 0;
        let mut page = 1;
        loop {
            let found = recall(passages, query, &RecallOptions { limit, skip, vectors, visible });
            if page >= wanted.page.min(MOST_PAGES) || !found.more {
                return told(&found, &format!("page {}", page + 1));
            }
            skip += found.passages.len();
            page += 1;
        }
    }

    /// Vectors of the passages and of the query, where the encoder is at hand.
    async fn passage_vectors(
        &self,
        passages: &[String],
        query: &str,
        context: &CallContext,
    ) -> Option<(Vec<Vec<f32>>, Vec<f32>)> {
        let semantic = self.cache.semantic.as_ref().filter(|_| passages.len() <= MOST_EMBEDDED)?;
        let rows = semantic.embed_many(passages, context).await?;
        Some((rows, semantic.embed(query, context).await?.unpack()))
    }
}

/// A turn as one passage, or as several where it is long: a tool result may be a whole log.
fn turn_passages(turn: &str) -> Vec<String> {
    if estimate_tokens(turn) <= LONGEST_TURN { vec![turn.to_owned()] } else { recall_passages(turn) }
}

fn told(found: &Recalled, more: &str) -> String {
    match (found.text.is_empty(), found.more) {
        (true, _) => "Nothing more fits.".to_owned(),
        (false, false) => found.text.clone(),
        (false, true) => format!("{}\n[more: {more}]", found.text),
    }
}
