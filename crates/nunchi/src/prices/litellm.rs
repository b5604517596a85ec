//! Reads the LiteLLM price file: dollars per token as JSON numbers, taken from their text so that nothing is rounded.

use super::book_file::PriceLine;
use super::decimal::scaled_decimal;
use nunchi_core::NanoUsd;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Providers whose models are taken, as that file names them.
const PROVIDERS: [&str; 4] = ["openai", "anthropic", "gemini", "perplexity"];

/// What came of an import.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    /// Lines taken.
    pub(crate) lines: Vec<PriceLine>,
    /// How many entries were left out, by reason.
    pub(crate) skipped: BTreeMap<&'static str, usize>,
    /// Prices of the taken entries that our lines have no place for: how many entries have each.
    pub(crate) unread: BTreeMap<String, usize>,
}

/// A model's fields that were not taken yet.
struct Entry<'a>(BTreeMap<String, &'a RawValue>);

/// Reads the file's text. Entries of other providers or kinds are left out and counted, never fatal.
pub(crate) fn import_litellm(text: &str) -> Result<Imported, String> {
    let entries: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut imported = Imported::default();
    for (name, raw) in entries {
        let taken = serde_json::from_str(raw.get()).map_err(|_| "not readable").and_then(|fields| {
            let mut entry = Entry(fields);
            Ok((entry.line(&name)?, entry))
        });
        match taken {
            Ok((line, rest)) => {
                imported.lines.push(line);
                rest.prices().for_each(|field| *imported.unread.entry(field.to_owned()).or_default() += 1);
            }
            Err(reason) => *imported.skipped.entry(reason).or_default() += 1,
        }
    }
    Ok(imported)
}

impl Entry<'_> {
    fn line(&mut self, name: &str) -> Result<PriceLine, &'static str> {
        let provider = self
            .text("litellm_provider")
            .filter(|provider| PROVIDERS.contains(&provider.as_str()))
            .ok_or("other provider")?;
        if !matches!(self.text("mode").as_deref(), Some("chat" | "responses" | "embedding")) {
            return Err("not text");
        }
        let model = name.strip_prefix(&provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
        let input = self.rate("input_cost_per_token")?.ok_or("no price")?;
        let mut above = None;
        Ok(PriceLine {
            model: model.to_owned(),
            provider,
            input,
            output: self.rate("output_cost_per_token")?.unwrap_or_else(|| "0".into()),
            cache_read: self.rate("cache_read_input_token_cost")?,
            cache_write: self.rate("cache_creation_input_token_cost")?,
            cache_write_1h: self.rate("cache_creation_input_token_cost_above_1hr")?,
            reasoning: self.rate("output_cost_per_reasoning_token")?,
            batch_input: self.rate("input_cost_per_token_batches")?,
            batch_output: self.rate("output_cost_per_token_batches")?,
            batch_cache_read: self.rate("cache_read_input_token_cost_batches")?,
            batch_cache_write: self.rate("cache_creation_input_token_cost_batches")?,
            flex_input: self.rate("input_cost_per_token_flex")?,
            flex_output: self.rate("output_cost_per_token_flex")?,
            flex_cache_read: self.rate("cache_read_input_token_cost_flex")?,
            flex_cache_write: self.rate("cache_creation_input_token_cost_flex")?,
            priority_input: self.rate("input_cost_per_token_priority")?,
            priority_output: self.rate("output_cost_per_token_priority")?,
            priority_cache_read: self.rate("cache_read_input_token_cost_priority")?,
            priority_cache_write: self.rate("cache_creation_input_token_cost_priority")?,
            above_input: self.tier("input_cost_per_token", &mut above)?,
            above_output: self.tier("output_cost_per_token", &mut above)?,
            above_cache_read: self.tier("cache_read_input_token_cost", &mut above)?,
            above_cache_write: self.tier("cache_creation_input_token_cost", &mut above)?,
            above_cache_write_1h: self.tier("cache_creation_input_token_cost_above_1hr", &mut above)?,
            above,
            tool_use: self.search_fee()?,
            request: self.fee("input_cost_per_request")?,
            context: whole(self.0.remove("max_input_tokens")),
            max_output: whole(self.0.remove("max_output_tokens")),
        })
    }

    fn text(&mut self, field: &str) -> Option<String> {
        serde_json::from_str(self.0.remove(field)?.get()).ok()
    }

    /// Dollars a token as dollars a million.
    fn rate(&mut self, field: &str) -> Result<Option<String>, &'static str> {
        amount(self.0.remove(field), 15)
    }

    /// Dollars by the piece.
    fn fee(&mut self, field: &str) -> Result<Option<String>, &'static str> {
        amount(self.0.remove(field), 9)
    }

    /// A rate of long prompts, from so many thousand tokens on (`…_above_272k_tokens`). Where a file knows several lengths, the
    /// dearest rate holds from the shortest on: our lines have one.
    fn tier(&mut self, base: &str, above: &mut Option<u64>) -> Result<Option<String>, &'static str> {
        let length = |field: &str| -> Option<u64> {
            field.strip_prefix(base)?.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()
        };
        let lengths: Vec<_> = self.0.keys().filter_map(|field| length(field)).collect();
        let mut dearest: Option<NanoUsd> = None;
        for thousands in lengths {
            let raw = self.0.remove(&format!("{base}_above_{thousands}k_tokens"));
            if let Some(rate) = nanos(raw, 15)? {
                dearest = dearest.max(Some(rate));
                let tokens = thousands.saturating_mul(1_000);
                *above = Some(above.map_or(tokens, |least| least.min(tokens)));
            }
        }
        Ok(dearest.map(|rate| rate.to_string()))
    }

    /// What a web search costs: the dearest of its sizes.
    fn search_fee(&mut self) -> Result<Option<String>, &'static str> {
        let Some(raw) = self.0.remove("search_context_cost_per_query") else { return Ok(None) };
        let sizes: Option<BTreeMap<String, &RawValue>> =
            serde_json::from_str(raw.get()).map_err(|_| "no number")?;
        let fees = sizes.into_iter().flatten().map(|(_, fee)| nanos(Some(fee), 9));
        Ok(fees.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().max().map(|fee| fee.to_string()))
    }

    /// The prices that nobody took: fields named after a cost that are not nothing.
    fn prices(&self) -> impl Iterator<Item = &str> {
        let costs = self.0.iter().filter(|(name, raw)| {
            name.contains("cost") && raw.get() != "null" && scaled_decimal(raw.get(), 15) != Some(0)
        });
        costs.map(|(name, _)| name.as_str())
    }
}

