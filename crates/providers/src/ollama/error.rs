//! Ollama's errors: `{"error": "…"}` without any code, so that the words tell what failed.

use crate::shared::{error_reply, kind_of_status, mid_stream, plain_message};
use http::StatusCode;
use nunchi_core::{Dialect, ModelError, ModelErrorKind};
use serde::Deserialize;
use serde_json::Value;

/// A prompt or a text that does not fit, in the words of several versions and of the runners behind them.
const TOO_LONG: [&str; 5] =
    ["context length", "context size", "context window", "maximum context", "prompt too long"];

/// What a model is not made for: tools, pictures, thinking, chat, vectors.
const UNABLE: [&str; 4] = [
    "does not support",
    "missing data required for image",
    "only supports one image",
    "not supported for this model",
];

#[derive(Deserialize)]
struct Body {
    error: Value,
}

/// The words of an error body; proxies and Ollama's cloud put them into an object.
fn words(body: &[u8]) -> Option<String> {
    let Body { error } = serde_json::from_slice(body).ok()?;
    match &error {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other["message"].as_str().map_or_else(|| other.to_string(), str::to_owned)),
    }
}

/// What the words mean, where they say more than the status.
fn kind_of_words(words: &str) -> Option<ModelErrorKind> {
    let words = words.to_ascii_lowercase();
    let speaks = |list: &[&str]| list.iter().any(|part| words.contains(part));
    Some(match () {
        () if speaks(&TOO_LONG) => ModelErrorKind::ContextTooLong,
        () if speaks(&UNABLE) => ModelErrorKind::Unsupported,
        () if words.contains("model") && words.contains("not found") => ModelErrorKind::UnknownModel,
        () if words.contains("invalid model name") => ModelErrorKind::UnknownModel,
        () => return None,
    })
}

/// An error reply.
pub(super) fn read(status: StatusCode, body: &[u8]) -> ModelError {
    let said = words(body);
    let kind = match kind_of_status(status) {
        // 499: the server gave the request up by itself, which is no fault of the request.
        _ if status.as_u16() == 499 => ModelErrorKind::UpstreamFailed,
        by_status @ (ModelErrorKind::InvalidRequest | ModelErrorKind::UpstreamFailed) => {
            said.as_deref().and_then(kind_of_words).unwrap_or(by_status)
        }
        by_status => by_status,
    };
    let message = said.unwrap_or_else(|| plain_message(status, body));
    error_reply(Dialect::Ollama, kind, status, &message, body)
}

/// An error in place of a line. Before anything was answered it is as good as an error reply; behind that it is mid-stream.
pub(super) fn in_stream(answered: bool, data: &[u8]) -> ModelError {
    let said = words(data).unwrap_or_else(|| "the provider sent an error without words".into());
    let mut error = mid_stream(Dialect::Ollama, &said, data);
    if !answered {
        error.kind = kind_of_words(&said).unwrap_or(ModelErrorKind::UpstreamFailed);
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
            (404, r#"{"error":"model 'x' not found"}"#, K::UnknownModel, "model 'x' not found"),
            (
                404,
                r#"{"error":"model \"x\" not found, try pulling it first"}"#,
                K::UnknownModel,
                "model \"x\" not found, try pulling it first",
            ),
            (404, "404 page not found", K::UnknownModel, "404 page not found"),
            (400, r#"{"error":"invalid model name"}"#, K::UnknownModel, "invalid model name"),
            (
                400,
                r#"{"error":"registry.ollama.ai/library/gemma:2b does not support tools"}"#,
                K::Unsupported,
                "registry.ollama.ai/library/gemma:2b does not support tools",
            ),
            (
                400,
                r#"{"error":"\"x\" does not support thinking"}"#,
                K::Unsupported,
                "\"x\" does not support thinking",
            ),
            (
                400,
                r#"{"error":"the input length exceeds the context length"}"#,
                K::ContextTooLong,
                "the input length exceeds the context length",
            ),
            (
                500,
                r#"{"error":"request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it"}"#,
                K::ContextTooLong,
                "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
            ),
            (400, r#"{"error":"invalid options: top_k"}"#, K::InvalidRequest, "invalid options: top_k"),
            (401, r#"{"error":"unauthorized","signin_url":"https://x"}"#, K::UpstreamAuth, "unauthorized"),
            (429, r#"{"error":{"message":"slow"}}"#, K::RateLimited, "slow"),
            (499, r#"{"error":"request canceled"}"#, K::UpstreamFailed, "request canceled"),
            (
                500,
                r#"{"error":"model runner has unexpectedly stopped"}"#,
                K::UpstreamFailed,
                "model runner has unexpectedly stopped",
            ),
            (503, r#"{"error":"server busy"}"#, K::UpstreamFailed, "server busy"),
            (502, "<html>", K::UpstreamFailed, "HTTP 502 Bad Gateway with an HTML page"),
            (500, r#"{"error":null}"#, K::UpstreamFailed, r#"{"error":null}"#),
            (500, r#"{"error":7}"#, K::UpstreamFailed, "7"),
        ] {
            let error = read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((error.kind, error.detail.as_str()), (kind, detail), "{status} {body}");
            assert_eq!(error.status, Some(status));
            assert_eq!(error.body.is_some(), body.starts_with('{'), "{body}");
        }
    }

    #[test]
    fn errors_instead_of_lines() {
        use ModelErrorKind as K;
        for (answered, body, kind) in [
            (true, r#"{"error":"an error was encountered while running the model"}"#, K::MidStream),
            (true, r#"{"error":"the input length exceeds the context length"}"#, K::MidStream),
            (false, r#"{"error":"the input length exceeds the context length"}"#, K::ContextTooLong),
            (false, r#"{"error":"boom"}"#, K::UpstreamFailed),
            (false, r#"{"error":{}}"#, K::UpstreamFailed),
        ] {
            let error = in_stream(answered, body.as_bytes());
            assert_eq!(error.kind, kind, "{body}");
            assert!(error.body.is_some());
        }
    }
}
