//! Whether a compression pays, when to propose a summary, and how to trim to a budget.

use super::history::{is_instruction, message_tokens, track_calls};
use nunchi_core::{Message, NanoUsd, Rates};
use std::collections::BTreeSet;

/// What a compression would change in a session, in tokens of one call's prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionPlan {
    /// The model's rates.
    pub rates: Rates,
    /// Prompt tokens of the next call without it.
    pub tokens_before: u64,
    /// Prompt tokens with it.
    pub tokens_after: u64,
    /// Tokens at the head that stay the same bytes.
    pub unchanged_tokens: u64,
    /// Tokens the prompt cache holds now; 0 when it has run out.
    pub cached_tokens: u64,
    /// Calls that the session is expected to still make, the next one included.
    pub remaining_calls: u32,
    /// Tokens of `recall` answers expected over those calls.
    pub recall_tokens: u64,
    /// What making it costs (a summary by a model); nothing when extractive.
    pub making: NanoUsd,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionVerdict {
    /// What the session still costs in prompt tokens without it.
    pub without: NanoUsd,
    /// What it costs with it, making and recalls included.
    pub with: NanoUsd,
    /// Whether to do it.
    pub pays: bool,
}

/// Prices the rest of the session both ways. The first call reads what is cached and writes the rest; later ones read all.
/// Without cache prices every call pays the full input.
pub fn compression_verdict(plan: &CompressionPlan) -> CompressionVerdict {
    let rate = |own: NanoUsd| i128::from(if own > NanoUsd::ZERO { own.0 } else { plan.rates.input.0 });
    let (read, write) = (rate(plan.rates.cache_read), rate(plan.rates.cache_write_5m));
    let calls = i128::from(plan.remaining_calls);
    let session = |prompt: u64, cached: u64| {
        let cached = i128::from(cached.min(prompt));
        let prompt = i128::from(prompt);
        if calls == 0 { 0 } else { cached * read + (prompt - cached) * write + prompt * read * (calls - 1) }
    };
    let without = session(plan.tokens_before, plan.cached_tokens);
    let recalled = i128::from(plan.recall_tokens) * write;
    let still_cached = plan.cached_tokens.min(plan.unchanged_tokens);
    let with = session(plan.tokens_after, still_cached) + recalled + i128::from(plan.making.0) * 1_000_000;
    let usd = |nanos: i128| NanoUsd::saturating_from(nanos / 1_000_000);
    CompressionVerdict { without: usd(without), with: usd(with), pays: with < without }
}

/// What to do about a prompt that nears the model's context window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextAdvice {
    /// There is room.
    Fits,
    /// Propose a summary now, while a call still fits.
    ProposeSummary,
    /// The next call would not fit: summarise or trim first.
    MustShorten,
}

/// Share of the room, in percent, from which a summary is proposed.
const PROPOSE_AT: u64 = 80;

/// Looks at the tokens of the prompt, the context window, and the cap on the answer.
pub fn context_advice(prompt_tokens: u64, context_window: u64, max_output_tokens: u64) -> ContextAdvice {
    let room = context_window.saturating_sub(max_output_tokens);
    if prompt_tokens > room {
        ContextAdvice::MustShorten
    } else if u128::from(prompt_tokens) * 100 >= u128::from(room) * u128::from(PROPOSE_AT) {
        ContextAdvice::ProposeSummary
    } else {
        ContextAdvice::Fits
    }
}

/// The budget of [`trim_messages`] when none is configured.
pub const DEFAULT_TRIM_TOKENS: u64 = 2_000;

/// The newest messages that fit a token budget; instructions and the last turn always stay, and no tool call is parted from
/// its result. A hard cut: compress first where facts matter.
pub fn trim_messages(messages: &[Message], most_tokens: u64) -> Vec<Message> {
    let instructions = messages.iter().take_while(|message| is_instruction(message)).count();
    let (head, turns) = messages.split_at(instructions);
    let mut used: u64 = head.iter().map(message_tokens).sum();
    let mut start = turns.len();
    for (first, last) in blocks(turns).into_iter().rev() {
        let tokens: u64 = turns[first..last].iter().map(message_tokens).sum();
        if used + tokens > most_tokens && start < turns.len() {
            break;
        }
        used += tokens;
        start = first;
    }
    [head, &turns[start..]].concat()
}

