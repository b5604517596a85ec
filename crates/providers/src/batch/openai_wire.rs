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

#[cfg(test)]
mod tests {
    use super::super::testing::provider;
    use super::*;
    use crate::provider::ProviderKind;
    use nunchi_core::ReplyEvent;

    const ID: &str = "0192f3c4a5b67890abcdef0123456789";

    #[test]
    fn lines_of_results() {
        use ModelErrorKind as K;
        let provider = provider(ProviderKind::OpenAi);
        let read = |rest: &str| {
            let line = format!(r#"{{"id":"batch_req_1","custom_id":"{ID}",{rest}}}"#);
            result_line(&provider, line.as_bytes(), 1).map(|answer| {
                assert_eq!(answer.id.to_string(), ID);
                answer.outcome
            })
        };
        let answered = read(
            r#""response":{"status_code":200,"request_id":"r","body":{"id":"c","object":"chat.completion","created":1,
            "model":"gpt-4.1","choices":[{"index":0,"message":{"role":"assistant","content":"네"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}},"error":null"#,
        );
        let Some(BatchOutcome::Answered(frames)) = answered else { panic!("answered") };
        assert!(frames[0].events.contains(&ReplyEvent::Text("네".into())));
        let raw = &frames[0].raw.as_ref().unwrap().data;
        assert!(raw.starts_with(b"{\"id\":\"c\"") && raw.ends_with(b"}}"));
        for (rest, kind, detail) in [
            (
                r#""response":{"status_code":400,"request_id":"r","body":{"error":{"message":"This model's maximum context length is 128000 tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}},"error":null"#,
                K::ContextTooLong,
                "maximum context",
            ),
            (
                r#""response":{"status_code":429,"body":{"error":{"message":"slow","code":"rate_limit_exceeded"}}}"#,
                K::RateLimited,
                "slow",
            ),
            (r#""response":{"status_code":500,"body":null}"#, K::UpstreamFailed, "null"),
            (r#""response":{"status_code":200,"body":{"choices":[]}}"#, K::Garbage, "without choices"),
            (
                r#""response":null,"error":{"code":"request_timeout","message":"The model took too long"}"#,
                K::UpstreamFailed,
                "too long",
            ),
            (
                r#""response":null,"error":{"code":null,"message":"key sk-proj-abcdefghijklmnop1234"}"#,
                K::InvalidRequest,
                "[key]",
            ),
        ] {
            let Some(BatchOutcome::Failed(error)) = read(rest) else { panic!("failed: {rest}") };
            assert_eq!(error.kind, kind, "{rest}: {error}");
            assert!(error.detail.contains(detail), "{error}");
        }
        let expired = r#""response":null,"error":{"code":"batch_expired","message":"x"}"#;
        assert!(matches!(read(expired), Some(BatchOutcome::Expired)));
        let cancelled = r#""response":null,"error":{"code":"batch_cancelled","message":"x"}"#;
        assert!(matches!(read(cancelled), Some(BatchOutcome::Cancelled)));
        assert!(read(r#""response":null,"error":null"#).is_none());
        assert!(result_line(&provider, br#"{"custom_id":"theirs","response":null}"#, 1).is_none());
    }

    #[test]
    fn batches_as_servers_show_them() {
        let read = |text: &str| serde_json::from_str::<Batch>(text).unwrap();
        let full = read(
            r#"{"id":"batch_1","object":"batch","endpoint":"/v1/chat/completions","errors":null,"input_file_id":"file-1",
            "completion_window":"24h","status":"expired","output_file_id":"file-2","error_file_id":null,"created_at":1714508499,
            "expires_at":1714536634,"request_counts":{"total":100,"completed":95,"failed":2},"metadata":{"nunchi_batch":"m"}}"#,
        );
        let expires = Timestamp::from_second(1_714_536_634).ok();
        assert_eq!(full.status(), BatchStatus { ended: true, answered: 95, failed: 5, expires });
        assert!(full.is_marked("m") && !full.is_marked("n"));
        let bare =
            read(r#"{"id":"b","status":"queued","request_counts":{"total":9,"completed":1,"failed":3}}"#);
        assert_eq!(bare.status(), BatchStatus { ended: false, answered: 1, failed: 3, expires: None });
        assert!(!bare.is_marked("m"));
        for (status, ended) in [
            ("validating", false),
            ("in_progress", false),
            ("finalizing", false),
            ("cancelling", false),
            ("failed", true),
            ("cancelled", true),
        ] {
            assert_eq!(read(&format!(r#"{{"id":"b","status":"{status}"}}"#)).ended(), ended, "{status}");
        }
    }

    #[test]
    fn every_request_of_a_refused_batch_has_its_reason() {
        let problems: Vec<Problem> = serde_json::from_str(
            r#"[{"code":"invalid_request","message":"first","param":null,"line":7},{"code":"model_not_found","message":"own","line":2}]"#,
        )
        .unwrap();
        let line = format!(r#"{{"custom_id":"{ID}","method":"POST""#);
        for (number, problems, kind, detail) in [
            (1, &problems[..], ModelErrorKind::InvalidRequest, "first"),
            (2, &problems, ModelErrorKind::UnknownModel, "own"),
            (1, &[], ModelErrorKind::UpstreamFailed, "without a reason"),
        ] {
            let answer = refused_line(problems, line.as_bytes(), number).unwrap();
            let BatchOutcome::Failed(error) = answer.outcome else { panic!("failed") };
            assert!(error.kind == kind && error.detail.contains(detail), "{error}");
        }
    }
}
