//! Masks secrets and personal data in text that is logged or shown.

use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// One alternative a kind; the group's name is what stands in its place.
const PATTERN: &str = concat!(
    r"(?P<key>\b(?:sk|pk|rk|nk|pplx|gsk|xai|ghp|gho|ghs|glpat|hf|AKIA|ASIA)[-_A-Za-z0-9]{16,}|\bAIza[-_A-Za-z0-9]{30,})",
    r"|(?P<token>(?i:bearer\s+)[-._~+/A-Za-z0-9]{12,}=*|\beyJ[-_A-Za-z0-9]{8,}\.[-_A-Za-z0-9]{8,}\.[-_A-Za-z0-9]*)",
    r"|(?P<email>\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+\b)",
    r"|(?P<resident>\b\d{6}-[1-8]\d{6}\b)",
    r"|(?P<card>\b(?:\d{4}[- ]?){3}\d{4}\b)",
    r"|(?P<phone>(?:\+82[- ]?|\b0)1[016789][- ]?\d{3,4}[- ]?\d{4}\b|\+\d{1,3}[- ]\d{2,4}[- ]\d{3,4}[- ]?\d{3,4}\b)",
);

/// A word border that Hangul right behind a number does not hide.
const ASCII_BORDER: &str = r"(?-u:\b)";

/// Bytes behind a cut that are looked at, so that a secret across it is known for one: all kinds are known by fewer.
const LONGEST_SEEN: usize = 256;

static SECRETS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&PATTERN.replace(r"\b", ASCII_BORDER)).ok());

/// The text with keys, tokens, e-mail addresses, resident numbers, card and phone numbers replaced by `[kind]`.
pub fn mask_secrets(text: &str) -> Cow<'_, str> {
    mask_with(text, |kind, _| format!("[{kind}]"))
}

/// The first `chars` characters of a text, masked. Reads no further than the last secret that begins among them.
pub fn mask_start(text: &str, chars: usize) -> String {
    let end = text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    let Some(pattern) = SECRETS.as_ref() else { return "[unmaskable]".into() };
    let mut shown = String::with_capacity(end);
    let mut from = 0;
    let reach = text.floor_char_boundary(end.saturating_add(LONGEST_SEEN));
    for found in pattern.captures_iter(&text[..reach]) {
        let Some((whole, kind)) = found.get(0).zip(kind_of(&found)).filter(|(whole, _)| whole.start() < end)
        else {
            break;
        };
        shown.push_str(&text[from..whole.start()]);
        shown.push_str(&format!("[{}]", kind.0));
        from = whole.end();
    }
    shown.push_str(text.get(from..end).unwrap_or_default());
    shown
}

/// The text with each secret or personal datum replaced by what `name` makes of its kind and itself.
pub fn mask_with<'a>(text: &'a str, mut name: impl FnMut(&'static str, &str) -> String) -> Cow<'a, str> {
    let Some(pattern) = SECRETS.as_ref() else { return Cow::Borrowed("[unmaskable]") };
    pattern.replace_all(text, |found: &Captures<'_>| {
        kind_of(found).map_or_else(String::new, |(kind, value)| name(kind, value))
    })
}

/// The kind of what was found, and itself.
fn kind_of<'a>(found: &Captures<'a>) -> Option<(&'static str, &'a str)> {
    let kinds = ["key", "token", "email", "resident", "card", "phone"];
    kinds.into_iter().find_map(|kind| Some((kind, found.name(kind)?.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked() {
        for (text, masked) in [
            ("key sk-proj-abcdefghijklmnop1234 end", "key [key] end"),
            ("Authorization: Bearer abcdefghijklmnop", "Authorization: [token]"),
            ("mail kim.cs@example.co.kr now", "mail [email] now"),
            ("주민번호 900101-1234567", "주민번호 [resident]"),
            ("카드 1234-5678-9012-3456", "카드 [card]"),
            ("전화 010-1234-5678로", "전화 [phone]로"),
            ("nk-0123456789abcdefghij", "[key]"),
            ("What is 2+2?", "What is 2+2?"),
            ("sk-short", "sk-short"),
        ] {
            assert_eq!(mask_secrets(text), masked);
        }
        assert!(SECRETS.is_some());
    }

    #[test]
    fn a_secret_across_the_cut_is_masked_whole() {
        let text = "열쇠 sk-proj-abcdefghijklmnop1234, mail kim@example.co.kr";
        assert_eq!(mask_start(text, 6), "열쇠 [key]");
        assert_eq!(mask_start(text, 2), "열쇠");
        assert_eq!(mask_start(text, 1_000), "열쇠 [key], mail [email]");
        for chars in 0..text.chars().count() {
            let shown = mask_start(text, chars);
            assert!(!shown.contains("abc") && !shown.contains("kim@"), "{chars}: {shown}");
        }
        let long = format!("{} sk-{}", "가".repeat(10), "a".repeat(100_000));
        assert_eq!(mask_start(&long, 14), format!("{} [key]", "가".repeat(10)));
    }
}
