//! Takes out of strangers' texts what people cannot see, and cuts them to length.

/// Whether a character shows nothing, or changes how others are shown: a text with such characters can say something else to
/// a model than to the person who reads it.
fn invisible(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The visible part of a text, at most `most` bytes of it.
pub(crate) fn clean_text(text: &str, most: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(most + 4));
    for c in text.chars().filter(|c| !invisible(*c)) {
        if clean.len() + c.len_utf8() > most {
            clean.push('…');
            break;
        }
        clean.push(c);
    }
    clean
}

/// A text in one line.
pub(crate) fn clean_line(text: &str, most: usize) -> String {
    clean_text(text, most).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_people_see() {
        let hidden = "a\u{200B}b\u{202E}c\u{1B}[31m\u{E0041}\u{0}d 가\n";
        assert_eq!(clean_text(hidden, 99), "abc[31md 가\n");
        assert_eq!(clean_text("가나다", 6), "가나…");
        assert_eq!(clean_line("a\n\n b\tc", 99), "a b c");
    }
}
