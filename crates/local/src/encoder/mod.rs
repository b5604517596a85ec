//! The embedded sentence encoder (Korean, English and 14 more languages) and the thread that runs it.

mod engine;
mod network;
mod normalizer;
mod npz;
mod pieces;
mod sentence;
mod table;

pub use engine::EncoderEngine;
pub use sentence::{EMBEDDING_DIMENSIONS, Embeddings, SentenceEncoder};
