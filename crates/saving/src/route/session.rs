//! Whether a session keeps its model or changes it: a warm prompt cache is money, and a tool loop is never disturbed.

use nunchi_core::{Lang, NanoUsd, Rates, Tier};
use serde::{Deserialize, Serialize};

/// Tokens a rate is quoted for.
const PER: i128 = 1_000_000;
/// Turns beyond which a forecast says nothing.
const MOST_TURNS: u32 = 200;

/// What is remembered of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// The tier of its last turn.
    pub tier: Tier,
    /// The model of its last turn.
    pub model: String,
    /// Prompt tokens that the model's provider still holds in its cache; 0 when the cache has expired.
    pub cached_tokens: u64,
    /// Whether the next call continues a tool loop.
    pub in_tool_loop: bool,
}

/// What the router would choose if the session were new.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The tier.
    pub tier: Tier,
    /// The model.
    pub model: String,
    /// Probability that the tier is right.
    pub confidence: f32,
}

/// How the session is expected to go on, means of past sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Turns to come, this one included; at most 200 are counted.
    pub turns: u32,
    /// Prompt tokens of this turn in all.
    pub prompt_tokens: u64,
    /// Prompt tokens that each later turn adds, answers included.
    pub added_tokens: u64,
    /// Tokens of an answer.
    pub output_tokens: u64,
}

/// Why a session keeps or changes its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionReason {
    /// Nothing to change: the same model is proposed.
    SameModel,
    /// A tool loop is open.
    ToolLoop,
    /// The question needs a higher tier.
    TierRises,
    /// The lower tier is not sure enough to risk the answer.
    Unsure,
    /// The change saves this much over the rest of the session, the lost cache paid.
    Saves(NanoUsd),
    /// The change would cost this much more, or save too little: the cache it gives up is worth more.
    CacheWorthMore(NanoUsd),
}

impl SessionReason {
    /// The reason as a sentence.
    pub fn message(&self, lang: Lang) -> String {
        match self {
            Self::SameModel => lang
                .pick("the session already uses this model".into(), "이미 이 모델을 쓰는 대화입니다".into()),
            Self::ToolLoop => lang.pick(
                "a tool loop is open; its model stays".into(),
                "도구 호출이 이어지는 중이라 모델을 바꾸지 않습니다".into(),
            ),
            Self::TierRises => lang
                .pick("the question needs a higher tier".into(), "더 높은 등급이 필요한 질문입니다".into()),
            Self::Unsure => lang.pick(
                "the lower tier is not sure enough".into(),
                "낮은 등급이라고 확신하기 어렵습니다".into(),
            ),
            Self::Saves(usd) => lang.pick(
                format!("changing saves {usd} USD over the rest of the session, the lost prompt cache paid"),
                format!("잃는 프롬프트 캐시를 빼고도 남은 대화에서 {usd} USD를 아낍니다"),
            ),
            Self::CacheWorthMore(usd) => lang.pick(
                format!("the warm prompt cache is worth more than the change: {usd} USD"),
                format!("데워진 프롬프트 캐시가 더 값집니다. 차이 {usd} USD"),
            ),
        }
    }
}

/// Keep or change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionChoice {
    /// Whether the proposed model takes over.
    pub switch: bool,
    /// Why.
    pub reason: SessionReason,
}

/// Least probability of a lower tier for which a session goes down.
const SURE: f32 = 0.7;
/// A saving below one part in this many of what staying costs is not worth the disturbance.
const WORTH: i64 = 10;

/// Decides for one turn. `here` and `there` are the rates of the model in use and of the proposed one.
pub fn keep_or_switch(
    state: &SessionState,
    proposal: &Proposal,
    here: &Rates,
    there: &Rates,
    outlook: Outlook,
) -> SessionChoice {
    let keep = |reason| SessionChoice { switch: false, reason };
    let switch = |reason| SessionChoice { switch: true, reason };
    if state.in_tool_loop {
        return keep(SessionReason::ToolLoop);
    }
    if state.model == proposal.model {
        return keep(SessionReason::SameModel);
    }
    if proposal.tier > state.tier {
        return switch(SessionReason::TierRises);
    }
    if proposal.tier < state.tier && proposal.confidence < SURE {
        return keep(SessionReason::Unsure);
    }
    let staying = session_cost(here, outlook, state.cached_tokens);
    let saving = staying - session_cost(there, outlook, 0);
    if saving.0 > staying.0 / WORTH {
        switch(SessionReason::Saves(saving))
    } else {
        keep(SessionReason::CacheWorthMore(-saving))
    }
}

