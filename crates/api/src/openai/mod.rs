//! The OpenAI dialects.

pub(crate) mod chat;
pub(crate) mod shared;
pub(crate) mod usage;
