//! Exact token counts, for when a bound from bytes is too coarse. Vocabularies are loaded on first use: they weigh tens of megabytes.

use nunchi_core::{ModelRequest, Part, ResponseFormat};

/// Tokens of framing a message costs in the chat formats.
const MESSAGE_TOKENS: u64 = 4;
/// Tokens a picture is counted with; providers differ and only they can tell.
const IMAGE_TOKENS: u64 = 1_100;

/// Tokens of a prompt by the o200k vocabulary; for models with other vocabularies an estimate.
pub(crate) fn count_prompt(request: &ModelRequest) -> u64 {
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
    bpe_openai::o200k_base().count(text) as u64
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
