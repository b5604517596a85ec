//! Our price file: dollars per million tokens as decimal text, one line a model.

use super::decimal::{scaled_decimal, usd_per_million};
use nunchi_core::{ContextTier, ModelPrice, NanoUsd, Rates};
use nunchi_gateway::undated;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A versioned list of prices.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PriceFile {
    /// Usually a date.
    pub(crate) version: String,
    /// The lines.
    pub(crate) models: Vec<PriceLine>,
}

/// A model's prices: dollars per million tokens, fees in dollars by the piece.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PriceLine {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) input: String,
    pub(crate) output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_write_1h: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flex_input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flex_output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flex_cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flex_cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority_input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority_output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority_cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) priority_cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above_input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above_output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above_cache_read: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above_cache_write: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) above_cache_write_1h: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_use: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_output: Option<u64>,
}

impl PriceFile {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The lines as prices.
    pub(crate) fn prices(&self) -> Result<Vec<ModelPrice>, String> {
        self.models.iter().map(PriceLine::price).collect()
    }

    /// Lays a line over the one of the same model, or of the model it is a dated release of: what it leaves out stays.
    pub(crate) fn lay(&mut self, line: PriceLine) {
        let of = |model: &str| {
            self.models.iter().position(|old| old.provider == line.provider && old.model == model)
        };
        match of(&line.model) {
            Some(place) => self.models[place] = line.over(&self.models[place]),
            None => {
                let under = undated(&line.model).and_then(of);
                self.models.push(match under {
                    Some(place) => line.over(&self.models[place]),
                    None => line,
                });
            }
        }
    }
}

/// What a line says, else what the line under it said.
fn kept<T: Clone>(own: Option<T>, under: Option<&T>) -> Option<T> {
    own.or_else(|| under.cloned())
}

/// The same for a rate, which rises with the rate that it belongs to (`from`, `to`) and never falls by itself: a
/// price that was only half told is rather too high than too low.
fn risen(own: Option<String>, under: Option<&String>, (from, to): (&str, &str)) -> Option<String> {
    let grown = |rate: &str| {
        let [rate, from, to] = [rate, from, to].map(|text| usd_per_million(text).map(|rate| rate.0));
        let (rate, from, to) = (rate?, from?, to?);
        (from > 0 && to > from).then(|| scaled(NanoUsd(rate), NanoUsd(to), NanoUsd(from)).to_string())
    };
    own.or_else(|| under.map(|rate| grown(rate).unwrap_or_else(|| rate.clone())))
}

/// A rate times `to / from`, rounded up; as it is where `from` is nothing.
fn scaled(rate: NanoUsd, to: NanoUsd, from: NanoUsd) -> NanoUsd {
    if from.0 <= 0 {
        return rate;
    }
    let (product, divisor) = (i128::from(rate.0) * i128::from(to.0), i128::from(from.0));
    NanoUsd::saturating_from((product + divisor - 1).div_euclid(divisor))
}

impl PriceLine {
    /// The line over another one: what it does not tell stays as that one told it.
    fn over(self, under: &Self) -> Self {
        let (input, output) = ((&*under.input, &*self.input), (&*under.output, &*self.output));
        Self {
            cache_read: risen(self.cache_read, under.cache_read.as_ref(), input),
            cache_write: risen(self.cache_write, under.cache_write.as_ref(), input),
            cache_write_1h: risen(self.cache_write_1h, under.cache_write_1h.as_ref(), input),
            reasoning: risen(self.reasoning, under.reasoning.as_ref(), output),
            batch_input: risen(self.batch_input, under.batch_input.as_ref(), input),
            batch_output: risen(self.batch_output, under.batch_output.as_ref(), output),
            batch_cache_read: risen(self.batch_cache_read, under.batch_cache_read.as_ref(), input),
            batch_cache_write: risen(self.batch_cache_write, under.batch_cache_write.as_ref(), input),
            flex_input: risen(self.flex_input, under.flex_input.as_ref(), input),
            flex_output: risen(self.flex_output, under.flex_output.as_ref(), output),
            flex_cache_read: risen(self.flex_cache_read, under.flex_cache_read.as_ref(), input),
            flex_cache_write: risen(self.flex_cache_write, under.flex_cache_write.as_ref(), input),
            priority_input: risen(self.priority_input, under.priority_input.as_ref(), input),
            priority_output: risen(self.priority_output, under.priority_output.as_ref(), output),
            priority_cache_read: risen(self.priority_cache_read, under.priority_cache_read.as_ref(), input),
            priority_cache_write: risen(
                self.priority_cache_write,
                under.priority_cache_write.as_ref(),
                input,
            ),
            above: kept(self.above, under.above.as_ref()),
            above_input: risen(self.above_input, under.above_input.as_ref(), input),
            above_output: risen(self.above_output, under.above_output.as_ref(), output),
            above_cache_read: risen(self.above_cache_read, under.above_cache_read.as_ref(), input),
            above_cache_write: risen(self.above_cache_write, under.above_cache_write.as_ref(), input),
            above_cache_write_1h: risen(
                self.above_cache_write_1h,
                under.above_cache_write_1h.as_ref(),
                input,
            ),
            tool_use: kept(self.tool_use, under.tool_use.as_ref()),
            request: kept(self.request, under.request.as_ref()),
            context: kept(self.context, under.context.as_ref()),
            max_output: kept(self.max_output, under.max_output.as_ref()),
            ..self
        }
    }

