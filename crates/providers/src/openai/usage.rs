//! Token counts of OpenAI and the servers like it, taken apart into core's disjoint classes.

use super::Flavour;
use crate::shared::dollars;
use nunchi_core::{NanoUsd, Usage};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The `usage` object. Everything but the first two counts exists at some servers only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage<'a> {
    #[serde(deserialize_with = "lenient_count")]
    prompt_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    completion_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    total_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    #[serde(deserialize_with = "lenient_count")]
    prompt_cache_hit_tokens: u64,
    /// Moonshot.
    #[serde(deserialize_with = "lenient_count")]
    cached_tokens: u64,
    /// Anthropic's counts as LiteLLM hands them on.
    #[serde(deserialize_with = "lenient_count")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    cache_creation_input_tokens: u64,
    /// Perplexity.
    #[serde(deserialize_with = "lenient_count")]
    reasoning_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    citation_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    num_search_queries: u64,
    /// Perplexity's `{"total_cost": 0.006}`, OpenRouter's `0.006`.
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    #[serde(deserialize_with = "lenient_count")]
    cached_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    cache_write_tokens: u64,
    /// LiteLLM.
    #[serde(deserialize_with = "lenient_count")]
    cache_creation_tokens: u64,
    cache_creation_token_details: Option<CreationDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CreationDetails {
    #[serde(deserialize_with = "lenient_count")]
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    #[serde(deserialize_with = "lenient_count")]
    reasoning_tokens: u64,
}

impl WireUsage<'_> {
    /// The counts in disjoint classes. A part that claims more than its whole is cut down to it.
    pub(super) fn usage(&self, flavour: Flavour) -> Usage {
        let details = self.prompt_tokens_details.as_ref();
        let detail = |count: fn(&PromptDetails) -> u64| details.map_or(0, count);
        let read = detail(|d| d.cached_tokens)
            .max(self.prompt_cache_hit_tokens)
            .max(self.cached_tokens)
            .max(self.cache_read_input_tokens)
            .min(self.prompt_tokens);
        let written = detail(|d| d.cache_write_tokens)
            .max(detail(|d| d.cache_creation_tokens))
            .max(self.cache_creation_input_tokens)
            .min(self.prompt_tokens - read);
        let creation = details.and_then(|d| d.cache_creation_token_details.as_ref());
        let written_1h = creation.map_or(0, |d| d.ephemeral_1h_input_tokens).min(written);
        let (output, reasoning) = self.generated(flavour);
        Usage {
            // Perplexity counts the sources it read apart, and charges them as input.
            input: (self.prompt_tokens - read - written).saturating_add(self.citation_tokens),
            cache_read: read,
            cache_write_5m: written - written_1h,
            cache_write_1h: written_1h,
            output,
            reasoning,
            tool_uses: self.num_search_queries,
        }
    }

    /// Answer and reasoning. OpenAI counts reasoning within the completion; Perplexity and xAI beside it, which the total shows.
    fn generated(&self, flavour: Flavour) -> (u64, u64) {
        let details = self.completion_tokens_details.as_ref().map_or(0, |d| d.reasoning_tokens);
        let reasoning = details.max(self.reasoning_tokens);
        let sum = self.prompt_tokens.saturating_add(self.completion_tokens).saturating_add(reasoning);
        let beside = flavour == Flavour::Perplexity
            || (flavour == Flavour::Compatible && reasoning > 0 && self.total_tokens == sum)
            || (flavour == Flavour::Compatible && reasoning > self.completion_tokens);
        if beside {
            return (self.completion_tokens, reasoning);
        }
        let reasoning = reasoning.min(self.completion_tokens);
        (self.completion_tokens - reasoning, reasoning)
    }

    /// What the provider says the call cost.
    pub(super) fn cost(&self) -> Option<NanoUsd> {
        #[derive(Deserialize)]
        struct Bill<'a> {
            #[serde(borrow)]
            total_cost: &'a RawValue,
        }
        let text = self.cost?.get();
        match serde_json::from_str::<Bill<'_>>(text) {
            Ok(bill) => dollars(bill.total_cost.get()),
            Err(_) => dollars(text),
        }
    }
}

