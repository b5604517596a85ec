//! A cheap bound on how many tokens a prompt can be, from its bytes alone.

use crate::chat::{MediaSource, Message, ModelRequest, Part, ResponseFormat};

/// Tokens a picture can cost at most with the providers supported (their own documentation's largest figures, rounded up).
const IMAGE_TOKENS: u64 = 8_000;
/// Tokens of framing around a message or a tool.
const FRAME_TOKENS: u64 = 16;
/// Tokens a provider adds by itself (its own instructions for tools, for instance).
const BASE_TOKENS: u64 = 600;

/// At least as many tokens as any provider counts for this prompt: every token is at least one byte.
///
/// A media part costs a fixed amount a picture; a document's pages cannot be counted from outside, so its bytes are.
pub fn prompt_token_bound(request: &ModelRequest) -> u64 {
    let messages: u64 = request.messages.iter().map(message_bound).sum();
    let tools: u64 = request.tools.iter().map(tool_bound).sum();
    let format = match &request.format {
        ResponseFormat::JsonSchema(schema) => schema.schema.get().len() as u64 + FRAME_TOKENS,
        ResponseFormat::Text | ResponseFormat::JsonObject => 0,
    };
    let rest: u64 = request.rest.iter().map(|(name, value)| (name.len() + value.get().len()) as u64).sum();
    BASE_TOKENS + messages + tools + format + rest
}

fn message_bound(message: &Message) -> u64 {
    FRAME_TOKENS + message.parts.iter().map(part_bound).sum::<u64>()
}

fn tool_bound(tool: &crate::chat::ToolDefinition) -> u64 {
    let json = |json: &Option<crate::chat::Json>| json.as_ref().map_or(0, |json| json.get().len());
    let description = tool.description.as_ref().map_or(0, String::len);
    FRAME_TOKENS + (tool.name.len() + description + json(&tool.parameters) + json(&tool.builtin)) as u64
}

fn part_bound(part: &Part) -> u64 {
    match part {
        Part::Text(text) | Part::Refusal(text) => text.len() as u64,
        Part::Thinking { text, signature } => (text.len() + signature.as_ref().map_or(0, String::len)) as u64,
        Part::RedactedThinking(data) => data.len() as u64,
        Part::ToolCall { name, arguments, .. } => FRAME_TOKENS + (name.len() + arguments.len()) as u64,
        Part::ToolResult { content, .. } => FRAME_TOKENS + content.iter().map(part_bound).sum::<u64>(),
        Part::Media(media) if media.media_type.starts_with("image/") || media.media_type.is_empty() => {
            IMAGE_TOKENS
        }
        Part::Media(media) => match &media.source {
            MediaSource::Base64(data) => IMAGE_TOKENS + data.len() as u64,
            MediaSource::Url(_) | MediaSource::FileId(_) => 100 * IMAGE_TOKENS,
        },
        Part::CachePoint(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    #[test]
    fn grows_with_every_part() {
        let mut request = ModelRequest::new("m", vec![Message::text(Role::User, "hello")]);
        let base = prompt_token_bound(&request);
        assert_eq!(base, BASE_TOKENS + FRAME_TOKENS + 5);
        request.messages.push(Message::text(Role::Assistant, "안녕"));
        assert_eq!(prompt_token_bound(&request), base + FRAME_TOKENS + 6);
    }
}
