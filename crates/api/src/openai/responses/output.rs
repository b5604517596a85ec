//! The output items of a response.

use nunchi_core::{Citation, StopReason};
use serde::Serialize;
use serde_json::{Value, json};

/// An output item.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    /// Reasoning, as far as it is shown.
    Reasoning {
        id: String,
        summary: Vec<Summary>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    /// A tool call.
    FunctionCall { id: String, call_id: String, name: String, arguments: String, status: &'static str },
    /// Text for the reader.
    Message { id: String, role: &'static str, status: &'static str, content: Vec<Content> },
}

/// A paragraph of shown reasoning.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "summary_text")]
pub(super) struct Summary {
    pub(super) text: String,
}

/// A content part of a message.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content {
    OutputText { text: String, annotations: Vec<Value>, logprobs: [(); 0] },
    Refusal { refusal: String },
}

impl Content {
    /// An empty text.
    pub(super) fn text(text: &str) -> Self {
        Self::OutputText { text: text.to_owned(), annotations: Vec::new(), logprobs: [] }
    }
}

impl Item {
    /// Sets how far the item is; reasoning has no such field.
    pub(super) fn set_status(&mut self, now: &'static str) {
        match self {
            Self::Reasoning { .. } => {}
            Self::FunctionCall { status, .. } | Self::Message { status, .. } => *status = now,
        }
    }
}

/// A source as OpenAI writes it. Where in the text it belongs is not known.
pub(super) fn annotation(source: &Citation) -> Value {
    let title = source.title.as_deref().unwrap_or("");
    json!({"type": "url_citation", "url": source.url, "title": title, "start_index": 0, "end_index": 0})
}

/// The status of the whole response, and why it is incomplete.
pub(super) fn status(stop: &StopReason) -> (&'static str, Option<Value>) {
    match stop {
        StopReason::MaxTokens => ("incomplete", Some(json!({"reason": "max_output_tokens"}))),
        StopReason::ContentFilter | StopReason::Refusal => {
            ("incomplete", Some(json!({"reason": "content_filter"})))
        }
        _ => ("completed", None),
    }
}
