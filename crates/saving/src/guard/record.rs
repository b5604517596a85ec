//! The per-entry decision: serve a stored answer only where the chance of error stays within a promise.
//!
//! After the idea of vCache (arXiv 2502.03771): each entry learns from its own verified look-ups how far the score may be
//! trusted. Here the score is already a calibrated probability, so one number per entry is learned: a shift of its log-odds.
//! The shift has a normal prior whose spread says how much entries differ; its posterior is summed over a grid.

use super::forest::Forest;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most observations that an entry keeps; older ones are dropped.
const MOST_OBSERVATIONS: usize = 32;
/// Shifts of the log-odds that are considered.
const GRID: [f64; 33] = grid();

const fn grid() -> [f64; 33] {
    let mut grid = [0.0; 33];
    let mut at = 0;
    while at < grid.len() {
        grid[at] = -6.0 + at as f64 * 0.25;
        at += 1;
    }
    grid
}

/// What to do with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharingDecision {
    /// Serve the stored answer.
    Serve,
    /// It could be served, but the model is asked: how its answer compares with the stored one tells how often shared answers are wrong.
    Audit,
    /// Not sure enough: ask the model; comparing its answer with the stored one gives an observation.
    Ask,
}

/// What holds for every entry before it has observations of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharingPrior {
    /// Standard deviation, over entries, of the shift of the log-odds.
    pub spread: f64,
    /// Part of the servable look-ups that ask all the same, so that a wrong entry is found out.
    pub audit: f64,
    /// Promised part of wrong answers in look-ups, and the score from which it is kept over all entries; measured in training.
    pub floors: [Option<(f64, f32)>; 4],
}

impl Default for SharingPrior {
    fn default() -> Self {
        Self { spread: 1.0, audit: 0.05, floors: [None; 4] }
    }
}

impl SharingPrior {
    /// The prior of the verifier that ships.
    pub fn shipped() -> Self {
        let mut floors = [None; 4];
        let measured = Forest::shipped().map_or(&[][..], |forest| &forest.floors);
        for (floor, (delta, score)) in floors.iter_mut().zip(measured) {
            *floor = Some((f64::from(*delta), *score));
        }
        Self { floors, ..Self::default() }
    }

    /// The lowest score that keeps a promise over all entries; `None` where none was measured.
    fn floor(&self, delta: f64) -> Option<f32> {
        // A promise as strict as one that was measured; the slack is that of its rounding.
        let kept = self.floors.iter().flatten().filter(|(measured, _)| *measured <= delta + 1e-6);
        kept.map(|(_, score)| *score).min_by(f32::total_cmp)
    }
}

/// The verified look-ups of one cache entry, newest last. A few hundred bytes at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SharingRecord {
    seen: VecDeque<(f32, bool)>,
}

impl SharingRecord {
    /// Whether to serve at this score (the probability of [`super::SharingVerdict`]) while wrong answers stay within `delta`
    /// of the look-ups. `random_unit` is drawn anew for each look-up, evenly from 0 to 1.
    ///
    /// An entry serves where its own experience promises an error of at most `delta` per serve; and, until it is caught in
    /// an error there, from the score at which all entries together keep the promise.
    pub fn decide(&self, prior: &SharingPrior, score: f32, delta: f64, random_unit: f64) -> SharingDecision {
        // Scores are monotone: what was wrong at a higher score is not trusted at a lower one.
        let contradicted = self.seen.iter().any(|(at, right)| !right && *at >= score);
        // A comparison with a score that is no number is false, and then the model is asked.
        let sound = score > 0.0 && score <= 1.0;
        // That an unlikely answer was wrong is no error of the promise.
        let spotless = |floor: f32| self.seen.iter().all(|(at, right)| *right || *at < floor);
        let common = prior.floor(delta).is_some_and(|floor| score >= floor && spotless(floor));
        let trusted = sound && !contradicted && (common || self.chance_right(prior, score) >= 1.0 - delta);
        match trusted {
            false => SharingDecision::Ask,
            true if random_unit < prior.audit => SharingDecision::Audit,
            true => SharingDecision::Serve,
        }
    }

    /// Adds a verified look-up.
    pub fn observe(&mut self, score: f32, right: bool) {
        if !score.is_finite() {
            return;
        }
        while self.seen.len() >= MOST_OBSERVATIONS {
            self.seen.pop_front();
        }
        self.seen.push_back((score, right));
    }

    /// The chance that the stored answer is right at this score, given what this entry has seen.
    pub fn chance_right(&self, prior: &SharingPrior, score: f32) -> f64 {
        let at = log_odds(score);
        let spread = prior.spread.max(1e-3);
        let (mut total, mut right) = (0.0, 0.0);
        for shift in GRID {
            let mut weight = (-0.5 * (shift / spread).powi(2)).exp();
            for (score, was_right) in &self.seen {
                let chance = sigmoid(log_odds(*score) + shift);
                weight *= if *was_right { chance } else { 1.0 - chance };
            }
            total += weight;
            right += weight * sigmoid(at + shift);
        }
        if total > 0.0 { right / total } else { 0.0 }
    }

