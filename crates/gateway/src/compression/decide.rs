//! Decides how far a session is shortened: more only where the rest of the session gets cheaper by it, the prompt cache it breaks and the
//! recalls it will cost included.

use super::draft::Draft;
use super::sessions::{Applied, Session};
use crate::ask::Ask;
use crate::gateway::Gateway;
use nunchi_core::{CompressMode, Message, ModelPrice, NanoUsd, Note, Rates, ResponseFormat, Role};
use nunchi_saving::{
    CompressionPlan, CompressionReach, CompressionVerdict, HistoryPolicy, compress_history,
    compression_reach, compression_verdict,
};

/// Tokens that a recall's answer takes, about.
const RECALL_TOKENS: u64 = 700;
/// Calls without a recall that every session is taken to begin with, for one recall: how likely a call recalls.
const PRIOR_CALLS: u64 = 10;
/// Most calls a session is expected to still make.
const MOST_REMAINING: u32 = 50;

/// What is decided on.
pub(super) struct Decision {
    pub(super) draft: Draft,
    pub(super) notes: Vec<Note>,
    pub(super) summaries: Vec<String>,
}

/// What a decision depends on beside the conversation.
pub(super) struct Circumstances<'a> {
    pub(super) mode: CompressMode,
    /// Whether the model can be given a tool to recall.
    pub(super) recallable: bool,
    pub(super) price: &'a ModelPrice,
    pub(super) session: &'a Session,
    /// Tokens of the session's last prompt that the provider may still hold.
    pub(super) cached_tokens: u64,
    /// Whether no model may be asked for a summary.
    pub(super) free_only: bool,
}

impl Gateway {
    /// How the conversation is sent.
    pub(super) async fn decide(&self, ask: &Ask, at: &Circumstances<'_>) -> Decision {
        let messages = &ask.request.messages;
        let policy = self.settings.compress.history;
        let reach = compression_reach(messages, &policy);
        let kept = still_applied(messages, at.session, &reach, &policy);
        let summaries = if at.free_only { Vec::new() } else { self.summaries(ask, &kept).await };
        let now = Draft::new(&self.short_texts, messages, &kept, at.recallable, &summaries);
        let mut best = Decision { draft: now, notes: Vec::new(), summaries };
        let mut cheapest: Option<NanoUsd> = None;
        let mut refused: Option<CompressionVerdict> = None;
        let reference = best.draft.clone();
        for wish in wishes(ask, at, &kept, &reach, &policy) {
            let extractive = Draft::new(&self.short_texts, messages, &wish, at.recallable, &[]);
            if extractive.tokens >= reference.tokens {
                continue;
            }
            let making = self.making(ask, &kept, &wish);
            let verdict = compression_verdict(&plan(ask, at, &reference, &extractive, making));
            if !verdict.pays {
                refused = refused.or(Some(verdict));
            } else if cheapest.is_none_or(|cost| verdict.with < cost && at.mode == CompressMode::Auto) {
                let summaries = if at.free_only { Vec::new() } else { self.summaries(ask, &wish).await };
                cheapest = Some(verdict.with);
                let draft = Draft::new(&self.short_texts, messages, &wish, at.recallable, &summaries);
                best = Decision { draft, notes: Vec::new(), summaries };
            }
        }
        if let (None, Some(verdict)) = (cheapest, refused) {
            best.notes.push(refusal(&verdict));
        }
        best
    }
}

fn refusal(verdict: &CompressionVerdict) -> Note {
    let (with, without) = (verdict.with.usd_string(6), verdict.without.usd_string(6));
    let what = format!(
        "not shortened further: the rest of the session would cost {with} USD with the prompt cache lost and recalls paid, {without} without"
    );
    Note { field: "compress".into(), what }
}

