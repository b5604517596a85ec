//! The client: servers of others, connected when they are first needed, their tools held to what the owner accepted.

mod change;
mod child;
mod clean;
mod config;
mod connect;
mod content;
mod ear;
mod error;
mod hub;
mod inverse;
mod listing;
mod login;
mod needs;
mod pins;
mod remote;
mod spec;
mod tool;

pub use change::ToolChange;
pub use config::{ElicitationPolicy, McpEra, McpOauth, McpSecret, McpServerConfig, McpTransport};
pub use error::McpError;
pub use hub::{McpHub, McpHubParts, McpInventory, McpSource, McpStatus};
pub use inverse::McpInverse;
pub use login::McpConsent;
pub use pins::PinnedTool;
