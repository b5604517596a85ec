//! What the chat engine is asked and what it answers, independent of the gateway's words.

use super::grammar::Grammar;
use std::sync::Arc;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatRole {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's answer.
    Tool,
}

/// A call of a tool that the model has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatCall {
    /// The tool.
    pub name: String,
    /// Its arguments: JSON text.
    pub arguments: String,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said.
    pub text: String,
    /// What the model called, after what it said.
    pub calls: Vec<ChatCall>,
}

impl ChatMessage {
    /// A turn without calls.
    pub fn new(role: ChatRole, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), calls: Vec::new() }
    }

    /// Whether it is something the person has said.
    pub(crate) fn is_said(&self) -> bool {
        self.role == ChatRole::User && !self.text.trim().is_empty() && !is_reminder(&self.text)
    }
}

/// Whether a turn of the user's is the application's own word to the model.
pub(crate) fn is_reminder(text: &str) -> bool {
    text.trim_start().starts_with("<system-reminder>")
}

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatTool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments, as text.
    pub parameters: String,
    /// What its arguments may be.
    pub arguments: Arc<Grammar>,
}

/// A call that is to be made: the tool, and what its arguments are likely to quote.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedCall {
    /// The tool.
    pub tool: ChatTool,
    /// What the person has said; arguments mostly quote it.
    pub quoted: String,
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
        }
    }
}

/// A conversation to continue.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    /// The turns so far.
    pub messages: Vec<ChatMessage>,
    /// The call that the answer is to be, if it is one.
    pub call: Option<WantedCall>,
    /// Whether tools were offered; without a call, words about tools only lead a small model astray.
    pub offered: bool,
    /// What the answer must be, if it is no call; at the cap it may be cut off. Anything if there is none.
    pub grammar: Option<Arc<Grammar>>,
    /// How to continue.
    pub options: GenerationOptions,
}

impl ChatRequest {
    /// A conversation without tools, to be continued with any text.
    pub fn new(messages: Vec<ChatMessage>, options: GenerationOptions) -> Self {
        Self { messages, call: None, offered: false, grammar: None, options }
    }
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
    /// A call is complete.
    ToolCall,
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
    /// A call begins.
    Call {
        /// Which alternative, from 0.
        choice: u32,
        /// The tool.
        name: String,
    },
    /// More of the arguments of a call (JSON text).
    Arguments {
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
