//! The server: our tools, skills and memory for the agents of others.

mod guard;
mod handler;
mod http;
mod link;
mod offer;
mod owners;
mod stdio;
mod watchers;

pub use guard::{GuardParts, GuardedTools, ToolsFor};
pub use http::{McpAuth, McpHttp, McpHttpSettings};
pub use offer::{
    McpAnswer, McpCaller, McpFault, McpLink, McpOffers, OfferChanges, OfferPrompts, OfferResources,
    OfferTools, OfferedCall, OfferedPrompt, OfferedPromptCall, OfferedResource, OfferedTool, PromptAnswer,
    PromptArgument, ResourcePage,
};
pub use stdio::{bridge_stdio, serve_stdio};
pub use watchers::McpChange;