/// Reads a count; null, text and anything else that is no number counts as zero rather than spoiling the reply.
pub(crate) fn lenient_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Count)
}

struct Count;

impl<'de> Visitor<'de> for Count {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(u64::try_from(value).unwrap_or(0))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        // Text of a whole number of any size; fractions, infinities and negatives end here.
        Ok(format!("{value:.0}").parse().unwrap_or(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_str<E>(self, _: &str) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Flavour::{Compatible, OpenAi, Perplexity};

    /// input, cache read, 5 min, 1 h, output, reasoning, tool uses
    fn classes(usage: Usage) -> [u64; 7] {
        [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
            usage.reasoning,
            usage.tool_uses,
        ]
    }

    fn check(flavour: Flavour, cases: &[(&str, [u64; 7])]) {
        for (text, wanted) in cases {
            let wire: WireUsage<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(classes(wire.usage(flavour)), *wanted, "{text}");
        }
    }

    #[test]
    fn shapes_of_openai() {
        check(
            OpenAi,
            &[
                (r#"{"prompt_tokens":12,"completion_tokens":8,"total_tokens":20}"#, [12, 0, 0, 0, 8, 0, 0]),
                (
                    r#"{"prompt_tokens":1012,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":1000}}"#,
                    [12, 1000, 0, 0, 8, 0, 0],
                ),
                (
                    r#"{"prompt_tokens":100,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":30,"cache_write_tokens":50}}"#,
                    [20, 30, 50, 0, 8, 0, 0],
                ),
                (
                    r#"{"prompt_tokens":12,"completion_tokens":38,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                    [12, 0, 0, 0, 8, 30, 0],
                ),
                (
                    r#"{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":9},"completion_tokens_details":{"reasoning_tokens":9}}"#,
                    [0, 5, 0, 0, 0, 3, 0],
                ),
                (
                    r#"{"prompt_tokens":5,"completion_tokens":null,"total_tokens":5.0,"prompt_tokens_details":null}"#,
                    [5, 0, 0, 0, 0, 0, 0],
                ),
            ],
        );
    }

    #[test]
    fn shapes_of_compatible_servers() {
        check(
            Compatible,
            &[
                (
                    r#"{"prompt_tokens":100,"completion_tokens":1,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
                    [36, 64, 0, 0, 1, 0, 0],
                ),
                (
                    r#"{"prompt_tokens":100,"completion_tokens":1,"cached_tokens":64}"#,
                    [36, 64, 0, 0, 1, 0, 0],
                ),
                (
                    r#"{"prompt_tokens":100,"completion_tokens":1,"cache_read_input_tokens":40,"cache_creation_input_tokens":50,"prompt_tokens_details":{"cached_tokens":40,"cache_creation_tokens":50,"cache_creation_token_details":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30}}}"#,
                    [10, 40, 20, 30, 1, 0, 0],
                ),
                (
                    r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":45,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                    [10, 0, 0, 0, 5, 30, 0],
                ),
                (
                    r#"{"prompt_tokens":10,"completion_tokens":35,"total_tokens":45,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                    [10, 0, 0, 0, 5, 30, 0],
                ),
                (
                    r#"{"prompt_tokens":"10","completion_tokens":-5,"prompt_tokens_details":{"cached_tokens":[1]}}"#,
                    [0, 0, 0, 0, 0, 0, 0],
                ),
            ],
        );
    }

    #[test]
    fn shapes_of_perplexity() {
        check(
            Perplexity,
            &[(
                r#"{"prompt_tokens":20,"completion_tokens":8,"total_tokens":28,"citation_tokens":7,"num_search_queries":3,"reasoning_tokens":4}"#,
                [27, 0, 0, 0, 8, 4, 3],
            )],
        );
    }

    #[test]
    fn costs_are_read_as_decimal_text() {
        for (text, nanos) in [
            (r#"{"cost":{"input_tokens_cost":0.1,"total_cost":0.006123456}}"#, Some(6_123_456)),
            (r#"{"cost":1.5e-05}"#, Some(15_000)),
            (r#"{"cost":null}"#, None),
            (r#"{"cost":{}}"#, None),
            ("{}", None),
        ] {
            let wire: WireUsage<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(wire.cost(), nanos.map(NanoUsd), "{text}");
        }
    }
}
