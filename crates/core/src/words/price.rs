//! What a model costs.

use super::money::NanoUsd;
use serde::{Deserialize, Serialize};

/// Prices by token class. Each is for **one million tokens**, so that every published price is a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Prompt tokens.
    pub input: NanoUsd,
    /// Prompt tokens read from the prompt cache.
    pub cache_read: NanoUsd,
    /// Prompt tokens written to the cache for five minutes.
    pub cache_write_5m: NanoUsd,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h: NanoUsd,
    /// Generated tokens.
    pub output: NanoUsd,
    /// Generated tokens of reasoning.
    pub reasoning: NanoUsd,
}

/// Other rates once the prompt is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextTier {
    /// Applies to the whole call when its prompt has more tokens than this.
    pub above_prompt_tokens: u64,
    /// The rates then.
    pub rates: Rates,
}

/// A model's line in the price catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPrice {
    /// The provider (`openai`).
    pub provider: String,
    /// The model as the provider names it.
    pub model: String,
    /// The usual rates.
    pub rates: Rates,
    /// Rates of long prompts, ascending.
    pub context_tiers: Vec<ContextTier>,
    /// Rates in the provider's Batch API.
    pub batch: Option<Rates>,
    /// Price of one tool use charged by the piece (a web search), and of a request where the provider has such a fee.
    pub tool_use: NanoUsd,
    /// Fee of every request.
    pub request: NanoUsd,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Cap on generated tokens.
    pub max_output: Option<u64>,
}
