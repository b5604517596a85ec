//! The Anthropic dialect.

pub(crate) mod count_tokens;
pub(crate) mod messages;
mod render;
mod stream;
mod translate;
mod wire;
