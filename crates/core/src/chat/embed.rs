//! Embedding requests and their answers.

use super::reply::ReplyInfo;
use crate::words::Usage;

/// Texts to embed.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedRequest {
    /// The model as asked for (`auto` is accepted).
    pub model: String,
    /// The texts, in order.
    pub inputs: Vec<String>,
    /// Wanted length of each vector, where the model can shorten it.
    pub dimensions: Option<u32>,
}

/// One vector a text, in order.
#[derive(Clone, Debug)]
pub struct EmbedReply {
    /// Unit-length vectors, in the order of the inputs.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read.
    pub usage: Usage,
    /// Which model answered, and how.
    pub info: ReplyInfo,
}
