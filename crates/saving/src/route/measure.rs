//! How good a router is: quality recovered by share of strong calls, agreement, and intervals around both.

use nunchi_core::Tier;
use serde::Serialize;

/// What is known of one question that both models answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Routed {
    /// The router's score; the highest go to the strong model first.
    pub score: f32,
    /// Whether the weak model answered right.
    pub weak_right: bool,
    /// Whether the strong model answered right.
    pub strong_right: bool,
}

impl Routed {
    fn gain(&self) -> f64 {
        f64::from(u8::from(self.strong_right)) - f64::from(u8::from(self.weak_right))
    }
}

/// A figure with the interval that holds it in 95 of 100 draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Right answers won by sending the best-scored first, after 0, 1, … strong calls; ties share their gain evenly.
fn recovered(records: &[Routed]) -> Vec<f64> {
    let mut order: Vec<&Routed> = records.iter().collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut curve = vec![0.0];
    let mut sum = 0.0;
    for tied in order.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        let gain: f64 = tied.iter().map(|r| r.gain()).sum();
        for step in 1..=tied.len() {
            curve.push(sum + gain * step as f64 / tied.len() as f64);
        }
        sum += gain;
    }
    curve
}

/// Average performance gap recovered (RouteLLM, arXiv 2406.18665): the mean, over all shares of strong calls, of the quality
/// won over the weak model divided by what the strong model wins. Random is 0.5. `None` when the models do not differ.
pub fn apgr(records: &[Routed]) -> Option<f64> {
    let curve = recovered(records);
    let gap = *curve.last()?;
    if gap.abs() < f64::EPSILON || records.is_empty() {
        return None;
    }
    let area: f64 = curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum();
    Some(area / records.len() as f64 / gap)
}

/// The least share of strong calls at which the answers right reach `quality` times the strong model's.
pub fn strong_share_for(records: &[Routed], quality: f64) -> Option<f64> {
    let weak = records.iter().filter(|r| r.weak_right).count() as f64;
    let strong = records.iter().filter(|r| r.strong_right).count() as f64;
    let reached = recovered(records).iter().position(|won| weak + won >= quality * strong)?;
    Some(reached as f64 / records.len() as f64)
}

/// A figure of the records with a 95 % interval from 400 redraws (bootstrap); the same records give the same interval.
pub fn bootstrap<T: Clone>(records: &[T], figure: impl Fn(&[T]) -> Option<f64>) -> Option<Estimate> {
    const DRAWS: usize = 400;
    let value = figure(records)?;
    let mut state = 0x5eed_u64;
    let mut draws: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let drawn: Vec<T> = (0..records.len())
                .filter_map(|_| records.get(draw(&mut state, records.len())).cloned())
                .collect();
            figure(&drawn)
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |share: f64| draws.get((draws.len() as f64 * share) as usize).copied();
    Some(Estimate { value, low: at(0.025)?, high: at(0.975)? })
}

/// A number below `end` from SplitMix64.
fn draw(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % end.max(1) as u64) as usize
}

/// A share with its Wilson 95 % interval.
pub fn share_of(hits: usize, of: usize) -> Estimate {
    const Z: f64 = 1.96;
    let n = of.max(1) as f64;
    let p = hits as f64 / n;
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / (1.0 + Z * Z / n);
    Estimate { value: p, low: (middle - reach).max(0.0), high: (middle + reach).min(1.0) }
}

/// How tiers that were said compare with the right ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TierScores {
    /// Texts asked about.
    pub asked: usize,
    /// Share of texts whose tier was right.
    pub agreement: Estimate,
    /// Share of complex texts that were sent lower: the error that costs quality.
    pub under_routed: Estimate,
}

/// Compares pairs of the tier said and the right one.
pub fn tier_scores(pairs: &[(Tier, Tier)]) -> TierScores {
    let complex = pairs.iter().filter(|(_, right)| *right == Tier::Complex).count();
    let lower = pairs.iter().filter(|(said, right)| *right == Tier::Complex && said < right).count();
    let agreed = pairs.iter().filter(|(said, right)| said == right).count();
    TierScores {
        asked: pairs.len(),
        agreement: share_of(agreed, pairs.len()),
        under_routed: share_of(lower, complex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(score: impl Fn(usize) -> f32) -> Vec<Routed> {
        // One in four questions is won by the strong model, the rest are drawn.
        (0..200).map(|i| Routed { score: score(i), weak_right: i % 4 != 0, strong_right: true }).collect()
    }

    #[test]
    fn a_perfect_a_useless_and_a_contrary_router() {
        // The perfect curve rises for a quarter of the calls and stays: area 1 - 1/8.
        let perfect = apgr(&records(|i| if i % 4 == 0 { 1.0 } else { 0.0 })).unwrap();
        assert!((perfect - 0.875).abs() < 0.01, "{perfect}");
        assert!((apgr(&records(|_| 0.0)).unwrap() - 0.5).abs() < 1e-9);
        assert!(apgr(&records(|i| if i % 4 == 0 { 0.0 } else { 1.0 })).unwrap() < 0.2);
        assert_eq!(apgr(&[]), None);
    }

    #[test]
    fn shares_of_strong_calls() {
        let perfect = records(|i| if i % 4 == 0 { 1.0 } else { 0.0 });
        // 150 of 200 are right without help; 95 % of 200 needs 40 more.
        assert_eq!(strong_share_for(&perfect, 0.95), Some(0.2));
        assert_eq!(strong_share_for(&records(|_| 0.0), 0.95), Some(0.8));
    }

    #[test]
    fn tiers_are_compared() {
        use Tier::{Complex, Standard, Trivial};
        let scores =
            tier_scores(&[(Trivial, Trivial), (Standard, Complex), (Complex, Complex), (Complex, Trivial)]);
        assert_eq!((scores.asked, scores.agreement.value, scores.under_routed.value), (4, 0.5, 0.5));
        assert!(tier_scores(&[]).agreement.value.abs() < f64::EPSILON);
    }

    #[test]
    fn intervals_hold_their_figure() {
        let all = records(|i| (i % 7) as f32);
        let estimate = bootstrap(&all, apgr).unwrap();
        assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
        assert_eq!(bootstrap(&all, apgr), Some(estimate));
        let share = share_of(90, 100);
        assert!(share.low > 0.82 && share.high < 0.95);
    }
}
