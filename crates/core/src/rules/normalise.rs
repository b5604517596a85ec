//! Normalisation of prompt text for the exact cache: what may be folded without changing the question.

use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A longer text is no question typed in passing, in bytes: its spacing is kept.
const LONGEST_FOLDED: usize = 1_000;

/// Normalises one text: NFC, `\n` line ends, no outer white space. Inner white space and the case of the first letter are
/// folded as well for one-line human text, and only where case and spacing cannot carry meaning: no digits, quotes,
/// slashes, code marks, and no capital after the first letter.
pub(super) fn normalise_prompt(text: &str, human: bool) -> Cow<'_, str> {
    let trimmed = text.trim();
    let whole = trimmed.is_ascii() || is_nfc(trimmed);
    let mut normal = if whole { Cow::Borrowed(trimmed) } else { Cow::Owned(trimmed.nfc().collect()) };
    if normal.contains('\r') {
        normal = Cow::Owned(normal.replace("\r\n", "\n").replace('\r', "\n"));
    }
    if human && normal.len() <= LONGEST_FOLDED && may_fold(&normal) { fold(normal) } else { normal }
}

/// Whether spacing and the first letter's case are mere style in this text.
fn may_fold(text: &str) -> bool {
    let mut first_letter_seen = false;
    text.chars().all(|c| {
        let capital_inside = first_letter_seen && c.is_uppercase();
        first_letter_seen |= c.is_alphabetic();
        !capital_inside && !c.is_numeric() && !c.is_control() && !is_meaningful_mark(c)
    })
}

fn is_meaningful_mark(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '`'
            | '“'
            | '”'
            | '‘'
            | '’'
            | '«'
            | '»'
            | '「'
            | '」'
            | '『'
            | '』'
            | '/'
            | '\\'
            | '<'
            | '>'
            | '{'
            | '}'
            | '['
            | ']'
            | '('
            | ')'
            | '='
            | ';'
            | '_'
            | '$'
            | '#'
            | '@'
            | '*'
            | '|'
            | '&'
            | '^'
            | '~'
            | '+'
            | '%'
            | ':'
    )
}

fn fold(text: Cow<'_, str>) -> Cow<'_, str> {
    let spaced = text.split(' ').any(str::is_empty) || text.chars().any(|c| c != ' ' && c.is_whitespace());
    let capital = text.chars().next().is_some_and(char::is_uppercase);
    if !spaced && !capital {
        return text;
    }
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    // A lone capital letter may be a name (vitamin "C", "I"): only a longer first word is style.
    let first_word = folded.split(' ').next().unwrap_or("").chars().count();
    if capital && first_word > 1 {
        let mut chars = folded.chars();
        let first: String = chars.next().map(|c| c.to_lowercase().collect()).unwrap_or_default();
        folded = first + chars.as_str();
    }
    Cow::Owned(folded)
}

#[cfg(test)]
mod tests {
    use super::normalise_prompt;

    #[test]
    fn same_question() {
        for (a, b) in [
            ("What is love?", "what  is love? "),
            ("라면 맛있게 끓이는 법", " 라면  맛있게 끓이는 법\n"),
            ("가", "\u{1100}\u{1161}"),
            ("a\r\nb", "a\nb"),
        ] {
            assert_eq!(normalise_prompt(a, true), normalise_prompt(b, true), "{a:?} {b:?}");
        }
    }

    #[test]
    fn other_question() {
        for (a, b) in [
            ("help us", "help US"),
            ("polish the table", "Polish the Table"),
            ("a  b 1", "a b 1"),
            ("print 'a  b'", "print 'a b'"),
            ("if x:\n  y", "if x:\n y"),
            ("ls /Tmp", "ls /tmp"),
            ("set X", "set x"),
            ("C", "c"),
        ] {
            assert_ne!(normalise_prompt(a, true), normalise_prompt(b, true), "{a:?} {b:?}");
        }
        assert_ne!(normalise_prompt("What is", false), normalise_prompt("what  is", false));
    }
}
