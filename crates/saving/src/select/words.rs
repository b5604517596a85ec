//! Cuts text into the terms that lexical ranking compares: stems, character n-grams, Korean bigrams, parts of identifiers.

use std::collections::HashSet;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Words that say nothing about a topic, in requests as in descriptions.
const STOP_WORDS: &str = "a an the of to and or in on for with by from is are was be this that it as at your you i my me can \
    could would will do does how what which who when where please help want need tool tools app any some all into using use \
    used new get has have we our us their its about there here if so just like also not no am been were being they them he \
    she his her him did had than then too very let s t re ve m ll d";

static STOPS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| STOP_WORDS.split_ascii_whitespace().collect());

/// Endings cut from English words, longest first.
const ENDINGS: [&str; 15] = [
    "ization", "izing", "ized", "izes", "ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er",
    "ly", "s",
];

/// Most characters of a request that are looked at, half from its head and half from its tail.
const QUERY_CHARS: usize = 4_000;

/// Whether a lower-case English word says nothing about a topic.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOPS.contains(word)
}

/// Whether a character is a Hangul syllable.
pub(crate) fn is_hangul(c: char) -> bool {
    ('가'..='힣').contains(&c)
}

/// Head and tail of a long text; a person's request is said there, the middle is what they pasted.
pub(crate) fn ends_of(text: &str) -> String {
    if text.chars().nth(QUERY_CHARS).is_none() {
        return text.to_owned();
    }
    let head: String = text.chars().take(QUERY_CHARS / 2).collect();
    let mut tail: Vec<char> = text.chars().rev().take(QUERY_CHARS / 2).collect();
    tail.reverse();
    format!("{head} {}", tail.into_iter().collect::<String>())
}

/// Marks between an instruction and the text it is about.
const SEPARATORS: [&str; 6] = [": ", ":\n", "\n\n", "<-", "->", "```"];
/// A request shorter than this many characters is all instruction.
const SHORT_REQUEST: usize = 60;
/// Terms an instruction must have to stand for itself.
const LEAST_TERMS: usize = 2;

/// The instruction of a request that carries a longer text to work on ("translate this: …"); the whole where there is
/// no such text. Embed this rather than the whole: the text would drown the instruction.
pub fn asking_part(text: &str) -> &str {
    if text.chars().nth(SHORT_REQUEST).is_none() {
        return text;
    }
    let parts = |mark: &&str| {
        text.split_once(*mark)
            .map(|(before, _)| before)
            .into_iter()
            .chain(text.rsplit_once(*mark).map(|(_, after)| after))
            .collect::<Vec<_>>()
    };
    let stands_alone = |part: &&str| {
        part.len() * 2 < text.len() && terms(part).into_iter().collect::<HashSet<_>>().len() >= LEAST_TERMS
    };
    SEPARATORS.iter().flat_map(parts).filter(stands_alone).find(|part| asks(part)).unwrap_or(text)
}

/// Words and endings of clauses that ask for something.
fn asks(clause: &str) -> bool {
    const ASKS: [&str; 20] = [
        "please",
        "can you",
        "could you",
        "would you",
        "for me",
        "translate",
        "summar",
        "rewrite",
        "fix",
        "count",
        "convert",
        "줘",
        "주세요",
        "주실",
        "줄래",
        "달라",
        "알려",
        "부탁",
        "요청",
        "하라",
    ];
    let lower = clause.to_lowercase();
    ASKS.iter().any(|ask| lower.contains(ask))
}

/// NFKC, with `camelCase`, `PascalCase` and `snake_case` opened up into words; letters keep their case.
pub(crate) fn open_identifiers(text: &str) -> String {
    let chars: Vec<char> = text.nfkc().collect();
    let mut opened = String::with_capacity(text.len() + 8);
    for (at, &c) in chars.iter().enumerate() {
        if c == '_' {
            opened.push(' ');
            continue;
        }
        let before = at.checked_sub(1).map(|b| chars[b]);
        let after = chars.get(at + 1).copied();
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_ascii_uppercase() && after.is_some_and(|a| a.is_ascii_lowercase()))
            });
        if starts_word {
            opened.push(' ');
        }
        opened.push(c);
    }
    opened
}

/// Runs of letters and digits of one script, lower case, in order; Hangul runs stay apart from others.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut open: Option<bool> = None;
    for c in text.nfkc().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            open = None;
            continue;
        }
        let hangul = is_hangul(c);
        match tokens.last_mut() {
            Some(token) if open == Some(hangul) => token.push(c),
            _ => tokens.push(c.to_string()),
        }
        open = Some(hangul);
    }
    tokens
}

