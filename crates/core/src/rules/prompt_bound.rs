//! A cheap bound on how many tokens a prompt can be, from its bytes alone, and on what a provider may add to it by itself.

use super::exact_key::INERT_FIELDS;
use crate::chat::{Json, MediaSource, Message, ModelRequest, Part, ResponseFormat, ToolDefinition};
use serde::Deserialize;

/// Tokens a picture can cost at most with the providers supported (their own documentation's largest figures, rounded up).
const IMAGE_TOKENS: u64 = 8_000;
/// Tokens of framing around a message or a tool.
const FRAME_TOKENS: u64 = 16;
/// Tokens a provider adds by itself (its own instructions for tools, for instance).
const BASE_TOKENS: u64 = 600;
/// Tokens a document whose pages nobody can count from outside has at most.
const DOCUMENT_TOKENS: u64 = 800_000;
/// Tokens that one use of a tool at the provider brings in at most (a search's results, a page).
const FOUND_TOKENS: u64 = 16_000;
/// Uses of a tool at the provider that is not told how often it may be used.
const USUAL_TOOL_USES: u64 = 10;
/// The context window of a model whose own is not known, in tokens.
const UNKNOWN_WINDOW: u64 = 1_000_000;
/// Fields by which a request of OpenAI's Responses API goes on with what the provider keeps.
const KEPT_BY_PROVIDER: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// The field by which a chat completion of OpenAI's searches the web.
const SEARCH_FIELD: &str = "web_search_options";

/// At least as many tokens as any provider counts for a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptBound {
    /// Of texts and definitions: every token is at least one byte.
    pub text: u64,
    /// Of what no vocabulary counts from outside: pictures, documents, signatures, fields unknown to us.
    pub opaque: u64,
    /// Uses of tools that run at the provider, and bring in what they find.
    pub tool_uses: u64,
    /// Whether the provider adds a conversation that it keeps.
    pub kept: bool,
}

impl PromptBound {
    /// The bound of a request.
    pub fn of(request: &ModelRequest) -> Self {
        let mut bound = Self { text: BASE_TOKENS, ..Self::default() };
        request.messages.iter().for_each(|message| bound.add_message(message));
        request.tools.iter().for_each(|tool| bound.add_tool(tool));
        if let ResponseFormat::JsonSchema(schema) = &request.format {
            bound.text += schema.schema.get().len() as u64 + FRAME_TOKENS;
        }
        for (name, value) in request.rest.iter().filter(|(name, _)| !INERT_FIELDS.contains(&name.as_str())) {
            bound.opaque += (name.len() + value.get().len()) as u64;
            if name == SEARCH_FIELD && value.get() != "null" {
                bound.tool_uses = bound.tool_uses.saturating_add(USUAL_TOOL_USES);
            }
            bound.kept |= KEPT_BY_PROVIDER.contains(&name.as_str()) && value.get() != "null";
        }
        bound
    }

    /// Of what is sent, whoever answers.
    pub fn sent(self) -> u64 {
        self.text.saturating_add(self.opaque)
    }

    /// Of what a model with this context window can be asked to read: what cannot be counted from outside has to fit into it.
    /// `text` is a closer bound on the texts, where there is one.
    pub fn within(self, window: Option<u64>, text: u64) -> u64 {
        self.text.min(text).saturating_add(self.uncounted(window))
    }

    /// The part of it that only the provider can count, with what it adds by itself.
    pub fn uncounted(self, window: Option<u64>) -> u64 {
        let window = window.unwrap_or(UNKNOWN_WINDOW);
        let found = self.tool_uses.saturating_mul(FOUND_TOKENS);
        if self.kept { window } else { self.opaque.saturating_add(found).min(window) }
    }

    fn add_message(&mut self, message: &Message) {
        self.text += FRAME_TOKENS;
        message.parts.iter().for_each(|part| self.add_part(part));
    }

