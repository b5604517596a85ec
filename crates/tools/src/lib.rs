//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod chest;
mod mcp;

pub use chest::{ToolChest, ToolSource};
pub use mcp::{
    ElicitationPolicy, GuardParts, GuardedTools, McpAnswer, McpAuth, McpCaller, McpChange, McpConsent,
    McpEra, McpError, McpFault, McpHttp, McpHttpSettings, McpHub, McpHubParts, McpInventory, McpLink,
    McpOauth, McpOffers, McpSecret, McpServerConfig, McpSource, McpStatus, McpTransport, OfferPrompts,
    OfferResources, OfferTools, OfferedCall, OfferedPrompt, OfferedPromptCall, OfferedResource, OfferedTool,
    PinnedTool, PromptAnswer, PromptArgument, ToolChange, ToolsFor, bridge_stdio, serve_stdio,
};
