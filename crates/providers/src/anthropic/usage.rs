//! Token counts. Anthropic's input tokens leave out those of the prompt cache, and its output tokens hold the thinking.

use nunchi_core::Usage;
use serde::Deserialize;

/// The counts of `message_start`, `message_delta` or a whole message; absent ones are not said.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerToolUse>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: u64,
}

impl WireUsage {
    /// Takes over what a later report says; counts are cumulative, so what it leaves out stays.
    pub(super) fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.server_tool_use = later.server_tool_use.or(self.server_tool_use);
    }

    /// The counts in disjoint classes; a cache write of unknown life counts as five minutes.
    pub(super) fn usage(&self) -> Usage {
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let hour = self.cache_creation.map_or(0, |parts| parts.ephemeral_1h_input_tokens);
        let five = self
            .cache_creation
            .map_or(written, |parts| parts.ephemeral_5m_input_tokens.max(written.saturating_sub(hour)));
        let output = self.output_tokens.unwrap_or(0);
        let thinking = self.output_tokens_details.map_or(0, |details| details.thinking_tokens.min(output));
        Usage {
            input: self.input_tokens.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            cache_write_5m: five,
            cache_write_1h: hour,
            output: output - thinking,
            reasoning: thinking,
            tool_uses: self.server_tool_use.map_or(0, |uses| uses.web_search_requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> WireUsage {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_shape() {
        let plain = read(r#"{"input_tokens": 10, "output_tokens": 5}"#).usage();
        assert_eq!(plain, Usage { input: 10, output: 5, ..Usage::default() });
        let written = read(
            r#"{"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 7,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}, "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 6}, "server_tool_use": {"web_search_requests": 2}}"#,
        );
        let whole = Usage {
            input: 1,
            cache_read: 2,
            cache_write_5m: 3,
            cache_write_1h: 4,
            output: 3,
            reasoning: 6,
            tool_uses: 2,
        };
        assert_eq!(written.usage(), whole);
        let old = read(r#"{"cache_creation_input_tokens": 7}"#).usage();
        assert_eq!(old, Usage { cache_write_5m: 7, ..Usage::default() });
        assert_eq!(read("{}").usage(), Usage::default());
    }

    #[test]
    fn later_reports_are_cumulative() {
        let mut usage = read(r#"{"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}"#);
        usage.update(read(r#"{"output_tokens": 25}"#));
        assert_eq!(usage.usage(), Usage { input: 10, cache_read: 4, output: 25, ..Usage::default() });
    }
}
