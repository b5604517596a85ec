//! Cuts Korean and English text into sentences.

/// Words whose full stop ends no sentence.
const ABBREVIATIONS: [&str; 22] = [
    "dr", "mr", "mrs", "ms", "prof", "st", "vs", "etc", "e.g", "i.e", "no", "fig", "al", "inc", "ltd", "co",
    "jr", "sr", "approx", "dept", "est", "u.s",
];

/// Sentences of a text in order, without the blanks around them; lines end sentences. Together they hold every character
/// that is no blank between sentences.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let mut end = at + c.len_utf8();
        let ends = match c {
            '\n' | '。' | '！' | '？' => true,
            '!' | '?' | '…' => {
                chars.peek().is_none_or(|(_, next)| next.is_whitespace() || is_closing(*next))
            }
            '.' => {
                chars.peek().is_none_or(|(_, next)| next.is_whitespace() || is_closing(*next))
                    && !ends_in_abbreviation(&text[start..at])
            }
            _ => false,
        };
        if !ends {
            continue;
        }
        while let Some((at, c)) = chars.next_if(|(_, next)| is_closing(*next)) {
            end = at + c.len_utf8();
        }
        found.push(&text[start..end]);
        start = end;
    }
    found.push(&text[start..]);
    found.into_iter().map(str::trim).filter(|sentence| !sentence.is_empty()).collect()
}

fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '」' | '』')
}

/// A title, a unit or a single capital letter before the stop.
fn ends_in_abbreviation(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let initial = word.len() == 1 && word.starts_with(|c: char| c.is_ascii_uppercase()) && word != "I";
    initial || ABBREVIATIONS.contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_languages() {
        for (text, cut) in [
            ("Hi there. It costs $3.50! Why?", vec!["Hi there.", "It costs $3.50!", "Why?"]),
            ("Dr. Kim met J. Lee at 3 p.m. sharp.", vec!["Dr. Kim met J. Lee at 3 p.m.", "sharp."]),
            (
                "안녕하세요. 내일 봐요! \"네.\" 그래요?",
                vec!["안녕하세요.", "내일 봐요!", "\"네.\"", "그래요?"],
            ),
            ("v1.2.3 of a.rs\nnext line", vec!["v1.2.3 of a.rs", "next line"]),
            ("", vec![]),
        ] {
            assert_eq!(sentences(text), cut, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "(?s).{0,200}") {
            let squeeze = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(squeeze(&sentences(&text).concat()), squeeze(&text));
        }
    }
}
