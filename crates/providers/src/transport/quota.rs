//! What an upstream says is left of its rate limits, read from the headers of any answer.

use super::retry_after::reset;
use http::HeaderMap;
use jiff::Timestamp;
use nunchi_core::Quota;

/// What is left; `None` when the headers do not say.
pub(crate) fn quota(headers: &HeaderMap, now: Timestamp) -> Option<Quota> {
    let mut found = Quota::default();
    let mut any = false;
    for (name, value) in headers {
        let Some((kind, what)) = limit(name.as_str()) else { continue };
        let Ok(value) = value.to_str() else { continue };
        match what {
            What::Remaining => {
                let Ok(left) = value.trim().parse::<u64>() else { continue };
                let slot = if kind.contains("token") { &mut found.tokens } else { &mut found.requests };
                *slot = Some(slot.map_or(left, |known| known.min(left)));
                any = true;
            }
            // The first limit to be reset is looked at again first.
            What::Reset => {
                let Some(wait) = reset(value, now) else { continue };
                found.resets_in = Some(found.resets_in.map_or(wait, |known| known.min(wait)));
            }
        }
    }
    any.then_some(found)
}

enum What {
    Remaining,
    Reset,
}

/// `x-ratelimit-remaining-tokens`, `anthropic-ratelimit-input-tokens-remaining`: the limit's kind, and what is said of it.
fn limit(name: &str) -> Option<(&str, What)> {
    if let Some(rest) = name.strip_prefix("x-ratelimit-") {
        return match rest.strip_prefix("remaining") {
            Some(kind) => Some((kind, What::Remaining)),
            None => rest.strip_prefix("reset").map(|kind| (kind, What::Reset)),
        };
    }
    let rest = name.strip_prefix("anthropic-ratelimit-")?;
    match rest.strip_suffix("-remaining") {
        Some(kind) => Some((kind, What::Remaining)),
        None => rest.strip_suffix("-reset").map(|kind| (kind, What::Reset)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use std::time::Duration;

    #[test]
    fn what_is_left() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let quota_of = |pairs: &[(&'static str, &str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            quota(&headers, now)
        };
        let left = |requests, tokens, seconds: Option<u64>| {
            Some(Quota { requests, tokens, resets_in: seconds.map(Duration::from_secs) })
        };
        for (pairs, expected) in [
            (&[("content-type", "application/json")][..], None),
            (
                &[
                    ("x-ratelimit-limit-requests", "10000"),
                    ("x-ratelimit-remaining-requests", "9999"),
                    ("x-ratelimit-remaining-tokens", "150"),
                    ("x-ratelimit-reset-requests", "6s"),
                    ("x-ratelimit-reset-tokens", "1m0s"),
                ],
                left(Some(9_999), Some(150), Some(6)),
            ),
            (
                &[
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:07Z"),
                    ("anthropic-ratelimit-input-tokens-remaining", "400"),
                    ("anthropic-ratelimit-output-tokens-remaining", "30"),
                ],
                left(Some(0), Some(30), Some(7)),
            ),
            (
                &[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "1795255230")],
                left(Some(3), None, Some(30)),
            ),
            (&[("x-ratelimit-remaining-tokens", "many"), ("x-ratelimit-reset-tokens", "1s")], None),
        ] {
            assert_eq!(quota_of(pairs), expected, "{pairs:?}");
        }
    }
}
