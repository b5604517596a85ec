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

/// Bytes of the longest of [`STOP_WORDS`].
const LONGEST_STOP: usize = 6;

/// Longest term kept, in characters: longer runs are no words.
const LONGEST: usize = 40;

static STOPS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| STOP_WORDS.split_ascii_whitespace().collect());

/// The terms of a text, in order, repeated ones as often as they occur.
pub fn search_terms(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    each_term(text, &mut |term| terms.push(term.to_owned()));
    terms
}

/// The same, one after the other: whoever only counts them needs no strings.
pub(super) fn each_term(text: &str, take: &mut dyn FnMut(&str)) {
    if text.is_ascii() {
        // Most texts: nothing to normalise, and no syllables.
        return cut(text.chars().map(|c| c.to_ascii_lowercase()), take);
    }
    cut(text.nfkc().flat_map(char::to_lowercase), take);
}

fn cut(chars: impl Iterator<Item = char>, take: &mut dyn FnMut(&str)) {
    let mut run = String::new();
    let mut length = 0;
    let mut hangul_run = false;
    for c in chars {
        let word = c.is_alphanumeric();
        let hangul = is_hangul(c);
        if !word || hangul != hangul_run {
            push(&mut run, hangul_run, take);
            length = 0;
            hangul_run = hangul;
        }
        if word && length < LONGEST {
            run.push(c);
            length += 1;
        }
    }
    push(&mut run, hangul_run, take);
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

/// Takes a run of characters of one kind; it is empty afterwards.
fn push(run: &mut String, hangul: bool, take: &mut dyn FnMut(&str)) {
    let mut chars = run.char_indices();
    match (chars.next(), chars.next()) {
        (None, _) => return,
        (Some(_), Some(_)) if hangul => {
            // A pair ends where the second character after its first begins.
            let ends = run.char_indices().skip(2).map(|(at, _)| at).chain(std::iter::once(run.len()));
            for ((from, _), to) in run.char_indices().zip(ends) {
                take(&run[from..to]);
            }
        }
        _ if run.len() <= LONGEST_STOP && STOPS.contains(run.as_str()) => {}
        _ => {
            if run.is_ascii() {
                stem(run);
            }
            take(run);
        }
    }
    run.clear();
}

/// Cuts the ending off a lower-case English word.
fn stem(word: &mut String) {
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
            ("ＫＴＸ で行く", vec!["ktx", "で行く"]),
            ("가 나다 라마바", vec!["가", "나다", "라마", "마바"]),
        ] {
            assert_eq!(search_terms(text), terms, "{text}");
        }
        let long = "x".repeat(99);
        assert_eq!(search_terms(&long), [&long[..LONGEST - 1]], "cut, and its doubled end undoubled");
        assert_eq!(STOPS.iter().map(|stop| stop.len()).max(), Some(LONGEST_STOP));
    }

    #[test]
    fn shares_of_terms() {
        let said = "I moved to Busan in May because of the new job.";
        assert!((holds_terms(said, "moved to Busan") - 1.0).abs() < f32::EPSILON);
        assert!(holds_terms(said, "lives in Paris") < 0.1);
        assert!((holds_terms(said, "the") - 1.0).abs() < f32::EPSILON);
    }
}
