//! Ledger rows in and out of the database.

use super::connection::failure;
use jiff::Timestamp;
use nunchi_core::{
    Account, Booked, CacheVerdict, CallId, CallRecord, Charge, KeyId, NanoUsd, Outcome, RequestId, RunId,
    Saved, StepId, StorageError, Tier, Usage, UserId,
};
use rusqlite::{Connection, Row, ToSql, params};
use std::sync::Arc;
use uuid::Uuid;

/// Columns of a row, in the order in which [`read_call`] takes them.
pub(super) const COLUMNS: &str = "id, request, started, latency_us, first_event_us, provider, model, requested_model, tier, \
    reason, cache, outcome, error_code, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, tool_uses, \
    estimated, batch, cost, baseline, price_version, principal, key, user, session, run, step, phase, task, tags, notes, \
    saved_prompt_cache, saved_tools, saved_compression, saved_batch";

const INSERT: &str = "INSERT OR IGNORE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Whether a row is there.
pub(super) fn is_booked(connection: &Connection, call: CallId) -> Result<bool, StorageError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM calls WHERE id = ?").map_err(failure)?;
    statement.exists([call.0.as_bytes()]).map_err(failure)
}

/// Writes a row; tells whether it was new.
pub(super) fn write_call(connection: &Connection, call: &CallRecord) -> Result<bool, StorageError> {
    let usage = &call.usage;
    let list = |texts: &[String]| if texts.is_empty() { None } else { serde_json::to_string(texts).ok() };
    let (tags, notes) = (list(&call.tags), list(&call.notes));
    let bytes = |id: Option<Uuid>| id.map(Uuid::into_bytes);
    // By place, in the order of COLUMNS: looking every name up takes longer than writing the row.
    let mut statement = connection.prepare_cached(INSERT).map_err(failure)?;
    let changed = statement.execute(params![
        call.id.0.as_bytes(),
        call.request.0.as_bytes(),
        call.started.as_microsecond(),
        whole(call.latency_us),
        call.first_event_us.map(whole),
        call.provider,
        call.model,
        call.requested_model,
        call.tier.map(Tier::as_str),
        call.reason,
        call.cache.as_str(),
        outcome_name(call.outcome),
        call.error_code,
        whole(usage.input),
        whole(usage.cache_read),
        whole(usage.cache_write_5m),
        whole(usage.cache_write_1h),
        whole(usage.output),
        whole(usage.reasoning),
        whole(usage.tool_uses),
        call.usage_estimated,
        call.batch,
        call.cost.0,
        call.baseline_cost.0,
        call.price_version,
        call.principal,
        bytes(call.key.map(|id| id.0)),
        bytes(call.user.map(|id| id.0)),
        call.session.as_deref(),
        bytes(call.run.map(|id| id.0)),
        bytes(call.step.map(|id| id.0)),
        call.phase.as_deref(),
        call.task.as_deref(),
        tags,
        notes,
        call.saved.prompt_cache.0,
        call.saved.tools.0,
        call.saved.compression.0,
        call.saved.batch.0,
    ]);
    Ok(changed.map_err(failure)? > 0)
}

/// Reads a row selected with [`COLUMNS`].
pub(super) fn read_call(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    let count = |at: usize| row.get::<_, i64>(at).map(|number| u64::try_from(number).unwrap_or(0));
    let text = |at: usize| row.get::<_, Option<String>>(at).map(|text| text.map(Arc::from));
    let texts = |at: usize| -> rusqlite::Result<Vec<String>> {
        let text: Option<String> = row.get(at)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    };
    Ok(CallRecord {
        id: CallId(uuid(row, 0)?.unwrap_or_default()),
        request: RequestId(uuid(row, 1)?.unwrap_or_default()),
        started: time(row, 2)?,
        latency_us: count(3)?,
        first_event_us: row.get::<_, Option<i64>>(4)?.and_then(|number| u64::try_from(number).ok()),
        provider: row.get(5)?,
        model: row.get(6)?,
        requested_model: row.get(7)?,
        tier: row.get::<_, Option<String>>(8)?.and_then(|text| text.parse().ok()),
        reason: row.get(9)?,
        cache: cache_of(&row.get::<_, String>(10)?),
        outcome: outcome_of(&row.get::<_, String>(11)?),
        error_code: row.get(12)?,
        usage: Usage {
            input: count(13)?,
            cache_read: count(14)?,
            cache_write_5m: count(15)?,
            cache_write_1h: count(16)?,
            output: count(17)?,
            reasoning: count(18)?,
            tool_uses: count(19)?,
        },
        usage_estimated: row.get(20)?,
        batch: row.get(21)?,
        cost: NanoUsd(row.get(22)?),
        baseline_cost: NanoUsd(row.get(23)?),
        price_version: row.get(24)?,
        principal: row.get(25)?,
        key: uuid(row, 26)?.map(KeyId),
        user: uuid(row, 27)?.map(UserId),
        session: text(28)?,
        run: uuid(row, 29)?.map(RunId),
        step: uuid(row, 30)?.map(StepId),
        phase: text(31)?,
        task: text(32)?,
        tags: texts(33)?.into(),
        notes: texts(34)?,
        saved: Saved {
            prompt_cache: NanoUsd(row.get(35)?),
            tools: NanoUsd(row.get(36)?),
            compression: NanoUsd(row.get(37)?),
            batch: NanoUsd(row.get(38)?),
        },
    })
}

