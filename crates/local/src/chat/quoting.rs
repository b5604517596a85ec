//! Makes a small model quote: strings in the arguments of a call are mostly words of the person, which it else garbles.

use super::tokenizer::Tokenizer;

/// The text that arguments are likely to quote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoting<'a> {
    pub(super) text: &'a str,
    /// What is added to the score of a token that goes on with a quotation (natural logarithm of its odds).
    pub(super) bonus: f32,
}

impl Quoting<'_> {
    /// Raises the scores of tokens that go on with a quotation of which `written` stands already, or end it.
    pub(super) fn raise(&self, written: &[u8], tokenizer: &Tokenizer, scores: &mut [f32]) {
        let next: Vec<&[u8]> = self.continuations(written);
        if next.is_empty() {
            return;
        }
        let ends = !written.is_empty() && next.iter().any(|next| !inside_word(written, next));
        let mut first = [false; 256];
        next.iter().filter_map(|next| next.first()).for_each(|byte| first[usize::from(*byte)] = true);
        first[usize::from(b'"')] |= ends;
        // Of the tokens that a quotation can go on with only the longest: from a shorter one the model strays elsewhere.
        let mut longest = vec![(0, 0); next.len()];
        for (score, id) in scores.iter_mut().zip(0_u32..) {
            let bytes = tokenizer.token_bytes(id);
            let Some(byte) = bytes.first().filter(|byte| first[usize::from(**byte)]) else { continue };
            if ends && *byte == b'"' {
                *score += self.bonus;
            }
            for (next, longest) in next.iter().zip(&mut longest) {
                if bytes.len() > longest.0 && next.starts_with(bytes) {
                    *longest = (bytes.len(), id);
                }
            }
        }
        longest.retain(|(length, _)| *length > 0);
        longest.sort_unstable();
        longest.dedup();
        for (_, id) in longest {
            scores[id as usize] += self.bonus;
        }
    }

    /// What follows in the text wherever `written` stands in it from the beginning of a word.
    fn continuations(&self, written: &[u8]) -> Vec<&[u8]> {
        let text = self.text.as_bytes();
        (0..text.len())
            .filter(|at| text[*at..].starts_with(written) && !inside_word(&text[..*at], &text[*at..]))
            .filter(|at| !text[*at].is_ascii_whitespace())
            .map(|at| &text[at + written.len()..])
            .collect()
    }
}

/// Whether the border between two texts lies within a word or a character. Hangul behind Latin letters is a word of its own.
fn inside_word(before: &[u8], after: &[u8]) -> bool {
    let (Some(last), Some(first)) = (before.last(), after.first()) else { return false };
    let (word, tail) = (u8::is_ascii_alphanumeric, |byte: &u8| (0x80..0xc0).contains(byte));
    tail(first) || (word(last) && word(first)) || (!last.is_ascii() && !first.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::Quoting;

    #[test]
    fn quotations_go_on_from_the_beginnings_of_words() {
        let quoting = Quoting { text: "Read notes.md, not a note를", bonus: 1.0 };
        let next = |written: &str| -> Vec<String> {
            let of = |next: &[u8]| String::from_utf8_lossy(next).into_owned();
            quoting.continuations(written.as_bytes()).into_iter().map(of).collect()
        };
        assert_eq!(next("note"), ["s.md, not a note를", "를"]);
        assert_eq!(next("ote"), Vec::<String>::new());
        assert_eq!(next("").len(), 9, "{:?}", next(""));
    }
}
