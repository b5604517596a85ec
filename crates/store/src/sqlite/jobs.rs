//! Jobs in the ledger's file: requests and answers packed, states by name, everything with a wait for the disk.

use super::connection::failure;
use super::ledger::SqliteLedger;
use jiff::Timestamp;
use nunchi_core::{
    BatchId, BatchTerms, BoxFuture, CacheKey, CallContext, CallId, CallRecord, Job, JobAnswer, JobCounts,
    JobHead, JobPlace, JobResult, JobState, JobStore, ModelRequest, StorageError, StoredJob,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Columns of a whole job, in the order in which [`read_job`] takes them.
const WHOLE: &str = "id, state, about, request, answer, record";
/// zstd's level: requests are written in the caller's path.
const LEVEL: i32 = 1;
/// The verdict on a job that was answered.
const ANSWERED: i64 = 1;
/// The verdict on a job that failed or was cancelled.
const FAILED: i64 = 2;

/// What is kept of a job beside its request.
#[derive(Serialize, Deserialize)]
struct About {
    place: Option<JobPlace>,
    context: CallContext,
    created: Timestamp,
    deadline: Timestamp,
    key: Option<CacheKey>,
    terms: Option<BatchTerms>,
}

/// A job as it is written.
struct Written {
    id: CallId,
    batch: Option<BatchId>,
    line: Option<u32>,
    created: Timestamp,
    verdict: i64,
    state: String,
    about: String,
    request: Vec<u8>,
    answer: Option<Vec<u8>>,
    bytes: usize,
}

impl Written {
    fn of(job: Job, answer: Option<&JobAnswer>) -> Result<Self, StorageError> {
        let plain = serde_json::to_vec(&job.request).map_err(other)?;
        let about = About {
            place: job.place,
            context: job.context,
            created: job.created,
            deadline: job.deadline,
            key: job.key,
            terms: job.terms,
        };
        let state = if answer.is_some() { JobState::Done } else { JobState::Queued };
        Ok(Self {
            id: job.id,
            batch: about.place.as_ref().map(|place| place.batch),
            line: about.place.as_ref().map(|place| place.line),
            created: job.created,
            verdict: answer.map_or(0, verdict),
            state: text(&state)?,
            about: text(&about)?,
            request: zstd::encode_all(plain.as_slice(), LEVEL).map_err(other)?,
            answer: answer.map(packed).transpose()?,
            bytes: plain.len(),
        })
    }
}

impl JobStore for SqliteLedger {
    fn add_jobs(&self, jobs: Vec<(Job, Option<JobAnswer>)>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let packed = tokio::task::spawn_blocking(move || {
                jobs.into_iter()
                    .map(|(job, answer)| Written::of(job, answer.as_ref()))
                    .collect::<Result<Vec<_>, _>>()
            });
            let rows = packed.await.map_err(other)??;
            self.writer.work(move |connection| insert(connection, &rows)).await
        })
    }

    fn open_jobs(&self) -> BoxFuture<'_, Result<Vec<JobHead>, StorageError>> {
        Box::pin(self.read(|connection| {
            let sql =
                "SELECT id, state, about, bytes FROM jobs WHERE over = 0 ORDER BY created, batch, line, id";
            let mut statement = connection.prepare(sql).map_err(failure)?;
            let rows = statement.query_map([], read_head).map_err(failure)?;
            rows.map(|row| row.map_err(failure)?).collect()
        }))
    }

    fn jobs(&self, ids: Vec<CallId>) -> BoxFuture<'_, Result<Vec<StoredJob>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = format!("SELECT {WHOLE} FROM jobs WHERE id = ?");
            let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let job = statement.query_row([id.0.as_bytes()], read_job).optional().map_err(failure)?;
                found.extend(job.transpose()?);
            }
            Ok(found)
        }))
    }

    fn advance(&self, ids: Vec<CallId>, to: JobState) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let state = text(&to)?;
            let over = matches!(to, JobState::Done);
            let written = self.writer.work(move |connection| {
                let transaction = connection.transaction().map_err(failure)?;
                let sql = if over {
                    "UPDATE jobs SET state = ?1, record = NULL, over = 1 WHERE id = ?2 AND over = 0"
                } else {
                    "UPDATE jobs SET state = ?1 WHERE id = ?2 AND over = 0"
                };
                for id in &ids {
                    let mut update = transaction.prepare_cached(sql).map_err(failure)?;
                    update.execute(params![state, id.0.as_bytes()]).map_err(failure)?;
                }
                transaction.commit().map_err(failure)
            });
            written.await
        })
    }

    fn answer(&self, results: Vec<JobResult>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let state = text(&JobState::Answered)?;
            let mut rows = Vec::with_capacity(results.len());
            for JobResult { job, answer, record } in &results {
                let record = record.as_ref().map(text).transpose()?;
                rows.push((*job, packed(answer)?, record, verdict(answer)));
            }
            let written = self.writer.work(move |connection| {
                let transaction = connection.transaction().map_err(failure)?;
                for (job, answer, record, verdict) in &rows {
                    let sql = "UPDATE jobs SET state = ?, answer = ?, record = ?, verdict = ? WHERE id = ? AND over = 0";
                    let mut update = transaction.prepare_cached(sql).map_err(failure)?;
                    let row = params![state, answer, record, verdict, job.0.as_bytes()];
                    update.execute(row).map_err(failure)?;
                }
                transaction.commit().map_err(failure)
            });
            written.await
        })
    }

    fn lines(
        &self,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredJob>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = format!("SELECT {WHOLE} FROM jobs WHERE batch = ? AND line >= ? ORDER BY line LIMIT ?");
            let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
            let rows =
                statement.query_map(params![batch.0.as_bytes(), from, most], read_job).map_err(failure)?;
            rows.map(|row| row.map_err(failure)?).collect()
        }))
    }

    fn counts(&self, batch: BatchId) -> BoxFuture<'_, Result<JobCounts, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT count(*), count(*) FILTER (WHERE over = 1 AND verdict = 1), \
                count(*) FILTER (WHERE over = 1 AND verdict <> 1) FROM jobs WHERE batch = ?";
            let count = |row: &Row<'_>, at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
            let read = |row: &Row<'_>| {
                Ok(JobCounts { total: count(row, 0)?, completed: count(row, 1)?, failed: count(row, 2)? })
            };
            connection.query_row(sql, [batch.0.as_bytes()], read).map_err(failure)
        }))
    }

    fn forget_jobs(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, StorageError>> {
        Box::pin(self.writer.work(move |connection| {
            let sql = "DELETE FROM jobs WHERE over > 0 AND batch IS NULL AND created < ?";
            connection.execute(sql, [before.as_microsecond()]).map(|gone| gone as u64).map_err(failure)
        }))
    }
}

