//! Errors as each provider words and shapes them: as a whole body and in the middle of a stream.

use super::frame::Event;
use super::{Ask, openai_responses};
use crate::dialect::{Dialect, Endpoint};
use crate::turn::Fault;
use serde_json::{Value, json};

/// The body of an error response.
pub(super) fn body(dialect: Dialect, fault: &Fault, ask: &Ask) -> String {
    value(dialect, fault, ask).to_string()
}

/// The event (or events) of an error in the middle of a stream; `number` is the position it would have.
pub(super) fn events(dialect: Dialect, ask: &Ask, fault: &Fault, number: usize) -> Vec<Event> {
    let value = value(dialect, fault, ask);
    match (dialect, ask.endpoint) {
        (Dialect::OpenAi, Endpoint::Responses) => {
            let code = fault.code.as_deref().unwrap_or(openai_code(fault.status).unwrap_or("server_error"));
            openai_responses::failure(ask, code, &message(dialect, fault), number)
        }
        (Dialect::Anthropic, _) => vec![Event::typed(&value)],
        _ => vec![Event::data(&value)],
    }
}

fn value(dialect: Dialect, fault: &Fault, ask: &Ask) -> Value {
    let message = message(dialect, fault);
    match dialect {
        Dialect::OpenAi => {
            let code = fault.code.as_deref().or_else(|| openai_code(fault.status));
            json!({"error": {"message": message, "type": openai_type(fault), "param": null, "code": code}})
        }
        Dialect::Anthropic => json!({
            "type": "error", "error": {"type": anthropic_type(fault), "message": message},
            "request_id": ask.id("req_"),
        }),
        Dialect::Gemini => gemini(fault, &message, &ask.model),
        Dialect::Ollama => json!({"error": message}),
        Dialect::Perplexity => {
            let kind = fault.code.as_deref().unwrap_or(perplexity_type(fault.status));
            json!({"error": {"message": message, "type": kind, "code": fault.status}})
        }
    }
}

/// The given message, or words of our own that fit the status.
fn message(dialect: Dialect, fault: &Fault) -> String {
    let usual = match fault.status {
        400 => "The request is not valid.",
        401 => "The API key is not valid.",
        403 => "This key may not do that.",
        404 => "The model does not exist.",
        413 => "The request is too large.",
        429 => "Too many requests: the rate limit is reached.",
        500 => "The server had an error.",
        503 => "The service is unavailable.",
        529 => "Overloaded",
        _ => "Something went wrong.",
    };
    fault.message.clone().unwrap_or_else(|| match dialect {
        Dialect::OpenAi if fault.status == 429 => {
            format!("{usual} Please try again in {}s.", fault.retry_after.unwrap_or(20))
        }
        _ => usual.to_owned(),
    })
}

fn openai_type(fault: &Fault) -> &str {
    match fault.status {
        429 if fault.code.as_deref() == Some("insufficient_quota") => "insufficient_quota",
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn openai_code(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        500 => Some("server_error"),
        _ => None,
    }
}

fn anthropic_type(fault: &Fault) -> &str {
    match (&fault.code, fault.status) {
        (Some(code), _) => code,
        (None, 401) => "authentication_error",
        (None, 402) => "billing_error",
        (None, 403) => "permission_error",
        (None, 404) => "not_found_error",
        (None, 413) => "request_too_large",
        (None, 429) => "rate_limit_error",
        (None, 504) => "timeout_error",
        (None, 529) => "overloaded_error",
        (None, 500..) => "api_error",
        (None, _) => "invalid_request_error",
    }
}

fn perplexity_type(status: u16) -> &'static str {
    match status {
        401 => "invalid_api_key",
        429 => "rate_limit_exceeded",
        500.. => "internal_server_error",
        _ => "bad_request",
    }
}

fn gemini(fault: &Fault, message: &str, model: &str) -> Value {
    let status = match (&fault.code, fault.status) {
        (Some(code), _) => code,
        (None, 400) => "INVALID_ARGUMENT",
        (None, 401) => "UNAUTHENTICATED",
        (None, 403) => "PERMISSION_DENIED",
        (None, 404) => "NOT_FOUND",
        (None, 429) => "RESOURCE_EXHAUSTED",
        (None, 503) => "UNAVAILABLE",
        (None, 504) => "DEADLINE_EXCEEDED",
        (None, _) => "INTERNAL",
    };
    let mut error = json!({"code": fault.status, "message": message, "status": status});
    let mut details = Vec::new();
    if fault.status == 429 {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
                "quotaDimensions": {"location": "global", "model": model}, "quotaValue": "10",
            }],
        }));
    }
    if let Some(seconds) = fault.retry_after {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s"),
        }));
    }
    if !details.is_empty() {
        error["details"] = details.into();
    }
    json!({"error": error})
}
