//! Reads a recorded body of a chat as the front door reads it.

use crate::anthropic;
use crate::openai;
use bytes::Bytes;
use nunchi_core::{Dialect, Explain, ModelRequest};

/// Puts a body into our words: of Anthropic's messages, or, for any other dialect, of OpenAI's chat completions.
///
/// # Errors
/// What the front door would answer with.
pub fn read_chat(dialect: Dialect, body: Bytes) -> Result<ModelRequest, Box<dyn Explain + Send + Sync>> {
    let read = match dialect {
        Dialect::Anthropic => anthropic::messages::read(body),
        _ => openai::chat::read(body),
    };
    read.map_err(|problem| Box::new(problem) as Box<dyn Explain + Send + Sync>)
}