/// Cuts an English word's ending; other words come back as they are.
pub(crate) fn stem(word: &str) -> String {
    let mut stem = word.to_owned();
    if !word.is_ascii() {
        return stem;
    }
    for ending in ENDINGS {
        if stem.ends_with(ending) && stem.len() - ending.len() >= 3 {
            stem.truncate(stem.len() - ending.len());
            if ending == "ies" {
                stem.push('y');
            }
            break;
        }
    }
    if stem.ends_with('e') && stem.len() > 4 {
        stem.pop();
    }
    let mut ends = stem.bytes().rev();
    if let (Some(last), Some(before)) = (ends.next(), ends.next())
        && stem.len() > 3
        && last == before
        && last.is_ascii_alphabetic()
        && !matches!(last, b's' | b'l')
    {
        stem.pop();
    }
    stem
}

/// Terms of a text: stems of its words without stop words, and bigrams of its Korean words (endings differ, bigrams agree).
pub(crate) fn terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    for token in tokens(text) {
        if token.chars().next().is_some_and(is_hangul) {
            push_bigrams(&token, &mut terms);
        } else if !is_stop_word(&token) {
            terms.push(stem(&token));
        }
    }
    terms
}

fn push_bigrams(token: &str, into: &mut Vec<String>) {
    let chars: Vec<char> = token.chars().collect();
    if chars.len() == 1 {
        into.push(token.to_owned());
    }
    into.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
}

/// Character n-grams of length 3 to 5 of each English word, its ends marked; parts of words that were run together match.
pub(crate) fn grams(text: &str) -> Vec<String> {
    let mut grams = Vec::new();
    for token in tokens(text) {
        if token.chars().next().is_some_and(is_hangul) || is_stop_word(&token) {
            continue;
        }
        let marked: Vec<char> =
            std::iter::once('<').chain(token.chars().take(32)).chain(std::iter::once('>')).collect();
        for length in 3..=5 {
            grams.extend(marked.windows(length).map(|gram| gram.iter().collect::<String>()));
        }
    }
    grams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_open_up() {
        for (name, words) in [
            ("getCurrentTime", "get Current Time"),
            ("PDFExporter", "PDF Exporter"),
            ("create_qr_code", "create qr code"),
            ("AI2SQLTool", "AI2 SQL Tool"),
            ("날씨_조회", "날씨 조회"),
        ] {
            assert_eq!(open_identifiers(name), words, "{name}");
        }
    }

    #[test]
    fn stems_agree() {
        for pair in [
            ("recipes", "recipe"),
            ("calculating", "calculator"),
            ("translated", "translate"),
            ("companies", "company"),
        ] {
            let (a, b) = (stem(pair.0), stem(pair.1));
            assert!(a.starts_with(&b) || b.starts_with(&a), "{pair:?}: {a} {b}");
        }
        assert_eq!(stem("날씨"), "날씨");
        assert_eq!(stem("11"), "11");
    }

    #[test]
    fn terms_of_mixed_scripts() {
        assert_eq!(terms("What is the BMI 계산기?"), ["bmi", "계산", "산기"]);
        assert_eq!(terms("비 오나요"), ["비", "오나", "나요"]);
        assert_eq!(terms("키170cm"), ["키", "170cm"]);
        assert!(grams("the map").contains(&"<map>".to_owned()));
    }

    #[test]
    fn pasted_text_is_no_request() {
        let pasted =
            "The quarterly results were better than expected in all regions but one. Sales grew by a tenth";
        for (text, asking) in [
            (format!("Translate this into Korean: {pasted}"), "Translate this into Korean"),
            (format!("{pasted}. <- 이 글 요약해줘"), " 이 글 요약해줘"),
            (format!("Help: {pasted}"), &format!("Help: {pasted}")),
            ("please translate: no".to_owned(), "please translate: no"),
            (pasted.to_owned(), pasted),
        ] {
            assert_eq!(asking_part(&text), asking);
        }
    }

    #[test]
    fn long_requests_keep_both_ends() {
        let text = format!("first {} last", "x".repeat(200_000));
        let cut = ends_of(&text);
        assert!(cut.starts_with("first") && cut.ends_with("last") && cut.chars().count() <= QUERY_CHARS + 1);
        assert_eq!(ends_of("짧다"), "짧다");
    }
}
