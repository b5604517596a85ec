//! A prompt that nears its model's context window: a summary is proposed before anything is cut, and nothing is cut silently.

use super::draft::Draft;
use super::sessions::Applied;
use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::settings::OnLimit;
use crate::tokens;
use nunchi_core::{
    ContextProposal, ContextUse, ConversationChanges, Message, ModelPrice, Note, ReplacedRun, Role,
};
use nunchi_saving::{
    ContextAdvice, HistoryPolicy, compress_history, compression_reach, context_advice, trim_messages,
};

/// What stands where turns were left out.
const LEFT_OUT: &str = "[Earlier turns were left out: they did not fit.]";

/// What is done about a window that is nearly full.
pub(super) struct Limit {
    pub(super) used: ContextUse,
    pub(super) note: Note,
    /// How the conversation is sent instead, if the owner wants it cut.
    pub(super) cut: Option<ConversationChanges>,
}

impl Gateway {
    /// Looks at the window; `None` while there is room. `saved` tokens are left out already.
    pub(super) fn near_limit(
        &self,
        ask: &Ask,
        price: &ModelPrice,
        saved: u64,
        draft: Option<&Draft>,
    ) -> Option<Limit> {
        let window = price.context_window?;
        let ceiling = price.max_output.unwrap_or(u64::MAX);
        let cap = ask.request.max_output_tokens.unwrap_or(self.settings.default_max_output).min(ceiling);
        // The bound is never below the tokens: most prompts are known to fit without counting them.
        if context_advice(ask.prompt_bound, window, cap) == ContextAdvice::Fits {
            return None;
        }
        let tokens = tokens::count_prompt(&ask.request).saturating_sub(saved);
        let room = window.saturating_sub(cap).max(1);
        let percent = tokens.saturating_mul(100) / room;
        let (proposal, cut) = match context_advice(tokens, window, cap) {
            ContextAdvice::Fits => return None,
            ContextAdvice::ProposeSummary => (ContextProposal::Summarise, None),
            ContextAdvice::MustShorten => match self.settings.compress.on_limit {
                OnLimit::Refuse => (ContextProposal::TooLong, None),
                OnLimit::Trim => (ContextProposal::Trimmed, Some(self.trimmed(ask, draft))),
                OnLimit::Summarise => match self.summarised(ask, draft) {
                    Some(changes) => (ContextProposal::Summarised, Some(changes)),
                    None => (ContextProposal::TooLong, None),
                },
            },
        };
        let what = note(proposal, percent, tokens, room, cut.as_ref());
        let used = ContextUse { percent, proposal };
        Some(Limit { used, note: Note { field: "context".into(), what }, cut })
    }

    /// Only the newest turns that fit the budget for trimming.
    fn trimmed(&self, ask: &Ask, draft: Option<&Draft>) -> ConversationChanges {
        let messages = &ask.request.messages;
        let instructions = compression_reach(messages, &self.settings.compress.history).instructions;
        let kept = trim_messages(messages, self.settings.compress.trim_tokens).len();
        let removed = messages.len() - kept;
        let said = vec![Message::text(Role::User, LEFT_OUT)];
        let runs = if removed == 0 {
            Vec::new()
        } else {
            vec![ReplacedRun { at: instructions, removed, messages: said }]
        };
        let mut changes =
            ConversationChanges { runs, ..draft.map(|draft| draft.changes.clone()).unwrap_or_default() };
        let left = &messages[(instructions + removed).min(messages.len())..];
        keep_results_of(&mut changes, left);
        changes
    }

    /// Older turns shortened, whatever the mode says.
    fn summarised(&self, ask: &Ask, draft: Option<&Draft>) -> Option<ConversationChanges> {
        let messages = &ask.request.messages;
        let policy = HistoryPolicy { segment_tokens: 1_000, ..self.settings.compress.history };
        let reach = compression_reach(messages, &policy);
        let frozen = compress_history(
            &messages[..reach.history_to],
            &nunchi_saving::FrozenHistory::default(),
            &policy,
        )
        .frozen;
        if frozen.covered() == 0 {
            return None;
        }
        let results = draft.map_or((0, 0), |draft| draft.applied.results());
        let applied = Applied::new(reach.instructions, results, frozen);
        Some(Draft::new(&self.short_texts, messages, &applied, true, &[]).changes)
    }
}

/// Forgets the shortened results of messages that are not sent.
fn keep_results_of(changes: &mut ConversationChanges, left: &[Message]) {
    let sent = |call_id: &str, text: &str| {
        left.iter().flat_map(super::draft::result_texts).any(|(id, own)| id == call_id && own == text)
    };
    changes.results.retain(|result| sent(&result.call_id, &result.before));
}

fn note(
    proposal: ContextProposal,
    percent: u64,
    tokens: u64,
    room: u64,
    cut: Option<&ConversationChanges>,
) -> String {
    let full = format!("{percent} % of the room for a prompt, {tokens} of {room} tokens");
    let removed: usize = cut.iter().flat_map(|changes| &changes.runs).map(|run| run.removed).sum();
    match proposal {
        ContextProposal::Summarise => format!("{full}: summarise the conversation soon"),
        ContextProposal::TooLong => format!("{full}: passed on untouched; summarise the conversation"),
        ContextProposal::Summarised => format!("{full}: the oldest {removed} messages were sent shortened"),
        ContextProposal::Trimmed => format!("{full}: the oldest {removed} messages were left out"),
    }
}
