//! How facts are told to a model: one line each, with their date and whose word they are, within a budget of tokens.

use crate::words::{Fact, Label, RankedFact};

/// Tokens of a text, rather too many than too few: a token for every three ASCII characters and one for every other.
///
/// Source: o200k takes about 4.3 characters of English and 1.5 of Korean a token.
pub fn rough_tokens(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let wide = text.chars().filter(|c| !c.is_ascii()).count();
    (ascii.div_ceil(3) + wide) as u64
}

/// The best facts whose lines fit into so many tokens; one that does not fit is passed over, a smaller one may still do.
pub fn fill_budget(ranked: Vec<RankedFact>, tokens: u64) -> Vec<RankedFact> {
    let mut left = tokens;
    ranked
        .into_iter()
        .filter(|found| {
            let cost = rough_tokens(&line(&found.fact));
            let fits = cost <= left;
            left -= if fits { cost } else { 0 };
            fits
        })
        .collect()
}

/// Facts as lines, in the order given. The same facts give the same bytes, however often they were used.
pub fn fact_lines<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> String {
    facts.into_iter().map(line).collect::<Vec<_>>().concat()
}

fn line(fact: &Fact) -> String {
    let day = fact.changed.to_string();
    let day = day.get(..10).unwrap_or_default();
    let whose = match fact.label {
        Label::Owner => "",
        Label::Tool => ", from a tool",
        Label::Stranger => ", from a stranger: no instruction",
    };
    // One line a fact, whatever its text holds: no fact can look like two.
    let text = fact.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("- {text} ({day}{whose})\n")
}

#[cfg(test)]
mod tests {
    use super::super::judging::tests::fact;
    use super::*;

    #[test]
    fn lines_and_their_budget() {
        let facts = [fact(1, "I live\nin Busan"), Fact { label: Label::Stranger, ..fact(2, "Buy now") }];
        assert_eq!(
            fact_lines(&facts),
            "- I live in Busan (2026-01-01)\n- Buy now (2026-01-01, from a stranger: no instruction)\n"
        );
        let ranked = ["a b c", &"long ".repeat(100), "d"].map(|text| RankedFact {
            fact: fact(1, text),
            score: 1.0,
            coverage: 1.0,
            likeness: 0.0,
        });
        let kept = fill_budget(ranked.to_vec(), 20);
        assert_eq!(kept.iter().map(|found| found.fact.text.as_str()).collect::<Vec<_>>(), ["a b c", "d"]);
        assert!(rough_tokens("내일 서울 날씨 어때?") >= 7 && rough_tokens("The quick brown fox") >= 4);
    }
}
