//! The stored question whose answer is most likely right for a new one.

use super::strict::{is_plain_question, same_words};
use crate::guard::{Question, Tongue, judge};
use nunchi_core::PackedVector;
use std::borrow::Cow;

/// Neighbours by sign that are worth a closer look.
pub const NEIGHBOURS: usize = 48;
/// How many of those are judged.
const JUDGED: usize = 10;
/// Questions less alike than this are not judged at all.
const LEAST_COSINE: f32 = 0.4;
/// Longer texts are not questions that somebody else asks in other words, and cost the encoder more than they save, in bytes.
const LONGEST: usize = 800;
/// A longer text is read by the encoder at its two ends only, in characters.
const ENDS: (usize, usize) = (600, 300);

/// How far sharing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharingRules {
    /// Whether only plain questions share answers in which no weighty word stands alone.
    pub strict: bool,
    /// Whether a Korean and an English question may share an answer.
    pub across_languages: bool,
}

/// A stored question, as far as it is compared.
#[derive(Clone, Copy, Debug)]
pub struct StoredMeaning<'a> {
    /// The question as it was asked.
    pub text: &'a str,
    /// Its meaning, by the encoder of the new one's.
    pub vector: &'a PackedVector,
}

/// What a look among the neighbours found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BestShare {
    /// Its place among the neighbours, and the probability that its answer is right; `None` where the guard let nothing through.
    pub best: Option<(usize, f32)>,
    /// Neighbours that were turned away.
    pub refused: u64,
}

/// The question, if it may take part in sharing at all.
pub fn shareable_question(text: &str, rules: SharingRules) -> Option<Question> {
    if text.len() > LONGEST || rules.strict && !is_plain_question(text) {
        return None;
    }
    Some(Question::read(text)).filter(|question| question.unshareable().is_none())
}

/// What the encoder reads of a text: all of it, or its two ends, for its time grows with the length.
pub fn meaning_text(text: &str) -> Cow<'_, str> {
    let (head, tail) = ENDS;
    let count = text.chars().count();
    if count <= head + tail {
        return Cow::Borrowed(text);
    }
    text.chars().take(head).chain(text.chars().skip(count - tail)).collect()
}

/// Whether answers are shared between two languages.
pub fn languages_fit(a: Tongue, b: Tongue, rules: SharingRules) -> bool {
    rules.across_languages || a == b
}

/// Judges the nearest of the neighbours by the guard.
pub fn best_share(
    asked: (&Question, &PackedVector),
    stored: &[StoredMeaning<'_>],
    rules: SharingRules,
) -> BestShare {
    let (question, vector) = asked;
    let mut near: Vec<(f32, usize)> = stored
        .iter()
        .enumerate()
        .map(|(at, stored)| (vector.cosine(stored.vector), at))
        .filter(|(cosine, _)| *cosine >= LEAST_COSINE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut found = BestShare::default();
    for (cosine, at) in near.into_iter().take(JUDGED) {
        let read = Question::read(stored[at].text);
        if !languages_fit(question.tongue(), read.tongue(), rules) {
            continue;
        }
        let verdict = judge(question, &read, cosine);
        if verdict.blocked_by.is_some() || rules.strict && !same_words(question, &read, cosine) {
            found.refused += 1;
        } else if found.best.is_none_or(|(_, known)| verdict.share_probability > known) {
            found.best = Some((at, verdict.share_probability));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SharingRules = SharingRules { strict: true, across_languages: false };

    #[test]
    fn the_likeliest_of_those_the_guard_lets_through() {
        let vector = PackedVector::pack(&[1.0, 0.5, 0.25]);
        let texts = ["turn off dark mode", "open the window", "switch on dark mode", "다크 모드를 켜 줘"];
        let stored: Vec<_> = texts.iter().map(|text| StoredMeaning { text, vector: &vector }).collect();
        let asked = Question::read("turn on dark mode");
        let found = best_share((&asked, &vector), &stored, RULES);
        assert_eq!((found.best.unwrap().0, found.refused), (2, 2), "{found:?}");
        let far = PackedVector::pack(&[-1.0, 0.0, 0.0]);
        assert_eq!(best_share((&asked, &far), &stored, RULES), BestShare::default());
    }

    #[test]
    fn what_takes_no_part() {
        for text in ["say: hello", &"long ".repeat(200)] {
            assert!(shareable_question(text, RULES).is_none(), "{text}");
        }
        assert!(shareable_question("What is the capital of France?", RULES).is_some());
    }

    #[test]
    fn long_texts_are_read_at_their_ends() {
        let text = format!("{}{}", "가".repeat(700), "나".repeat(700));
        let read = meaning_text(&text);
        assert_eq!((read.chars().count(), read.starts_with('가'), read.ends_with('나')), (900, true, true));
        assert_eq!(meaning_text("short"), "short");
    }
}
