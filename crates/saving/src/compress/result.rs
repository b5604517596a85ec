//! Shortens one tool result by what it is: JSON, diff, log, page or prose. Never longer than it came.

use super::html::{html_text, is_html};
use super::lines::{is_diff, is_log, shorten_diff, shorten_log};
use super::sentences::sentences;
use super::table::compact_json;
use crate::select::estimate_tokens;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Characters of the hash that name an original.
const ID_CHARS: usize = 12;
/// A shortening must save at least this share, in percent, or the original stays as it is.
const LEAST_SAVING: u64 = 5;
/// What of a text too long is taken from its head, in percent; the rest comes from its end.
const HEAD_SHARE: u64 = 75;

/// What a tool result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// A JSON object or array.
    Json,
    /// A unified diff.
    Diff,
    /// Lines with times, or that repeat.
    Log,
    /// An HTML page.
    Html,
    /// Anything else to read.
    Text,
    /// Bytes that are no text.
    Binary,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultPolicy {
    /// Results of fewer tokens stay as they are.
    pub least_tokens: u64,
    /// Most tokens of a result, the note included; what is over is cut at a line or sentence end.
    pub most_tokens: u64,
}

impl Default for ResultPolicy {
    fn default() -> Self {
        Self { least_tokens: 150, most_tokens: 2_000 }
    }
}

/// A tool result to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedResult {
    /// What to send; the original where nothing was to be won.
    pub text: String,
    /// What it was taken for.
    pub kind: ResultKind,
    /// The id under which the original is kept; the note in the text names it. `None` when nothing was left out.
    pub recall_id: Option<String>,
    /// Tokens of the original, estimated.
    pub tokens_before: u64,
    /// Tokens of the text, estimated.
    pub tokens_after: u64,
}

