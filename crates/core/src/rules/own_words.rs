//! The words by which a person asks, apart from what they quote, paste or hand over to be worked on.

use regex::Regex;
use std::sync::LazyLock;

/// Shorter quotations are words of the question itself, in bytes.
const LONG_QUOTE: usize = 60;
/// Shorter texts behind a colon are looked at like the rest, in bytes.
const LONG_MATERIAL: usize = 120;
/// From this length on, a text of several paragraphs asks in the first, the last, or where there is a question mark; in bytes.
const LONG_LETTER: usize = 800;

/// So much of either end of a text is read; in bytes. What lies between is material.
const ENDS: usize = 16_000;

/// What opens and closes a block of code.
const FENCE: &str = "```";

/// A sentence up to its colon that hands over a text: it says what is to be done with it, or what it is.
const HANDS_OVER: &str = r"(?i)(?-u:\b)(?:summari[sz]e|sum up|rewrite|rephrase|paraphrase|translate|proofread|shorten|reply|respond|notes?|background|situation|account|minutes|transcript|letter|article)(?-u:\b)[^.!?\n:]{0,80}:|(?:요약|번역|다듬|교정|고쳐|답장|바꿔|안내 메일|참고|배경|메모|회의록|본문|기사)[^.!?\n:]{0,40}:";

/// Quotations; what is inside is looked at for its length.
const QUOTED: &str = r#""[^"]*"|“[^”]*”|«[^»]*»|「[^」]*」|『[^』]*』"#;

/// Blocks of code, and lines that a mail quotes.
const BLOCKS: &str = r"(?s)```.*?(?:```|$)|(?m:^[ \t]*>.*$)";

static PATTERNS: LazyLock<Option<[Regex; 3]>> = LazyLock::new(|| {
    Some([Regex::new(BLOCKS).ok()?, Regex::new(QUOTED).ok()?, Regex::new(HANDS_OVER).ok()?])
});

/// The pieces of a human text that ask. When in doubt a piece stays; a text of nothing else is a question as a whole.
pub fn own_words(text: &str) -> Vec<&str> {
    let pieces = if text.len() <= 2 * ENDS {
        pieces_that_ask(text)
    } else {
        let (head, tail) = ends_of(text);
        [pieces_that_ask(head), pieces_that_ask(tail)].concat()
    };
    if pieces.is_empty() { vec![text] } else { pieces }
}

/// The two ends of a long text; the second one begins outside of a block of code.
fn ends_of(text: &str) -> (&str, &str) {
    let head = &text[..text.floor_char_boundary(ENDS)];
    let (before, tail) = text.split_at(text.ceil_char_boundary(text.len() - ENDS));
    let inside = before.matches(FENCE).count() % 2 == 1;
    let tail = if inside { tail.split_once(FENCE).map_or("", |(_, behind)| behind) } else { tail };
    (head, tail)
}

fn pieces_that_ask(text: &str) -> Vec<&str> {
    let Some([blocks, quoted, hands_over]) = PATTERNS.as_ref() else { return vec![text] };
    let without =
        |pieces: Vec<&'_ str>, pattern: &Regex, goes: &dyn Fn(&str) -> bool| -> Vec<(usize, usize)> {
            let start = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
            let mut kept = Vec::new();
            for piece in pieces {
                let (base, mut from) = (start(piece), 0);
                for found in pattern.find_iter(piece).filter(|found| goes(found.as_str())) {
                    kept.push((base + from, base + found.start()));
                    from = found.end();
                }
                kept.push((base + from, base + piece.len()));
            }
            kept
        };
    let cut = |ranges: Vec<(usize, usize)>| -> Vec<&str> {
        ranges.into_iter().filter_map(|(from, to)| text.get(from..to)).collect()
    };
    let mut pieces = vec![text];
    // Most texts have neither, which is seen much faster than their patterns are.
    if text.contains(FENCE) || text.contains('>') {
        pieces = cut(without(pieces, blocks, &|_| true));
    }
    if text.contains(['"', '“', '«', '「', '『']) {
        pieces =
            cut(without(pieces, quoted, &|quote| quote.len() >= LONG_QUOTE && !quote.contains(['?', '？'])));
    }
    let pieces: Vec<&str> = pieces.into_iter().flat_map(|piece| beside_material(piece, hands_over)).collect();
    let says = |piece: &&str| piece.chars().any(char::is_alphanumeric);
    pieces.into_iter().filter(says).collect()
}

