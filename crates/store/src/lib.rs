//! Durable state behind core's ports: the ledger, budgets, keys and the answer cache on SQLite, and who owns a home folder.

mod cache;
mod home_lock;
mod sqlite;

pub use cache::{CacheOptions, SqliteCache};
pub use home_lock::HomeLock;
pub use sqlite::{LedgerOptions, OpenReport, SqliteLedger, backup_to, salvage_to};
