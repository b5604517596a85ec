//! Whether a provider is asked to keep the beginning of a prompt: when another call is likely enough to pay for the writing.

use jiff::SignedDuration;
use nunchi_core::{CacheTtl, Dialect, ModelPrice, ModelRequest, Part, Role};

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

/// How likely a prefix is asked for again while it is kept, after `calls` calls of its session of which `reused` went on where
/// the one before ended.
pub fn reuse_chance(request: &ModelRequest, calls: u64, reused: u32) -> f64 {
    let chances = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
    (f64::from(reused) + 4.0 * first_reuse_guess(request)) / (chances + 3.0)
}

/// Whether the caller has marked by himself what is to be kept.
pub fn prefix_is_marked(request: &ModelRequest) -> bool {
    let own = request.origin.as_ref().is_some_and(|origin| origin.dialect == Dialect::Anthropic);
    let marked = |part: &Part| matches!(part, Part::CachePoint(_));
    own || request.messages.iter().flat_map(|message| &message.parts).any(marked)
}

/// Marks the instructions and the end of a prompt.
pub fn mark_prefix(request: &mut ModelRequest) {
    let system = request.messages.iter().rposition(|m| matches!(m.role, Role::System | Role::Developer));
    let last = request.messages.len().checked_sub(1);
    for at in system.into_iter().chain(last) {
        let parts = &mut request.messages[at].parts;
        if !matches!(parts.last(), Some(Part::CachePoint(_)) | None) {
            parts.push(Part::CachePoint(CacheTtl::FiveMinutes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{NanoUsd, Rates};

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
}
