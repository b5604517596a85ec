//! OpenAI's Batch API as it is written: batches, lists, lines of results.

use super::results::{failed, reply};
use crate::provider::Provider;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use nunchi_core::{BatchAnswer, BatchOutcome, BatchStatus, CallId, ModelError, ModelErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The field of `metadata` that carries the marker.
pub(super) const MARKER: &str = "nunchi_batch";

/// What makes a batch.
#[derive(Serialize)]
pub(super) struct Create<'a> {
    pub(super) input_file_id: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) completion_window: &'a str,
    pub(super) metadata: Metadata,
}

#[derive(Serialize)]
pub(super) struct Metadata {
    #[serde(rename = "nunchi_batch")]
    pub(super) marker: String,
}

/// An uploaded file.
#[derive(Deserialize)]
pub(super) struct File {
    pub(super) id: String,
}

/// A batch.
#[derive(Deserialize)]
pub(super) struct Batch {
    pub(super) id: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) created_at: i64,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    pub(super) input_file_id: Option<String>,
    #[serde(default)]
    pub(super) output_file_id: Option<String>,
    #[serde(default)]
    pub(super) error_file_id: Option<String>,
    #[serde(default)]
    request_counts: Option<Counts>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    pub(super) errors: Option<Problems>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Counts {
    total: u64,
    completed: u64,
    failed: u64,
}

/// Why an input was refused.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Problems {
    pub(super) data: Option<Vec<Problem>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    code: Option<String>,
    message: Option<String>,
    pub(super) line: Option<usize>,
}

/// A page of batches.
#[derive(Deserialize)]
pub(super) struct List {
    pub(super) data: Vec<Batch>,
    #[serde(default)]
    pub(super) has_more: bool,
}

impl Batch {
    pub(super) fn ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "expired" | "cancelled")
    }

    pub(super) fn is_marked(&self, marker: &str) -> bool {
        self.metadata.as_ref().is_some_and(|stored| stored[MARKER] == marker)
    }

    pub(super) fn status(&self) -> BatchStatus {
        let counts = self.request_counts.unwrap_or_default();
        let unanswered = counts.total.saturating_sub(counts.completed);
        BatchStatus {
            ended: self.ended(),
            answered: counts.completed,
            // Requests that expired or were cancelled are not in `failed`.
            failed: if self.ended() { unanswered } else { counts.failed },
            expires: self.expires_at.and_then(|at| Timestamp::from_second(at).ok()),
        }
    }
}

impl Problem {
    /// As the failure of a request.
    pub(super) fn outcome(&self) -> BatchOutcome {
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or("the provider refused the batch");
        failed(kind_of(code), message)
    }
}

/// What a code means that stands in place of a reply.
fn kind_of(code: &str) -> ModelErrorKind {
    match code {
        "token_limit_exceeded" | "rate_limit_exceeded" => ModelErrorKind::RateLimited,
        "billing_hard_limit_reached" | "insufficient_quota" => ModelErrorKind::UpstreamAuth,
        "model_not_found" => ModelErrorKind::UnknownModel,
        "server_error" | "request_timeout" => ModelErrorKind::UpstreamFailed,
        _ => ModelErrorKind::InvalidRequest,
    }
}

#[derive(Deserialize)]
struct ResultLine<'a> {
    #[serde(borrow)]
    custom_id: Cow<'a, str>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(default)]
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status_code: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Reads a line of an output or error file.
pub(super) fn result_line(provider: &Provider, line: &[u8], _number: usize) -> Option<BatchAnswer> {
    let line: ResultLine<'_> = serde_json::from_slice(line).ok()?;
    let id: CallId = line.custom_id.parse().ok()?;
    let outcome = match (line.response, line.error) {
        (Some(Response { status_code, body }), _) if (200..300).contains(&status_code) => {
            reply(provider, body.get())
        }
        (Some(Response { status_code, body }), _) => {
            let status = StatusCode::from_u16(status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            BatchOutcome::Failed(provider.codec().error(status, &HeaderMap::new(), body.get().as_bytes()))
        }
        (None, Some(error)) => match error.code.as_deref() {
            Some("batch_expired") => BatchOutcome::Expired,
            Some("batch_cancelled" | "request_cancelled") => BatchOutcome::Cancelled,
            _ => error.outcome(),
        },
        (None, None) => return None,
    };
    Some(BatchAnswer { id, outcome })
}

/// Why none of a refused batch's requests was answered: line by line of its input.
pub(super) fn refused_line(problems: &[Problem], line: &[u8], number: usize) -> Option<BatchAnswer> {
    let id = super::results::leading_id(line)?;
    let own = problems.iter().find(|problem| problem.line == Some(number)).or(problems.first());
    let outcome = own.map_or_else(
        || failed(ModelErrorKind::UpstreamFailed, "the provider refused the batch without a reason"),
        Problem::outcome,
    );
    Some(BatchAnswer { id, outcome })
}

/// A batch that is asked for answers too early.
pub(super) fn not_ended() -> ModelError {
    ModelError::new(ModelErrorKind::InvalidRequest, "the batch has not ended, so its answers cannot be read")
}
