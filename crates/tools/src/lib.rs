//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod arguments;
mod chest;
mod files;

pub use chest::{ToolChest, ToolSource};
pub use files::{FileCaps, FileRoot, open_files};
