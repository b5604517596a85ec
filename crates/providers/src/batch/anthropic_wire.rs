//! Anthropic's Batch API as it is written: batches, lists, lines of results.

use super::results::reply;
use crate::provider::Provider;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use nunchi_core::{BatchAnswer, BatchOutcome, BatchStatus, CallId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A batch.
#[derive(Deserialize)]
pub(super) struct Batch {
    pub(super) id: String,
    #[serde(default)]
    processing_status: String,
    #[serde(default)]
    request_counts: Counts,
    pub(super) created_at: Timestamp,
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// Since when the results are gone.
    #[serde(default)]
    archived_at: Option<Timestamp>,
}

/// Requests by their end; all but `processing` are 0 until the whole batch has ended.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Counts {
    processing: u64,
    succeeded: u64,
    errored: u64,
    canceled: u64,
    expired: u64,
}

/// A page of batches, the latest first.
#[derive(Deserialize)]
pub(super) struct List {
    pub(super) data: Vec<Batch>,
    #[serde(default)]
    pub(super) has_more: bool,
}

impl Batch {
    pub(super) fn ended(&self) -> bool {
        self.processing_status == "ended"
    }

    /// Whether there are results to read.
    pub(super) fn is_readable(&self) -> bool {
        self.ended() && self.archived_at.is_none()
    }

    /// How many requests it has.
    pub(super) fn size(&self) -> u64 {
        let Counts { processing, succeeded, errored, canceled, expired } = self.request_counts;
        processing + succeeded + errored + canceled + expired
    }

    pub(super) fn status(&self) -> BatchStatus {
        let Counts { succeeded, errored, canceled, expired, .. } = self.request_counts;
        BatchStatus {
            ended: self.ended(),
            answered: succeeded,
            failed: errored + canceled + expired,
            expires: self.expires_at,
        }
    }
}

#[derive(Deserialize)]
struct ResultLine<'a> {
    #[serde(borrow)]
    custom_id: Cow<'a, str>,
    #[serde(borrow)]
    result: Outcome<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Reads a line of results.
pub(super) fn result_line(provider: &Provider, line: &[u8], _number: usize) -> Option<BatchAnswer> {
    let line: ResultLine<'_> = serde_json::from_slice(line).ok()?;
    let id: CallId = line.custom_id.parse().ok()?;
    let outcome = match (&*line.result.kind, line.result.message, line.result.error) {
        ("succeeded", Some(message), _) => reply(provider, message.get()),
        ("errored", _, Some(error)) => BatchOutcome::Failed(provider.codec().error(
            status_of(error.get()),
            &HeaderMap::new(),
            error.get().as_bytes(),
        )),
        ("expired", ..) => BatchOutcome::Expired,
        ("canceled", ..) => BatchOutcome::Cancelled,
        _ => return None,
    };
    Some(BatchAnswer { id, outcome })
}

/// The HTTP status that comes with an error live.
fn status_of(error: &str) -> StatusCode {
    #[derive(Deserialize)]
    struct Body {
        error: Detail,
    }
    #[derive(Deserialize)]
    struct Detail {
        #[serde(rename = "type")]
        kind: String,
    }
    let kind = serde_json::from_str::<Body>(error).map(|body| body.error.kind).unwrap_or_default();
    let status = match kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
