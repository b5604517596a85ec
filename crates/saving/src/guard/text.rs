//! Cuts a text into tokens: NFKC first, so that full-width digits and compatibility forms compare equal.

use unicode_normalization::UnicodeNormalization;

/// The longest text whose answer may be shared, in bytes: a longer one is a document, and its differences are not read.
pub(super) const LONGEST: usize = 4_000;

/// What a token is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Hangul syllables only.
    Hangul,
    /// Latin letters, with apostrophes inside.
    Latin,
    /// Digits, with separators inside.
    Digits,
    /// A file name, version, address, identifier, or letters and digits in one: compared letter by letter.
    Literal,
    /// Letters of another script, or of several.
    Other,
    /// One mark.
    Mark,
}

/// One token, in lower case unless it is a literal.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Its text.
    pub(super) text: String,
    /// What it is written in.
    pub(super) script: Script,
    /// Whether it follows the token before without a space.
    pub(super) glued: bool,
    /// Whether it was written with a capital.
    pub(super) capital: bool,
    /// Whether it opens a sentence.
    pub(super) opens: bool,
}

/// A text cut into tokens and the quoted or fenced parts that must agree letter by letter.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    /// The tokens, in order.
    pub(super) list: Vec<Token>,
    /// What stood in quotes or code marks.
    pub(super) quoted: Vec<String>,
    /// Letters and digits seen.
    pub(super) letters: usize,
}

/// Cuts a text; `None` when it is too long to be shared.
pub(super) fn tokens(text: &str) -> Option<Tokens> {
    if text.len() > LONGEST {
        return None;
    }
    let text: String = text.nfkc().filter(|c| !is_invisible(*c)).collect();
    let chars: Vec<char> = text.chars().collect();
    let mut found = Tokens { quoted: quoted(&text), ..Tokens::default() };
    let (mut at, mut spaced, mut opens) = (0, true, true);
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            (spaced, at) = (true, at + 1);
            continue;
        }
        let end = token_end(&chars, at);
        let mut token = token(&chars[at..end]);
        (token.glued, token.opens) = (!spaced, opens);
        if token.script == Script::Mark {
            opens = matches!(c, '.' | '?' | '!' | '\n' | ':');
        } else {
            found.letters += end - at;
            opens = false;
        }
        found.list.push(token);
        (at, spaced) = (end, false);
    }
    Some(found)
}

/// Zero-width marks and direction marks: they change nothing that a reader sees.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

pub(super) fn is_hangul(c: char) -> bool {
    ('가'..='힣').contains(&c) || ('\u{1100}'..='\u{11ff}').contains(&c) || ('ㄱ'..='ㅣ').contains(&c)
}

/// Marks that join letters and digits into one literal when both neighbours are such.
fn joins(c: char) -> bool {
    matches!(c, '.' | ',' | '-' | '_' | '/' | ':' | '@' | '\\' | '\'' | '’' | '=' | '&' | '?' | '%' | '~')
}

fn token_end(chars: &[char], start: usize) -> usize {
    let first = chars[start];
    if is_hangul(first) {
        return run(chars, start, is_hangul);
    }
    let word = |c: char| (c.is_alphanumeric() && !is_hangul(c)) || c == '_';
    let leads = matches!(first, '.' | '-' | '/' | '_' | '@' | '#' | '~')
        && chars.get(start + 1).is_some_and(|c| word(*c))
        && (start == 0 || !word(chars[start - 1]));
    if !word(first) && !leads {
        return start + 1;
    }
    let mut end = start + 1;
    while end < chars.len() {
        let (c, next) = (chars[end], chars.get(end + 1).copied());
        let inside = joins(c) && next.is_some_and(word) && (c != '?' || chars[start..end].contains(&'/'));
        let scheme = c == ':' && next == Some('/') || c == '/' && next == Some('/');
        let plus = matches!(c, '+' | '#') && chars[start..end].iter().any(char::is_ascii_alphabetic);
        if !(word(c) || inside || scheme || plus) {
            break;
        }
        end += 1;
    }
    end
}

fn run(chars: &[char], start: usize, within: impl Fn(char) -> bool) -> usize {
    start + chars[start..].iter().take_while(|c| within(**c)).count()
}

