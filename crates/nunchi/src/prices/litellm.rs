//! Reads the LiteLLM price file: dollars per token as JSON numbers, taken from their text so that nothing is rounded.

use super::book_file::PriceLine;
use super::decimal::scaled_decimal;
use nunchi_core::NanoUsd;
use serde::Deserialize;
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
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default)]
    litellm_provider: Option<String>,
    #[serde(default)]
    mode: Option<String>,
    #[serde(borrow, default)]
    input_cost_per_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_cost_per_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_read_input_token_cost: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_creation_input_token_cost: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cache_creation_input_token_cost_above_1hr: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_cost_per_reasoning_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_cost_per_token_batches: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_cost_per_token_batches: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_cost_per_token_above_200k_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_cost_per_token_above_200k_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_input_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_output_tokens: Option<&'a RawValue>,
}

/// Reads the file's text. Entries of other providers or kinds are left out and counted, never fatal.
pub(crate) fn import_litellm(text: &str) -> Result<Imported, String> {
    let entries: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut imported = Imported::default();
    for (name, raw) in entries {
        match line(&name, raw) {
            Ok(line) => imported.lines.push(line),
            Err(reason) => *imported.skipped.entry(reason).or_default() += 1,
        }
    }
    Ok(imported)
}

fn line(name: &str, raw: &RawValue) -> Result<PriceLine, &'static str> {
    let entry: Entry<'_> = serde_json::from_str(raw.get()).map_err(|_| "not readable")?;
    let provider = entry
        .litellm_provider
        .as_deref()
        .filter(|provider| PROVIDERS.contains(provider))
        .ok_or("other provider")?;
    if !matches!(entry.mode.as_deref(), Some("chat" | "responses" | "embedding")) {
        return Err("not text");
    }
    let model = name.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    let input = per_million(entry.input_cost_per_token)?.ok_or("no price")?;
    Ok(PriceLine {
        provider: provider.to_owned(),
        model: model.to_owned(),
        input,
        output: per_million(entry.output_cost_per_token)?.unwrap_or_else(|| "0".into()),
        cache_read: per_million(entry.cache_read_input_token_cost)?,
        cache_write: per_million(entry.cache_creation_input_token_cost)?,
        cache_write_1h: per_million(entry.cache_creation_input_token_cost_above_1hr)?,
        reasoning: per_million(entry.output_cost_per_reasoning_token)?,
        batch_input: per_million(entry.input_cost_per_token_batches)?,
        batch_output: per_million(entry.output_cost_per_token_batches)?,
        above: entry.input_cost_per_token_above_200k_tokens.map(|_| 200_000),
        above_input: per_million(entry.input_cost_per_token_above_200k_tokens)?,
        above_output: per_million(entry.output_cost_per_token_above_200k_tokens)?,
        context: whole(entry.max_input_tokens),
        max_output: whole(entry.max_output_tokens),
        ..PriceLine::default()
    })
}

/// Dollars a token as JSON text to dollars a million as decimal text.
fn per_million(raw: Option<&RawValue>) -> Result<Option<String>, &'static str> {
    let Some(text) = raw.map(RawValue::get).filter(|text| *text != "null") else { return Ok(None) };
    let nanos = scaled_decimal(text, 15).ok_or("no number")?;
    Ok(Some(NanoUsd(nanos).to_string()))
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
}
