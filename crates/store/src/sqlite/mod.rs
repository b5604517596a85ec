//! The ledger on SQLite: admission in memory, a journal in front, one thread that folds it into the database, readers beside it. The answer cache has a
//! file of its own: damage to it never hurts the ledger.

mod budgets;
mod cache;
mod checkpoint;
mod connection;
mod desk;
mod feedback;
mod files;
mod fold;
mod jobs;
mod journal;
mod keys;
mod ledger;
mod maintenance;
mod memory;
mod messages;
mod open;
mod read;
mod rows;
mod runs;
mod savings;
mod scores;
mod totals;
mod unfolded;
mod writer;

pub use cache::SqliteCache;
pub use ledger::SqliteLedger;
pub use maintenance::{backup_to, move_to, salvage_to};
pub use memory::SqliteMemory;
pub use open::{LedgerOptions, OpenReport};
