//! Replies of responses as they are read: events, the response around them, output items.

use crate::openai::{Text, lenient_count};
use nunchi_core::{Citation, StopReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One event of a stream.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    pub(super) output_index: u64,
    pub(super) summary_index: u64,
    #[serde(borrow)]
    pub(super) item: Option<Item<'a>>,
    pub(super) delta: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) input: Option<String>,
    #[serde(borrow)]
    pub(super) annotation: Option<Annotation<'a>>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// The response object.
#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(borrow, default)]
    pub(super) status: Text<'a>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) incomplete_details: Option<Incomplete<'a>>,
    #[serde(borrow)]
    pub(super) output: Option<Vec<Item<'a>>>,
    pub(super) usage: Option<WireUsage>,
    /// What it was served in; before its end, what was asked for.
    #[serde(borrow, default)]
    pub(super) service_tier: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow, default)]
    reason: Text<'a>,
}

/// An output item of any kind; fields that a kind lacks are empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) call_id: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) arguments: Option<String>,
    /// A custom tool's free text.
    pub(super) input: Option<String>,
    #[serde(borrow)]
    pub(super) content: Option<Vec<Content<'a>>>,
    pub(super) summary: Option<Vec<Summary>>,
    pub(super) encrypted_content: Option<String>,
}

/// A part of a message, or of the open reasoning of open models.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    pub(super) text: Option<String>,
    pub(super) refusal: Option<String>,
    #[serde(borrow)]
    pub(super) annotations: Option<Vec<Annotation<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) text: String,
}

/// A source at the foot of a text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotation<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "lenient_count")]
    input_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    output_tokens: u64,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    #[serde(deserialize_with = "lenient_count")]
    cached_tokens: u64,
    #[serde(deserialize_with = "lenient_count")]
    cache_write_tokens: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    #[serde(deserialize_with = "lenient_count")]
    reasoning_tokens: u64,
}

impl WireUsage {
    /// The counts in disjoint classes, and the searches that were seen in the output.
    pub(super) fn usage(&self, searches: u64) -> Usage {
        let details = self.input_tokens_details.as_ref();
        let read = details.map_or(0, |d| d.cached_tokens).min(self.input_tokens);
        let written = details.map_or(0, |d| d.cache_write_tokens).min(self.input_tokens - read);
        let reasoning = self.output_tokens_details.as_ref().map_or(0, |d| d.reasoning_tokens);
        let reasoning = reasoning.min(self.output_tokens);
        Usage {
            input: self.input_tokens - read - written,
            cache_read: read,
            cache_write_5m: written,
            cache_write_1h: 0,
            output: self.output_tokens - reasoning,
            reasoning,
            tool_uses: searches,
        }
    }
}

impl Annotation<'_> {
    /// The source, where it is one with an address.
    pub(super) fn citation(&self) -> Option<Citation> {
        let url = self.url.some().filter(|_| self.kind.as_str() == "url_citation")?;
        Some(Citation { url, title: self.title.some(), quote: None, date: None })
    }
}

impl Item<'_> {
    /// Whether a client answers this item.
    pub(super) fn is_call(&self) -> bool {
        matches!(self.kind.as_str(), "function_call" | "custom_tool_call")
    }

    /// Whether OpenAI charges this item by the piece.
    pub(super) fn is_search(&self) -> bool {
        matches!(self.kind.as_str(), "web_search_call" | "file_search_call")
    }
}

impl Response<'_> {
    /// Why it ended.
    pub(super) fn stop(&self, called: bool, refused: bool) -> StopReason {
        if self.status.as_str() == "incomplete" {
            let reason = self.incomplete_details.as_ref().map_or("", |details| details.reason.as_str());
            return match reason {
                "max_output_tokens" | "max_tokens" => StopReason::MaxTokens,
                "content_filter" => StopReason::ContentFilter,
                other => StopReason::Other(other.to_owned()),
            };
        }
        match (called, refused) {
            (true, _) => StopReason::ToolUse,
            (_, true) => StopReason::Refusal,
            _ => StopReason::EndTurn,
        }
    }
}
