//! Chooses the next token from the scores.

use super::words::GenerationOptions;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Choices tried before the whole vocabulary is masked.
const GUESSES: usize = 8;

/// Chooses tokens as the options say; the same seed gives the same choices.
#[derive(Debug)]
pub(super) struct Sampler {
    temperature: f32,
    top_p: f32,
    top_k: usize,
    presence_penalty: f32,
    frequency_penalty: f32,
    state: u64,
    seen: HashMap<u32, u32>,
    candidates: Vec<(f32, u32)>,
}

impl Sampler {
    /// A sampler for alternative number `choice`.
    pub(super) fn new(options: &GenerationOptions, choice: u32) -> Self {
        let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8));
        Self {
            temperature: options.temperature,
            top_p: options.top_p,
            top_k: options.top_k,
            presence_penalty: options.presence_penalty,
            frequency_penalty: options.frequency_penalty,
            state: seed.wrapping_add(u64::from(choice)),
            seen: HashMap::new(),
            candidates: Vec::new(),
        }
    }

    /// The next token. Changes `scores` where penalties apply.
    pub(super) fn next(&mut self, scores: &mut [f32]) -> u32 {
        self.penalise(scores);
        let token = self.pick(scores);
        self.remember(token);
        token
    }

    /// The next token among those that are allowed; `None` when none is. Changes `scores`.
    pub(super) fn next_allowed(&mut self, scores: &mut [f32], allowed: impl Fn(u32) -> bool) -> Option<u32> {
        self.penalise(scores);
        let mut token = self.pick(scores);
        // Mostly the choice is allowed, and asking about every token of the vocabulary takes milliseconds.
        for _ in 0..GUESSES {
            if allowed(token) {
                break;
            }
            if let Some(score) = scores.get_mut(token as usize) {
                *score = f32::NEG_INFINITY;
            }
            token = self.pick(scores);
        }
        if !allowed(token) {
            for (score, id) in scores.iter_mut().zip(0_u32..) {
                if !allowed(id) {
                    *score = f32::NEG_INFINITY;
                }
            }
            token = self.pick(scores);
        }
        allowed(token).then(|| {
            self.remember(token);
            token
        })
    }

    fn penalise(&self, scores: &mut [f32]) {
        for (token, times) in &self.seen {
            if let Some(score) = scores.get_mut(*token as usize) {
                *score -= self.presence_penalty + self.frequency_penalty * *times as f32;
            }
        }
    }

    fn remember(&mut self, token: u32) {
        if self.presence_penalty != 0.0 || self.frequency_penalty != 0.0 {
            *self.seen.entry(token).or_default() += 1;
        }
    }

    fn pick(&mut self, scores: &[f32]) -> u32 {
        if self.temperature <= 0.0 { likeliest(scores) } else { self.draw(scores) }
    }

    fn draw(&mut self, scores: &[f32]) -> u32 {
        let best = scores[likeliest(scores) as usize];
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        // A token e^-20 times as likely as the best is never drawn in practice; leaving it out spares the sort.
        let weight = |score: f32| ((score - best) / self.temperature).exp();
        let weighed = scores.iter().zip(0_u32..).map(|(score, id)| (weight(*score), id));
        candidates.extend(weighed.filter(|(weight, _)| *weight > 2e-9));
        candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if self.top_k > 0 {
            candidates.truncate(self.top_k);
        }
        let total: f32 = candidates.iter().map(|c| c.0).sum();
        let (mut mass, mut kept) = (0.0, 0);
        for (weight, _) in &candidates {
            mass += weight;
            kept += 1;
            if mass >= self.top_p * total {
                break;
            }
        }
        let mut target = self.uniform() * mass;
        let mut chosen = candidates.first().map_or(0, |c| c.1);
        for (weight, id) in &candidates[..kept] {
            chosen = *id;
            target -= weight;
            if target <= 0.0 {
                break;
            }
        }
        self.candidates = candidates;
        chosen
    }

    /// SplitMix64, as a number from 0 to 1: the same on every machine and version.
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

fn likeliest(scores: &[f32]) -> u32 {
    let mut best = (f32::NEG_INFINITY, 0);
    for (score, id) in scores.iter().zip(0_u32..) {
        if *score > best.0 {
            best = (*score, id);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::Sampler;
    use crate::chat::GenerationOptions;

    fn draws(options: &GenerationOptions, choice: u32) -> Vec<u32> {
        let mut sampler = Sampler::new(options, choice);
        (0..200).map(|_| sampler.next(&mut [1.0, 3.0, 2.0, -4.0])).collect()
    }

    #[test]
    fn zero_temperature_is_greedy() {
        assert!(draws(&GenerationOptions::default(), 0).iter().all(|t| *t == 1));
    }

    #[test]
    fn seeds_repeat_and_choices_differ() {
        let options = GenerationOptions { temperature: 1.0, seed: Some(7), ..Default::default() };
        assert_eq!(draws(&options, 0), draws(&options, 0));
        assert_ne!(draws(&options, 0), draws(&options, 1));
        let share = draws(&options, 0).iter().filter(|t| **t == 1).count();
        assert!((110..155).contains(&share), "softmax gives token 1 66 %, drawn {share} of 200");
    }

    #[test]
    fn masks_are_kept() {
        let warm = GenerationOptions { temperature: 1.0, seed: Some(7), ..Default::default() };
        for options in [GenerationOptions::default(), warm] {
            let mut sampler = Sampler::new(&options, 0);
            let mut scores = vec![5.0; 100];
            scores[98] = -5.0;
            assert_eq!(sampler.next_allowed(&mut scores.clone(), |id| id == 98), Some(98));
            assert_eq!(sampler.next_allowed(&mut scores, |_| false), None);
        }
    }

    #[test]
    fn nucleus_and_top_k_cut_the_tail() {
        let base = GenerationOptions { temperature: 1.0, seed: Some(7), ..Default::default() };
        assert!(draws(&GenerationOptions { top_p: 0.5, ..base.clone() }, 0).iter().all(|t| *t == 1));
        assert!(
            draws(&GenerationOptions { top_p: 0.85, ..base.clone() }, 0).iter().all(|t| *t == 1 || *t == 2)
        );
        assert!(draws(&GenerationOptions { top_k: 1, ..base }, 0).iter().all(|t| *t == 1));
    }

    #[test]
    fn penalties_make_room_for_others() {
        let options = GenerationOptions { presence_penalty: 5.0, ..Default::default() };
        assert_eq!(draws(&options, 0)[..3], [1, 2, 0]);
    }
}
