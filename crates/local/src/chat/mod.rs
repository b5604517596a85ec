//! The embedded chat model: a GGUF network, its tokenizer, and the thread that runs it.

mod engine;
mod gguf;
mod json;
mod model;
mod sampler;
mod template;
mod text;
mod tokenizer;
mod transformer;
mod words;

pub use engine::{ChatConfig, ChatEngine, ChatStream};
pub use words::{ChatEvent, ChatMessage, ChatRequest, ChatRole, ChatUsage, FinishReason, GenerationOptions};
