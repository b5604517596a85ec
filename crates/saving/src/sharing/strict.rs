//! What may share an answer however likely it seems: plain one-line questions in which every content word has a counterpart.
//!
//! Texts that programs make are templates with a slot: they differ in one word, and each wants an answer of its own. The verifier was
//! measured on what people ask.

use crate::guard::{FEATURE_NAMES, Question, pair_features};

/// Marks that set off what a text is about from what is to be done with it.
const PAYLOAD: [char; 12] = [':', '"', '“', '”', '`', '{', '}', '<', '>', '=', '|', '\n'];

/// Whether a text is a question in plain words: nothing quoted, listed or pasted.
pub fn is_plain_question(text: &str) -> bool {
    !text.contains(PAYLOAD)
}

/// Whether every content word of either question has a counterpart in the other.
pub fn same_words(asked: &Question, stored: &Question, cosine: f32) -> bool {
    let features = pair_features(asked, stored, cosine);
    let value = |name: &str| {
        FEATURE_NAMES.iter().zip(features).find(|(known, _)| **known == name).map(|(_, value)| value)
    };
    match (value("missing_max"), value("words_min"), value("words_max")) {
        (Some(missing), Some(fewer), Some(more)) => missing <= 0.0 && fewer >= more,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        is_plain_question(a)
            && is_plain_question(b)
            && same_words(&Question::read(a), &Question::read(b), 0.9)
    }

    #[test]
    fn templates_with_another_word_are_not_the_same() {
        for (a, b) in [
            ("translate cat to French", "translate dog to French"),
            ("고양이를 번역해 줘", "강아지를 번역해 줘"),
            ("파이썬에서 리스트를 정렬하는 방법 알려줘", "파이썬 리스트 역순 정렬 어떻게 해?"),
            ("say: hello", "say: goodbye"),
            ("classify \"good film\"", "classify \"bad film\""),
        ] {
            assert!(!same(a, b), "{a} | {b}");
        }
    }

    #[test]
    fn other_words_for_the_same_are() {
        for (a, b) in [
            ("How do I enable 2FA on my account?", "How do I turn on 2FA for my account?"),
            ("turn on dark mode", "switch on dark mode"),
            ("파이썬에서 리스트를 정렬하는 방법 알려줘", "파이썬 리스트 정렬 어떻게 해?"),
        ] {
            assert!(same(a, b), "{a} | {b}");
        }
    }
}
