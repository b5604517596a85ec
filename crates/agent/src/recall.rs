//! The turns of a conversation that a run was told shortened: kept whole with its order, and found again by their words.

use crate::machine::Machine;
use crate::order::RunOrder;
use nunchi_core::{Message, Role, ToolOutput, ToolSpec, rough_tokens, search_terms, term_weight};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Looks turns up that were shortened.
pub(crate) const RECALL: &str = "recall_conversation";
/// Most tokens of one answer, a rough estimate.
const MOST_TOKENS: u64 = 1_000;
/// Turns before and behind a found one: a question and its answer belong together.
const AROUND: usize = 1;

/// What the model is told of it.
pub(crate) fn recall_spec() -> ToolSpec {
    let parameters = json!({
        "type": "object", "required": ["query"], "additionalProperties": false,
        "properties": {"query": {"type": "string", "minLength": 1, "description": "Words of what was said."}},
    });
    ToolSpec::new(RECALL, "Look up in full what was said earlier in this conversation.", parameters)
}

impl RunOrder {
    /// The conversation before this order as it was, the oldest turn first.
    pub fn said_before(&self) -> &[Message] {
        if self.earlier.is_empty() { &self.history } else { &self.earlier }
    }
}

impl Machine {
    pub(crate) fn recall_call(&mut self, at: usize) {
        let query = self.state.calls[at].arguments.get("query").and_then(Value::as_str).unwrap_or_default();
        let found = found_turns(&self.state.order.earlier, query);
        let text = if found.is_empty() { "Nothing was said with these words.".to_owned() } else { found };
        self.call_succeeded(at, ToolOutput::text(text), 0);
    }
}

/// The turns that share the rarest words with a query and what stands around them, in their order, one a line.
fn found_turns(turns: &[Message], query: &str) -> String {
    let texts: Vec<String> = turns.iter().map(Message::plain_text).collect();
    let shown = fitting_places(&texts, query, MOST_TOKENS);
    let line = |at: usize| {
        let who = if turns[at].role == Role::User { "user" } else { "assistant" };
        format!("[{}] {who}: {}", at + 1, texts[at])
    };
    (0..turns.len()).filter(|at| shown[*at]).map(line).collect::<Vec<_>>().join("\n")
}

/// Which texts share the rarest words with a query, and what stands around those: as many as so many tokens hold, the best first.
pub(crate) fn fitting_places(texts: &[impl AsRef<str>], query: &str, most_tokens: u64) -> Vec<bool> {
    let wanted: HashSet<String> = search_terms(query).into_iter().collect();
    let shared = |text: &str| -> Vec<String> {
        let terms: HashSet<String> = search_terms(text).into_iter().collect();
        let mut shared: Vec<String> = terms.into_iter().filter(|term| wanted.contains(term)).collect();
        // Sums of floats depend on their order, and a set has none.
        shared.sort_unstable();
        shared
    };
    let words: Vec<Vec<String>> = texts.iter().map(|text| shared(text.as_ref())).collect();
    let mut holders: HashMap<&String, u64> = HashMap::new();
    for term in words.iter().flatten() {
        *holders.entry(term).or_default() += 1;
    }
    let total = texts.len() as u64;
    let weigh = |words: &Vec<String>| -> f32 {
        words.iter().map(|term| term_weight(holders.get(term).copied().unwrap_or_default(), total)).sum()
    };
    let mut best: Vec<(f32, usize)> =
        words.iter().map(weigh).enumerate().map(|(at, worth)| (worth, at)).collect();
    best.retain(|(worth, _)| *worth > 0.0);
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut shown = vec![false; texts.len()];
    let mut left = most_tokens;
    for (_, at) in best {
        for near in at.saturating_sub(AROUND)..=(at + AROUND).min(texts.len() - 1) {
            let cost = rough_tokens(texts[near].as_ref());
            if !shown[near] && cost <= left {
                shown[near] = true;
                left -= cost;
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_rare_words_with_what_stands_around() {
        let mut turns = Vec::new();
        for at in 0..60 {
            let (asked, answer) = match at {
                2 => ("How much is the rent in Mapo?".to_owned(), "3,270,000 won a month.".to_owned()),
                _ => (
                    format!("What about day {at}?"),
                    format!("Day {at} was calm, {}", "very calm. ".repeat(20)),
                ),
            };
            turns.extend([Message::text(Role::User, asked), Message::text(Role::Assistant, answer)]);
        }
        let found = found_turns(&turns, "the rent of the Mapo office");
        assert!(
            found.contains("[5] user: How much is the rent in Mapo?\n[6] assistant: 3,270,000 won"),
            "{found}"
        );
        assert!(found_turns(&turns, "zebra").is_empty() && found_turns(&[], "x").is_empty());
        let many = found_turns(&turns, "calm day");
        assert!(
            !many.is_empty() && rough_tokens(&many) < MOST_TOKENS + 300,
            "{} tokens",
            rough_tokens(&many)
        );
    }
}
