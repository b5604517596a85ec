//! MCP: the tools of others for our agents, and our tools for others.

mod client;
mod server;

pub use client::{
    ElicitationPolicy, McpConsent, McpEra, McpError, McpHub, McpHubParts, McpInventory, McpOauth, McpSecret,
    McpServerConfig, McpSource, McpStatus, McpTransport, PinnedTool, ToolChange,
};
