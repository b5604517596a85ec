//! What may share an answer however likely it seems: plain one-line questions that are not one template with two fillings.
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

/// Whether the words allow it: none stands in the place of another, and no weighty one is said by one question alone.
///
/// Two fillings of a template differ both ways; a word that only one question says mostly narrows it ("in reverse order").
pub fn same_words(asked: &Question, stored: &Question, cosine: f32) -> bool {
    let features = pair_features(asked, stored, cosine);
    let value = |name: &str| {
        FEATURE_NAMES.iter().zip(features).find(|(known, _)| **known == name).map(|(_, value)| value)
    };
    match (value("swaps"), value("strange_max")) {
        (Some(swaps), Some(strange)) => swaps <= 0.0 && strange <= 0.0,
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
            ("translate black cat to French", "translate white dog to French"),
            ("write a haiku about autumn leaves", "write a haiku about spring rain"),
            ("김철수 고객의 주문 내역을 요약해 줘", "박영희 고객의 주문 내역을 요약해 줘"),
            ("summarise the chapter on whales", "summarise the chapter on sharks"),
            ("파이썬에서 리스트를 정렬하는 방법 알려줘", "파이썬 리스트 역순 정렬 어떻게 해?"),
            ("how do I sort a list in Python?", "how do I sort a list in Python in reverse?"),
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
