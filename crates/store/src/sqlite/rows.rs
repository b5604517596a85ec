//! Ledger rows in and out of the database.

use super::connection::failure;
use jiff::Timestamp;
use nunchi_core::{
    CacheVerdict, CallId, CallRecord, KeyId, NanoUsd, Outcome, RequestId, RunId, StepId, StorageError, Tier,
    Usage, UserId,
};
use rusqlite::{Connection, Row, ToSql, named_params};
use std::sync::Arc;
use uuid::Uuid;

/// Columns of a row, in the order in which [`read_call`] takes them.
pub(super) const COLUMNS: &str = "id, request, started, latency_us, first_event_us, provider, model, requested_model, tier, \
    reason, cache, outcome, error_code, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, tool_uses, \
    estimated, batch, cost, baseline, price_version, principal, key, user, session, run, step, phase, task, tags, notes";

const INSERT: &str = "INSERT OR IGNORE INTO calls VALUES (:id, :request, :started, :latency_us, :first_event_us, :provider, \
    :model, :requested_model, :tier, :reason, :cache, :outcome, :error_code, :input, :cache_read, :cache_write_5m, \
    :cache_write_1h, :output, :reasoning, :tool_uses, :estimated, :batch, :cost, :baseline, :price_version, :principal, :key, \
    :user, :session, :run, :step, :phase, :task, :tags, :notes)";

/// Writes a row; tells whether it was new.
pub(super) fn write_call(connection: &Connection, call: &CallRecord) -> Result<bool, StorageError> {
    let usage = &call.usage;
    let list = |texts: &[String]| if texts.is_empty() { None } else { serde_json::to_string(texts).ok() };
    let (tags, notes) = (list(&call.tags), list(&call.notes));
    let bytes = |id: Option<&Uuid>| id.map(|id| id.as_bytes().to_vec());
    let mut statement = connection.prepare_cached(INSERT).map_err(failure)?;
    let changed = statement.execute(named_params! {
        ":id": call.id.0.as_bytes(),
        ":request": call.request.0.as_bytes(),
        ":started": call.started.as_microsecond(),
        ":latency_us": whole(call.latency_us),
        ":first_event_us": call.first_event_us.map(whole),
        ":provider": call.provider,
        ":model": call.model,
        ":requested_model": call.requested_model,
        ":tier": call.tier.map(Tier::as_str),
        ":reason": call.reason,
        ":cache": call.cache.as_str(),
        ":outcome": outcome_name(call.outcome),
        ":error_code": call.error_code,
        ":input": whole(usage.input),
        ":cache_read": whole(usage.cache_read),
        ":cache_write_5m": whole(usage.cache_write_5m),
        ":cache_write_1h": whole(usage.cache_write_1h),
        ":output": whole(usage.output),
        ":reasoning": whole(usage.reasoning),
        ":tool_uses": whole(usage.tool_uses),
        ":estimated": call.usage_estimated,
        ":batch": call.batch,
        ":cost": call.cost.0,
        ":baseline": call.baseline_cost.0,
        ":price_version": call.price_version,
        ":principal": call.principal,
        ":key": bytes(call.key.as_ref().map(|id| &id.0)),
        ":user": bytes(call.user.as_ref().map(|id| &id.0)),
        ":session": call.session.as_deref(),
        ":run": bytes(call.run.as_ref().map(|id| &id.0)),
        ":step": bytes(call.step.as_ref().map(|id| &id.0)),
        ":phase": call.phase.as_deref(),
        ":task": call.task.as_deref(),
        ":tags": tags,
        ":notes": notes,
    });
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
