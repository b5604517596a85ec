//! The configuration: as written in files and environment, and as resolved for the product.

mod agent;
mod field;
mod fields;
mod layers;
mod lists;
mod mcp;
mod provider;
mod reading;
mod reference;
mod resolved;
mod server;
mod spelling;
mod tools;

pub(crate) use agent::{AgentConfig, Learning, MemoryConfig};
pub(crate) use layers::{ConfigError, Layers};
pub(crate) use provider::ProviderEntryConfig;
pub(crate) use reading::{parse_time, shown_settings};
pub(crate) use reference::reference;
pub(crate) use resolved::{Config, LocalConfig, LogFormat, Rate};
