//! Token counts. Gemini's prompt holds what came from its cache but not the prompts of its own tools; its answer leaves thinking out.

use crate::openai::lenient_count;
use nunchi_core::Usage;
use serde::Deserialize;

/// `usageMetadata`; zero counts are left out by Gemini, so zero is what is not said.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "lenient_count")]
    prompt_token_count: u64,
    #[serde(deserialize_with = "lenient_count")]
    cached_content_token_count: u64,
    #[serde(deserialize_with = "lenient_count")]
    candidates_token_count: u64,
    #[serde(deserialize_with = "lenient_count")]
    tool_use_prompt_token_count: u64,
    #[serde(deserialize_with = "lenient_count")]
    thoughts_token_count: u64,
    #[serde(deserialize_with = "lenient_count")]
    total_token_count: u64,
}

impl WireUsage {
    /// Takes over what a later report says; counts are cumulative, so what it leaves out stays.
    pub(super) fn update(&mut self, later: Self) {
        let take = |mine: &mut u64, theirs: u64| {
            if theirs > 0 {
                *mine = theirs;
            }
        };
        take(&mut self.prompt_token_count, later.prompt_token_count);
        take(&mut self.cached_content_token_count, later.cached_content_token_count);
        take(&mut self.candidates_token_count, later.candidates_token_count);
        take(&mut self.tool_use_prompt_token_count, later.tool_use_prompt_token_count);
        take(&mut self.thoughts_token_count, later.thoughts_token_count);
        take(&mut self.total_token_count, later.total_token_count);
    }

    /// The counts in disjoint classes; searches are counted elsewhere.
    pub(super) fn usage(&self, tool_uses: u64) -> Usage {
        let cached = self.cached_content_token_count.min(self.prompt_token_count);
        let prompt = self.prompt_token_count.saturating_add(self.tool_use_prompt_token_count);
        let output = match self.candidates_token_count {
            // Some replies tell the whole only.
            0 => self.total_token_count.saturating_sub(prompt.saturating_add(self.thoughts_token_count)),
            count => count,
        };
        Usage {
            input: prompt - cached,
            cache_read: cached,
            output,
            reasoning: self.thoughts_token_count,
            tool_uses,
            ..Usage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape() {
        let none = Usage::default();
        for (text, wanted) in [
            ("{}", none),
            (
                r#"{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}"#,
                Usage { input: 10, output: 5, ..none },
            ),
            (
                r#"{"promptTokenCount":100,"cachedContentTokenCount":80,"candidatesTokenCount":5,"thoughtsTokenCount":7,
                "toolUsePromptTokenCount":30,"totalTokenCount":142}"#,
                Usage { input: 50, cache_read: 80, output: 5, reasoning: 7, ..none },
            ),
            (
                r#"{"promptTokenCount":10,"thoughtsTokenCount":4,"totalTokenCount":20}"#,
                Usage { input: 10, output: 6, reasoning: 4, ..none },
            ),
            (
                r#"{"promptTokenCount":10,"thoughtsTokenCount":4,"totalTokenCount":14}"#,
                Usage { input: 10, reasoning: 4, ..none },
            ),
            (
                r#"{"promptTokenCount":10,"cachedContentTokenCount":99,"totalTokenCount":1}"#,
                Usage { cache_read: 10, ..none },
            ),
            (
                r#"{"promptTokenCount":12.0,"candidatesTokenCount":-3,"thoughtsTokenCount":null}"#,
                Usage { input: 12, ..none },
            ),
            (
                r#"{"promptTokenCount":18446744073709551615,"toolUsePromptTokenCount":9}"#,
                Usage { input: u64::MAX, ..none },
            ),
        ] {
            let wire: WireUsage = serde_json::from_str(text).unwrap();
            assert_eq!(wire.usage(0), wanted, "{text}");
        }
    }

    #[test]
    fn later_reports_win() {
        let read = |text| serde_json::from_str::<WireUsage>(text).unwrap();
        let mut usage = read(r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"totalTokenCount":10}"#);
        usage.update(read(r#"{"promptTokenCount":10,"candidatesTokenCount":3,"totalTokenCount":13}"#));
        assert_eq!(
            usage.usage(2),
            Usage { input: 6, cache_read: 4, output: 3, tool_uses: 2, ..Usage::default() }
        );
    }
}
