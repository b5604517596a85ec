//! The reply of `generateContent` as it is read: a whole one, or a piece of a stream, which has the same form.

use super::usage::WireUsage;
use crate::openai::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A reply.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply<'a> {
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Option<PromptFeedback<'a>>,
    pub(super) usage_metadata: Option<WireUsage>,
    #[serde(borrow, default)]
    pub(super) model_version: Text<'a>,
    #[serde(borrow, default)]
    pub(super) response_id: Text<'a>,
}

/// What became of the prompt before any answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow, default)]
    pub(super) block_reason: Text<'a>,
}

/// One answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow, default)]
    pub(super) finish_message: Text<'a>,
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<Grounding<'a>>,
    #[serde(borrow)]
    pub(super) citation_metadata: Option<Recitations<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<Part<'a>>>,
}

/// A piece of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    pub(super) thought: Option<bool>,
    #[serde(borrow, default)]
    pub(super) thought_signature: Text<'a>,
    #[serde(borrow)]
    pub(super) function_call: Option<Call<'a>>,
    #[serde(borrow)]
    pub(super) inline_data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
}

/// What an answer rests on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding<'a> {
    pub(super) web_search_queries: Option<Vec<serde::de::IgnoredAny>>,
    #[serde(borrow)]
    pub(super) grounding_chunks: Option<Vec<Chunk<'a>>>,
}

/// A source: a page, a document of the caller's, or a place.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) web: Option<Source<'a>>,
    #[serde(borrow)]
    pub(super) retrieved_context: Option<Source<'a>>,
    #[serde(borrow)]
    pub(super) maps: Option<Source<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Source<'a> {
    #[serde(borrow, default)]
    pub(super) uri: Text<'a>,
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
    /// The passage, of a document of the caller's; of a place, its description.
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
}

/// What an answer repeats word by word.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recitations<'a> {
    #[serde(borrow, alias = "citations")]
    pub(super) citation_sources: Option<Vec<Source<'a>>>,
}