fn token(chars: &[char]) -> Token {
    let raw: String = chars.iter().map(|c| if *c == '’' { '\'' } else { *c }).collect();
    let script = script(&raw);
    let capital = raw.chars().next().is_some_and(char::is_uppercase);
    // In capitals it is the country, not the pronoun.
    let raw = if raw == "US" { "USA".to_owned() } else { raw };
    let text = if script == Script::Literal { raw } else { raw.to_lowercase() };
    Token { text, script, glued: false, capital, opens: false }
}

fn script(raw: &str) -> Script {
    let mut chars = raw.chars();
    let Some(first) = chars.next() else { return Script::Mark };
    if is_hangul(first) {
        return Script::Hangul;
    }
    if !raw.chars().any(char::is_alphanumeric) {
        return Script::Mark;
    }
    let has = |test: fn(char) -> bool| raw.chars().any(test);
    let (latin, digit) = (has(|c| c.is_ascii_alphabetic()), has(|c| c.is_ascii_digit()));
    let other = has(|c| c.is_alphanumeric() && !c.is_ascii_alphanumeric());
    let accented = has(|c| c.is_alphabetic() && !c.is_ascii() && (c as u32) < 0x250);
    let foreign = has(|c| c.is_alphabetic() && (c as u32) >= 0x250);
    let marks = raw.chars().any(|c| !c.is_alphanumeric() && !matches!(c, '\'' | '-' | '+' | '#'));
    match (latin || accented, digit) {
        _ if other && foreign => Script::Other,
        (true, false) if !marks => Script::Latin,
        (true, _) if is_small_amount(raw) => Script::Digits,
        (true, _) => Script::Literal,
        (false, true) if raw.matches('.').count() > 1 && raw.split('.').count() > 2 => Script::Literal,
        (false, true) => Script::Digits,
        _ => Script::Other,
    }
}

/// `5k`, `10km`, `3pm`, `1st`, `20%`: a number with a short tail of letters.
fn is_small_amount(raw: &str) -> bool {
    let tail = raw.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ':'));
    let known = [
        "k", "m", "b", "km", "kg", "g", "cm", "mm", "mi", "lb", "lbs", "gb", "mb", "tb", "am", "pm", "st",
        "nd", "rd", "th", "h", "hr", "hrs", "min", "mins", "s", "ft", "l", "ml", "c", "f", "x", "d",
    ];
    tail.len() < raw.len() && known.contains(&tail.to_ascii_lowercase().as_str())
}

/// What stands in quotes, back quotes or code fences, with white space folded.
fn quoted(text: &str) -> Vec<String> {
    const PAIRS: [(char, char); 7] =
        [('`', '`'), ('"', '"'), ('“', '”'), ('‘', '’'), ('「', '」'), ('『', '』'), ('«', '»')];
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((at, open)) = rest.char_indices().find(|(_, c)| PAIRS.iter().any(|(o, _)| o == c)) {
        let close = PAIRS.iter().find(|(o, _)| *o == open).map_or(open, |(_, close)| *close);
        let inside = &rest[at + open.len_utf8()..];
        let Some(end) = inside.find(close) else { break };
        let content = inside[..end].split_whitespace().collect::<Vec<_>>().join(" ");
        if !content.is_empty() {
            found.push(content);
        }
        rest = &inside[end + close.len_utf8()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        tokens(text).expect("short").list.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn tokens_are_cut_where_readers_cut_them() {
        for (text, expected) in [
            ("３만원짜리 iPhone15를", vec!["3", "만원짜리", "iPhone15", "를"]),
            ("What's new in v1.2.3?", vec!["what's", "new", "in", "v1.2.3", "?"]),
            ("open /etc/hosts, now", vec!["open", "/etc/hosts", ",", "now"]),
            ("C++ and C#", vec!["c++", "and", "c#"]),
            ("at 15:30 or 3pm", vec!["at", "15:30", "or", "3pm"]),
            ("", vec![]),
            ("zero\u{200b}width", vec!["zerowidth"]),
        ] {
            assert_eq!(cut(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_are_kept_whole() {
        let found = tokens("translate \"good  morning\" and `ls -l`").expect("short");
        assert_eq!(found.quoted, ["good morning", "ls -l"]);
    }

    #[test]
    fn documents_are_refused() {
        assert!(tokens(&"word ".repeat(100_000)).is_none());
    }
}
