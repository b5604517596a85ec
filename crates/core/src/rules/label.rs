//! Where a value came from: once a stranger's text is in the context, only what the owner wrote out is the owner's.

use crate::words::Label;

/// Particles that Korean puts right behind a noun; a value before one of them is still the whole value.
const PARTICLES: [&str; 30] = [
    "에게서",
    "한테서",
    "으로",
    "에게",
    "한테",
    "에서",
    "까지",
    "부터",
    "이랑",
    "하고",
    "님",
    "께",
    "로",
    "을",
    "를",
    "이",
    "가",
    "은",
    "는",
    "에",
    "와",
    "과",
    "의",
    "도",
    "만",
    "랑",
    "씨",
    "야",
    "아",
    "나",
];

/// The label of an argument's value: the owner's when its exact text stands in one of the owner's texts, a stranger's when
/// a stranger's text is in the context, and the model's own making (`Tool`) otherwise.
pub fn label_of(value: &str, owner_texts: &[String], stranger_in_context: bool) -> Label {
    if owner_texts.iter().any(|text| occurs(value, text)) {
        Label::Owner
    } else if stranger_in_context {
        Label::Stranger
    } else {
        Label::Tool
    }
}

/// Whether `value` stands in `text` as a whole word, path, address or number.
fn occurs(value: &str, text: &str) -> bool {
    let value = value.trim();
    !value.is_empty()
        && text.match_indices(value).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + value.len()..]);
            ends_before(before, value) && begins_after(after, value)
        })
}

fn ends_before(before: &str, value: &str) -> bool {
    let (Some(last), Some(first)) = (before.chars().next_back(), value.chars().next()) else { return true };
    // A dot or a slash before makes it the tail of something longer, and so does a letter.
    let joins = matches!(last, '.' | '/' | '@' | '-' | '_' | '\\' | '%' | '~' | '+');
    let same_word = last.is_alphanumeric() && first.is_alphanumeric();
    !(joins || same_word)
}

fn begins_after(after: &str, value: &str) -> bool {
    let Some(next) = after.chars().next() else { return true };
    if hangul(next) {
        let ascii = value.chars().next_back().is_some_and(|c| !hangul(c));
        let word_end = after.find(|c: char| !hangul(c)).unwrap_or(after.len());
        return ascii || PARTICLES.contains(&&after[..word_end]);
    }
    let then = after.chars().nth(1);
    match next {
        // The end of a sentence, not the next part of a name or number.
        '.' | ',' | ':' | '?' | '!' | ';' => !then.is_some_and(char::is_alphanumeric),
        '/' | '@' | '-' | '_' | '\\' | '%' | '&' | '=' | '#' | '+' | '~' => false,
        _ => !next.is_alphanumeric(),
    }
}

fn hangul(c: char) -> bool {
    matches!(c, '\u{AC00}'..='\u{D7A3}' | '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_values_of_the_owner() {
        let owner =
            ["Send report.md to kim@example.com, 3 copies, and tell 김철수에게. See https://a.example/x."
                .to_owned()];
        for (value, whole) in [
            ("kim@example.com", true),
            ("report.md", true),
            ("3", true),
            ("김철수", true),
            ("https://a.example/x", true),
            ("example.com", false),
            ("kim@example.co", false),
            ("im@example.com", false),
            ("https://a.example", false),
            ("a.example/x", false),
            ("report", false),
            ("철수", false),
            ("", false),
            ("eve@example.com", false),
        ] {
            let label = label_of(value, &owner, true);
            assert_eq!(label, if whole { Label::Owner } else { Label::Stranger }, "{value}");
        }
        assert_eq!(label_of("x", &owner, false), Label::Tool);
    }

    #[test]
    fn korean_particles_and_longer_names() {
        let owner = ["kim@example.com으로 보고서를 김철수민에게".to_owned()];
        assert_eq!(label_of("kim@example.com", &owner, true), Label::Owner);
        assert_eq!(label_of("보고서", &owner, true), Label::Owner);
        assert_eq!(label_of("김철수", &owner, true), Label::Stranger);
    }
}
