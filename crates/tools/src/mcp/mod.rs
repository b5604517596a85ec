//! MCP: the tools of others for our agents, and our tools for others.

mod client;
mod server;

pub use client::{
    ElicitationPolicy, McpConsent, McpEra, McpError, McpHub, McpHubParts, McpInventory, McpInverse, McpOauth,
    McpSecret, McpServerConfig, McpSource, McpStatus, McpTransport, PinnedTool, ToolChange,
};
pub use server::{
    GuardParts, GuardedTools, McpAnswer, McpAuth, McpCaller, McpChange, McpFault, McpHttp, McpHttpSettings,
    McpLink, McpOffers, OfferChanges, OfferPrompts, OfferResources, OfferTools, OfferedCall, OfferedPrompt,
    OfferedPromptCall, OfferedResource, OfferedTool, PromptAnswer, PromptArgument, ResourcePage, ToolsFor,
    bridge_stdio, serve_stdio,
};
