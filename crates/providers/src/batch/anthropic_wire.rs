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

#[cfg(test)]
mod tests {
    use super::super::testing::provider;
    use super::*;
    use crate::provider::ProviderKind;
    use nunchi_core::{ModelErrorKind, ReplyEvent};

    #[test]
    fn lines_of_results() {
        use ModelErrorKind as K;
        let provider = provider(ProviderKind::Anthropic);
        let read = |result: &str| {
            let line = format!(r#"{{"custom_id":"0192f3c4a5b67890abcdef0123456789","result":{result}}}"#);
            result_line(&provider, line.as_bytes(), 1).map(|answer| answer.outcome)
        };
        let answered = read(
            r#"{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5",
            "content":[{"type":"text","text":"네"}],"stop_reason":"end_turn","stop_sequence":null,
            "usage":{"input_tokens":11,"output_tokens":36,"service_tier":"batch"}}}"#,
        );
        let Some(BatchOutcome::Answered(frames)) = answered else { panic!("answered") };
        assert!(frames[0].events.contains(&ReplyEvent::Text("네".into())));
        for (name, kind, status) in [
            ("invalid_request_error", K::InvalidRequest, 400),
            ("authentication_error", K::UpstreamAuth, 401),
            ("not_found_error", K::UnknownModel, 404),
            ("request_too_large", K::ContextTooLong, 413),
            ("rate_limit_error", K::RateLimited, 429),
            ("api_error", K::UpstreamFailed, 500),
            ("overloaded_error", K::UpstreamFailed, 529),
            ("something_new", K::UpstreamFailed, 500),
        ] {
            let error = format!(
                r#"{{"type":"error","error":{{"type":"{name}","message":"why"}},"request_id":null}}"#
            );
            let outcome = read(&format!(r#"{{"type":"errored","error":{error}}}"#));
            let Some(BatchOutcome::Failed(error)) = outcome else { panic!("failed") };
            assert_eq!(
                (error.kind, error.detail.as_str(), error.status),
                (kind, "why", Some(status)),
                "{name}"
            );
        }
        assert!(matches!(read(r#"{"type":"expired"}"#), Some(BatchOutcome::Expired)));
        assert!(matches!(read(r#"{"type":"canceled"}"#), Some(BatchOutcome::Cancelled)));
        for unreadable in ["null", r#"{"type":"succeeded"}"#, r#"{"type":"later"}"#] {
            assert!(read(unreadable).is_none(), "{unreadable}");
        }
    }

    #[test]
    fn a_batch_and_its_counts() {
        let text = |status: &str, archived: &str| {
            format!(
                r#"{{"id":"msgbatch_1","type":"message_batch","processing_status":"{status}","request_counts":{{"processing":1,
                "succeeded":50,"errored":30,"canceled":10,"expired":9}},"created_at":"2024-08-20T18:37:24.100435Z",
                "expires_at":"2024-08-21T18:37:24.100435Z","archived_at":{archived},"results_url":null}}"#
            )
        };
        let read = |text: &str| serde_json::from_str::<Batch>(text).unwrap();
        let ended = read(&text("ended", "null"));
        assert_eq!((ended.size(), ended.status().answered, ended.status().failed), (100, 50, 49));
        assert!(ended.is_readable() && ended.status().expires.is_some());
        assert!(!read(&text("ended", "\"2024-09-20T00:00:00Z\"")).is_readable());
        for status in ["in_progress", "canceling"] {
            assert!(!read(&text(status, "null")).status().ended);
        }
    }
}
