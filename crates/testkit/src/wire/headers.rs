//! Response headers: content type, request id, rate limits, and whatever the turn sets itself.

use super::Ask;
use crate::dialect::{Dialect, Endpoint};
use crate::turn::{Fault, Turn};

/// The headers of a response; those of the turn replace the usual ones.
pub(super) fn of(
    dialect: Dialect,
    ask: &Ask,
    turn: &Turn,
    fault: Option<&Fault>,
    stream: bool,
) -> Vec<(String, String)> {
    let content_type = match dialect {
        _ if !stream => "application/json",
        Dialect::Ollama => "application/x-ndjson",
        Dialect::Gemini if ask.array => "application/json",
        _ => "text/event-stream; charset=utf-8",
    };
    let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    let retry_after = fault.and_then(|fault| fault.retry_after);
    if let Some(seconds) = retry_after.filter(|_| dialect != Dialect::Gemini) {
        add("retry-after", seconds.to_string());
    }
    let spent = fault.is_some_and(|fault| fault.status == 429);
    let listed = matches!(ask.endpoint, Endpoint::Models | Endpoint::Version);
    match dialect {
        Dialect::OpenAi => {
            add("x-request-id", ask.id("req_"));
            add("openai-processing-ms", "12".into());
            if !listed {
                openai_limits(spent, retry_after, &mut add);
            }
        }
        Dialect::Anthropic => {
            add("request-id", ask.id("req_"));
            if !listed {
                anthropic_limits(spent, &mut add);
            }
        }
        Dialect::Gemini | Dialect::Ollama | Dialect::Perplexity => {}
    }
    headers.retain(|(name, _)| !turn.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
    headers.extend(turn.headers.iter().cloned());
    headers
}

fn openai_limits(spent: bool, retry_after: Option<u64>, add: &mut impl FnMut(&str, String)) {
    let reset = retry_after.map_or_else(|| "12ms".to_owned(), |seconds| format!("{seconds}s"));
    for (kind, limit, left) in [("requests", 10_000, 9_999), ("tokens", 2_000_000, 1_999_950)] {
        add(&format!("x-ratelimit-limit-{kind}"), limit.to_string());
        add(&format!("x-ratelimit-remaining-{kind}"), if spent { 0 } else { left }.to_string());
        add(&format!("x-ratelimit-reset-{kind}"), reset.clone());
    }
}

fn anthropic_limits(spent: bool, add: &mut impl FnMut(&str, String)) {
    let kinds =
        [("requests", 4_000, 3_999), ("input-tokens", 400_000, 399_000), ("output-tokens", 80_000, 79_000)];
    for (kind, limit, left) in kinds {
        add(&format!("anthropic-ratelimit-{kind}-limit"), limit.to_string());
        add(&format!("anthropic-ratelimit-{kind}-remaining"), if spent { 0 } else { left }.to_string());
        add(&format!("anthropic-ratelimit-{kind}-reset"), "2026-01-01T00:01:00Z".into());
    }
}
