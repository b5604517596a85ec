//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod chest;
mod memory;

pub use chest::{ToolChest, ToolSource};
pub use memory::memory_tools;
