//! Whether a provider is asked to keep the beginning of a prompt: when another call is likely enough to pay for the writing.

use super::traffic::{PrefixKeeping, PrefixOutlook};
use jiff::SignedDuration;
use nunchi_core::{CacheTtl, Dialect, ModelPrice, ModelRequest, NanoUsd, Part, Role};

/// Shorter prompts are not cached by any provider (1,024 tokens), in bytes.
pub const SHORTEST_PREFIX: usize = 4 << 10;
/// How long a provider keeps a prefix that is not asked for.
pub const PREFIX_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// Whether writing a prefix now and reading it later with this likelihood costs less than reading it twice at the full price.
pub fn marking_pays(price: &ModelPrice, reuse: f64) -> bool {
    let rates = &price.rates;
    let (write, input, read) = (rates.cache_write_5m.0, rates.input.0, rates.cache_read.0);
    #[expect(clippy::cast_precision_loss, reason = "a comparison of two prices")]
    let (more, less) = ((write - input).max(0) as f64, (input - read).max(0) as f64);
    reuse * less > more
}

/// How likely a first prompt is followed by another one of its session: agents come back, single questions seldom do.
pub fn first_reuse_guess(request: &ModelRequest) -> f64 {
    let turns = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
    match (request.tools.is_empty(), turns) {
        (false, _) => 0.8,
        (true, 0) => 0.2,
        (true, _) => 0.6,
    }
}

/// How likely a prompt is gone on with while its end is kept, after `calls` calls of its session of which `reused` went on where
/// the one before ended; `guess` is what other sessions like it did.
pub fn reuse_chance(guess: f64, calls: u64, reused: u32) -> f64 {
    let chances = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
    (f64::from(reused) + 4.0 * guess) / (chances + 3.0)
}

/// What of a prompt is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkPlan {
    /// Tools and instructions, which other sessions may share, and for how long.
    pub shared: Option<CacheTtl>,
    /// The end, which only this session goes on from.
    pub tail: bool,
}

/// Decides what is marked: tools and instructions for the time that costs least when the next call comes as often as it did, the
/// end if this session is likely enough (`reuse`) to go on.
pub fn plan_marks(
    keeping: PrefixKeeping,
    price: &ModelPrice,
    outlook: &PrefixOutlook,
    reuse: f64,
) -> MarkPlan {
    if !matches!(keeping, PrefixKeeping::Marked | PrefixKeeping::Breakpoints) {
        return MarkPlan::default();
    }
    let tail = marking_pays(price, reuse);
    let (ttl, rate) = best_life(keeping, price, outlook);
    // Whoever marks the end writes all of it anyway.
    let shared = (tail || rate < full(price)).then_some(ttl);
    MarkPlan { shared, tail }
}

/// What a token of tools and instructions is expected to cost a call, in nano-dollars a million: now, and on the whole.
pub(crate) fn shared_token_rate(keeping: PrefixKeeping, price: &ModelPrice, outlook: &PrefixOutlook) -> f64 {
    match keeping {
        PrefixKeeping::Nothing => full(price),
        _ if outlook.warm => rate(price.rates.cache_read),
        _ => best_life(keeping, price, outlook).1.min(full(price)),
    }
}

/// How long a shared prefix is best kept, and what a token of it then costs a call.
fn best_life(keeping: PrefixKeeping, price: &ModelPrice, outlook: &PrefixOutlook) -> (CacheTtl, f64) {
    let rates = &price.rates;
    let cost = |ttl: CacheTtl, write: NanoUsd| {
        let write = if write.0 > 0 { write } else { rates.input };
        let again = outlook.again(keeping, ttl);
        (ttl, (1.0 - again) * rate(write) + again * rate(rates.cache_read))
    };
    let short = cost(CacheTtl::FiveMinutes, rates.cache_write_5m);
    let long = cost(CacheTtl::OneHour, rates.cache_write_1h);
    let hour = keeping == PrefixKeeping::Marked && rates.cache_write_1h.0 > 0;
    if hour && long.1 < short.1 { long } else { short }
}

