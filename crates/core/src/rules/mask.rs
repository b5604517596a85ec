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

static SECRETS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&PATTERN.replace(r"\b", ASCII_BORDER)).ok());

/// The text with keys, tokens, e-mail addresses, resident numbers, card and phone numbers replaced by `[kind]`.
pub fn mask_secrets(text: &str) -> Cow<'_, str> {
    mask_with(text, |kind, _| format!("[{kind}]"))
}

/// The text with each secret or personal datum replaced by what `name` makes of its kind and itself.
pub fn mask_with<'a>(text: &'a str, mut name: impl FnMut(&'static str, &str) -> String) -> Cow<'a, str> {
    let Some(pattern) = SECRETS.as_ref() else { return Cow::Borrowed("[unmaskable]") };
    pattern.replace_all(text, |found: &Captures<'_>| {
        let kinds = ["key", "token", "email", "resident", "card", "phone"];
        let kind = kinds.into_iter().find_map(|kind| Some((kind, found.name(kind)?.as_str())));
        kind.map_or_else(String::new, |(kind, value)| name(kind, value))
    })
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
}