    /// The line as a price; an unnamed class costs what its nearest named one does, never less.
    pub(crate) fn price(&self) -> Result<ModelPrice, String> {
        let read = |text: &str| {
            usd_per_million(text)
                .ok_or_else(|| format!("{}/{}: \"{text}\" is no price", self.provider, self.model))
        };
        let or = |text: &Option<String>, other: NanoUsd| text.as_deref().map_or(Ok(other), read);
        let (input, output) = (read(&self.input)?, read(&self.output)?);
        let cache_write = or(&self.cache_write, input)?;
        let rates = Rates {
            input,
            cache_read: or(&self.cache_read, input)?,
            cache_write_5m: cache_write,
            cache_write_1h: or(&self.cache_write_1h, cache_write)?,
            output,
            reasoning: or(&self.reasoning, output)?,
        };
        let tier = |told: Told<'_>, cache: Told<'_>| tier_rates(rates, told, cache);
        Ok(ModelPrice {
            provider: self.provider.clone(),
            model: self.model.clone(),
            rates,
            context_tiers: self.context_tier(rates)?.into_iter().collect(),
            batch: tier(
                (&self.batch_input, &self.batch_output),
                (&self.batch_cache_read, &self.batch_cache_write),
            )?,
            flex: tier(
                (&self.flex_input, &self.flex_output),
                (&self.flex_cache_read, &self.flex_cache_write),
            )?,
            priority: tier(
                (&self.priority_input, &self.priority_output),
                (&self.priority_cache_read, &self.priority_cache_write),
            )?,
            tool_use: self.fee(self.tool_use.as_ref())?,
            request: self.fee(self.request.as_ref())?,
            context_window: self.context,
            max_output: self.max_output,
        })
    }

    fn context_tier(&self, rates: Rates) -> Result<Option<ContextTier>, String> {
        let Some(above_prompt_tokens) = self.above else { return Ok(None) };
        let read = |text: &Option<String>, other: NanoUsd| {
            text.as_deref().map_or(Ok(other), |text| {
                usd_per_million(text).ok_or_else(|| format!("\"{text}\" is no price"))
            })
        };
        let input = read(&self.above_input, rates.input)?;
        let output = read(&self.above_output, rates.output)?;
        let grown = |rate: NanoUsd| scaled(rate, input, rates.input);
        let rates = Rates {
            input,
            cache_read: read(&self.above_cache_read, grown(rates.cache_read))?,
            cache_write_5m: read(&self.above_cache_write, grown(rates.cache_write_5m))?,
            cache_write_1h: read(&self.above_cache_write_1h, grown(rates.cache_write_1h))?,
            output,
            reasoning: output.max(rates.reasoning),
        };
        Ok(Some(ContextTier { above_prompt_tokens, rates }))
    }

    fn fee(&self, text: Option<&String>) -> Result<NanoUsd, String> {
        let Some(text) = text else { return Ok(NanoUsd::ZERO) };
        scaled_decimal(text, 9).map(NanoUsd).ok_or_else(|| format!("\"{text}\" is no fee"))
    }
}

/// Two rates that a line may tell: of prompts and answers, or of reading and writing the cache.
type Told<'a> = (&'a Option<String>, &'a Option<String>);

/// The rates of a service tier that a line tells of. What it leaves out of the cache's rates rises with the prompt's and falls with them no
/// further than it must: it is rather too high than too low.
fn tier_rates(
    rates: Rates,
    (input, output): Told<'_>,
    (cache_read, cache_write): Told<'_>,
) -> Result<Option<Rates>, String> {
    let (Some(input), Some(output)) = (input, output) else { return Ok(None) };
    let read = |text: &String| usd_per_million(text).ok_or_else(|| format!("\"{text}\" is no price"));
    let (input, output) = (read(input)?, read(output)?);
    let grown = |rate: NanoUsd| scaled(rate, input, rates.input);
    let usual_read = rates.cache_read.min(input).max(grown(rates.cache_read));
    let cache_write = cache_write.as_ref().map_or(Ok(grown(rates.cache_write_5m)), read)?;
    Ok(Some(Rates {
        input,
        cache_read: cache_read.as_ref().map_or(Ok(usual_read), read)?,
        cache_write_5m: cache_write,
        cache_write_1h: cache_write.max(grown(rates.cache_write_1h)),
        output,
        reasoning: output,
    }))
}

/// The owner's lines; none when there is no file.
pub(crate) fn read_prices(path: &Path) -> Result<PriceFile, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => PriceFile::parse(&text).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(PriceFile::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Writes the owner's lines, whole or not at all.
pub(crate) fn write_prices(path: &Path, file: &PriceFile) -> Result<(), String> {
    let text = serde_json::to_string_pretty(file).map_err(|error| error.to_string())?;
    let draft = path.with_extension("json.new");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}
