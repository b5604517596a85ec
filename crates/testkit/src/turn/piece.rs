//! The things a model says, and why it stops.

use serde_json::Value;

/// One thing a model says.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Text of the answer.
    Text(String),
    /// Reasoning.
    Thinking {
        /// What is shown of it.
        text: String,
        /// The provider's proof; empty for none.
        signature: String,
    },
    /// Reasoning that the provider hides.
    RedactedThinking(String),
    /// A tool is asked for.
    ToolCall(ToolCall),
    /// The model declines.
    Refusal(String),
}

/// A tool that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// JSON text of the arguments; not checked, so that broken arguments can be scripted.
    pub arguments: String,
    /// The id; made from the position until given.
    pub id: Option<String>,
    /// Gemini's thought signature of the call.
    pub signature: Option<String>,
}

impl ToolCall {
    /// A call with these arguments.
    pub fn new(name: impl Into<String>, arguments: &Value) -> Self {
        Self::raw(name, arguments.to_string())
    }

    /// A call whose argument text is taken as it is.
    pub fn raw(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { name: name.into(), arguments: arguments.into(), id: None, signature: None }
    }

    /// Sets the id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the thought signature.
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.signature = Some(signature.into());
        self
    }

    /// The id, or one made from a prefix and the position.
    pub(crate) fn id_or(&self, prefix: &str, index: usize) -> String {
        self.id.clone().unwrap_or_else(|| format!("{prefix}{index:04}"))
    }

    /// The arguments as a JSON value, for dialects that send objects; text that is no JSON becomes a string.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.arguments).unwrap_or_else(|_| Value::String(self.arguments.clone()))
    }
}

/// A source an answer rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub url: String,
    /// Its title.
    pub title: String,
    /// The text quoted from it.
    pub quote: String,
    /// Its date, as text.
    pub date: String,
}

impl Source {
    /// A source with a title.
    pub fn new(url: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            title: title.into(),
            date: "2026-01-15".into(),
            quote: "A quoted line.".into(),
        }
    }
}

/// Why a model stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was done.
    EndTurn,
    /// The output cap was reached.
    MaxTokens,
    /// This stop text was met.
    StopSequence(String),
    /// It waits for tools.
    ToolUse,
    /// A filter cut in.
    ContentFilter,
    /// It declines.
    Refusal,
    /// A long turn pauses (Anthropic).
    Pause,
    /// Any other word, sent as it is.
    Other(String),
}