/// What the rest of a session costs at these rates when `cached` tokens of the first prompt are in the cache. Later prompts
/// read what came before from the cache and write what is new.
pub fn session_cost(rates: &Rates, outlook: Outlook, cached: u64) -> NanoUsd {
    let turns = i128::from(outlook.turns.clamp(1, MOST_TURNS));
    let (prompt, added) = (i128::from(outlook.prompt_tokens), i128::from(outlook.added_tokens));
    let cached = i128::from(cached).min(prompt);
    let rate = |usd: NanoUsd| i128::from(usd.0);
    // Providers without a price for writing to the cache charge new tokens as input.
    let write = rate(rates.cache_write_5m.max(rates.input));
    let read = if rates.cache_read == NanoUsd::ZERO { rate(rates.input) } else { rate(rates.cache_read) };
    let later = turns - 1;
    // Turn k reads prompt + (k - 1) x added from the cache and writes `added`.
    let reread =
        later.saturating_mul(prompt).saturating_add(added.saturating_mul(later * (later - 1).max(0) / 2));
    let read_tokens = cached.saturating_add(reread);
    let written = (prompt - cached).saturating_add(later.saturating_mul(added));
    let output = turns.saturating_mul(i128::from(outlook.output_tokens));
    let sum = read_tokens
        .saturating_mul(read)
        .saturating_add(written.saturating_mul(write))
        .saturating_add(output.saturating_mul(rate(rates.output)));
    NanoUsd::saturating_from(sum.saturating_add(PER - 1).div_euclid(PER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rates(input: i64, output: i64) -> Rates {
        let usd = |cents: i64| NanoUsd(cents * 10_000_000);
        Rates {
            input: usd(input),
            cache_read: usd(input / 10),
            cache_write_5m: usd(input * 5 / 4),
            cache_write_1h: usd(input * 2),
            output: usd(output),
            reasoning: usd(output),
        }
    }

    fn state(tier: Tier, cached: u64) -> SessionState {
        SessionState { tier, model: "strong".into(), cached_tokens: cached, in_tool_loop: false }
    }

    fn proposal(tier: Tier, confidence: f32) -> Proposal {
        Proposal { tier, model: "cheap".into(), confidence }
    }

    const OUTLOOK: Outlook =
        Outlook { turns: 1, prompt_tokens: 50_000, added_tokens: 500, output_tokens: 300 };

    /// Whether a session on the strong model, with so many tokens cached, goes to a model at these rates.
    fn switches(from: Tier, cached: u64, to: (Tier, f32), there: (i64, i64), turns: u32) -> bool {
        let outlook = Outlook { turns, ..OUTLOOK };
        let (here, there) = (rates(300, 1_500), rates(there.0, there.1));
        let choice = keep_or_switch(&state(from, cached), &proposal(to.0, to.1), &here, &there, outlook);
        assert!(!choice.reason.message(Lang::Ko).is_ascii() && choice.reason.message(Lang::En).is_ascii());
        choice.switch
    }

    #[test]
    fn a_cache_is_given_up_only_for_more() {
        use Tier::{Complex, Standard, Trivial};
        let (near, far) = ((200, 1_000), (10, 40));
        for (name, cached, to, there, turns, expected) in [
            ("a warm cache outweighs a slightly cheaper model", 49_000, Standard, near, 1, false),
            ("without a cache the cheaper model wins", 0, Standard, near, 1, true),
            ("a long rest pays for the lost cache", 49_000, Standard, near, 30, true),
            ("a far cheaper model pays at once", 49_000, Trivial, far, 1, true),
        ] {
            assert_eq!(switches(Complex, cached, (to, 0.9), there, turns), expected, "{name}");
        }
    }

    #[test]
    fn tiers_rise_at_once_and_fall_when_sure() {
        use Tier::{Complex, Standard, Trivial};
        assert!(!switches(Complex, 0, (Trivial, 0.5), (10, 40), 30), "an unsure lower tier waits");
        assert!(switches(Trivial, 49_000, (Complex, 0.4), (300, 1_500), 1), "a rising tier does not wait");
        assert!(!switches(Standard, 0, (Standard, 1.0), (300, 1_500), 1), "no gain, no change");
    }

    #[test]
    fn the_bill_of_two_turns() {
        let outlook = Outlook { turns: 2, prompt_tokens: 1_000, added_tokens: 100, output_tokens: 10 };
        // First: 800 read, 200 written; second: 1,000 read, 100 written; 20 out. At 0.3 / 3.75 / 15 USD a million.
        let expected = 1_800 * 300 + 300 * 3_750 + 20 * 15_000;
        assert_eq!(session_cost(&rates(300, 1_500), outlook, 800), NanoUsd(expected));
    }

    proptest! {
        #[test]
        fn a_tool_loop_is_never_disturbed(
            tier in 0_usize..3, to in 0_usize..3, cached in 0_u64..1_000_000, confidence in 0.0_f32..1.0, turns in 0_u32..100,
        ) {
            let tiers = [Tier::Trivial, Tier::Standard, Tier::Complex];
            let state = SessionState { in_tool_loop: true, ..state(tiers[tier], cached) };
            let outlook = Outlook { turns, ..OUTLOOK };
            let choice = keep_or_switch(&state, &proposal(tiers[to], confidence), &rates(300, 1_500), &rates(1, 1), outlook);
            prop_assert_eq!(choice, SessionChoice { switch: false, reason: SessionReason::ToolLoop });
        }

        #[test]
        fn a_warmer_cache_never_costs_more(cached in 0_u64..2_000_000, prompt in 0_u64..u64::MAX, turns in 0_u32..u32::MAX) {
            let outlook = Outlook { turns, prompt_tokens: prompt, ..OUTLOOK };
            let rates = rates(300, 1_500);
            prop_assert!(session_cost(&rates, outlook, cached) <= session_cost(&rates, outlook, 0));
        }
    }
}
