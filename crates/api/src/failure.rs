//! A failed request on its way out: status, headers and body in the shape of the endpoint's dialect.

use crate::problem::Problem;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use nunchi_core::{Dialect, Explain, Json, Lang, ModelError, ModelErrorKind as Kind, RequestId};
use serde::Serialize;
use std::time::Duration;

/// Whose error objects an endpoint answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"error": {"message", "type", "param", "code"}}`
    OpenAi,
    /// `{"type": "error", "error": {"type", "message"}, "request_id"}`
    Anthropic,
}

impl Shape {
    /// The shape of an address.
    pub(crate) fn of_path(path: &str) -> Self {
        if path.starts_with("/v1/messages") { Self::Anthropic } else { Self::OpenAi }
    }
}

/// A failure, ready to be written in either shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// What the SDKs are told about trying again, where their own rule for the status would be wrong.
    pub(crate) should_retry: Option<bool>,
    /// The upstream's own error body, and its dialect.
    upstream: Option<(Dialect, Bytes)>,
}

impl Failure {
    /// Any error that explains itself.
    pub(crate) fn new(status: u16, error: &(impl Explain + ?Sized), lang: Lang) -> Self {
        Self {
            status,
            code: error.code(),
            message: error.message(lang),
            hint: error.hint(lang),
            param: None,
            retry_after: None,
            should_retry: None,
            upstream: None,
        }
    }

    /// A faulty request.
    pub(crate) fn of_problem(problem: &Problem, lang: Lang) -> Self {
        let param = problem.param().map(str::to_owned);
        Self { param, ..Self::new(problem.status(), problem, lang) }
    }

    /// A failed call.
    pub(crate) fn of_model(error: &ModelError, lang: Lang) -> Self {
        let (status, should_retry) = status_of(&error.kind);
        let retry_after = error.retry_after.or_else(|| usual_wait(&error.kind));
        let param =
            matches!(error.kind, Kind::UnknownModel | Kind::ModelNotAllowed).then(|| "model".to_owned());
        // An upstream that refuses our key may quote it.
        let upstream = error.body.clone().filter(|_| !matches!(error.kind, Kind::UpstreamAuth));
        Self { param, retry_after, should_retry, upstream, ..Self::new(status, error, lang) }
    }

    /// The JSON body in a shape.
    pub(crate) fn body(&self, shape: Shape, request: Option<RequestId>) -> Vec<u8> {
        let upstream = self.upstream.as_ref().filter(|(dialect, _)| shape_of(*dialect) == Some(shape));
        let upstream = upstream.and_then(|(_, body)| serde_json::from_slice::<Json>(body).ok());
        let bytes = match shape {
            Shape::OpenAi => serde_json::to_vec(&OpenAiError { error: self.open_ai(upstream) }),
            Shape::Anthropic => serde_json::to_vec(&AnthropicError {
                kind: "error",
                error: self.anthropic(upstream),
                request_id: request.map(|id| format!("req_{id}")),
            }),
        };
        bytes.unwrap_or_default()
    }

    fn open_ai(&self, upstream: Option<Json>) -> OpenAiDetail<'_> {
        OpenAiDetail {
            message: &self.message,
            kind: open_ai_type(self.status),
            param: self.param.as_deref(),
            code: self.code,
            hint: self.hint.as_deref(),
            upstream,
        }
    }

    fn anthropic(&self, upstream: Option<Json>) -> AnthropicDetail<'_> {
        AnthropicDetail {
            kind: anthropic_type(self.status),
            message: &self.message,
            code: self.code,
            hint: self.hint.as_deref(),
            param: self.param.as_deref(),
            upstream,
        }
    }

    /// The whole response.
    pub(crate) fn response(&self, shape: Shape, request: Option<RequestId>) -> Response {
        let mut response = Response::new(self.body(shape, request).into());
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(retry) = self.should_retry {
            let value = HeaderValue::from_static(if retry { "true" } else { "false" });
            headers.insert("x-should-retry", value);
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    error: OpenAiDetail<'a>,
}

/// OpenAI's error object; `hint` and `upstream` are additions.
#[derive(Serialize)]
struct OpenAiDetail<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Json>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: AnthropicDetail<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// Anthropic's error object; all but `type` and `message` are additions.
#[derive(Serialize)]
struct AnthropicDetail<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Json>,
}

fn shape_of(dialect: Dialect) -> Option<Shape> {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => Some(Shape::OpenAi),
        Dialect::Anthropic => Some(Shape::Anthropic),
        Dialect::Gemini | Dialect::Ollama | Dialect::Embedded => None,
    }
}

/// The status of a failed call, and what SDKs are told when their own rule (retry 408, 409, 429 and 5xx) would be wrong.
fn status_of(kind: &Kind) -> (u16, Option<bool>) {
    match kind {
        Kind::InvalidRequest | Kind::Unsupported | Kind::ContextTooLong | Kind::NoPrice => (400, None),
        Kind::BudgetRefused(refusal) if refusal.busy => (429, None),
        // 429 would make every SDK try again, and again in vain.
        Kind::BudgetRefused(_) => (402, Some(false)),
        Kind::ModelNotAllowed => (403, None),
        Kind::UnknownModel => (404, None),
        Kind::RateLimited | Kind::LimitExceeded => (429, None),
        Kind::ClientGone => (499, Some(false)),
        Kind::UpstreamAuth => (502, Some(false)),
        Kind::UpstreamFailed | Kind::Unreachable | Kind::Cut | Kind::Garbage | Kind::MidStream => (502, None),
        Kind::NoCandidate | Kind::LocalBusy | Kind::Storage | Kind::ShuttingDown => (503, None),
        Kind::LocalUnavailable => (503, Some(false)),
        // RFC 9111 names 504 for only-if-cached.
        Kind::NotCached => (504, Some(false)),
        Kind::TimedOut => (504, None),
    }
}

/// How long to wait where nobody said.
fn usual_wait(kind: &Kind) -> Option<Duration> {
    match kind {
        Kind::BudgetRefused(refusal) if refusal.busy => Some(Duration::from_secs(1)),
        Kind::LocalBusy | Kind::ShuttingDown => Some(Duration::from_secs(1)),
        _ => None,
    }
}

fn open_ai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
