//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod chest;
mod mcp;

pub use chest::{ToolChest, ToolSource};
pub use mcp::{
    ElicitationPolicy, McpConsent, McpEra, McpError, McpHub, McpHubParts, McpInventory, McpOauth, McpSecret,
    McpServerConfig, McpSource, McpStatus, McpTransport, PinnedTool, ToolChange,
};