/// Runs of messages that must stay together: from a call to its last result, else single messages.
fn blocks(turns: &[Message]) -> Vec<(usize, usize)> {
    let (mut blocks, mut open, mut first) = (Vec::new(), BTreeSet::new(), 0);
    for (at, turn) in turns.iter().enumerate() {
        track_calls(turn, &mut open);
        if open.is_empty() {
            blocks.push((first, at + 1));
            first = at + 1;
        }
    }
    if first < turns.len() {
        blocks.push((first, turns.len()));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{call, result, say};
    use super::*;
    use nunchi_core::Role;
    use proptest::prelude::*;

    const RATES: Rates = Rates {
        input: NanoUsd(3_000_000_000),
        cache_read: NanoUsd(300_000_000),
        cache_write_5m: NanoUsd(3_750_000_000),
        cache_write_1h: NanoUsd(6_000_000_000),
        output: NanoUsd(15_000_000_000),
        reasoning: NanoUsd(15_000_000_000),
    };

    fn plan(cached_tokens: u64, remaining_calls: u32) -> CompressionPlan {
        CompressionPlan {
            rates: RATES,
            tokens_before: 20_000,
            tokens_after: 6_000,
            unchanged_tokens: 500,
            cached_tokens,
            remaining_calls,
            recall_tokens: 0,
            making: NanoUsd::ZERO,
        }
    }

    #[test]
    fn it_must_earn_the_cache_it_breaks() {
        for (cached, calls, pays) in
            [(20_000, 1, false), (20_000, 3, false), (20_000, 20, true), (0, 1, true), (0, 0, false)]
        {
            assert_eq!(compression_verdict(&plan(cached, calls)).pays, pays, "{cached} {calls}");
        }
        let dear = CompressionPlan { making: NanoUsd::from_usd(1), ..plan(0, 1) };
        assert!(!compression_verdict(&dear).pays, "a summary may cost more than it saves");
        let recalled = CompressionPlan { recall_tokens: 100_000, ..plan(0, 1) };
        assert!(!compression_verdict(&recalled).pays, "so may recalls");
        // 20,000 tokens written at 3.75, then read at 0.30.
        assert_eq!(compression_verdict(&plan(0, 2)).without, NanoUsd(75_000_000 + 6_000_000));
    }

    #[test]
    fn advice_comes_before_the_cut() {
        for (prompt, advice) in [
            (0, ContextAdvice::Fits),
            (70_000, ContextAdvice::Fits),
            (80_000, ContextAdvice::ProposeSummary),
            (99_000, ContextAdvice::ProposeSummary),
            (100_001, ContextAdvice::MustShorten),
            (u64::MAX, ContextAdvice::MustShorten),
        ] {
            assert_eq!(context_advice(prompt, 108_000, 8_000), advice, "{prompt}");
        }
    }

    #[test]
    fn trimming_keeps_pairs_instructions_and_the_last_turn() {
        let long = "word ".repeat(300);
        let messages = vec![
            say(Role::System, "Be brief."),
            say(Role::User, &long),
            call("a"),
            result("a", &long),
            say(Role::User, "And now?"),
        ];
        let short = trim_messages(&messages, 100);
        assert_eq!(short, [messages[0].clone(), messages[4].clone()]);
        assert_eq!(trim_messages(&messages, 10_000), messages);
        assert_eq!(trim_messages(&messages, 0), [messages[0].clone(), messages[4].clone()]);
        assert_eq!(trim_messages(&messages[..4], 0).len(), 3, "a call stays with its result");
    }

    proptest! {
        #[test]
        fn what_pays_costs_less(before in 0..200_000_u64, after in 0..200_000_u64, cached in 0..200_000_u64, same in 0..200_000_u64, calls in 0..50_u32) {
            let plan = CompressionPlan { tokens_before: before, tokens_after: after, cached_tokens: cached, unchanged_tokens: same, ..plan(0, calls) };
            let verdict = compression_verdict(&plan);
            prop_assert!(!verdict.pays || verdict.with <= verdict.without);
            prop_assert!(verdict.pays || verdict.with >= verdict.without);
        }

        #[test]
        fn a_trim_is_a_tail(sizes in prop::collection::vec(0..60_usize, 0..20), most in 0..500_u64) {
            let messages: Vec<Message> = sizes.iter().map(|size| say(Role::User, &"a ".repeat(*size))).collect();
            let short = trim_messages(&messages, most);
            prop_assert!(messages.ends_with(&short));
            prop_assert!(short.len() <= 1 || short.iter().map(message_tokens).sum::<u64>() <= most);
            prop_assert!(messages.is_empty() || !short.is_empty());
        }
    }
}