fn full(price: &ModelPrice) -> f64 {
    rate(price.rates.input)
}

#[expect(clippy::cast_precision_loss, reason = "a comparison of prices")]
fn rate(nanos: NanoUsd) -> f64 {
    nanos.0 as f64
}

/// Whether the caller has marked by himself what is to be kept.
pub fn prefix_is_marked(request: &ModelRequest) -> bool {
    let own = request.origin.as_ref().is_some_and(|origin| origin.dialect == Dialect::Anthropic);
    let marked = |part: &Part| matches!(part, Part::CachePoint(_));
    own || request.messages.iter().flat_map(|message| &message.parts).any(marked)
}

/// Marks the instructions (and with them the tools) and the end of a prompt, as planned.
pub fn mark_prefix(request: &mut ModelRequest, plan: MarkPlan) {
    let system = request.messages.iter().rposition(|m| matches!(m.role, Role::System | Role::Developer));
    let shared = system.zip(plan.shared);
    let last = request.messages.len().checked_sub(1).filter(|_| plan.tail);
    for (at, ttl) in shared.into_iter().chain(last.map(|at| (at, CacheTtl::FiveMinutes))) {
        let parts = &mut request.messages[at].parts;
        if !matches!(parts.last(), Some(Part::CachePoint(_)) | None) {
            parts.push(Part::CachePoint(ttl));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::Rates;

    fn price(input: i64, read: i64, write: i64) -> ModelPrice {
        ModelPrice {
            provider: "p".into(),
            model: "m".into(),
            rates: Rates {
                input: NanoUsd(input),
                cache_read: NanoUsd(read),
                cache_write_5m: NanoUsd(write),
                ..Rates::default()
            },
            context_tiers: Vec::new(),
            batch: None,
            flex: None,
            priority: None,
            tool_use: NanoUsd::ZERO,
            request: NanoUsd::ZERO,
            context_window: None,
            max_output: None,
        }
    }

    #[test]
    fn a_mark_is_set_where_it_pays() {
        let anthropic = price(3_000_000, 300_000, 3_750_000);
        assert!(
            marking_pays(&anthropic, 0.8) && marking_pays(&anthropic, 0.3) && !marking_pays(&anthropic, 0.2)
        );
        assert!(!marking_pays(&price(3_000_000, 3_000_000, 3_750_000), 1.0), "nothing to be gained");
    }

    #[test]
    fn each_part_is_marked_for_as_long_as_it_pays() {
        let mut anthropic = price(3_000_000, 300_000, 3_750_000);
        anthropic.rates.cache_write_1h = NanoUsd(6_000_000);
        let outlook = |within| PrefixOutlook { warm: false, within, continued: 0.0 };
        let plan = |within, reuse| plan_marks(PrefixKeeping::Marked, &anthropic, &outlook(within), reuse);
        let marked = |shared, tail| MarkPlan { shared, tail };
        assert_eq!(plan([0.9, 0.9, 0.9], 0.8), marked(Some(CacheTtl::FiveMinutes), true));
        assert_eq!(plan([0.2, 0.6, 0.95], 0.0), marked(Some(CacheTtl::OneHour), false));
        assert_eq!(plan([0.1, 0.2, 0.3], 0.0), marked(None, false));
        assert_eq!(
            plan([0.1, 0.2, 0.3], 0.9),
            marked(Some(CacheTtl::FiveMinutes), true),
            "it is written anyway"
        );
        let breakpoints = |within| plan_marks(PrefixKeeping::Breakpoints, &anthropic, &outlook(within), 0.0);
        assert_eq!(breakpoints([0.0, 0.9, 0.9]).shared, Some(CacheTtl::FiveMinutes));
        assert_eq!(breakpoints([0.0, 0.1, 0.9]).shared, None);
        let automatic = plan_marks(PrefixKeeping::Automatic, &anthropic, &outlook([1.0; 3]), 1.0);
        assert_eq!(automatic, MarkPlan::default());
    }
}
