//! `/v1/batches`, and the table of all routes of files, batches and jobs.

use super::caller::{Caller, Refused};
use super::jsonl::{Line, Lines};
use super::lines::{Endpoint, Read, read, wrong};
use super::list::ListQuery;
use super::wire::{BatchObject, FileRef, Page, parse_batch};
use super::{files, jobs};
use crate::admin::Body;
use crate::door;
use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::{DefaultBodyLimit, Path, Query};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::HeaderMap;
use jiff::SignedDuration;
use nunchi_core::{BatchId, CallContext, FileId, JobPlace, RequestId, StorageError, StoredBatch};
use nunchi_gateway::{BatchIntake, BatchLine};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

/// Most lines of a batch, as OpenAI allows.
const MOST_LINES: u32 = 50_000;
/// Lines that are taken in at once.
const TOGETHER: usize = 256;
/// Most labels of a batch.
const MOST_LABELS: usize = 16;

/// The routes.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        // The length of a file is limited where it is written.
        .route("/v1/files", post(files::upload).layer(DefaultBodyLimit::disable()).get(files::list))
        .route("/v1/files/{id}", get(files::show).delete(files::remove))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/batches", post(create).get(list))
        .route("/v1/batches/{id}", get(show))
        .route("/v1/batches/{id}/cancel", post(cancel))
        .route("/api/jobs/{id}", get(jobs::show).delete(jobs::cancel))
}

/// A batch to be made.
#[derive(Debug, Deserialize)]
pub(super) struct NewBatch {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Option<BTreeMap<String, String>>,
}

/// `POST /v1/batches`
async fn create(
    caller: Caller,
    headers: HeaderMap,
    Body(new): Body<NewBatch>,
) -> Result<Json<BatchObject>, Refused> {
    let Some(endpoint) = Endpoint::of_path(&new.endpoint) else {
        let detail = format!("\"{}\" cannot be asked in batches", new.endpoint);
        return Err(caller.problem(&Problem::unsupported("endpoint", detail)));
    };
    if new.completion_window != "24h" {
        return Err(caller.problem(&Problem::invalid("completion_window", "it must be 24h")));
    }
    let metadata = new.metadata.unwrap_or_default();
    if metadata.len() > MOST_LABELS {
        let detail = format!("more than {MOST_LABELS} entries");
        return Err(caller.problem(&Problem::invalid("metadata", detail)));
    }
    let Some(FileRef::Uploaded(input)) = FileRef::parse(&new.input_file_id) else {
        return Err(caller.absent("file", &new.input_file_id));
    };
    files::own_file(&caller, input, &new.input_file_id).await?;
    let request = RequestId(caller.state.parts.ids.new_id());
    let context = door::context(&headers, request, caller.principal.clone());
    let context = context.map_err(|problem| caller.problem(&problem))?;
    let batch = take_in(&caller, endpoint, (input, metadata), context).await?;
    object(&caller, &batch).await
}

/// Stores the batch with its lines; it exists only once all of them are taken in.
async fn take_in(
    caller: &Caller,
    endpoint: Endpoint,
    (input, metadata): (FileId, BTreeMap<String, String>),
    context: CallContext,
) -> Result<StoredBatch, Refused> {
    let created = caller.state.parts.clock.now();
    let batch = StoredBatch {
        id: BatchId(caller.state.parts.ids.new_id()),
        owner: caller.principal.key,
        input,
        endpoint: endpoint.path().to_owned(),
        metadata,
        created,
        deadline: created.checked_add(SignedDuration::from_hours(24)).unwrap_or(created),
        complete: false,
        cancelled: None,
        ended: None,
    };
    let storage = |error: StorageError| caller.storage(&error);
    let bytes = caller.services.files.read_file(input).await.map_err(storage)?;
    let mut lines = Lines::new(bytes, caller.state.parts.settings.max_body_bytes);
    let id = batch.id;
    let mut intake = caller.services.gateway.begin_batch(batch).await.map_err(storage)?;
    match add_lines(caller, endpoint, &mut intake, (&mut lines, id), &context).await {
        Ok(()) => intake.finish().await.map_err(storage),
        Err(refused) => {
            // The next start removes what cannot be removed now.
            let _left = caller.services.files.remove_batch(id).await;
            Err(refused)
        }
    }
}

