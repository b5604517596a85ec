//! What a replay found.

use nunchi_core::{NanoUsd, Savings};
use serde::Serialize;
use std::collections::BTreeMap;

/// Prompt and answer tokens of a workload under a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayTokens {
    /// Prompt tokens as they came.
    pub came: u64,
    /// Prompt tokens sent to any model, on this machine or elsewhere.
    pub sent: u64,
    /// Of those, tokens sent to models on this machine.
    pub local: u64,
    /// Of those sent, tokens read from a provider's prompt cache.
    pub cached: u64,
    /// Of those sent, tokens written to it.
    pub written: u64,
    /// Prompt tokens in full-price tokens of the model that read them: a cached token counts as its price does. Tokens of models
    /// without a price count whole.
    pub full_price: u64,
    /// Generated tokens that somebody paid for.
    pub output: u64,
}

/// How often something was wrong among what is labelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WrongAmong {
    /// Wrong ones.
    pub wrong: u64,
    /// Labelled ones.
    pub labelled: u64,
}

impl WrongAmong {
    /// Counts one.
    pub(super) fn count(&mut self, wrong: bool) {
        self.wrong += u64::from(wrong);
        self.labelled += 1;
    }

    /// The share, 0 to 1; `None` where nothing is labelled.
    pub fn share(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
        let share = || self.wrong as f64 / self.labelled as f64;
        (self.labelled > 0).then(share)
    }
}

/// What each cause may have cost in quality, as far as the calls are labelled. A provider's prompt cache and a Batch API change
/// no answer; what compression leaves out can be recalled, and is counted in [`ReplayReport::recalls`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayQuality {
    /// Exact hits that gave another question's answer.
    pub exact: WrongAmong,
    /// Answers shared by meaning that are another question's.
    pub semantic: WrongAmong,
    /// Calls answered by a lower tier than they need.
    pub under_routed: WrongAmong,
    /// Calls answered by a higher one.
    pub over_routed: WrongAmong,
    /// Calls whose tool was not sent.
    pub tools: WrongAmong,
    /// Answers that would be wrong, by the outcomes of a weak and a strong model: strong for the complex tier, weak below.
    pub answers: WrongAmong,
}

/// A policy that needs no thought, over the same calls and without any cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayFloor {
    /// `always premium`, `always cheap`, `all local`, `random`, `prompt length`, `tiers alone`.
    pub name: &'static str,
    /// What it costs.
    pub spent: NanoUsd,
    /// Calls answered by a lower tier than they need.
    pub under_routed: WrongAmong,
    /// Answers that would be wrong.
    pub answers: WrongAmong,
}

/// A workload under a policy.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayReport {
    /// The policy.
    pub policy: String,
    /// The model that savings are counted against.
    pub baseline_model: String,
    /// What was saved, by cause; the causes add up to the whole.
    pub savings: Savings,
    /// Calls by what the cache did: `exact`, `semantic`, `miss`, `bypass`.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Calls by the tier that answered them; hits by that of the answer they were given.
    pub tiers: BTreeMap<&'static str, u64>,
    /// Calls by the model that answered, hits left out.
    pub models: BTreeMap<String, u64>,
    /// Tokens.
    pub tokens: ReplayTokens,
    /// Calls of which something was shortened, and rounds of `recall` that were charged for it.
    pub compressed: u64,
    /// Rounds of `recall`.
    pub recalls: u64,
    /// Calls for which no model has a price, by the model asked for: in no other figure.
    pub unpriced: BTreeMap<String, u64>,
    /// What each cause may have cost in quality.
    pub quality: ReplayQuality,
    /// Policies that need no thought.
    pub floors: Vec<ReplayFloor>,
}
