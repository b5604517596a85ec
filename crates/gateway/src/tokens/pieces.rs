//! Splits text where no token may reach across: words, numbers, marks, line ends, spaces.

use regex::Regex;
use std::sync::LazyLock;

/// The splitting rules that OpenAI published with o200k, less the look-ahead for spaces, which [`pieces`] does.
static RULES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const HEAD: &str = r"[^\r\n\p{L}\p{N}]?";
    const UPPER: &str = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
    const LOWER: &str = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    const TAIL: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
    let rules = [
        format!("{HEAD}{UPPER}*{LOWER}+{TAIL}"),
        format!("{HEAD}{UPPER}+{LOWER}*{TAIL}"),
        r"\p{N}{1,3}".to_owned(),
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*".to_owned(),
        r"\s*[\r\n]+".to_owned(),
        r"\s+".to_owned(),
    ];
    Regex::new(&rules.join("|")).ok()
});

/// The pieces of a text, which together are the text.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        // Every character is part of some rule's match, so a match begins where the last one ended.
        let found = RULES.as_ref().and_then(|rules| rules.find_at(text, at));
        let piece = found.and_then(|found| text.get(at..found.end())).filter(|piece| !piece.is_empty());
        let piece = piece.map_or(rest, |piece| leave_one_space(piece, rest));
        at += piece.len();
        Some(piece)
    })
}

/// Of several spaces before a word the last belongs to the word.
fn leave_one_space<'a>(piece: &'a str, rest: &str) -> &'a str {
    let last = piece.chars().next_back().filter(|c| c.is_whitespace() && !matches!(c, '\r' | '\n'));
    match last {
        Some(last) if piece.len() < rest.len() && piece.len() > last.len_utf8() => {
            &piece[..piece.len() - last.len_utf8()]
        }
        _ => piece,
    }
}
