//! The machine as tables and random worlds; the driver with scripted models, stores in memory and tools on real files.

mod approvals;
mod driver;
mod field;
mod machine;
mod support;
mod worlds;