    fn add_tool(&mut self, tool: &ToolDefinition) {
        let json = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.get().len());
        let description = tool.description.as_ref().map_or(0, String::len);
        let bytes = tool.name.len() + description + json(&tool.parameters) + json(&tool.builtin);
        self.text += FRAME_TOKENS + bytes as u64;
        if let Some(builtin) = &tool.builtin {
            self.tool_uses = self.tool_uses.saturating_add(most_uses(builtin));
        }
    }

    fn add_part(&mut self, part: &Part) {
        match part {
            Part::Text(text) | Part::Refusal(text) => self.text += text.len() as u64,
            Part::Thinking { text, signature } => {
                self.text += text.len() as u64;
                self.opaque += signature.as_ref().map_or(0, String::len) as u64;
            }
            Part::RedactedThinking(data) => self.opaque += data.len() as u64,
            Part::ToolCall { name, arguments, .. } => {
                self.text += FRAME_TOKENS + (name.len() + arguments.len()) as u64;
            }
            Part::ToolResult { content, .. } => {
                self.text += FRAME_TOKENS;
                content.iter().for_each(|part| self.add_part(part));
            }
            Part::Media(media) => {
                let picture = media.media_type.starts_with("image/");
                self.opaque += match &media.source {
                    _ if picture => IMAGE_TOKENS,
                    MediaSource::Base64(data) => IMAGE_TOKENS + data.len() as u64,
                    // A picture by its address has no type; what the provider keeps under an id may be a document.
                    MediaSource::Url(_) if media.media_type.is_empty() => IMAGE_TOKENS,
                    MediaSource::Url(_) | MediaSource::FileId(_) => DOCUMENT_TOKENS,
                };
            }
            Part::CachePoint(_) => {}
        }
    }
}

/// How often a tool at the provider may be used, as its definition says.
fn most_uses(builtin: &Json) -> u64 {
    #[derive(Deserialize)]
    struct Limited {
        max_uses: Option<u64>,
    }
    let limited = serde_json::from_str::<Limited>(builtin.get()).ok();
    limited.and_then(|limited| limited.max_uses).unwrap_or(USUAL_TOOL_USES)
}

/// At least as many tokens as any provider counts for the prompt that is sent: every token is at least one byte.
///
/// A media part costs a fixed amount a picture; a document's pages cannot be counted from outside, so its bytes are.
pub fn prompt_token_bound(request: &ModelRequest) -> u64 {
    PromptBound::of(request).sent()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Media, Role};
    use serde_json::value::RawValue;

    fn raw(text: &str) -> Json {
        RawValue::from_string(text.into()).unwrap()
    }

    fn hello() -> ModelRequest {
        ModelRequest::new("m", vec![Message::text(Role::User, "hello")])
    }

    #[test]
    fn grows_with_every_part() {
        let mut request = hello();
        let base = prompt_token_bound(&request);
        assert_eq!(base, BASE_TOKENS + FRAME_TOKENS + 5);
        request.messages.push(Message::text(Role::Assistant, "안녕"));
        assert_eq!(prompt_token_bound(&request), base + FRAME_TOKENS + 6);
    }

    #[test]
    fn what_cannot_be_counted_fits_into_the_window_at_most() {
        let mut request = hello();
        let text = prompt_token_bound(&request);
        let source = MediaSource::Base64("A".repeat(3_000_000).into());
        request.messages[0].parts.push(Part::Media(Media {
            media_type: "application/pdf".into(),
            source,
            detail: None,
            name: None,
        }));
        let bound = PromptBound::of(&request);
        assert_eq!(bound.sent(), text + IMAGE_TOKENS + 3_000_000);
        assert_eq!(bound.within(Some(200_000), u64::MAX), text + 200_000);
        // A closer count of the texts leaves the document as it is.
        assert_eq!(bound.within(Some(200_000), 10), 10 + 200_000);
    }

    #[test]
    fn what_the_provider_adds_counts() {
        let mut request = hello();
        let text = PromptBound::of(&request).within(None, u64::MAX);
        request.rest.push(("previous_response_id".into(), raw("\"resp_1\"")));
        assert_eq!(PromptBound::of(&request).within(Some(400_000), u64::MAX), text + 400_000);
        let search = |builtin: &str| {
            let mut request = hello();
            request.tools.push(ToolDefinition {
                name: "web_search".into(),
                description: None,
                parameters: None,
                strict: None,
                builtin: Some(raw(builtin)),
            });
            PromptBound::of(&request)
        };
        assert_eq!(search(r#"{"type":"web_search_20250305","max_uses":3}"#).tool_uses, 3);
        let open = search(r#"{"type":"web_search"}"#);
        assert_eq!(open.tool_uses, USUAL_TOOL_USES);
        assert!(open.within(None, u64::MAX) > USUAL_TOOL_USES * FOUND_TOKENS);
    }
}
