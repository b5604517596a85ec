//! Reads what was booked: rows, totals, notices.

use super::connection::failure;
use super::ledger::SqliteLedger;
use super::rows::{Bound, COLUMNS, outcome_name, read_call};
use nunchi_core::{
    BoxFuture, BudgetNotice, CallFilter, CallRecord, Grouping, LedgerReader, NanoUsd, StorageError, Total,
    Usage,
};
use rusqlite::{Connection, Row, params_from_iter};
use std::sync::{Arc, PoisonError};

impl SqliteLedger {
    /// Runs a query off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let reader = Arc::clone(&self.reader);
        let read = tokio::task::spawn_blocking(move || {
            query(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        });
        read.await.map_err(|error| StorageError::Other(error.to_string()))?
    }
}

impl LedgerReader for SqliteLedger {
    fn calls(&self, filter: CallFilter) -> BoxFuture<'_, Result<Vec<CallRecord>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let (condition, values) = condition(&filter);
            let limit = filter.limit.unwrap_or(u32::MAX);
            let sql = format!(
                "SELECT {COLUMNS} FROM calls WHERE {condition} ORDER BY started DESC, id DESC LIMIT {limit}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
            let rows = statement.query_map(params_from_iter(values), read_call).map_err(failure)?;
            rows.collect::<Result<_, _>>().map_err(failure)
        }))
    }

    fn totals(&self, filter: CallFilter, by: Grouping) -> BoxFuture<'_, Result<Vec<Total>, StorageError>> {
        let zone = self.options.time_zone.clone();
        Box::pin(self.read(move |connection| {
            let mut totals = totals(connection, &filter, by, &zone)?;
            for total in &mut totals {
                total.p95_latency_us = p95(connection, &filter, by, &total.group, &zone)?;
            }
            Ok(totals)
        }))
    }

    fn notices(&self, limit: u32) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT body FROM notices ORDER BY at DESC, rowid DESC LIMIT ?")
                .map_err(failure)?;
            let bodies = statement.query_map([limit], |row| row.get::<_, String>(0)).map_err(failure)?;
            let read = |body: String| {
                serde_json::from_str(&body)
                    .map_err(|error| StorageError::Damaged(format!("a notice: {error}")))
            };
            bodies.map(|body| read(body.map_err(failure)?)).collect()
        }))
    }
}

/// The rows a filter means, as SQL with values to bind.
fn condition(filter: &CallFilter) -> (String, Vec<Bound>) {
    let mut sql = String::from("1");
    let mut values: Vec<Bound> = Vec::new();
    let mut and = |text: &str, value: Option<Bound>| {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(text);
            values.push(value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(|text| Box::new(text) as Bound);
    and("started >= ?", filter.since.map(|at| Box::new(at.as_microsecond()) as Bound));
    and("started < ?", filter.until.map(|at| Box::new(at.as_microsecond()) as Bound));
    and("provider = ?", text(&filter.provider));
    and("model = ?", text(&filter.model));
    and("session = ?", text(&filter.session));
    and("key = ?", filter.key.map(|key| Box::new(key.0.as_bytes().to_vec()) as Bound));
    and("outcome = ?", filter.outcome.map(|outcome| Box::new(outcome_name(outcome)) as Bound));
    (sql, values)
}

/// The expression rows are grouped by. Days are those of the zone, taken at its offset of now: SQLite knows no zones.
fn group(by: Grouping, zone: &jiff::tz::TimeZone) -> String {
    let column = |name: &str| format!("coalesce({name}, '-')");
    match by {
        Grouping::Provider => column("provider"),
        Grouping::Model => "provider || '/' || model".into(),
        Grouping::Session => column("session"),
        Grouping::Phase => column("phase"),
        Grouping::Task => column("task"),
        Grouping::Key => column("principal"),
        Grouping::Tier => column("tier"),
        Grouping::Outcome => column("outcome"),
        Grouping::Cache => column("cache"),
        Grouping::All => "'all'".into(),
        Grouping::Day => {
            let offset =
                zone.to_offset(jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_780_000_000));
            format!("date(started / 1000000 + {}, 'unixepoch')", offset.seconds())
        }
    }
}

const SUMS: &str = "count(*), sum(outcome NOT IN ('ok', 'aborted')), sum(cache IN ('exact', 'semantic')), sum(input), \
    sum(cache_read), sum(cache_write_5m), sum(cache_write_1h), sum(output), sum(reasoning), sum(tool_uses), sum(cost), \
    sum(baseline), cast(coalesce(avg(CASE WHEN outcome = 'ok' THEN latency_us END), 0) AS INTEGER)";

fn totals(
    connection: &Connection,
    filter: &CallFilter,
    by: Grouping,
    zone: &jiff::tz::TimeZone,
) -> Result<Vec<Total>, StorageError> {
    let (condition, values) = condition(filter);
    let order = if by == Grouping::Day { "1" } else { "12 DESC, 2 DESC" };
    let limit = filter.limit.unwrap_or(1_000);
    let group = group(by, zone);
    let sql = format!(
        "SELECT {group}, {SUMS} FROM calls WHERE {condition} GROUP BY 1 ORDER BY {order} LIMIT {limit}"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let rows = statement.query_map(params_from_iter(values), read_total).map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

fn read_total(row: &Row<'_>) -> rusqlite::Result<Total> {
    let count = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(Total {
        group: row.get(0)?,
        calls: count(1)?,
        failed: count(2)?,
        cache_hits: count(3)?,
        usage: Usage {
            input: count(4)?,
            cache_read: count(5)?,
            cache_write_5m: count(6)?,
            cache_write_1h: count(7)?,
            output: count(8)?,
            reasoning: count(9)?,
            tool_uses: count(10)?,
        },
        cost: NanoUsd(row.get(11)?),
        baseline_cost: NanoUsd(row.get(12)?),
        mean_latency_us: count(13)?,
        p95_latency_us: 0,
    })
}

/// The 95th percentile of a group's answered rows.
fn p95(
    connection: &Connection,
    filter: &CallFilter,
    by: Grouping,
    name: &str,
    zone: &jiff::tz::TimeZone,
) -> Result<u64, StorageError> {
    let (condition, mut values) = condition(filter);
    let group = group(by, zone);
    values.push(Box::new(name.to_owned()));
    let rows = format!("FROM calls WHERE {condition} AND {group} = ?{} AND outcome = 'ok'", values.len());
    let numbered = number(&rows);
    let sql = format!(
        "SELECT latency_us {numbered} ORDER BY latency_us LIMIT 1 OFFSET (SELECT max(0, count(*) * 95 / 100 - 1) {numbered})"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
    let mut found = statement.query(params_from_iter(values)).map_err(failure)?;
    let row = found.next().map_err(failure)?;
    let latency: i64 = row.map_or(Ok(0), |row| row.get(0)).map_err(failure)?;
    Ok(u64::try_from(latency).unwrap_or(0))
}

/// Numbers the bare `?` of a condition, so that it can stand twice in a statement.
fn number(sql: &str) -> String {
    let mut next = 0;
    let mut numbered = String::with_capacity(sql.len() + 8);
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        numbered.push(c);
        if c == '?' && !chars.peek().is_some_and(char::is_ascii_digit) {
            next += 1;
            numbered.push_str(&next.to_string());
        }
    }
    numbered
}