/// The id of an original: the head of its SHA-256, in hexadecimal.
pub fn content_id(original: &str) -> String {
    let mut id = String::with_capacity(ID_CHARS);
    for byte in Sha256::digest(original.as_bytes()).iter().take(ID_CHARS / 2) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Shortens a tool result. Keep the original under the id when there is one.
pub fn compress_result(original: &str, policy: &ResultPolicy) -> CompressedResult {
    let kind = kind_of(original);
    let tokens_before = estimate_tokens(original);
    let unchanged = || CompressedResult {
        text: original.to_owned(),
        kind,
        recall_id: None,
        tokens_before,
        tokens_after: tokens_before,
    };
    if tokens_before < policy.least_tokens {
        return unchanged();
    }
    let (mut text, mut left_out) = shorten(original, kind, policy);
    let id = content_id(original);
    let room = policy.most_tokens.saturating_sub(40);
    if estimate_tokens(&text) > room {
        let (cut, tokens) = cut_text(&text, kind, room);
        text = cut;
        left_out = Some(
            left_out
                .map_or_else(|| format!("{tokens} tokens"), |before| format!("{before} and {tokens} tokens")),
        );
    }
    if let Some(left_out) = &left_out {
        let _ = write!(text, "\n[left out: {left_out}; recall id {id}]");
    }
    let tokens_after = estimate_tokens(&text);
    if text.len() >= original.len() || tokens_after * 100 > tokens_before * (100 - LEAST_SAVING) {
        return unchanged();
    }
    CompressedResult { text, kind, recall_id: left_out.map(|_| id), tokens_before, tokens_after }
}

fn kind_of(text: &str) -> ResultKind {
    let sample = text.chars().take(2_000);
    let (mut all, mut odd) = (0, 0);
    for c in sample {
        all += 1;
        odd += u32::from((c.is_control() && !c.is_whitespace()) || c == char::REPLACEMENT_CHARACTER);
    }
    if odd * 20 > all {
        ResultKind::Binary
    } else if text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<&serde_json::value::RawValue>(text.trim()).is_ok()
    {
        ResultKind::Json
    } else if is_diff(text) {
        ResultKind::Diff
    } else if is_html(text) {
        ResultKind::Html
    } else if is_log(text) {
        ResultKind::Log
    } else {
        ResultKind::Text
    }
}

/// The shortened text and what it lacks.
fn shorten(original: &str, kind: ResultKind, policy: &ResultPolicy) -> (String, Option<String>) {
    let lines = |short: super::lines::ShortLines| {
        let left_out = (short.left_out > 0).then(|| format!("{} lines", short.left_out));
        (short.text, left_out)
    };
    match kind {
        ResultKind::Json => fitting_json(original, policy),
        ResultKind::Diff => lines(shorten_diff(original)),
        ResultKind::Log => lines(shorten_log(original)),
        ResultKind::Html => (html_text(original), Some("markup".to_owned())),
        ResultKind::Text => (original.to_owned(), None),
        ResultKind::Binary => (String::new(), Some(format!("{} bytes that are no text", original.len()))),
    }
}

/// All rows where they fit, else as many as do.
fn fitting_json(original: &str, policy: &ResultPolicy) -> (String, Option<String>) {
    let Some(whole) = compact_json(original, usize::MAX) else { return (original.to_owned(), None) };
    let tokens = estimate_tokens(&whole.text);
    let room = policy.most_tokens.saturating_sub(40);
    if tokens <= room || whole.rows == 0 {
        return (whole.text, None);
    }
    let share = whole.rows as u64 * room * 9 / (tokens * 10);
    match compact_json(original, share.max(1) as usize) {
        Some(cut) if cut.rows_left_out > 0 => {
            let left_out = format!("{} of {} rows", cut.rows_left_out, cut.rows);
            (cut.text, Some(left_out))
        }
        _ => (whole.text, None),
    }
}

/// Head and end of a text within a number of tokens, cut at line ends, in prose at sentence ends; and how many tokens went.
fn cut_text(text: &str, kind: ResultKind, room: u64) -> (String, u64) {
    let units: Vec<&str> = if kind == ResultKind::Text { sentences(text) } else { text.lines().collect() };
    let joint = if kind == ResultKind::Text && !text.contains('\n') { " " } else { "\n" };
    let fit = |units: &mut dyn Iterator<Item = &&str>, room: u64| {
        let mut used = 0;
        units
            .take_while(|unit| {
                used += estimate_tokens(unit) + 1;
                used <= room
            })
            .count()
    };
    let head = fit(&mut units.iter(), room * HEAD_SHARE / 100);
    let tail = fit(&mut units[head..].iter().rev(), room * (100 - HEAD_SHARE) / 100);
    let mut kept = units[..head].join(joint);
    if head == 0 {
        // One endless unit: a plain cut is all that is left.
        kept = text.chars().take(room as usize).collect();
    }
    let cut = format!("{kept}{joint}…{joint}{}", units[units.len() - tail..].join(joint));
    let gone = estimate_tokens(text).saturating_sub(estimate_tokens(&cut));
    (cut, gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_are_told_apart() {
        for (text, kind) in [
            (r#"{"a": [1, 2]}"#.to_owned(), ResultKind::Json),
            ("{ broken json".to_owned(), ResultKind::Text),
            ("diff --git a/b b/b\n@@ -1 +1 @@\n-a\n+b".to_owned(), ResultKind::Diff),
            ("<html><body>x</body></html>".to_owned(), ResultKind::Html),
            ("10:00:00 a\n".repeat(9), ResultKind::Log),
            ("\u{0}\u{1}\u{2}PNG\u{fffd}\u{fffd}".repeat(9), ResultKind::Binary),
            ("Just prose. 그리고 글.".to_owned(), ResultKind::Text),
        ] {
            assert_eq!(kind_of(&text), kind, "{text:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let policy = ResultPolicy { least_tokens: 10, most_tokens: 200 };
        let prose = "The first sentence says it all. ".repeat(200);
        let short = compress_result(&prose, &policy);
        let id = short.recall_id.clone().unwrap();
        assert!(
            short.text.contains(&format!("recall id {id}")) && short.tokens_after <= 200,
            "{}",
            short.tokens_after
        );
        assert!(short.text.contains("all. …") || short.text.contains("all.\n…"), "cut at a sentence end");
        let rows: String =
            (0..300).map(|n| format!(r#"{{"id": {n}, "name": "item {n}", "price": {}}},"#, n * 10)).collect();
        let json = format!("[{}]", rows.trim_end_matches(','));
        let table = compress_result(&json, &ResultPolicy { least_tokens: 10, most_tokens: 1_000 });
        assert!(table.text.contains("of 300 rows; recall id"), "{}", table.text);
        let whole = compress_result(&json, &ResultPolicy { least_tokens: 10, most_tokens: 100_000 });
        assert!(
            whole.recall_id.is_none() && whole.tokens_after * 10 < whole.tokens_before * 7,
            "lossless needs no recall"
        );
    }

    #[test]
    fn small_and_incompressible_results_stay() {
        for text in ["ok", "", "{\"a\":1}"] {
            assert_eq!(compress_result(text, &ResultPolicy::default()).text, text);
        }
        assert_eq!(content_id("abc"), "ba7816bf8f01");
    }

    proptest! {
        #[test]
        fn never_longer_never_a_panic(text in "(?s)([{\\[\"a-z0-9,:<>/ \n-]|.|가){0,300}", times in 1..20_usize, most in 0..300_u64) {
            let text = text.repeat(times);
            let short = compress_result(&text, &ResultPolicy { least_tokens: 0, most_tokens: most });
            prop_assert!(short.text.len() <= text.len());
            prop_assert!(short.tokens_after <= short.tokens_before);
            prop_assert!(short.recall_id.is_some() || short.text == text || short.kind == ResultKind::Json);
        }
    }
}
