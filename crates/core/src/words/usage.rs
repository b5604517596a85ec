//! Tokens of a call, in classes that never overlap.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// Tokens of a call by price class. The classes are disjoint: their sum is the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens read at the full price.
    pub input: u64,
    /// Prompt tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Prompt tokens written to the provider's prompt cache for five minutes.
    pub cache_write_5m: u64,
    /// Prompt tokens written to the provider's prompt cache for an hour.
    pub cache_write_1h: u64,
    /// Generated tokens the caller sees.
    pub output: u64,
    /// Generated tokens of reasoning, where the provider counts them apart.
    pub reasoning: u64,
    /// Searches and other tool uses that the provider charges by the piece.
    pub tool_uses: u64,
}

impl Usage {
    /// All prompt tokens.
    pub fn prompt_tokens(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// All generated tokens.
    pub fn completion_tokens(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// All tokens.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.completion_tokens())
    }
}

impl Add for Usage {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self {
            input: self.input.saturating_add(o.input),
            cache_read: self.cache_read.saturating_add(o.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(o.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(o.cache_write_1h),
            output: self.output.saturating_add(o.output),
            reasoning: self.reasoning.saturating_add(o.reasoning),
            tool_uses: self.tool_uses.saturating_add(o.tool_uses),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
