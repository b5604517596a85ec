//! The MCP client and server against each other, against real programs, and against servers that mean no good.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod client;
mod guard;
mod hostile;
mod loading;
mod offered;
mod scripted;
mod server;
mod support;
