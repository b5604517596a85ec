//! The terms that facts are found by: stems of words, and pairs of syllables of Korean words, whose endings differ.

use std::collections::HashSet;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Words that tell nothing about what a sentence is about.
const STOP_WORDS: &str = "a an the of to and or in on for with by from is are was be this that it as at your you i my me \
    can could would will do does did how what which who when where why please any some all into have has had we our us \
    their its about there here if so just like also not no am been were being they them he she his her him than then too \
    very let s t re ve m ll d";

/// Endings cut from English words, longest first.
const ENDINGS: [&str; 15] = [
    "ization", "izing", "ized", "izes", "ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er",
    "ly", "s",
];

/// Longest term kept, in characters: longer runs are no words.
const LONGEST: usize = 40;

static STOPS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| STOP_WORDS.split_ascii_whitespace().collect());

/// The terms of a text, in order, repeated ones as often as they occur.
pub fn search_terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let mut run = String::new();
    let mut hangul_run = false;
    for c in text.nfkc().flat_map(char::to_lowercase) {
        let hangul = is_hangul(c);
        if !c.is_alphanumeric() || hangul != hangul_run {
            push(&run, hangul_run, &mut terms);
            run.clear();
            hangul_run = hangul;
        }
        if c.is_alphanumeric() {
            run.push(c);
        }
    }
    push(&run, hangul_run, &mut terms);
    terms
}

/// Which share of the terms of `part` occur in `whole`, 0 to 1; 1 for a part without terms.
pub fn holds_terms(whole: &str, part: &str) -> f32 {
    let whole: HashSet<String> = search_terms(whole).into_iter().collect();
    let part: HashSet<String> = search_terms(part).into_iter().collect();
    if part.is_empty() {
        return 1.0;
    }
    let held = part.iter().filter(|term| whole.contains(*term)).count();
    held as f32 / part.len() as f32
}

fn push(run: &str, hangul: bool, terms: &mut Vec<String>) {
    if run.is_empty() {
        return;
    }
    let chars: Vec<char> = run.chars().take(LONGEST).collect();
    if hangul && chars.len() > 1 {
        terms.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
    } else if !STOPS.contains(run) {
        let word: String = chars.into_iter().collect();
        terms.push(if word.is_ascii() { stem(word) } else { word });
    }
}

/// A lower-case English word without its ending.
fn stem(mut word: String) -> String {
    if let Some(ending) = ENDINGS.iter().find(|end| word.ends_with(*end) && word.len() - end.len() >= 3) {
        word.truncate(word.len() - ending.len());
        if *ending == "ies" {
            word.push('y');
        }
    }
    if word.ends_with('e') && word.len() > 4 {
        word.pop();
    }
    let mut ends = word.bytes().rev();
    if let (Some(last), Some(before)) = (ends.next(), ends.next())
        && word.len() > 3
        && last == before
        && last.is_ascii_alphabetic()
        && !matches!(last, b's' | b'l')
    {
        word.pop();
    }
    word
}

pub(super) fn is_hangul(c: char) -> bool {
    ('가'..='힣').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_pairs_and_numbers() {
        for (text, terms) in [
            ("What did Caroline research?", vec!["carolin", "research"]),
            ("Running, runs; companies", vec!["run", "run", "company"]),
            ("부산으로 이사했어", vec!["부산", "산으", "으로", "이사", "사했", "했어"]),
            ("비 오는 KTX를 2번", vec!["비", "오는", "ktx", "를", "2", "번"]),
            ("", vec![]),
            ("the of", vec![]),
        ] {
            assert_eq!(search_terms(text), terms, "{text}");
        }
    }

    #[test]
    fn shares_of_terms() {
        let said = "I moved to Busan in May because of the new job.";
        assert!((holds_terms(said, "moved to Busan") - 1.0).abs() < f32::EPSILON);
        assert!(holds_terms(said, "lives in Paris") < 0.1);
        assert!((holds_terms(said, "the") - 1.0).abs() < f32::EPSILON);
    }
}
