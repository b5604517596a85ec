//! When an upstream wants to be asked again, read from the headers of its refusal.

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use std::time::Duration;

/// No upstream is believed to want a longer pause.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How long to wait; `None` when the headers do not say.
pub(crate) fn retry_after(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let direct =
        text(headers, "retry-after-ms").and_then(|millis| seconds(millis).map(|wait| wait / 1_000)).or_else(
            || text(headers, "retry-after").and_then(|value| seconds(value).or_else(|| date(value, now))),
        );
    let limited = || (status == StatusCode::TOO_MANY_REQUESTS).then(|| limits(headers, now)).flatten();
    direct.or_else(limited).map(|wait| wait.min(LONGEST))
}

/// The longest reset among the limits that are used up; among all of them when none says that it is.
fn limits(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let mut spent = None;
    let mut any = None;
    for (name, value) in headers {
        let Some(remaining) = remaining_name(name.as_str()) else { continue };
        let Some(wait) = value.to_str().ok().and_then(|value| reset(value, now)) else { continue };
        any = any.max(Some(wait));
        if text(headers, &remaining) == Some("0") {
            spent = spent.max(Some(wait));
        }
    }
    spent.or(any)
}

/// The name of the header that says what is left of the limit that `name` resets.
fn remaining_name(name: &str) -> Option<String> {
    if let Some(kind) = name.strip_prefix("x-ratelimit-reset") {
        return Some(format!("x-ratelimit-remaining{kind}"));
    }
    let kind = name.strip_prefix("anthropic-ratelimit-")?.strip_suffix("-reset")?;
    Some(format!("anthropic-ratelimit-{kind}-remaining"))
}

/// `12ms`, `1s`, `6m0s`, a number of seconds, a Unix time in seconds or milliseconds, or a timestamp.
pub(super) fn reset(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(number) = value.parse::<i64>()
        && number > 1_000_000_000
    {
        let at = if number > 100_000_000_000 {
            Timestamp::from_millisecond(number)
        } else {
            Timestamp::from_second(number)
        };
        return Some(until(at.ok()?, now));
    }
    seconds(value).or_else(|| units(value)).or_else(|| date(value, now))
}

/// A number of seconds, perhaps with decimals.
fn seconds(value: &str) -> Option<Duration> {
    let value: f64 = value.trim().parse().ok()?;
    Duration::try_from_secs_f64(value).ok()
}

/// `1h2m3.5s`, `250ms`.
fn units(value: &str) -> Option<Duration> {
    let mut rest = value.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(letters);
        let scale = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(number * scale).ok()?)?;
        rest = next;
    }
    (!value.trim().is_empty()).then_some(total)
}

/// An HTTP date or an RFC 3339 timestamp, as time from now.
fn date(value: &str, now: Timestamp) -> Option<Duration> {
    let http = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim());
    let at = http.or_else(|_| value.trim().parse::<Timestamp>()).ok()?;
    Some(until(at, now))
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn what_upstreams_say() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (pairs, millis) in [
            (&[("retry-after", "2")][..], Some(2_000)),
            (&[("retry-after", "0.5")], Some(500)),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1_500)),
            (&[("retry-after", "Sat, 21 Nov 2026 10:01:00 GMT")], Some(60_000)),
            (&[("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT")], Some(0)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "1e300")], None),
            (&[("retry-after", "999999999")], Some(86_400_000)),
            (
                &[
                    ("x-ratelimit-reset-requests", "12ms"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-tokens", "6m0s"),
                    ("x-ratelimit-remaining-tokens", "10"),
                ],
                Some(12),
            ),
            (&[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "1m2.5s")], Some(62_500)),
            (&[("x-ratelimit-reset", "1795255230")], Some(30_000)),
            (&[("x-ratelimit-reset", "1795255230000")], Some(30_000)),
            (
                &[
                    ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:07Z"),
                    ("anthropic-ratelimit-requests-remaining", "0"),
                ],
                Some(7_000),
            ),
            (&[("x-ratelimit-reset-tokens", "later")], None),
            (&[], None),
        ] {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            let wait = retry_after(StatusCode::TOO_MANY_REQUESTS, &headers, now);
            assert_eq!(wait, millis.map(Duration::from_millis), "{pairs:?}");
        }
        let headers: HeaderMap =
            [(HeaderName::from_static("x-ratelimit-reset-tokens"), "1s".parse().unwrap())]
                .into_iter()
                .collect();
        assert_eq!(retry_after(StatusCode::BAD_GATEWAY, &headers, now), None);
    }
}
