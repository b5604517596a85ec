//! What a caller asks of a model.

use super::changes::ConversationChanges;
use super::message::{Json, Message, Role};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A wire format for model calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI `/v1/chat/completions`.
    OpenAiChat,
    /// OpenAI `/v1/responses`.
    OpenAiResponses,
    /// Anthropic `/v1/messages`.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
    /// Ollama `/api/chat`.
    Ollama,
    /// The embedded model: no wire at all.
    Embedded,
}

/// The caller's own body, kept so that an upstream of the same dialect gets its bytes back with only our changes spliced in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The dialect of `body`.
    pub dialect: Dialect,
    /// The whole JSON body as received.
    #[serde(with = "super::text_bytes")]
    pub body: Bytes,
}

/// One call, in no provider's words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelRequest {
    /// The model as asked for: `auto`, `auto:complex`, `openai/gpt-5`, or an upstream id once a candidate is chosen.
    pub model: String,
    /// The conversation, system messages included.
    pub messages: Vec<Message>,
    /// Tools the model may call.
    pub tools: Vec<ToolDefinition>,
    /// Whether it may, must, or must not call one.
    pub tool_choice: ToolChoice,
    /// Whether it may call several at once; `None` leaves it to the provider.
    pub parallel_tool_calls: Option<bool>,
    /// The shape of the answer.
    pub format: ResponseFormat,
    /// Sampling parameters.
    pub sampling: Sampling,
    /// Cap on generated tokens, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// How much to think.
    pub reasoning: Option<ReasoningRequest>,
    /// Number of alternative answers (>= 1).
    pub choices: u32,
    /// Whether the reply is wanted as a stream.
    pub stream: bool,
    /// The caller's own id of their end user.
    pub end_user: Option<String>,
    /// Fields of the caller's body that these words cannot say, by name; translation records a note for each.
    pub rest: Vec<(String, Json)>,
    /// The caller's body, for upstreams of the same dialect.
    pub origin: Option<Origin>,
    /// How `messages` and `tools` differ from that body, where the gateway changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ConversationChanges>,
}

impl ModelRequest {
    /// A request with the dialects' defaults.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: None,
            format: ResponseFormat::Text,
            sampling: Sampling::default(),
            max_output_tokens: None,
            reasoning: None,
            choices: 1,
            stream: false,
            end_user: None,
            rest: Vec::new(),
            origin: None,
            changes: None,
        }
    }

    /// The text of the last user message, tool results left out.
    pub fn last_user_text(&self) -> Option<String> {
        self.messages
            .iter()
            .rev()
            .filter(|m| m.role == Role::User)
            .map(Message::plain_text)
            .find(|t| !t.trim().is_empty())
    }
}

/// A tool the model may call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// JSON Schema of its arguments; `None` for a built-in tool of the provider.
    pub parameters: Option<Json>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
    /// A tool that runs at the provider (web search and the like), as its dialect wrote it.
    pub builtin: Option<Json>,
}

/// Whether the model may call tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool.
    None,
    /// At least one tool.
    Required,
    /// This tool.
    Named(String),
}

/// The shape of the answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema(JsonSchemaFormat),
}

/// Structured output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JsonSchemaFormat {
    /// The schema's name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema.
    pub schema: Json,
    /// Whether the output must follow it exactly.
    pub strict: Option<bool>,
}

/// Sampling parameters; `None` leaves a value to the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: Option<f64>,
    /// Nucleus mass.
    pub top_p: Option<f64>,
    /// Number of likeliest tokens considered.
    pub top_k: Option<u64>,
    /// Seed for repeatable sampling.
    pub seed: Option<i64>,
    /// Penalty on tokens that occurred.
    pub presence_penalty: Option<f64>,
    /// Penalty on tokens by frequency.
    pub frequency_penalty: Option<f64>,
    /// Texts that end generation.
    pub stop: Vec<String>,
    /// Return log probabilities of this many alternatives.
    pub top_logprobs: Option<u32>,
}

/// How much to think.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningRequest {
    /// A level.
    pub effort: Option<ReasoningEffort>,
    /// A cap in tokens; 0 switches reasoning off.
    pub budget_tokens: Option<u64>,
    /// The kind of summary wanted (OpenAI's `auto`, `concise`, `detailed`).
    pub summary: Option<String>,
}

/// Levels of thinking, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEffort {
    /// No reasoning.
    None,
    /// As little as possible.
    Minimal,
    /// A little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// As much as possible.
    Xhigh,
}
