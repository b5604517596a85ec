//! Outbound model dialects: the providers that answer over HTTP, each behind core's ports.

mod anthropic;
mod batch;
mod changed_turns;
mod codec;
mod config_error;
mod gemini;
mod kept_tools;
mod notes;
mod ollama;
mod openai;
mod provider;
mod responses;
mod secret;
mod shared;
mod splice;
#[cfg(test)]
mod testing;
mod transport;

pub use config_error::ConfigError;
pub use provider::{Provider, ProviderConfig, ProviderDeps, ProviderKind};
pub use secret::Secret;
pub use transport::{Timeouts, Tls};
