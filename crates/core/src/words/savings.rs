//! What was saved, by cause.

use super::money::NanoUsd;
use serde::{Deserialize, Serialize};

/// What one call saved by causes that its tokens and its model do not tell. May be negative: writing a prompt cache costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// By the provider's prompt cache, against the same call without it.
    pub prompt_cache: NanoUsd,
    /// By tools that were not sent.
    pub tools: NanoUsd,
    /// By tool results and turns that were shortened.
    pub compression: NanoUsd,
    /// By the Batch API's price, against the live one.
    pub batch: NanoUsd,
}

impl Saved {
    /// All of it.
    pub fn total(&self) -> NanoUsd {
        self.prompt_cache + self.tools + self.compression + self.batch
    }
}

/// What was saved over a period, by cause. The causes add up to the baseline less what was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savings {
    /// Rows.
    pub calls: u64,
    /// What the baseline model would have cost, without any cache.
    pub baseline: NanoUsd,
    /// What was spent.
    pub spent: NanoUsd,
    /// Answers of the exact cache.
    pub exact: NanoUsd,
    /// Answers shared by meaning.
    pub semantic: NanoUsd,
    /// Cheaper models than the baseline.
    pub tier: NanoUsd,
    /// All other causes.
    #[serde(flatten)]
    pub other: Saved,
    /// Of what was spent, what was spent in order to save: classifying, judging, auditing, summarising.
    pub overhead: NanoUsd,
}

impl Savings {
    /// What was saved in all.
    pub fn total(&self) -> NanoUsd {
        self.baseline - self.spent
    }
}
