//! What the chat engine is asked and what it answers, independent of the gateway's words.

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatRole {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl ChatRole {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said.
    pub text: String,
}

impl ChatMessage {
    /// A turn.
    pub fn new(role: ChatRole, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

/// How an answer is generated.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationOptions {
    /// Most tokens to generate; `None` means as many as fit.
    pub max_tokens: Option<usize>,
    /// 0 takes the likeliest token always.
    pub temperature: f32,
    /// Share of the probability that is considered (0 to 1).
    pub top_p: f32,
    /// Number of likeliest tokens considered; 0 means all.
    pub top_k: usize,
    /// Same seed, same answer; `None` draws one.
    pub seed: Option<u64>,
    /// Taken off the score of every token that was generated before.
    pub presence_penalty: f32,
    /// Taken off for each time it was generated before.
    pub frequency_penalty: f32,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Alternative answers to generate, one after the other (at least 1).
    pub choices: u32,
    /// The answer is one JSON object: tokens that would break it are never chosen. At the cap it may be cut off.
    pub json_object: bool,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            max_tokens: None,
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            seed: None,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            stop: Vec::new(),
            choices: 1,
            json_object: false,
        }
    }
}

/// A conversation to continue.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The turns so far.
    pub messages: Vec<ChatMessage>,
    /// How to continue.
    pub options: GenerationOptions,
}

/// Tokens of a request. `prompt` includes `cached`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatUsage {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens of the prompt that were still in the key-value cache.
    pub cached: usize,
    /// Tokens generated, over all choices.
    pub output: usize,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done.
    EndOfTurn,
    /// The cap or the end of the context was reached.
    Length,
    /// This stop text was met.
    Stop(String),
}

/// One thing that happened; the last one is [`ChatEvent::Done`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEvent {
    /// The prompt is accepted and its tokens are counted.
    Started(ChatUsage),
    /// More text of the answer, whole characters only.
    Text {
        /// Which alternative, from 0.
        choice: u32,
        /// The text.
        text: String,
    },
    /// An alternative is complete.
    Finished {
        /// Which alternative, from 0.
        choice: u32,
        /// Why.
        reason: FinishReason,
    },
    /// The answer is complete.
    Done(ChatUsage),
}
