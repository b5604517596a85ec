//! Which servers a goal needs: those whose intents it has or names, those of whose words it uses one, and those that have neither.

use super::config::McpServerConfig;
use crate::skills::intent_words;

/// Whether a goal with these intents needs a server.
pub(crate) fn is_needed(config: &McpServerConfig, goal: &str, intents: &[&str]) -> bool {
    let unconditional = config.intents.is_empty() && config.keywords.is_empty();
    let goal = goal.to_lowercase();
    unconditional
        || config.intents.iter().any(|intent| {
            intents.contains(&intent.as_str()) || says(&goal, &intent_words(intent).to_lowercase())
        })
        || config.keywords.iter().any(|word| says(&goal, &word.to_lowercase()))
}

/// Whether a text has a word: as a whole word where it is written in Latin letters; anywhere else, because Korean joins its
/// particles to the noun.
fn says(text: &str, word: &str) -> bool {
    let word = word.trim();
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            let ascii = word.is_ascii();
            !(ascii && (latin(before) || latin(after)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::client::config::McpTransport;

    #[test]
    fn by_intent_by_word_or_always() {
        let transport =
            McpTransport::Stdio { command: "x".into(), args: Vec::new(), env: Vec::new(), folder: None };
        let mut server = McpServerConfig::new("news", transport);
        assert!(is_needed(&server, "anything", &[]));
        server.intents = vec!["news".into()];
        server.keywords = vec!["headline".into(), "뉴스".into(), "Stock price".into()];
        for (goal, intents, needed) in [
            ("read this file", &[][..], false),
            ("read this file", &["news"][..], true),
            ("오늘뉴스를 요약해", &[], true),
            ("the Headline, please", &[], true),
            ("headlines of today", &[], false),
            ("what are the News on Samsung?", &[], true),
            ("newsletters", &[], false),
            ("what is the stock price of X", &[], true),
        ] {
            assert_eq!(is_needed(&server, goal, intents), needed, "{goal}");
        }
    }
}
