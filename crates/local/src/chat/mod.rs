//! The embedded chat model: a GGUF network, its tokenizer, and the thread that runs it.

mod engine;
mod gguf;
mod grammar;
mod model;
mod quoting;
mod sampler;
mod template;
mod text;
mod tokenizer;
mod transformer;
mod words;
mod writing;

pub use engine::{ChatConfig, ChatEngine, ChatStream};
pub use grammar::{CompiledSchema, Grammar};
pub(crate) use words::is_reminder;
pub use words::{
    ChatCall, ChatEvent, ChatMessage, ChatRequest, ChatRole, ChatTool, ChatUsage, FinishReason,
    GenerationOptions, WantedCall,
};
