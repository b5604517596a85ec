//! Jobs of callers who come back: `Prefer: respond-async`, and `/api/jobs/{id}`.

use super::caller::{Caller, Refused};
use super::lines::Endpoint;
use super::output::{Renderer, Response as Written};
use crate::failure::Failure;
use crate::state::ApiState;
use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use nunchi_core::{
    CallContext, CallId, Dialect, JobAnswer, JobState, Lang, ModelRequest, StorageError, StoredJob,
};
use serde::Serialize;

/// A job.
#[derive(Serialize)]
pub(super) struct JobObject {
    id: String,
    object: &'static str,
    status: &'static str,
    created_at: i64,
    deadline: i64,
    /// The provider that may answer it in a batch.
    provider: Option<String>,
    /// The answer as it would have been given at once.
    response: Option<Written>,
}

/// Whether the caller would rather come back for the answer.
fn prefers_async(headers: &HeaderMap) -> bool {
    let wishes = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    wishes.flat_map(|value| value.split(',')).any(|wish| {
        wish.split(';').next().is_some_and(|wish| wish.trim().eq_ignore_ascii_case("respond-async"))
    })
}

/// Makes a job of a call whose caller asks for that; gives the request back otherwise.
pub(crate) async fn accept(
    state: &ApiState,
    headers: &HeaderMap,
    (request, context): (ModelRequest, CallContext),
    lang: Lang,
) -> Result<Result<Response, (ModelRequest, CallContext)>, Failure> {
    let services = state.parts.batches.as_ref().filter(|_| prefers_async(headers));
    let Some(services) = services else { return Ok(Err((request, context))) };
    let taken = services.gateway.take_job(request, context).await;
    let id = taken.map_err(|error| Failure::of_model(&error, lang))?;
    let place = format!("/api/jobs/{id}");
    let body = serde_json::json!({ "id": id.to_string(), "object": "job", "status": "queued", "url": place });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert("preference-applied", HeaderValue::from_static("respond-async"));
    if let Ok(place) = HeaderValue::try_from(place) {
        headers.insert(header::LOCATION, place);
    }
    Ok(Ok(response))
}

/// `GET /api/jobs/{id}`
pub(super) async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<JobObject>, Refused> {
    let stored = own(&caller, &id).await?;
    Ok(Json(object(&caller, stored)))
}

/// `DELETE /api/jobs/{id}`: it is not needed any more.
pub(super) async fn cancel(caller: Caller, Path(id): Path<String>) -> Result<Json<JobObject>, Refused> {
    let stored = own(&caller, &id).await?;
    caller.services.gateway.cancel_jobs(&[stored.job.id]).await;
    let stored = own(&caller, &id).await?;
    Ok(Json(object(&caller, stored)))
}

async fn own(caller: &Caller, id: &str) -> Result<StoredJob, Refused> {
    let Ok(job) = id.parse::<CallId>() else { return Err(caller.absent("job", id)) };
    let found: Result<Option<StoredJob>, StorageError> = caller.services.gateway.job(job).await;
    let found = found.map_err(|error| caller.storage(&error))?;
    found.filter(|stored| caller.may_see(stored.job.owner())).ok_or_else(|| caller.absent("job", id))
}

fn object(caller: &Caller, stored: StoredJob) -> JobObject {
    let StoredJob { job, state, answer, .. } = stored;
    let status = match (&state, &answer) {
        (JobState::Queued, _) => "queued",
        (JobState::Submitting { .. } | JobState::Submitted { .. } | JobState::Live, _) => "in_progress",
        (_, Some(JobAnswer::Cancelled)) => "cancelled",
        (_, Some(JobAnswer::Failed(_))) => "failed",
        (_, Some(JobAnswer::Answered { .. }) | None) => "completed",
    };
    let renderer = Renderer { state: caller.state.clone(), lang: caller.lang };
    let endpoint = endpoint_of(job.request.origin.as_ref().map(|origin| origin.dialect));
    let response = answer.map(|answer| renderer.response(endpoint, &job, answer));
    JobObject {
        id: job.id.to_string(),
        object: "job",
        status,
        created_at: job.created.as_second(),
        deadline: job.deadline.as_second(),
        provider: job.terms.map(|terms| terms.record.provider),
        response,
    }
}

/// The endpoint that a request came by.
const fn endpoint_of(dialect: Option<Dialect>) -> Endpoint {
    match dialect {
        Some(Dialect::Anthropic) => Endpoint::Messages,
        Some(Dialect::OpenAiResponses) => Endpoint::Responses,
        _ => Endpoint::Chat,
    }
}