fn insert(connection: &mut Connection, rows: &[Written]) -> Result<(), StorageError> {
    let transaction = connection.transaction().map_err(failure)?;
    let sql = "INSERT OR IGNORE INTO jobs (id, batch, line, created, over, verdict, state, about, request, answer, bytes) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    for row in rows {
        let mut insert = transaction.prepare_cached(sql).map_err(failure)?;
        let values = params![
            row.id.0.as_bytes(),
            row.batch.map(|batch| batch.0.into_bytes()),
            row.line,
            row.created.as_microsecond(),
            i64::from(row.verdict > 0),
            row.verdict,
            row.state,
            row.about,
            row.request,
            row.answer,
            i64::try_from(row.bytes).unwrap_or(i64::MAX),
        ];
        insert.execute(values).map_err(failure)?;
    }
    transaction.commit().map_err(failure)
}

const fn verdict(answer: &JobAnswer) -> i64 {
    match answer {
        JobAnswer::Answered { .. } => ANSWERED,
        JobAnswer::Failed(_) | JobAnswer::Cancelled => FAILED,
    }
}

fn id_of(row: &Row<'_>) -> rusqlite::Result<CallId> {
    Ok(CallId(super::rows::uuid(row, 0)?.unwrap_or_default()))
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<Result<JobHead, StorageError>> {
    let id = id_of(row)?;
    let (state, about): (String, String) = (row.get(1)?, row.get(2)?);
    let bytes = row.get::<_, i64>(3)?;
    Ok(head(id, &state, &about, usize::try_from(bytes).unwrap_or(0)))
}

fn head(id: CallId, state: &str, about: &str, bytes: usize) -> Result<JobHead, StorageError> {
    let about: About = parsed(about)?;
    Ok(JobHead {
        id,
        place: about.place,
        owner: about.context.principal.key,
        created: about.created,
        deadline: about.deadline,
        key: about.key,
        provider: about.terms.map(|terms| terms.record.provider),
        state: parsed(state)?,
        bytes,
    })
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<Result<StoredJob, StorageError>> {
    let id = id_of(row)?;
    let (state, about): (String, String) = (row.get(1)?, row.get(2)?);
    let (request, answer): (Vec<u8>, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
    let record: Option<String> = row.get(5)?;
    Ok(whole(id, &state, &about, &request, answer, record))
}

fn whole(
    id: CallId,
    state: &str,
    about: &str,
    request: &[u8],
    answer: Option<Vec<u8>>,
    record: Option<String>,
) -> Result<StoredJob, StorageError> {
    let request: ModelRequest = unpacked(request)?;
    let About { place, context, created, deadline, key, terms } = parsed(about)?;
    let record: Option<Box<CallRecord>> = record.as_deref().map(parsed).transpose()?;
    Ok(StoredJob {
        job: Job { id, place, request, context, created, deadline, key, terms },
        state: parsed(state)?,
        answer: answer.as_deref().map(unpacked).transpose()?,
        record,
    })
}

fn text(value: &impl Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(other)
}

fn packed(value: &impl Serialize) -> Result<Vec<u8>, StorageError> {
    let plain = serde_json::to_vec(value).map_err(other)?;
    zstd::encode_all(plain.as_slice(), LEVEL).map_err(other)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|error| StorageError::Damaged(format!("a job: {error}")))
}

fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StorageError> {
    let plain = zstd::decode_all(bytes).map_err(|error| StorageError::Damaged(format!("a job: {error}")))?;
    serde_json::from_slice(&plain).map_err(|error| StorageError::Damaged(format!("a job: {error}")))
}

fn other(error: impl std::fmt::Display) -> StorageError {
    StorageError::Other(error.to_string())
}
