//! Response headers that say what happened to a call.

use http::{HeaderMap, HeaderName, HeaderValue};
use nunchi_core::{Amount, BudgetState, CallSummary, NanoUsd, ReplyInfo, RequestId, RunId};
use std::fmt::Write;

/// Longest text put into a header, in bytes.
const MAX_TEXT: usize = 1_024;

/// Names the request: our own id always, the caller's if they sent one.
pub(crate) fn name_request(headers: &mut HeaderMap, request: RequestId, callers: Option<HeaderValue>) {
    if let Ok(value) = HeaderValue::try_from(request.to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), callers.unwrap_or_else(|| value.clone()));
        headers.insert(HeaderName::from_static("x-nunchi-request-id"), value);
    }
}

/// Names the run that answers.
pub(crate) fn name_run(headers: &mut HeaderMap, run: RunId) {
    put(headers, "x-nunchi-run", &run.to_string());
}

/// What is known before the first event: model, tier, cache, reason, notes, the tightest budget.
pub(crate) fn tell_info(headers: &mut HeaderMap, info: &ReplyInfo) {
    let model = match (info.provider.as_str(), info.model.as_str()) {
        ("", model) => model.to_owned(),
        (provider, model) => format!("{provider}/{model}"),
    };
    put(headers, "x-nunchi-model", &model);
    if let Some(tier) = info.tier {
        headers.insert("x-nunchi-tier", HeaderValue::from_static(tier.as_str()));
    }
    if !info.notes.is_empty() {
        let notes: Vec<_> = info.notes.iter().map(|note| format!("{}: {}", note.field, note.what)).collect();
        put(headers, "x-nunchi-notes", &notes.join("; "));
    }
    if let Some(used) = info.context {
        put(headers, "x-nunchi-context", &format!("{}%; {}", used.percent, used.proposal.as_str()));
    }
    let Some(served) = &info.served else { return };
    headers.insert("x-nunchi-cache", HeaderValue::from_static(served.cache.as_str()));
    if !served.reason.is_empty() {
        put(headers, "x-nunchi-reason", &served.reason);
    }
    if let Some(tightest) = served.budgets.first() {
        tell_budget(headers, tightest);
    }
}

/// What is known once the call is booked.
pub(crate) fn tell_summary(headers: &mut HeaderMap, summary: &CallSummary) {
    put(headers, "x-nunchi-cost-usd", &summary.cost.usd_string(9));
    put(headers, "x-nunchi-saved-usd", &summary.saved.usd_string(9));
}

fn tell_budget(headers: &mut HeaderMap, budget: &BudgetState) {
    let (unit, shown): (_, fn(i64) -> String) = match budget.limit {
        Amount::Money(_) => ("usd", |units| NanoUsd(units).usd_string(6)),
        Amount::Tokens(_) => ("tokens", |units| units.to_string()),
    };
    put(headers, "x-nunchi-budget", &budget.name);
    put(headers, "x-nunchi-budget-unit", unit);
    put(headers, "x-nunchi-budget-limit", &shown(budget.limit_units()));
    put(headers, "x-nunchi-budget-remaining", &shown(budget.remaining_units()));
    put(headers, "x-nunchi-budget-used-percent", &budget.percent().to_string());
    if let Some(resets) = budget.resets {
        put(headers, "x-nunchi-budget-resets", &resets.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, text: &str) {
    if let Ok(value) = HeaderValue::try_from(escaped(text)) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Printable ASCII stays; `%` and everything else becomes percent-encoded UTF-8. Long text is cut between characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if out.len() > MAX_TEXT {
            out.push_str("...");
            break;
        }
        if (letter == ' ' || letter.is_ascii_graphic()) && letter != '%' {
            out.push(letter);
            continue;
        }
        let mut buffer = [0; 4];
        for byte in letter.encode_utf8(&mut buffer).bytes() {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_text_is_ascii() {
        for (text, shown) in [
            ("plain: 3/4", "plain: 3/4"),
            ("100%", "100%25"),
            ("한", "%ED%95%9C"),
            ("a\r\nb: c", "a%0D%0Ab: c"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        let long = escaped(&"한".repeat(2_000));
        assert!(long.len() < MAX_TEXT + 16 && long.ends_with("..."), "{}", long.len());
    }
}
