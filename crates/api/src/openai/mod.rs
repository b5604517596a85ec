//! The OpenAI dialects.

pub(crate) mod chat;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod responses;
pub(crate) mod shared;
pub(crate) mod usage;
