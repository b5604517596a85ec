//! How hits and false hits are counted.

use super::{Sentence, cosine, nearest};

/// How many neighbours by cosine the guard weighs.
pub(crate) const CANDIDATES: usize = 10;

/// The best candidate of each kind for one query: of its own group, and of any other.
#[derive(Clone, Copy)]
pub(crate) struct Best {
    pub(crate) own: f32,
    pub(crate) other: f32,
}

/// Best scores of every query among the stored sentences; `score` may refuse a pair with a negative number.
pub(crate) fn best(
    queries: &[&Sentence],
    stored: &[&Sentence],
    score: impl Fn(&Sentence, &Sentence, f32) -> f32,
) -> Vec<Best> {
    queries
        .iter()
        .map(|query| {
            let mut best = Best { own: -1.0, other: -1.0 };
            for at in nearest(query, stored, CANDIDATES, |at| !std::ptr::eq(stored[at], *query)) {
                let value = score(query, stored[at], cosine(&query.vector, &stored[at].vector));
                // What a near miss may not be served is the answer of the group it misses.
                if query.near.is_some_and(|near| near != stored[at].group) {
                    continue;
                }
                let kind = if stored[at].group == query.group { &mut best.own } else { &mut best.other };
                *kind = kind.max(value);
            }
            best
        })
        .collect()
}

/// Hits and false hits at a threshold, as parts of the queries that could hit and of all queries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) threshold: f32,
    pub(crate) hits: f32,
    pub(crate) wrong_of_serves: f32,
    pub(crate) wrong_of_queries: f32,
    /// Queries with any wrong candidate above the threshold: the rate the floors were measured by.
    pub(crate) wrong_candidates: f32,
}

/// The best candidate is served when it reaches the threshold.
pub(crate) fn rates(found: &[Best], threshold: f32) -> Rates {
    let n = found.len().max(1) as f32;
    let count = |test: &dyn Fn(&Best) -> bool| found.iter().filter(|b| test(b)).count() as f32;
    let hits = count(&|b| b.own >= threshold && b.own > b.other);
    let wrong = count(&|b| b.other >= threshold && b.other >= b.own);
    Rates {
        threshold,
        hits: hits / n,
        wrong_of_serves: wrong / (hits + wrong).max(1.0),
        wrong_of_queries: wrong / n,
        wrong_candidates: count(&|b| b.other >= threshold) / n,
    }
}

/// The lowest threshold at which a rate stays within its limit, with the rates there.
pub(crate) fn at_limit(found: &[Best], limit: f32, rate: impl Fn(&Rates) -> f32) -> Rates {
    let mut thresholds: Vec<f32> = found.iter().flat_map(|b| [b.own, b.other]).filter(|v| *v > 0.0).collect();
    thresholds.sort_by(f32::total_cmp);
    thresholds.dedup();
    // Above the threshold that is chosen, the rate stays within the limit as well.
    let mut chosen = Rates { threshold: f32::INFINITY, ..Rates::default() };
    for threshold in thresholds.into_iter().rev().step_by(1) {
        let now = rates(found, threshold);
        if rate(&now) <= limit {
            chosen = now;
        } else if rate(&now) > 1.5 * limit && now.hits > 0.05 {
            break;
        }
    }
    chosen
}
