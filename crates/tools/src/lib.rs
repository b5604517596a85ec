//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod chest;

pub use chest::{ToolChest, ToolSource};
