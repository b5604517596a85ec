//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod arguments;
mod builtin;
mod calculator;
mod chest;
mod files;
mod notify;
mod sql;
mod time;
mod web;

pub use builtin::{BuiltinError, BuiltinPorts, BuiltinSettings, builtin_rules, builtin_tools};
pub use chest::{ToolChest, ToolSource};
pub use files::{FileCaps, FileRoot};
pub use sql::{DatabasePlace, DatabaseSettings, SqlCaps, TableAccess};
pub use web::{SearchEndpoint, SearchKey, WebCaps, WebSettings};