async fn add_lines(
    caller: &Caller,
    endpoint: Endpoint,
    intake: &mut BatchIntake,
    (lines, batch): (&mut Lines, BatchId),
    context: &CallContext,
) -> Result<(), Refused> {
    let storage = |error: StorageError| caller.storage(&error);
    let mut names = HashSet::new();
    let (mut ready, mut number) = (Vec::with_capacity(TOGETHER), 0_u32);
    while let Some(line) = lines.next().await.map_err(storage)? {
        if number >= MOST_LINES {
            let detail = format!("it has more than {MOST_LINES} lines");
            return Err(caller.problem(&Problem::invalid("input_file_id", detail)));
        }
        let Read { name, asked } = match &line {
            Line::Whole(bytes) => read(&caller.state, endpoint, bytes),
            Line::TooLong => {
                wrong("", &Problem::TooLarge { limit: caller.state.parts.settings.max_body_bytes })
            }
        };
        let again = asked.is_ok() && !names.insert(name.clone());
        let asked =
            if again { wrong(&name, &Problem::invalid("custom_id", "it stands twice")).asked } else { asked };
        let context = CallContext { request: RequestId(caller.state.parts.ids.new_id()), ..context.clone() };
        ready.push(BatchLine { place: JobPlace { batch, line: number, name }, context, asked });
        number += 1;
        if ready.len() >= TOGETHER {
            intake.add(std::mem::take(&mut ready)).await.map_err(storage)?;
        }
    }
    if number == 0 {
        return Err(caller.problem(&Problem::invalid("input_file_id", "it has no lines")));
    }
    intake.add(ready).await.map_err(storage)
}

/// `GET /v1/batches`
async fn list(caller: Caller, Query(query): Query<ListQuery>) -> Result<Json<Page<BatchObject>>, Refused> {
    let all = caller.services.files.batches().await.map_err(|error| caller.storage(&error))?;
    let mut mine = Vec::new();
    for batch in all.iter().filter(|batch| caller.owns(batch.owner) && batch.complete) {
        mine.push(object(&caller, batch).await?.0);
    }
    Ok(Json(Page::of(mine, |batch: &BatchObject| batch.id.clone(), query.after.as_deref(), query.limit())))
}

/// `GET /v1/batches/{id}`
async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<BatchObject>, Refused> {
    let batch = own_batch(&caller, &id).await?;
    object(&caller, &batch).await
}

/// `POST /v1/batches/{id}/cancel`
async fn cancel(caller: Caller, Path(id): Path<String>) -> Result<Json<BatchObject>, Refused> {
    let mut batch = own_batch(&caller, &id).await?;
    if batch.ended.is_none() && batch.cancelled.is_none() {
        batch.cancelled = Some(caller.state.parts.clock.now());
        // Stored first, so that a crash in the middle does not let the rest go on.
        let stored = caller.services.files.put_batch(batch.clone()).await;
        stored.map_err(|error| caller.storage(&error))?;
        let open = caller.services.gateway.open_jobs_of(batch.id);
        caller.services.gateway.cancel_jobs(&open).await;
    }
    let batch = own_batch(&caller, &id).await?;
    object(&caller, &batch).await
}

async fn object(caller: &Caller, batch: &StoredBatch) -> Result<Json<BatchObject>, Refused> {
    let counts = caller.services.jobs.counts(batch.id).await.map_err(|error| caller.storage(&error))?;
    Ok(Json(BatchObject::of(batch, counts)))
}

async fn own_batch(caller: &Caller, id: &str) -> Result<StoredBatch, Refused> {
    let Some(batch) = parse_batch(id) else { return Err(caller.absent("batch", id)) };
    let found = caller.services.files.batch(batch).await.map_err(|error| caller.storage(&error))?;
    found.filter(|batch| caller.owns(batch.owner) && batch.complete).ok_or_else(|| caller.absent("batch", id))
}
