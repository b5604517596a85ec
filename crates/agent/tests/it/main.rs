//! The machine as tables and random worlds; the driver with scripted models, stores in memory and tools on real files.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests fail loudly")]

mod approvals;
mod driver;
mod field;
mod judge;
mod machine;
mod memory;
mod narrowing;
mod remote;
mod results;
mod support;
mod toolless;
mod undo;
mod workflow_files;
mod workflows;
mod worlds;