    /// The verified look-ups: the score, and whether the stored answer was right.
    pub fn seen(&self) -> impl Iterator<Item = (f32, bool)> + '_ {
        self.seen.iter().copied()
    }

    /// Verified look-ups kept.
    pub fn observations(&self) -> usize {
        self.seen.len()
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn log_odds(score: f32) -> f64 {
    let p = f64::from(score).clamp(1e-5, 1.0 - 1e-5);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A generator that is the same on every machine (splitmix64).
    struct Chance(u64);

    impl Chance {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Look-ups of one entry whose log-odds are off by `shift`: serves, and wrong ones among them.
    fn simulate(
        prior: SharingPrior,
        shift: f64,
        lookups: usize,
        delta: f64,
        chance: &mut Chance,
    ) -> (usize, usize) {
        let mut record = SharingRecord::default();
        let (mut serves, mut wrong) = (0, 0);
        for _ in 0..lookups {
            let score = (1.0 - chance.unit().powi(3) * 0.6).min(0.9995) as f32;
            let right = chance.unit() < sigmoid(log_odds(score) + shift);
            match record.decide(&prior, score, delta, chance.unit()) {
                SharingDecision::Serve => {
                    serves += 1;
                    wrong += usize::from(!right);
                }
                SharingDecision::Audit | SharingDecision::Ask => record.observe(score, right),
            }
        }
        (serves, wrong)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// Entries that differ as the prior says: over many of them the error per serve keeps the promise.
        #[test]
        fn the_promise_holds_over_entries(seed in any::<u64>(), delta in 0.01..0.05_f64) {
            let mut chance = Chance(seed);
            let (mut serves, mut wrong) = (0, 0);
            for _ in 0..150 {
                let normal: f64 = (0..12).map(|_| chance.unit()).sum::<f64>() - 6.0;
                let (s, w) = simulate(SharingPrior::default(), normal, 60, delta, &mut chance);
                (serves, wrong) = (serves + s, wrong + w);
            }
            prop_assert!(serves > 500, "{serves}");
            // Three standard deviations of chance on top.
            let slack = 3.0 * (delta / serves as f64).sqrt();
            prop_assert!((wrong as f64) <= (delta + slack) * serves as f64, "{wrong} of {serves} at {delta}");
        }

        /// One entry on which the verifier errs far more than the prior expects: it is found out.
        #[test]
        fn one_bad_entry_is_found_out(seed in any::<u64>(), shift in -6.0..-2.0_f64) {
            let delta = 0.03;
            let open = SharingPrior { floors: [Some((delta, 0.8)), None, None, None], ..SharingPrior::default() };
            for prior in [SharingPrior::default(), open] {
                let (_, wrong) = simulate(prior, shift, 10_000, delta, &mut Chance(seed));
                prop_assert!((wrong as f64) <= delta * 10_000.0, "{wrong}");
            }
        }

        #[test]
        fn a_record_stays_small_and_survives_storage(scores in prop::collection::vec((0.0..1.0_f32, any::<bool>()), 0..100)) {
            let mut record = SharingRecord::default();
            for (score, right) in &scores {
                record.observe(*score, *right);
            }
            prop_assert!(record.observations() <= MOST_OBSERVATIONS);
            let stored = serde_json::to_string(&record).expect("serialises");
            prop_assert_eq!(serde_json::from_str::<SharingRecord>(&stored).expect("reads back"), record);
        }
    }

    #[test]
    fn experience_decides() {
        let prior = SharingPrior::default();
        let mut record = SharingRecord::default();
        assert_eq!(record.decide(&prior, 0.999, 0.01, 0.5), SharingDecision::Serve);
        assert_eq!(record.decide(&prior, 0.97, 0.01, 0.5), SharingDecision::Ask);
        for _ in 0..20 {
            record.observe(0.95, true);
        }
        assert!(record.chance_right(&prior, 0.97) > 0.97);
        record.observe(0.999, false);
        assert_eq!(record.decide(&prior, 0.99, 0.01, 0.5), SharingDecision::Ask);
        assert_eq!(record.decide(&prior, f32::NAN, 0.01, 0.5), SharingDecision::Ask);
        assert_eq!(record.decide(&prior, 0.9999, 0.01, 0.0), SharingDecision::Audit);
        assert_eq!(
            record.decide(&prior, 0.97, 0.01, 0.0),
            SharingDecision::Ask,
            "it would not have been served"
        );
    }

    #[test]
    fn only_a_wrong_answer_above_the_floor_breaks_its_promise() {
        let prior = SharingPrior { floors: [Some((0.01, 0.9)), None, None, None], ..SharingPrior::default() };
        let mut record = SharingRecord::default();
        record.observe(0.05, false);
        assert_eq!(
            record.decide(&prior, 0.93, 0.01, 0.5),
            SharingDecision::Serve,
            "an unlikely one was wrong"
        );
        record.observe(0.91, false);
        assert_eq!(record.decide(&prior, 0.93, 0.01, 0.5), SharingDecision::Ask);
    }
}