/// What stands before a text that is handed over, and its last sentence, which may ask about it; else the paragraphs that ask.
fn beside_material<'t>(piece: &'t str, hands_over: &Regex) -> Vec<&'t str> {
    if piece.contains(':')
        && let Some(colon) = hands_over.find(piece)
        && piece.len() - colon.end() >= LONG_MATERIAL
    {
        let (head, material) = piece.split_at(colon.end());
        return vec![head, last_sentence(material)];
    }
    let paragraphs: Vec<&str> = piece.split("\n\n").filter(|part| !part.trim().is_empty()).collect();
    if piece.len() < LONG_LETTER || paragraphs.len() < 3 {
        return vec![piece];
    }
    let last = paragraphs.len() - 1;
    let asks = |(at, text): &(usize, &str)| *at == 0 || *at == last || text.contains(['?', '？']);
    paragraphs.into_iter().enumerate().filter(asks).map(|(_, text)| text).collect()
}

fn last_sentence(text: &str) -> &str {
    let text = text.trim_end();
    let inner = text.trim_end_matches(['.', '!', '?', '。', '？', '！', '"', '”', ')']);
    let from = inner.rfind(['.', '!', '?', '。', '？', '！', '\n']).map_or(0, |at| at);
    text.get(from..)
        .map_or(text, |rest| rest.trim_start_matches(['.', '!', '?', '。', '？', '！', '\n', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_is_left_out() {
        let notes = "We met today in the office. The weather was fine, and the stock price rose. Bob said he will come tomorrow with the latest figures. It went well.";
        let head = "Summarise these notes in three bullet points:";
        assert_eq!(own_words(&format!("{head}\n{notes}")), [head, "It went well."]);
        let korean = "오늘 사무실에서 만났다. 날씨가 좋았고 주가가 올랐다. 내일 민수가 최신 자료를 가져온다. 어제 회의는 길었다. 모두 즐거웠다.";
        let asked = "다음 글을 세 문장으로 요약해 줘:";
        assert_eq!(own_words(&format!("{asked}\n{korean}")), [asked, "모두 즐거웠다."]);
        assert_eq!(own_words(&format!("{head}\n{notes}\nWhat is new today?")), [head, "What is new today?"]);
    }

    #[test]
    fn code_and_long_quotations_are_left_out_and_short_ones_stay() {
        assert_eq!(own_words("Explain\n```\nlet now = today();\n```\nplease"), ["Explain\n", "\nplease"]);
        assert_eq!(own_words("Is this polite?\n> see you today\n> bye"), ["Is this polite?\n"]);
        let long =
            "Who wrote \"We hold the weather of today to be the child of the weather that was yesterday\"";
        assert_eq!(own_words(long), ["Who wrote "]);
        assert_eq!(own_words("what does \"today\" mean"), ["what does \"today\" mean"]);
        let asks =
            "\"What will the weather be like in Seoul today, and do I need an umbrella for the evening?\"";
        assert_eq!(own_words(asks), [asks]);
    }

    #[test]
    fn letters_ask_at_their_ends_and_where_there_is_a_question_mark() {
        let filler = "Nothing much happened here, and nobody came. ".repeat(8);
        let text = format!(
            "Dear all,\n\n{filler}today\n\n{filler}\n\nIs it open now?\n\n{filler}\n\nPlease answer it."
        );
        assert_eq!(own_words(&text), ["Dear all,", "Is it open now?", "Please answer it."]);
    }

    #[test]
    fn a_text_of_nothing_else_is_the_question() {
        let code = "```\nweather today\n```";
        assert_eq!(own_words(code), [code]);
        assert_eq!(own_words(""), [""]);
    }

    #[test]
    fn long_texts_are_read_at_their_ends() {
        let code = "let now = today();\n".repeat(5_000);
        let text = format!("Explain this\n{FENCE}\n{code}{FENCE}\nin three sentences");
        assert_eq!(own_words(&text), ["Explain this\n", "\nin three sentences"]);
        let letters = "가나다 ".repeat(20_000);
        assert_eq!(own_words(&format!("첫째{letters}지금 어때?")).len(), 2);
        assert_eq!(
            own_words(&code),
            [code.as_str()[..ENDS].to_owned(), code[code.len() - ENDS..].to_owned()]
        );
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_of_the_text(text in "[a-z오늘\"“”:`>?. \n]{0,400}") {
            for piece in own_words(&text) {
                proptest::prop_assert!(text.contains(piece));
            }
        }
    }
}
