//! Google's errors: `{"error": {"code", "message", "status", "details"}}`, or a list of one such object.

use crate::shared::{error_reply, kind_of_status, mid_stream, plain_message};
use http::StatusCode;
use nunchi_core::{Dialect, ModelError, ModelErrorKind};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// No upstream is believed to want a longer pause.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// A prompt that does not fit, in the words of several versions.
const TOO_LONG: [&str; 4] = [
    "exceeds the maximum number of tokens",
    "input token count",
    "context length",
    "input context is too long",
];

/// What this model or this API is not made for.
const UNABLE: [&str; 4] =
    ["is not enabled for", "is unsupported", "is not supported", "unsupported mime type"];

#[derive(Deserialize)]
struct Body {
    error: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    /// The HTTP status.
    code: Value,
    message: String,
    status: String,
    details: Vec<Value>,
}

impl Status {
    fn parse(body: &[u8]) -> Option<Self> {
        let body = body.trim_ascii();
        let read: Result<Body, _> = match body.first() {
            Some(b'[') => {
                let list: Vec<Body> = serde_json::from_slice(body).ok()?;
                return list.into_iter().next().map(|body| body.error);
            }
            _ => serde_json::from_slice(body),
        };
        read.ok().map(|body| body.error)
    }

    /// What failed, by the words where they say more than the name, by the name where it says more than the status.
    fn kind(&self, status: StatusCode) -> ModelErrorKind {
        let message = self.message.to_ascii_lowercase();
        let speaks = |list: &[&str]| list.iter().any(|part| message.contains(part));
        match self.status.as_str() {
            // A wrong key, a region or an account that may not: the owner's to mend.
            "INVALID_ARGUMENT"
                if self.has_reason("API_KEY_INVALID") || message.contains("api key not valid") =>
            {
                ModelErrorKind::UpstreamAuth
            }
            "FAILED_PRECONDITION" => ModelErrorKind::UpstreamAuth,
            "INVALID_ARGUMENT" | "OUT_OF_RANGE" if speaks(&TOO_LONG) => ModelErrorKind::ContextTooLong,
            "INVALID_ARGUMENT" if speaks(&UNABLE) => ModelErrorKind::Unsupported,
            "INVALID_ARGUMENT" | "OUT_OF_RANGE" => ModelErrorKind::InvalidRequest,
            // Uploaded files that are gone or belong to another project.
            "PERMISSION_DENIED" if message.contains("access the file") => ModelErrorKind::InvalidRequest,
            "UNAUTHENTICATED" | "PERMISSION_DENIED" => ModelErrorKind::UpstreamAuth,
            "NOT_FOUND" => ModelErrorKind::UnknownModel,
            "RESOURCE_EXHAUSTED" => ModelErrorKind::RateLimited,
            "UNIMPLEMENTED" => ModelErrorKind::Unsupported,
            "UNAVAILABLE" | "INTERNAL" | "DEADLINE_EXCEEDED" | "CANCELLED" | "ABORTED" | "UNKNOWN" => {
                ModelErrorKind::UpstreamFailed
            }
            _ => kind_of_status(status),
        }
    }

    fn has_reason(&self, reason: &str) -> bool {
        self.details.iter().any(|detail| detail["reason"] == reason)
    }

    /// `RetryInfo`: `"retryDelay": "17.4s"`.
    fn retry_after(&self) -> Option<Duration> {
        let delay = self.details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
        let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().map(|delay| delay.min(LONGEST))
    }
}

/// An error reply.
pub(super) fn read(status: StatusCode, body: &[u8]) -> ModelError {
    let Some(said) = Status::parse(body) else {
        let message = plain_message(status, body);
        return error_reply(Dialect::Gemini, kind_of_status(status), status, &message, body);
    };
    let mut error = error_reply(Dialect::Gemini, said.kind(status), status, &said.message, body);
    error.retry_after = said.retry_after();
    error
}

/// An error in place of a piece. Before anything was answered it is as good as an error reply; behind that it is mid-stream.
pub(super) fn in_stream(answered: bool, data: &[u8]) -> ModelError {
    let said = Status::parse(data).unwrap_or_default();
    let mut error = mid_stream(Dialect::Gemini, &said.message, data);
    if !answered {
        let status = said.code.as_u64().and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
        error.kind = said.kind(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        error.retry_after = said.retry_after();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(status: &str, message: &str) -> String {
        json!({"error": {"code": 0, "message": message, "status": status}}).to_string()
    }

    #[test]
    fn kinds() {
        use ModelErrorKind as K;
        for (code, status, message, kind) in [
            (400, "INVALID_ARGUMENT", "contents is not specified", K::InvalidRequest),
            (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", K::UpstreamAuth),
            (
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                K::ContextTooLong,
            ),
            (400, "INVALID_ARGUMENT", "Penalty is not enabled for models/gemini-2.5-pro", K::Unsupported),
            (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", K::UpstreamAuth),
            (400, "OUT_OF_RANGE", "x", K::InvalidRequest),
            (401, "UNAUTHENTICATED", "x", K::UpstreamAuth),
            (403, "PERMISSION_DENIED", "x", K::UpstreamAuth),
            (403, "PERMISSION_DENIED", "You do not have permission to access the File x", K::InvalidRequest),
            (404, "NOT_FOUND", "models/x is not found", K::UnknownModel),
            (429, "RESOURCE_EXHAUSTED", "x", K::RateLimited),
            (499, "CANCELLED", "x", K::UpstreamFailed),
            (500, "INTERNAL", "x", K::UpstreamFailed),
            (501, "UNIMPLEMENTED", "x", K::Unsupported),
            (503, "UNAVAILABLE", "The model is overloaded.", K::UpstreamFailed),
            (504, "DEADLINE_EXCEEDED", "x", K::UpstreamFailed),
            (429, "", "x", K::RateLimited),
        ] {
            let code = StatusCode::from_u16(code).unwrap();
            let text = body(status, message);
            for text in [text.clone(), format!("[{text}\n]")] {
                let error = read(code, text.as_bytes());
                assert_eq!((error.kind, error.detail.as_str()), (kind.clone(), message), "{text}");
                assert!(error.body.is_some() && error.retry_after.is_none());
            }
        }
        for text in
            ["", "<html>", "[]", "{}", "null", r#"{"error":"x"}"#, r#"[{"error":7}]"#, "upstream gone"]
        {
            assert_eq!(read(StatusCode::BAD_GATEWAY, text.as_bytes()).kind, K::UpstreamFailed, "{text}");
        }
        let reason =
            json!({"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}});
        assert_eq!(read(StatusCode::BAD_REQUEST, reason.to_string().as_bytes()).kind, K::UpstreamAuth);
    }

    #[test]
    fn when_to_come_back() {
        for (delay, wanted) in [
            (json!("17s"), Some(17_000)),
            (json!("17.5s"), Some(17_500)),
            (json!("0s"), Some(0)),
            (json!("9999999s"), Some(86_400_000)),
            (json!("1e400s"), None),
            (json!("-1s"), None),
            (json!("NaNs"), None),
            (json!("17"), None),
            (json!(17), None),
        ] {
            let details =
                json!([1, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
            let body = json!({"error": {"status": "RESOURCE_EXHAUSTED", "details": details}}).to_string();
            let error = read(StatusCode::TOO_MANY_REQUESTS, body.as_bytes());
            assert_eq!(error.retry_after, wanted.map(Duration::from_millis), "{delay}");
        }
    }
}