/// Dollars as JSON text, times ten to the power `exponent`, as decimal text.
fn amount(raw: Option<&RawValue>, exponent: i32) -> Result<Option<String>, &'static str> {
    Ok(nanos(raw, exponent)?.map(|nanos| nanos.to_string()))
}

fn nanos(raw: Option<&RawValue>, exponent: i32) -> Result<Option<NanoUsd>, &'static str> {
    let Some(text) = raw.map(RawValue::get).filter(|text| *text != "null") else { return Ok(None) };
    scaled_decimal(text, exponent).map(|nanos| Some(NanoUsd(nanos))).ok_or("no number")
}

fn whole(raw: Option<&RawValue>) -> Option<u64> {
    scaled_decimal(raw?.get(), 0).and_then(|number| u64::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt() {
        let text = r#"{
            "sample_spec": {"mode": "one of chat, embedding", "litellm_provider": "one of these"},
            "gpt-5-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-07,
                "output_cost_per_token": 2e-06, "max_input_tokens": 272000, "unknown": [1]},
            "gemini/x": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": "free"},
            "dall-e": {"litellm_provider": "openai", "mode": "image_generation"}
        }"#;
        let imported = import_litellm(text).unwrap();
        assert_eq!(imported.lines.len(), 1);
        let price = imported.lines[0].price().unwrap();
        assert_eq!((price.rates.input, price.rates.output), (NanoUsd(250_000_000), NanoUsd::from_usd(2)));
        assert_eq!(price.context_window, Some(272_000));
        assert_eq!(imported.skipped.values().sum::<usize>(), 3);
        assert!(import_litellm("[]").is_err());
    }

    #[test]
    fn long_prompts_searches_and_what_is_not_read() {
        let text = r#"{"gpt-made-up": {"litellm_provider": "openai", "mode": "chat",
            "input_cost_per_token": 3e-06, "input_cost_per_token_above_272k_tokens": 6e-06,
            "input_cost_per_token_above_272k_tokens_priority": 1.2e-05, "input_cost_per_token_batches": 1.5e-06,
            "output_cost_per_token": 9e-06, "output_cost_per_token_above_272k_tokens": 1.3e-05,
            "output_cost_per_token_batches": 4.5e-06, "cache_read_input_token_cost": 3e-07,
            "cache_read_input_token_cost_above_272k_tokens": 7e-07, "cache_read_input_token_cost_batches": 2e-07,
            "cache_creation_input_token_cost": 4e-06, "cache_creation_input_token_cost_above_272k_tokens": 9e-06,
            "cache_creation_input_token_cost_above_1hr": 5e-06,
            "input_cost_per_token_flex": 1.5e-06, "output_cost_per_token_flex": 4e-06,
            "cache_read_input_token_cost_flex": 1.5e-07, "cache_creation_input_token_cost_flex": 2e-06,
            "input_cost_per_token_priority": 6e-06, "output_cost_per_token_priority": 1.8e-05, "input_cost_per_audio_token": 0,
            "cache_creation_input_token_cost_above_1hr_above_128k_tokens": 1.1e-05,
            "search_context_cost_per_query": {"search_context_size_high": 0.03, "search_context_size_low": 0.01},
            "input_cost_per_request": 0.004, "google_maps_grounding_cost_per_query": 0.02}}"#;
        let imported = import_litellm(text).unwrap();
        let price = imported.lines[0].price().unwrap();
        let (tier, usd) = (&price.context_tiers[0], |hundredths: i64| NanoUsd(hundredths * 10_000_000));
        // Two lengths: the shorter one counts.
        assert_eq!(tier.above_prompt_tokens, 128_000);
        let rates = &tier.rates;
        assert_eq!((rates.input, rates.output, rates.cache_read), (usd(600), usd(1_300), usd(70)));
        assert_eq!((rates.cache_write_5m, rates.cache_write_1h), (usd(900), usd(1_100)));
        let batch = price.batch.unwrap();
        assert_eq!((batch.cache_read, batch.cache_write_5m), (usd(20), usd(200)));
        let flex = price.flex.unwrap();
        assert_eq!((flex.input, flex.output), (usd(150), usd(400)));
        assert_eq!((flex.cache_read, flex.cache_write_5m), (usd(15), usd(200)));
        // What is not told of the cache is as much dearer as the prompt.
        let priority = price.priority.unwrap();
        assert_eq!((priority.input, priority.output), (usd(600), usd(1_800)));
        assert_eq!((priority.cache_read, priority.cache_write_5m), (usd(60), usd(800)));
        assert_eq!((price.tool_use, price.request), (usd(3), NanoUsd(4_000_000)));
        let unread: Vec<_> = imported.unread.into_iter().collect();
        let names =
            ["google_maps_grounding_cost_per_query", "input_cost_per_token_above_272k_tokens_priority"];
        assert_eq!(unread, names.map(|name| (name.to_owned(), 1)));
    }
}
