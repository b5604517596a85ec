//! The ledger on SQLite: one writer thread with group commits, admission in memory, readers beside it.

mod budgets;
mod checkpoint;
mod connection;
mod desk;
mod keys;
mod ledger;
mod maintenance;
mod open;
mod read;
mod rows;
mod totals;
mod writer;

pub use ledger::SqliteLedger;
pub use maintenance::{backup_to, salvage_to};
pub use open::{LedgerOptions, OpenReport};

pub(crate) use connection::{connect, failure};
