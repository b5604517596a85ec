//! Sums over rows, in one pass: days need the zone's calendar and percentiles need the values, and SQLite has neither.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nunchi_core::{BudgetWindow, Grouping, NanoUsd, Total, Usage, window_end, window_start};
use rusqlite::Row;
use std::collections::HashMap;

/// The columns that [`Totals::add`] takes; the first is the group's, and empty for days.
pub(super) fn columns(by: Grouping) -> String {
    let group = match by {
        Grouping::Provider => "provider",
        Grouping::Model => "provider || '/' || model",
        Grouping::Session => "session",
        Grouping::Phase => "phase",
        Grouping::Task => "task",
        Grouping::Key => "principal",
        Grouping::Tier => "tier",
        Grouping::Outcome => "outcome",
        Grouping::Cache => "cache",
        Grouping::All | Grouping::Day => "NULL",
    };
    format!(
        "{group}, started, outcome = 'ok', outcome NOT IN ('ok', 'aborted'), cache IN ('exact', 'semantic'), input, \
         cache_read, cache_write_5m, cache_write_1h, output, reasoning, tool_uses, cost, baseline, latency_us"
    )
}

/// Sums under way.
pub(super) struct Totals {
    by: Grouping,
    zone: TimeZone,
    groups: HashMap<String, Group>,
    day: Option<Day>,
}

/// The day of the row before: rows of a day follow each other mostly.
struct Day {
    from: i64,
    until: i64,
    name: String,
}

#[derive(Default)]
struct Group {
    total: Total,
    latency_sum: u128,
    latencies: Latencies,
}

impl Totals {
    pub(super) fn new(by: Grouping, zone: TimeZone) -> Self {
        Self { by, zone, groups: HashMap::new(), day: None }
    }

    /// Adds a row selected with [`columns`].
    pub(super) fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let count = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
        let named = row.get_ref(0)?;
        let name = match self.by {
            Grouping::All => "all",
            Grouping::Day => day_of(&mut self.day, &self.zone, row.get(1)?),
            _ => named.as_str_or_null()?.unwrap_or("-"),
        };
        let usage = Usage {
            input: count(5)?,
            cache_read: count(6)?,
            cache_write_5m: count(7)?,
            cache_write_1h: count(8)?,
            output: count(9)?,
            reasoning: count(10)?,
            tool_uses: count(11)?,
        };
        let group = match self.groups.get_mut(name) {
            Some(group) => group,
            None => {
                let name = name.to_owned();
                self.groups.entry(name).or_default()
            }
        };
        group.total.calls += 1;
        group.total.failed += count(3)?;
        group.total.cache_hits += count(4)?;
        group.total.usage += usage;
        group.total.cost += NanoUsd(row.get(12)?);
        group.total.baseline_cost += NanoUsd(row.get(13)?);
        if row.get::<_, bool>(2)? {
            let latency = count(14)?;
            group.latency_sum += u128::from(latency);
            group.latencies.add(latency);
        }
        Ok(())
    }

    /// The sums, the dearest first; days in their order.
    pub(super) fn finish(self, limit: usize) -> Vec<Total> {
        let finish = |(name, group): (String, Group)| {
            let answered = group.latencies.count.max(1);
            Total {
                group: name,
                mean_latency_us: u64::try_from(group.latency_sum / u128::from(answered)).unwrap_or(u64::MAX),
                p95_latency_us: group.latencies.percentile(95),
                ..group.total
            }
        };
        let mut totals: Vec<Total> = self.groups.into_iter().map(finish).collect();
        if self.by == Grouping::Day {
            totals.sort_by(|a, b| a.group.cmp(&b.group));
        } else {
            totals.sort_by(|a, b| (b.cost, b.calls, &a.group).cmp(&(a.cost, a.calls, &b.group)));
        }
        totals.truncate(limit);
        totals
    }
}

/// The name of a row's day.
fn day_of<'a>(last: &'a mut Option<Day>, zone: &TimeZone, micros: i64) -> &'a str {
    let known = last.take().filter(|day| (day.from..day.until).contains(&micros));
    let day = known.unwrap_or_else(|| {
        let at = Timestamp::from_microsecond(micros).unwrap_or_default();
        let end = window_end(BudgetWindow::Day, at, zone);
        Day {
            from: window_start(BudgetWindow::Day, at, zone).as_microsecond(),
            until: end.unwrap_or(Timestamp::MAX).as_microsecond(),
            name: zone.to_datetime(at).date().to_string(),
        }
    });
    &last.insert(day).name
}

/// Values kept exactly while they are few.
const EXACT: usize = 4_096;
/// Buckets of each power of two are this power of two: a percentile of many values is off by less than 1 %.
const FINE_BITS: u32 = 7;

/// Durations, for percentiles.
#[derive(Default)]
struct Latencies {
    count: u64,
    exact: Vec<u64>,
    buckets: Vec<u32>,
}

impl Latencies {
    fn add(&mut self, value: u64) {
        self.count += 1;
        if self.buckets.is_empty() && self.exact.len() < EXACT {
            self.exact.push(value);
            return;
        }
        if self.buckets.is_empty() {
            self.buckets = vec![0; bucket(u64::MAX) + 1];
            for value in std::mem::take(&mut self.exact) {
                self.buckets[bucket(value)] += 1;
            }
        }
        let slot = &mut self.buckets[bucket(value)];
        *slot = slot.saturating_add(1);
    }

    /// The value that so many per cent do not exceed (the nearest rank).
    fn percentile(mut self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        if self.buckets.is_empty() {
            self.exact.sort_unstable();
            return usize::try_from(rank - 1).ok().and_then(|at| self.exact.get(at).copied()).unwrap_or(0);
        }
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map_or(0, bucket_start)
    }
}

/// The bucket of a value: exact below the first power, then so many to each power of two.
fn bucket(value: u64) -> usize {
    let power = u64::BITS - value.leading_zeros();
    let shift = power.saturating_sub(FINE_BITS + 1);
    usize::try_from((u64::from(shift) << FINE_BITS) + (value >> shift)).unwrap_or(usize::MAX)
}

/// The smallest value of a bucket.
fn bucket_start(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket >> FINE_BITS).saturating_sub(1);
    (bucket - (shift << FINE_BITS)) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut before = 0;
        for value in
            (0..2_000).chain((11..64).flat_map(|power| [(1_u64 << power) - 1, 1 << power, (1 << power) + 3]))
        {
            let (at, start) = (bucket(value), bucket_start(bucket(value)));
            assert!(at >= before || value < 2_000, "{value}");
            assert!(
                start <= value && value - start <= value >> FINE_BITS,
                "{value} in a bucket from {start}"
            );
            assert_eq!(bucket(start), at, "{value}");
            before = at;
        }
        assert_eq!(bucket(255), 255);
        assert_eq!(bucket_start(bucket(u64::MAX)).leading_zeros(), 0);
    }

    #[test]
    fn percentiles_of_few_and_of_many() {
        let of = |values: std::ops::RangeInclusive<u64>| {
            let mut latencies = Latencies::default();
            values.for_each(|value| latencies.add(value));
            latencies.percentile(95)
        };
        assert_eq!(of(1..=1), 1);
        assert_eq!(of(1..=20), 19);
        assert_eq!(of(1..=10), 10);
        assert_eq!(of(1..=1_000), 950);
        let many = of(1..=100_000);
        assert!((94_200..=95_000).contains(&many), "{many}");
        assert_eq!(Latencies::default().percentile(95), 0);
    }
}
