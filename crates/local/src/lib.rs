//! The embedded models: a chat model and a sentence encoder that run inside the process, and the weights they need.

mod adapter;
mod chat;
mod encoder;
mod error;
mod files;
mod kernels;
#[cfg(test)]
mod testing;
mod weights;

pub use adapter::{LocalEmbedder, LocalModel};
pub use chat::{
    ChatCall, ChatConfig, ChatEngine, ChatEvent, ChatMessage, ChatRequest, ChatRole, ChatStream, ChatTool,
    ChatUsage, CompiledSchema, FinishReason, GenerationOptions, Grammar, WantedCall,
};
pub use encoder::{EMBEDDING_DIMENSIONS, Embeddings, EncoderEngine, SentenceEncoder};
pub use error::LocalError;
pub use weights::{
    DEFAULT_CHAT_WEIGHTS, DEFAULT_ENCODER_WEIGHTS, FetchOptions, FetchProgress, FetchSource, FetchStage,
    PackagePart, ProgressFn, WeightEntry, WeightFile, WeightPurpose, WeightStatus, WeightStore, WeightsError,
    default_weights_dir, known_weights,
};
