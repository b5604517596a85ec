//! What the owner asks to be remembered in so many words: "remember that …", "… 기억해 줘". Needs no model.

use regex::Regex;
use std::sync::LazyLock;

/// The owner asks for it; the group `what` is to be remembered.
const ASKED: [&str; 5] = [
    r"(?i)^(?:please |also |and |ok(?:ay)?,? )*(?:remember|keep in mind|note|don'?t forget|make a note)(?: for later| please)?(?: that|:|,)? (?P<what>.+)$",
    r"(?i)^(?P<what>.+?)[,;.]? (?:please )?(?:remember|keep) (?:this|that|it)(?: in mind)?(?: please)?$",
    r"(?i)^(?P<what>(?:please )?call me .+|my name is .+)$",
    r"^(?P<what>.+?)(?:이라고|라고|다는 것|다는 걸|다는 거|라는 것|라는 걸|라는 거|는 것|는 걸|는 거)(?:을|를)? ?(?:꼭 |좀 )?(?:기억해|외워|잊지 ?마|메모해|알아 ?둬).*$",
    r"^(?:꼭 |이거 |이것 )?(?:기억해|외워|메모해|잊지 ?마)(?: ?줘| ?주세요| ?둬| ?두세요|라|세요)? ?[:,]? ?(?P<what>.+)$",
];

/// "커피를 안 마신다고 기억해": the sentence ends before 고.
const ASKED_KOREAN: &str = r"^(?P<what>.+다)고 ?(?:꼭 |좀 )?(?:기억해|외워|잊지 ?마|메모해|알아 ?둬).*$";
/// Nothing but the wish: it is about the sentence before.
const ASKED_BEFORE: &str = r"(?i)^(?:please )?(?:remember|note) (?:that|this|it)$|^(?:꼭 |이거 |이것 |그거 )?(?:기억해|외워|메모해|잊지 ?마)(?: ?줘| ?주세요| ?둬| ?두세요|라|세요)?$";

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    std::iter::once(ASKED_KOREAN).chain(ASKED).filter_map(|pattern| Regex::new(pattern).ok()).collect()
});
static BEFORE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ASKED_BEFORE).ok());

/// Statements that a text asks to be remembered, in its order.
pub(super) fn asked_to_remember(text: &str) -> Vec<String> {
    let sentences = sentences(text);
    let mut asked = Vec::new();
    for (at, sentence) in sentences.iter().enumerate() {
        // A question about remembering asks for nothing to be kept.
        if sentence.ends_with(['?', '？']) {
            continue;
        }
        let bare = sentence.trim_end_matches(['.', '!', '。']).trim();
        if BEFORE.as_ref().is_some_and(|pattern| pattern.is_match(bare)) {
            asked.extend(at.checked_sub(1).map(|before| sentences[before].clone()));
            continue;
        }
        let found = PATTERNS.iter().find_map(|pattern| pattern.captures(bare)?.name("what"));
        let Some(what) = found.map(|what| what.as_str().trim()) else { continue };
        // "Remember to buy milk" is a task, no fact.
        let task = what.to_lowercase().starts_with("to ") || what.starts_with("나서 ");
        if !task && !what.is_empty() {
            asked.push(what.to_owned());
        }
    }
    asked
}

/// Sentences, with their last mark; a dot within a number or a name ends none.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut sentence = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        sentence.push(c);
        let mark = matches!(c, '.' | '!' | '?' | '？' | '。');
        let ends = mark && chars.peek().is_none_or(|next| next.is_whitespace());
        if ends || c == '\n' {
            sentences.push(std::mem::take(&mut sentence));
        }
    }
    sentences.push(sentence);
    sentences.iter().map(|sentence| sentence.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        for (text, asked) in [
            ("Remember that my dog is called Rex.", vec!["my dog is called Rex"]),
            ("Thanks! Please remember: deploys are on Friday.", vec!["deploys are on Friday"]),
            ("I am allergic to nuts. Remember that.", vec!["I am allergic to nuts."]),
            ("My car is a Kia, please remember it", vec!["My car is a Kia"]),
            ("Call me Ishmael", vec!["Call me Ishmael"]),
            ("Do you remember that my dog is called Rex?", vec![]),
            ("Remember to buy milk", vec![]),
            ("내 생일은 5월 3일이라고 기억해 줘.", vec!["내 생일은 5월 3일"]),
            ("나는 커피를 안 마신다고 기억해줘", vec!["나는 커피를 안 마신다"]),
            ("나는 땅콩 알레르기가 있어. 기억해 둬!", vec!["나는 땅콩 알레르기가 있어."]),
            ("기억해: 배포는 금요일이야", vec!["배포는 금요일이야"]),
            ("내 생일 기억해?", vec![]),
            ("What is 2.5 plus 2?", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(asked_to_remember(text), asked, "{text}");
        }
        assert_eq!(PATTERNS.len(), ASKED.len() + 1);
    }
}
