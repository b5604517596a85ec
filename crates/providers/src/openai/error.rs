//! OpenAI's error bodies, and what their codes mean.

use crate::shared::{error_reply, kind_of_status, mid_stream, plain_message};
use http::StatusCode;
use nunchi_core::{Dialect, ModelError, ModelErrorKind};
use serde_json::Value;

/// What an error body says, in the many shapes of compatible servers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    message: Option<String>,
    code: String,
    kind: String,
}

/// Reads `{"error": {"message", "type", "code"}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, `[{"error": …}]`.
fn said(body: &[u8]) -> Option<Said> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    if let Some(first) = value.get_mut(0) {
        value = first.take();
    }
    let inner = match value.get("error") {
        Some(error) if !error.is_null() => error,
        _ => &value,
    };
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let field = |name: &str| inner.get(name).and_then(text);
    let message = match inner {
        Value::String(text) => Some(text.clone()),
        _ => field("message").or_else(|| field("detail")).or_else(|| field("error")),
    };
    Some(Said { message, code: field("code").unwrap_or_default(), kind: field("type").unwrap_or_default() })
}

/// What the code, the type or the words mean, where they say more than the status.
fn kind_of(said: &Said) -> Option<ModelErrorKind> {
    let word = |word: &str| said.code == word || said.kind == word;
    let message = said.message.as_deref().unwrap_or_default();
    let speaks = |words: &[&str]| words.iter().any(|words| message.contains(words));
    Some(match () {
        // An account without money stays so for the next attempt: it is the owner's to mend, like a wrong key.
        () if word("insufficient_quota")
            || word("billing_hard_limit_reached")
            || word("insufficient_credits") =>
        {
            ModelErrorKind::UpstreamAuth
        }
        () if word("context_length_exceeded") || word("string_above_max_length") => {
            ModelErrorKind::ContextTooLong
        }
        () if speaks(&[
            "maximum context length",
            "context window",
            "context_length_exceeded",
            "prompt is too long",
        ]) =>
        {
            ModelErrorKind::ContextTooLong
        }
        () if word("model_not_found") || word("invalid_model") => ModelErrorKind::UnknownModel,
        () if word("invalid_api_key") || word("authentication_error") => ModelErrorKind::UpstreamAuth,
        () if word("rate_limit_exceeded")
            || word("rate_limit_error")
            || word("tokens")
            || word("requests") =>
        {
            ModelErrorKind::RateLimited
        }
        () if word("server_error") || word("internal_server_error") || word("overloaded_error") => {
            ModelErrorKind::UpstreamFailed
        }
        () => return None,
    })
}

/// An error reply of this dialect.
pub(crate) fn read_error(dialect: Dialect, status: StatusCode, body: &[u8]) -> ModelError {
    let said = said(body).unwrap_or_default();
    let by_status = kind_of_status(status);
    let kind = match (kind_of(&said), &by_status) {
        (
            Some(kind),
            ModelErrorKind::InvalidRequest | ModelErrorKind::RateLimited | ModelErrorKind::UpstreamFailed,
        ) => kind,
        _ => by_status,
    };
    let message = said.message.unwrap_or_else(|| plain_message(status, body));
    error_reply(dialect, kind, status, &message, body)
}

/// An error in place of an event. Before anything was answered it is as good as an error reply; behind that it is mid-stream.
pub(crate) fn stream_error(dialect: Dialect, begun: bool, data: &[u8]) -> ModelError {
    let said = said(data).unwrap_or_default();
    let message = said.message.clone().unwrap_or_else(|| "the provider sent an error without words".into());
    let mut error = mid_stream(dialect, &message, data);
    if !begun {
        let status = said.code.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok());
        let by_status = status.filter(|status| status.as_u16() >= 400).map(kind_of_status);
        error.kind = kind_of(&said).or(by_status).unwrap_or(ModelErrorKind::UpstreamFailed);
        error.status = status.map(|status| status.as_u16());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        use ModelErrorKind as K;
        for (status, body, kind, detail) in [
            (
                401,
                r#"{"error":{"message":"bad key","type":"invalid_request_error","code":"invalid_api_key"}}"#,
                K::UpstreamAuth,
                "bad key",
            ),
            (
                429,
                r#"{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}"#,
                K::RateLimited,
                "slow down",
            ),
            (
                429,
                r#"{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                K::UpstreamAuth,
                "no money",
            ),
            (
                400,
                r#"{"error":{"message":"long","code":"context_length_exceeded"}}"#,
                K::ContextTooLong,
                "long",
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens","code":400}"#,
                K::ContextTooLong,
                "This model's maximum context length is 4096 tokens",
            ),
            (413, "too big", K::ContextTooLong, "too big"),
            (
                404,
                r#"{"error":{"message":"no such model","code":"model_not_found"}}"#,
                K::UnknownModel,
                "no such model",
            ),
            (404, r#"{"detail":"Not Found"}"#, K::UnknownModel, "Not Found"),
            (400, r#"{"error":{"message":"bad","code":null}}"#, K::InvalidRequest, "bad"),
            (422, r#"{"detail":[{"loc":["body"]}]}"#, K::InvalidRequest, r#"[{"loc":["body"]}]"#),
            (
                400,
                r#"[{"error":{"code":400,"message":"array","status":"INVALID_ARGUMENT"}}]"#,
                K::InvalidRequest,
                "array",
            ),
            (500, r#"{"error":"boom"}"#, K::UpstreamFailed, "boom"),
            (529, "", K::UpstreamFailed, "HTTP 529 <unknown status code> without a body"),
            (503, "<html>", K::UpstreamFailed, "HTTP 503 Service Unavailable with an HTML page"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = read_error(Dialect::OpenAiChat, status, body.as_bytes());
            assert_eq!((error.kind, error.detail.as_str()), (kind, detail), "{status} {body}");
            assert_eq!(error.body.is_some(), body.starts_with(['{', '[']));
        }
    }

    #[test]
    fn errors_instead_of_events() {
        let limited = br#"{"error":{"code":429,"message":"slow"}}"#;
        assert_eq!(stream_error(Dialect::OpenAiChat, false, limited).kind, ModelErrorKind::RateLimited);
        assert_eq!(stream_error(Dialect::OpenAiChat, true, limited).kind, ModelErrorKind::MidStream);
        let vague = stream_error(Dialect::OpenAiChat, false, br#"{"error":{}}"#);
        assert_eq!(vague.kind, ModelErrorKind::UpstreamFailed);
    }
}