/// An id column.
pub(super) fn uuid(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Uuid>> {
    let bytes: Option<Vec<u8>> = row.get(at)?;
    Ok(bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok()))
}

/// A time column.
pub(super) fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_microsecond(row.get(at)?).unwrap_or_default())
}

/// Numbers beyond what SQLite holds stay at its end.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An outcome's name in the database and on the wire.
pub(super) const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Aborted => "aborted",
        Outcome::Cut => "cut",
        Outcome::TimedOut => "timed_out",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::Crashed => "crashed",
    }
}

fn outcome_of(name: &str) -> Outcome {
    use Outcome::{Aborted, Crashed, Cut, Failed, Ok, Refused, TimedOut};
    [Ok, Aborted, Cut, TimedOut, Failed, Refused, Crashed]
        .into_iter()
        .find(|outcome| outcome_name(*outcome) == name)
        .unwrap_or(Failed)
}

fn cache_of(name: &str) -> CacheVerdict {
    use CacheVerdict::{Bypass, Exact, Miss, Semantic};
    [Exact, Semantic, Miss, Bypass].into_iter().find(|verdict| verdict.as_str() == name).unwrap_or(Miss)
}

/// A value to bind, of any kind.
pub(super) type Bound = Box<dyn ToSql + Send>;

/// Writes a hold with the row to book should the process die.
pub(super) fn write_hold(
    connection: &Connection,
    call: CallId,
    money: NanoUsd,
    tokens: u64,
    if_lost: &str,
    outlives: bool,
) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?, ?)";
    let mut insert = connection.prepare_cached(sql).map_err(failure)?;
    insert.execute(params![call.0.as_bytes(), money.0, whole(tokens), if_lost, outlives]).map_err(failure)?;
    Ok(())
}

/// Removes a hold; there may be none.
pub(super) fn delete_hold(connection: &Connection, call: CallId) -> Result<(), StorageError> {
    let mut delete = connection.prepare_cached("DELETE FROM holds WHERE id = ?").map_err(failure)?;
    delete.execute([call.0.as_bytes()]).map_err(failure)?;
    Ok(())
}

/// Adds bookings to the durable counters, each counter once, and keeps their notices.
pub(super) fn write_booked<'a>(
    connection: &Connection,
    booked: impl Iterator<Item = &'a Booked> + Clone,
) -> Result<(), StorageError> {
    let mut sums: Vec<Charge> = Vec::new();
    for charge in booked.clone().flat_map(|booked| &booked.charges) {
        match sums.iter_mut().find(|sum| sum.account == charge.account) {
            Some(sum) => sum.units = sum.units.saturating_add(charge.units),
            None => sums.push(charge.clone()),
        }
    }
    let sql = "INSERT INTO spent VALUES (?1, ?2, ?3, ?4) ON CONFLICT (budget, instance, start) DO UPDATE SET units = units + ?4";
    for Charge { account, units } in &sums {
        let mut add = connection.prepare_cached(sql).map_err(failure)?;
        let (budget, start) = (account.budget.0.as_bytes(), account.start.as_microsecond());
        add.execute(params![budget, instance_name(account), start, units]).map_err(failure)?;
    }
    for (account, notice) in booked.flat_map(|booked| &booked.notices) {
        let body = serde_json::to_string(notice).map_err(|error| StorageError::Other(error.to_string()))?;
        let (budget, start) = (account.budget.0.as_bytes(), account.start.as_microsecond());
        let row = params![notice.at.as_microsecond(), budget, instance_name(account), start, body];
        connection.execute("INSERT INTO notices VALUES (?, ?, ?, ?, ?)", row).map_err(failure)?;
    }
    Ok(())
}

/// The session of a counter as stored; the empty text stands for none.
fn instance_name(account: &Account) -> &str {
    account.instance.as_deref().unwrap_or("")
}
