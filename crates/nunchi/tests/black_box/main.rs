//! The real binary from outside: its commands, its files, its server, in a home folder of its own.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail loudly")]

mod agents_page;
mod batch;
mod bill;
mod budgets;
mod compression;
mod config;
mod connections;
mod embedded;
mod eval;
mod first_start;
mod flows;
mod learning;
mod ledger;
mod mcp;
mod memory;
mod offline;
mod prices;
mod reference;
mod replay;
mod saving;
mod scenarios;
mod server;
mod sessions;
mod stopping;
mod support;
mod tls;
mod usage;
