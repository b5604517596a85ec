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

/// The way of serving a call that its rates depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// The usual way.
    #[default]
    Standard,
    /// Slower and cheaper, when the provider has room.
    Flex,
    /// Faster and dearer.
    Priority,
    /// The provider's Batch API.
    Batch,
}

impl ServiceTier {
    /// The tier that providers call by this word; `None` where it names none (`auto`).
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            // Scale is capacity that was paid for beforehand; its own bill is apart.
            "default" | "standard" | "scale" => Some(Self::Standard),
            "flex" => Some(Self::Flex),
            "priority" => Some(Self::Priority),
            "batch" => Some(Self::Batch),
            _ => None,
        }
    }

    /// The word of OpenAI's answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standard => "default",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }
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
    /// Rates of [`ServiceTier::Flex`].
    pub flex: Option<Rates>,
    /// Rates of [`ServiceTier::Priority`].
    pub priority: Option<Rates>,
    /// Price of one tool use charged by the piece (a web search), and of a request where the provider has such a fee.
    pub tool_use: NanoUsd,
    /// Fee of every request.
    pub request: NanoUsd,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
    /// Cap on generated tokens.
    pub max_output: Option<u64>,
}

impl ModelPrice {
    /// The rates of a service tier of its own, for prompts of the usual length.
    pub const fn tier_rates(&self, tier: ServiceTier) -> Option<Rates> {
        match tier {
            ServiceTier::Standard => None,
            ServiceTier::Flex => self.flex,
            ServiceTier::Priority => self.priority,
            ServiceTier::Batch => self.batch,
        }
    }
}
