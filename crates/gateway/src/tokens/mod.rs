//! Exact token counts, for when a bound from bytes is too coarse. The vocabulary is indexed on first use.

mod pieces;
mod vocabulary;

use nunchi_core::{ModelRequest, Part, ResponseFormat};

/// Tokens of framing a message costs in the chat formats.
const MESSAGE_TOKENS: u64 = 4;
/// Tokens a picture is counted with; providers differ and only they can tell.
const IMAGE_TOKENS: u64 = 1_100;

/// Tokens of a prompt by the o200k vocabulary; for models with other vocabularies an estimate.
pub fn count_prompt(request: &ModelRequest) -> u64 {
    let messages: u64 =
        request.messages.iter().map(|m| MESSAGE_TOKENS + m.parts.iter().map(count_part).sum::<u64>()).sum();
    let tools: u64 = request
        .tools
        .iter()
        .map(|tool| {
            let json =
                |json: &Option<nunchi_core::Json>| json.as_ref().map_or(0, |json| count_text(json.get()));
            let words = count_text(&tool.name) + tool.description.as_deref().map_or(0, count_text);
            MESSAGE_TOKENS + words + json(&tool.parameters) + json(&tool.builtin)
        })
        .sum();
    let format = match &request.format {
        ResponseFormat::JsonSchema(schema) => count_text(schema.schema.get()),
        ResponseFormat::Text | ResponseFormat::JsonObject => 0,
    };
    messages + tools + format + 3
}

/// Tokens of a text by the o200k vocabulary.
pub(crate) fn count_text(text: &str) -> u64 {
    pieces::pieces(text).map(|piece| vocabulary::count(piece.as_bytes())).sum()
}

fn count_part(part: &Part) -> u64 {
    match part {
        Part::Text(text) | Part::Refusal(text) | Part::Thinking { text, .. } => count_text(text),
        Part::RedactedThinking(data) => data.len() as u64 / 4,
        Part::ToolCall { name, arguments, .. } => MESSAGE_TOKENS + count_text(name) + count_text(arguments),
        Part::ToolResult { content, .. } => MESSAGE_TOKENS + content.iter().map(count_part).sum::<u64>(),
        Part::Media(_) => IMAGE_TOKENS,
        Part::CachePoint(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::count_text;
    use proptest::prelude::*;

    fn reference(text: &str) -> u64 {
        bpe_openai::o200k_base().count(text) as u64
    }

    #[test]
    fn known_texts() {
        for text in [
            "",
            " ",
            "a",
            "hello world",
            "안녕하세요, 눈치는 말하기 전에 알아차립니다.",
            "  two  spaces\t\tand tabs \n\n  indented\r\n",
            "don't we'll I'VE 12345678 3.14159",
            "fn main() { println!(\"{}\", 1 + 1); } // done/\n",
            "🙂🙂 👩\u{200d}👩\u{200d}👧 e\u{301}",
            "\u{3000}全角　スペース",
        ] {
            assert_eq!(count_text(text), reference(text), "{text:?}");
        }
        let long = "aB가1 ".repeat(2_000) + &"x".repeat(100_000) + &" ".repeat(5_000);
        assert_eq!(count_text(&long), reference(&long));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_text_counts_as_by_the_reference(text in prop_oneof![
            "\\PC{0,60}",
            "[a-zA-Z '\n\r\t.,/0-9]{0,120}",
            "[가-힣ㄱ-ㅎa-z \n]{0,60}",
            "(?s).{0,40}",
        ]) {
            prop_assert_eq!(count_text(&text), reference(&text));
        }
    }
}
