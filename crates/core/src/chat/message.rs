//! The messages of a conversation and the parts they are made of.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// JSON text kept exactly as it was written, so that schemas and arguments keep their bytes.
pub type Json = Box<serde_json::value::RawValue>;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the application (Anthropic's `system`, Gemini's `systemInstruction`).
    System,
    /// Instructions of the developer, where a dialect tells the two apart.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The answers of tools.
    Tool,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// The speaker's name, where the dialect carries one.
    pub name: Option<String>,
}

impl Message {
    /// A message of one text part.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())], name: None }
    }

    /// All text parts, joined without a separator.
    pub fn plain_text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }
}

/// How long a provider is asked to keep a marked prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CacheTtl {
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// One hour.
    #[serde(rename = "1h")]
    OneHour,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Text for the reader.
    Text(String),
    /// A picture, document or sound.
    Media(Media),
    /// The model's reasoning; `signature` must return to the provider unchanged.
    Thinking {
        /// The visible reasoning (may be empty).
        text: String,
        /// The provider's opaque proof.
        signature: Option<String>,
    },
    /// Reasoning that the provider hides; it must return to the provider unchanged.
    RedactedThinking(String),
    /// The model asks for a tool.
    ToolCall {
        /// Pairs the call with its result.
        id: String,
        /// The tool.
        name: String,
        /// Arguments as the model wrote them: JSON text, not yet validated.
        arguments: String,
        /// A provider's opaque proof for this call (Gemini's thought signature).
        signature: Option<String>,
    },
    /// A tool's answer.
    ToolResult {
        /// The id of the call this answers.
        call_id: String,
        /// Text and media of the answer.
        content: Vec<Part>,
        /// Whether the tool failed.
        is_error: bool,
    },
    /// The model declined.
    Refusal(String),
    /// Everything before this point may be kept by the provider's prompt cache.
    CachePoint(CacheTtl),
}

impl Part {
    /// The text of a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A picture, document or sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// MIME type, such as `image/png`; empty when only a URL is known.
    pub media_type: String,
    /// Where the bytes are.
    pub source: MediaSource,
    /// How closely an image is looked at.
    pub detail: Option<ImageDetail>,
    /// File name, for documents.
    pub name: Option<String>,
}

/// Where the bytes of a media part are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// The provider fetches it.
    Url(String),
    /// Base64 text, kept encoded as it came.
    Base64(#[serde(with = "super::text_bytes")] Bytes),
    /// A file that was uploaded to the provider before.
    FileId(String),
}

/// How closely an image is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageDetail {
    /// The provider chooses.
    Auto,
    /// A small version.
    Low,
    /// The full picture.
    High,
}
