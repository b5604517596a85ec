//! The HTTP surface from outside: real requests through the router, a scripted model behind it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tests fail loudly, and their tables are long"
)]

mod agent_chat;
mod agent_eval;
mod agent_runs;
mod agent_world;
mod bad_input;
mod console_runs;
mod door;
mod embeddings;
mod errors;
mod invariants;
mod passthrough;
mod rendering;
mod routes;
mod slow_reader;
mod streaming;
mod support;
mod translation;
