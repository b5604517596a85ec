//! Durable state behind core's ports: the ledger, budgets, keys and the answer cache on SQLite, the cache on Redis as well, and who
//! owns a home folder.

mod cache_options;
mod home_lock;
mod redis;
mod seal;
mod sqlite;

pub use cache_options::CacheOptions;
pub use home_lock::HomeLock;
pub use redis::RedisCache;
pub use sqlite::{
    LedgerOptions, OpenReport, SqliteCache, SqliteLedger, SqliteMemory, backup_to, move_to, salvage_to,
};
