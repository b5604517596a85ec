//! The metrics of booked calls. Their handles are kept: finding one by its labels costs a dozen allocations.

use metrics::{Counter, Histogram, counter, histogram};
use nunchi_core::{CacheVerdict, CallRecord, Outcome, Tier};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// What beside the provider makes one row of figures. Labels are bounded: no model names, which callers choose.
type Kind = (Outcome, CacheVerdict, Option<Tier>);

/// The figures of one provider and kind.
#[derive(Clone)]
struct Figures {
    calls: Counter,
    cost: Counter,
    input: Counter,
    cache_read: Counter,
    output: Counter,
    seconds: Histogram,
}

/// Counts calls.
#[derive(Default)]
pub(crate) struct CallCounters(RwLock<HashMap<String, Vec<(Kind, Figures)>>>);

impl CallCounters {
    /// Counts a booked row.
    pub(crate) fn count(&self, record: &CallRecord) {
        let figures = self.figures(record);
        figures.calls.increment(1);
        figures.cost.increment(u64::try_from(record.cost.0).unwrap_or(0));
        figures.input.increment(record.usage.input);
        figures.cache_read.increment(record.usage.cache_read);
        figures.output.increment(record.usage.completion_tokens());
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a call fit a double")]
        figures.seconds.record(record.latency_us as f64 / 1e6);
    }

    fn figures(&self, record: &CallRecord) -> Figures {
        let kind = (record.outcome, record.cache, record.tier);
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found =
            known.get(&record.provider).and_then(|kinds| kinds.iter().find(|(known, _)| *known == kind));
        if let Some((_, figures)) = found {
            return figures.clone();
        }
        drop(known);
        let figures = Figures::of(record);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(record.provider.clone()).or_default().push((kind, figures.clone()));
        figures
    }
}

impl Figures {
    fn of(record: &CallRecord) -> Self {
        let labels = [
            ("provider", record.provider.clone()),
            ("outcome", format!("{:?}", record.outcome).to_lowercase()),
            ("cache", record.cache.as_str().to_owned()),
            ("tier", record.tier.map_or("-", Tier::as_str).to_owned()),
        ];
        Self {
            calls: counter!("nunchi_calls_total", &labels),
            cost: counter!("nunchi_cost_nano_usd_total", "provider" => record.provider.clone()),
            input: counter!("nunchi_tokens_total", "kind" => "input"),
            cache_read: counter!("nunchi_tokens_total", "kind" => "cache_read"),
            output: counter!("nunchi_tokens_total", "kind" => "output"),
            seconds: histogram!("nunchi_call_duration_seconds", "cache" => record.cache.as_str()),
        }
    }
}