/// What the session has applied, as far as the conversation still is what it was.
fn still_applied(
    messages: &[Message],
    session: &Session,
    reach: &CompressionReach,
    policy: &HistoryPolicy,
) -> Applied {
    let Applied { instructions, results, frozen } = &session.applied;
    if *instructions != reach.instructions {
        return Applied { instructions: reach.instructions, ..Applied::default() };
    }
    let nothing_new = HistoryPolicy { segment_tokens: u64::MAX, ..*policy };
    let frozen = match frozen.covered() {
        0 => frozen.clone(),
        _ => compress_history(messages, frozen, &nothing_new).frozen,
    };
    let results = if results.1 <= messages.len() { *results } else { (0, 0) };
    Applied { instructions: reach.instructions, results, frozen }
}

/// Ways to go further than what is applied.
fn wishes(
    ask: &Ask,
    at: &Circumstances<'_>,
    kept: &Applied,
    reach: &CompressionReach,
    policy: &HistoryPolicy,
) -> Vec<Applied> {
    let mut results = kept.clone();
    let (from, to) = kept.results;
    if to <= from && reach.results_to > reach.results_from {
        results.results = (reach.results_from, reach.results_to);
    } else if to > from && reach.results_from <= to && reach.results_to > to {
        // A mark that the caller has set since would stand in the way.
        results.results = (from, reach.results_to);
    }
    let mut wishes = Vec::new();
    let schema = !matches!(ask.request.format, ResponseFormat::Text);
    if matches!(at.mode, CompressMode::History | CompressMode::Auto) && at.recallable && !schema {
        let older = &ask.request.messages[..reach.history_to.max(reach.instructions)];
        let frozen = compress_history(older, &kept.frozen, policy).frozen;
        if frozen != kept.frozen {
            wishes.push(Applied { frozen, ..results.clone() });
        }
    }
    if results != *kept {
        wishes.push(results);
    }
    wishes
}

fn plan(ask: &Ask, at: &Circumstances<'_>, now: &Draft, wish: &Draft, making: NanoUsd) -> CompressionPlan {
    let rates = rates(at.price);
    let caches = rates.cache_read > NanoUsd::ZERO && rates.cache_read < rates.input;
    let cached_tokens = if caches { at.cached_tokens } else { 0 };
    let recall_is_new = wish.lossy() && !at.session.recallable;
    let turns = ask.request.messages.iter().filter(|message| message.role == Role::Assistant).count();
    let turns = u32::try_from(turns).unwrap_or(MOST_REMAINING);
    let remaining_calls = turns.max(at.session.calls).clamp(1, MOST_REMAINING);
    let recall_tokens = if recall_is_new || (wish.lossy() && !now.lossy()) {
        // A recall costs its answer, and the prompt once more.
        let again = if caches { wish.tokens * price_share(&rates) / 100 } else { wish.tokens };
        let (recalls, calls) = (u64::from(at.session.recalls) + 1, u64::from(at.session.calls) + PRIOR_CALLS);
        u64::from(remaining_calls) * (RECALL_TOKENS + again) * recalls / calls
    } else {
        0
    };
    CompressionPlan {
        rates,
        tokens_before: now.tokens,
        tokens_after: wish.tokens,
        // Another tool stands in front of everything.
        unchanged_tokens: if recall_is_new { 0 } else { now.common_tokens(wish) },
        cached_tokens,
        remaining_calls,
        recall_tokens,
        making,
    }
}

/// What a cached token costs, in percent of what writing it does.
fn price_share(rates: &Rates) -> u64 {
    let write = rates.cache_write_5m.0.max(rates.input.0).max(1);
    u64::try_from(rates.cache_read.0.saturating_mul(100) / write).unwrap_or(100)
}

/// The rates; for a model that costs nothing those of one that counts its tokens.
fn rates(price: &ModelPrice) -> Rates {
    if price.rates.input > NanoUsd::ZERO {
        return price.rates;
    }
    Rates { input: NanoUsd::from_usd(1), output: NanoUsd::from_usd(1), ..Rates::default() }
}
