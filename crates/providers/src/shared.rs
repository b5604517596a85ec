//! What every dialect needs: errors by status, masked bodies, notes, money from decimal text.

use bytes::Bytes;
use http::StatusCode;
use nunchi_core::{Dialect, ModelError, ModelErrorKind, ModelRequest, NanoUsd, Note, mask_secrets};

/// The longest detail kept of an upstream's message, in bytes.
const DETAIL_LIMIT: usize = 1_000;

/// The highest index of a choice or a tool call that is believed.
pub(crate) const INDEX_LIMIT: u64 = 127;

/// Something the caller asked for that the upstream cannot be told.
pub(crate) fn note(field: impl Into<String>, what: impl Into<String>) -> Note {
    Note { field: field.into(), what: what.into() }
}

/// A note for every field of the caller's body that core has no word for.
pub(crate) fn rest_notes(request: &ModelRequest) -> Vec<Note> {
    request
        .rest
        .iter()
        .map(|(name, _)| note(name, "left out: the provider's dialect has no such field"))
        .collect()
}

/// The upstream cannot do what is asked.
pub(crate) fn unsupported(detail: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::Unsupported, detail)
}

/// The upstream's answer is not its dialect.
pub(crate) fn garbage(detail: impl AsRef<str>) -> ModelError {
    ModelError::new(ModelErrorKind::Garbage, masked(detail.as_ref()))
}

/// Reads a JSON object. (A derived reader takes a list for an object as well, field by field.)
pub(crate) fn read_object<'a, T: serde::Deserialize<'a>>(
    data: &'a [u8],
    what: &str,
) -> Result<T, ModelError> {
    if data.trim_ascii_start().first() != Some(&b'{') {
        return Err(garbage(format!("{what} is no JSON object")));
    }
    serde_json::from_slice(data).map_err(|error| garbage(format!("{what}: {error}")))
}

/// The stream ended before the dialect's last event.
pub(crate) fn cut() -> ModelError {
    ModelError::new(ModelErrorKind::Cut, "the stream ended before its last event")
}

/// The upstream reported an error in the middle of a stream; its payload is kept, masked.
pub(crate) fn mid_stream(dialect: Dialect, message: &str, data: &[u8]) -> ModelError {
    let mut error = ModelError::new(ModelErrorKind::MidStream, masked(message));
    error.body = Some((dialect, masked_body(data)));
    error
}

/// A choice or tool index, if it is one that can be believed.
pub(crate) fn index(value: u64) -> Result<u32, ModelError> {
    match u32::try_from(value) {
        Ok(index) if value <= INDEX_LIMIT => Ok(index),
        _ => Err(garbage(format!("an index of {value} is beyond {INDEX_LIMIT}"))),
    }
}

/// The kind of failure that a status stands for, when the body says nothing better.
pub(crate) fn kind_of_status(status: StatusCode) -> ModelErrorKind {
    match status.as_u16() {
        401 | 403 => ModelErrorKind::UpstreamAuth,
        // An account without money is the owner's to mend, like a wrong key: the next candidate may work.
        402 => ModelErrorKind::UpstreamAuth,
        404 => ModelErrorKind::UnknownModel,
        408 => ModelErrorKind::UpstreamFailed,
        413 => ModelErrorKind::ContextTooLong,
        429 => ModelErrorKind::RateLimited,
        500.. => ModelErrorKind::UpstreamFailed,
        _ => ModelErrorKind::InvalidRequest,
    }
}

/// An error reply: its kind, the upstream's message, and its body, masked.
pub(crate) fn error_reply(
    dialect: Dialect,
    kind: ModelErrorKind,
    status: StatusCode,
    message: &str,
    body: &[u8],
) -> ModelError {
    let mut error = ModelError::new(kind, masked(message));
    error.status = Some(status.as_u16());
    // Only a body of the dialect's own shape is worth handing on.
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        error.body = Some((dialect, masked_body(body)));
    }
    error
}

/// The words of an error body that is not JSON: its first line of text, tags left out.
pub(crate) fn plain_message(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * DETAIL_LIMIT)]);
    let html = text.trim_start().starts_with('<');
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match (html, first.is_empty()) {
        (true, _) => format!("HTTP {status} with an HTML page"),
        (false, true) => format!("HTTP {status} without a body"),
        (false, false) => first.to_owned(),
    }
}

/// Text with secrets masked, cut to a length fit for a message.
pub(crate) fn masked(text: &str) -> String {
    let short = text.floor_char_boundary(DETAIL_LIMIT.min(text.len()));
    mask_secrets(&text[..short]).into_owned()
}

/// A body with secrets masked; bytes that are not UTF-8 are replaced.
pub(crate) fn masked_body(body: &[u8]) -> Bytes {
    Bytes::from(mask_secrets(&String::from_utf8_lossy(body)).into_owned())
}

/// Dollars as a provider writes them (`0.0061`, `1.2e-05`), rounded up to the next billionth; never through a float.
pub(crate) fn dollars(text: &str) -> Option<NanoUsd> {
    let text = text.trim();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|e| (-40..=18).contains(e))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    let shift = 9 + exponent - i32::try_from(fraction.len()).ok()?;
    let nanos = if shift >= 0 {
        value.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?
    } else {
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(unit) => value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0),
            None => i128::from(value != 0),
        }
    };
    Some(NanoUsd::saturating_from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (text, nanos) in [
            ("0.0061", 6_100_000),
            ("1.2e-05", 12_000),
            ("3", 3_000_000_000),
            ("0", 0),
            ("0.0000000001", 1),
            ("2E1", 20_000_000_000),
            ("1e-38", 1),
        ] {
            assert_eq!(dollars(text), Some(NanoUsd(nanos)), "{text}");
        }
        for bad in ["", "-1", "x", ".", "1e999", "0x1", "NaN"] {
            assert_eq!(dollars(bad), None, "{bad}");
        }
    }

    #[test]
    fn plain_messages() {
        let status = StatusCode::BAD_GATEWAY;
        assert_eq!(plain_message(status, b""), "HTTP 502 Bad Gateway without a body");
        assert_eq!(plain_message(status, b" <html>"), "HTTP 502 Bad Gateway with an HTML page");
        assert_eq!(plain_message(status, b"\nno healthy upstream\n"), "no healthy upstream");
    }

    #[test]
    fn bodies_keep_no_secrets() {
        let body = br#"{"error":{"message":"Incorrect API key provided: sk-proj-abcdefghijklmnop1234"}}"#;
        let kind = kind_of_status(StatusCode::UNAUTHORIZED);
        let error = error_reply(Dialect::OpenAiChat, kind, StatusCode::UNAUTHORIZED, "x", body);
        let kept = String::from_utf8(error.body.unwrap().1.to_vec()).unwrap();
        assert!(kept.contains("[key]") && !kept.contains("abcdefgh"), "{kept}");
    }
}
