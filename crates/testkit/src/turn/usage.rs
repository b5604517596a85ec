//! What an answer claims to have used.

use serde_json::Value;

/// Token counts that do not overlap: their sum is what the provider processed.
///
/// Each dialect adds up what it shows together (OpenAI's `prompt_tokens` contain cached ones, Anthropic's `input_tokens` do not).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Prompt tokens at full price.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache of five minutes (OpenAI shows one sum of all writes; others count them as plain input).
    pub cache_write_5m: u64,
    /// Prompt tokens written to a cache of one hour (as above).
    pub cache_write_1h: u64,
    /// Answer tokens, reasoning left out.
    pub output: u64,
    /// Reasoning tokens (Anthropic shows them within the output and apart, Ollama within it only).
    pub reasoning: u64,
    /// Prompt tokens of tools that ran at the provider (Gemini, else plain input), or of citations (Perplexity).
    pub tool_prompt: u64,
    /// Searches (Perplexity, Anthropic's web search).
    pub searches: u64,
}

impl Tokens {
    /// All prompt tokens but those of tools.
    pub fn prompt(self) -> u64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }

    /// All prompt tokens written to a cache.
    pub fn cache_write(self) -> u64 {
        self.cache_write_5m + self.cache_write_1h
    }

    /// All generated tokens.
    pub fn generated(self) -> u64 {
        self.output + self.reasoning
    }
}

/// The usage report of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum UsageShape {
    /// Input and output only.
    Plain {
        /// Prompt tokens.
        input: u64,
        /// Answer tokens.
        output: u64,
    },
    /// Part of the prompt came from the provider's cache.
    Cached {
        /// Prompt tokens at full price.
        input: u64,
        /// Prompt tokens from the cache.
        cached: u64,
        /// Answer tokens.
        output: u64,
    },
    /// Part of the prompt was written to the provider's cache.
    CacheWrite {
        /// Prompt tokens at full price.
        input: u64,
        /// Prompt tokens from the cache.
        cached: u64,
        /// Prompt tokens written for five minutes.
        write_5m: u64,
        /// Prompt tokens written for an hour.
        write_1h: u64,
        /// Answer tokens.
        output: u64,
    },
    /// Part of the output was reasoning.
    Reasoning {
        /// Prompt tokens.
        input: u64,
        /// Answer tokens, reasoning left out.
        output: u64,
        /// Reasoning tokens.
        reasoning: u64,
    },
    /// Any counts.
    Counted(Tokens),
    /// The provider says nothing.
    Missing,
    /// This JSON in the place of the dialect's usage object.
    Custom(Value),
}

impl Default for UsageShape {
    /// 12 tokens in, 8 out.
    fn default() -> Self {
        Self::Plain { input: 12, output: 8 }
    }
}

impl UsageShape {
    /// The counts, where the shape has any.
    pub fn tokens(&self) -> Option<Tokens> {
        let none = Tokens::default();
        match *self {
            Self::Plain { input, output } => Some(Tokens { input, output, ..none }),
            Self::Cached { input, cached, output } => {
                Some(Tokens { input, cache_read: cached, output, ..none })
            }
            Self::CacheWrite { input, cached, write_5m, write_1h, output } => Some(Tokens {
                input,
                cache_read: cached,
                cache_write_5m: write_5m,
                cache_write_1h: write_1h,
                output,
                ..none
            }),
            Self::Reasoning { input, output, reasoning } => Some(Tokens { input, output, reasoning, ..none }),
            Self::Counted(tokens) => Some(tokens),
            Self::Missing | Self::Custom(_) => None,
        }
    }

    /// The dialect's usage object: rendered from counts, or the custom one, or none.
    pub(crate) fn render(&self, render: impl FnOnce(Tokens) -> Value) -> Option<Value> {
        match self {
            Self::Custom(value) => Some(value.clone()),
            _ => self.tokens().map(render),
        }
    }
}
