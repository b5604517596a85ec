//! The answer cache on SQLite, in a file of its own: damage to it never hurts the ledger.

mod marks;
mod originals;
mod questions;

use super::connection::{connect, failure};
use crate::CacheOptions;
use crate::seal::{Packer, Sealer, checksum};
use jiff::Timestamp;
use marks::Marks;
use nunchi_core::{BoxFuture, CacheEntry, CacheFilter, CacheKey, CacheStats, CacheStore, StorageError};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const MIGRATIONS: [&str; 4] = [
    include_str!("../../../migrations/sqlite/cache_0001.sql"),
    include_str!("../../../migrations/sqlite/cache_0002.sql"),
    include_str!("../../../migrations/sqlite/cache_0003.sql"),
    include_str!("../../../migrations/sqlite/cache_0004.sql"),
];

/// Stored answers. Cheap to clone.
#[derive(Clone)]
pub struct SqliteCache(Arc<Inner>);

struct Inner {
    disk: Mutex<Disk>,
    /// Which keys may be stored, so that most misses cost no query.
    known: Marks,
    cap_bytes: u64,
    sealer: Sealer,
}

/// The file, and what it holds, so that no write has to add that up.
struct Disk {
    connection: Connection,
    stored_bytes: u64,
    packer: Packer,
}

impl SqliteCache {
    /// Opens or makes the cache at `path`. A file that cannot be read is set aside and a new one is made: a cache may be lost.
    pub fn open(path: &Path, options: CacheOptions) -> Result<Self, StorageError> {
        let connection = match Self::try_open(path) {
            Ok(connection) => connection,
            Err(error @ (StorageError::Damaged(_) | StorageError::TooNew(_))) => {
                tracing::warn!(%error, "the answer cache cannot be read; a new one is made");
                set_aside(path)?;
                let connection = Self::try_open(path)?;
                count(&connection, "damaged", 1)?;
                connection
            }
            Err(error) => return Err(error),
        };
        let known = known_keys(&connection)?;
        let stored_bytes = stored_bytes(&connection)?;
        let inner = Inner {
            disk: Mutex::new(Disk { connection, stored_bytes, packer: Packer::new()? }),
            known,
            cap_bytes: options.cap_bytes,
            sealer: Sealer::new(options.encryption_key),
        };
        Ok(Self(Arc::new(inner)))
    }

    fn try_open(path: &Path) -> Result<Connection, StorageError> {
        let connection = connect(path, &MIGRATIONS)?;
        // What a loss of power damages is noticed by the checksums, and a cache may be lost.
        connection.pragma_update(None, "synchronous", "OFF").map_err(failure)?;
        connection
            .query_row("SELECT count(*) FROM counters", params![], |row| row.get::<_, i64>(0))
            .map_err(failure)?;
        Ok(connection)
    }

    /// Runs work off the async threads.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &mut Disk) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let mut disk = inner.disk.lock().unwrap_or_else(PoisonError::into_inner);
            work(&inner, &mut disk)
        });
        done.await.map_err(|error| StorageError::Other(error.to_string()))?
    }

    /// Runs work that removes entries, and adds up what is left.
    async fn run_removal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let removed = self.run(move |_, disk| {
            let outcome = work(&disk.connection);
            disk.stored_bytes = stored_bytes(&disk.connection)?;
            outcome
        });
        removed.await
    }
}

impl Inner {
    fn get(
        &self,
        disk: &mut Disk,
        key: CacheKey,
        now: Timestamp,
    ) -> Result<Option<CacheEntry>, StorageError> {
        let connection = &disk.connection;
        let sql = "SELECT about, frames, checksum, hits FROM entries WHERE key = ? AND expires > ?";
        let mut statement = connection.prepare_cached(sql).map_err(failure)?;
        let row = statement
            .query_row(params![key.0, now.as_microsecond()], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, Vec<u8>>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                    row.get::<_, i64>(3)?,
                ))
            })
            .optional()
            .map_err(failure)?;
        let Some((about, sealed, stored_checksum, hits)) = row else { return Ok(None) };
        let whole = checksum(&about, &sealed) == stored_checksum.as_slice();
        let opened = if whole { self.sealer.open(&key, &sealed) } else { None };
        let entry = opened.zip(serde_json::from_str::<CacheEntry>(&about).ok());
        match entry {
            Some((frames, entry)) => Ok(Some(CacheEntry {
                frames: frames.into(),
                hits: u64::try_from(hits).unwrap_or(0),
                ..entry
            })),
            None => {
                tracing::warn!(%key, "a damaged cache entry is dropped");
                connection.execute("DELETE FROM entries WHERE key = ?", [key.0]).map_err(failure)?;
                count(connection, "damaged", 1)?;
                disk.stored_bytes = stored_bytes(connection)?;
                Ok(None)
            }
        }
    }

    /// Writes entries in one transaction.
    fn put(&self, disk: &mut Disk, entries: &[(CacheKey, CacheEntry)]) -> Result<(), StorageError> {
        let mut size = disk.stored_bytes;
        let Disk { connection, packer, .. } = disk;
        let transaction = connection.transaction().map_err(failure)?;
        for (key, entry) in entries {
            if self.known.add(key) {
                size = size.saturating_sub(replaced_bytes(&transaction, key)?);
            }
            let sealed = self.sealer.seal(packer, key, &entry.frames)?;
            size += insert(&transaction, *key, entry, &sealed)?;
        }
        if size > self.cap_bytes {
            size -= self.evict(&transaction, size)?;
        }
        transaction.commit().map_err(failure)?;
        disk.stored_bytes = size;
        Ok(())
    }

    /// Drops the least recently used entries until the cap holds, a hundredth of it at once: look-ups wait meanwhile. Returns
    /// their size in bytes.
    fn evict(&self, connection: &Connection, size: u64) -> Result<u64, StorageError> {
        let goal = size - self.cap_bytes + self.cap_bytes / 100;
        let oldest = "SELECT rowid, bytes FROM entries ORDER BY used, bytes, expires, rowid";
        let mut oldest = connection.prepare_cached(oldest).map_err(failure)?;
        let mut rows = oldest.query(params![]).map_err(failure)?;
        let (mut gone, mut freed) = (Vec::new(), 0_u64);
        while freed < goal
            && let Some(row) = rows.next().map_err(failure)?
        {
            gone.push(row.get::<_, i64>(0).map_err(failure)?);
            freed += row.get::<_, i64>(1).map(|bytes| u64::try_from(bytes).unwrap_or(0)).map_err(failure)?;
        }
        drop(rows);
        let mut delete = connection.prepare_cached("DELETE FROM entries WHERE rowid = ?").map_err(failure)?;
        for place in &gone {
            delete.execute([place]).map_err(failure)?;
        }
        count(connection, "evicted", gone.len() as u64)?;
        Ok(freed)
    }
}

/// Writes one entry; returns its size in bytes.
fn insert(
    connection: &Connection,
    key: CacheKey,
    entry: &CacheEntry,
    sealed: &[u8],
) -> Result<u64, StorageError> {
    let about = serde_json::to_string(entry).map_err(|error| StorageError::Other(error.to_string()))?;
    let sum = checksum(&about, sealed);
    let bytes = about.len() + sealed.len() + 128;
    let created = entry.created.as_microsecond();
    let sql = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)";
    let mut insert = connection.prepare_cached(sql).map_err(failure)?;
    let row = params![
        key.0,
        about,
        sealed,
        sum,
        entry.model,
        created,
        entry.expires.as_microsecond(),
        created,
        i64::try_from(bytes).unwrap_or(i64::MAX)
    ];
    insert.execute(row).map_err(failure)?;
    Ok(bytes as u64)
}

impl CacheStore for SqliteCache {
    fn get(&self, key: CacheKey, now: Timestamp) -> BoxFuture<'_, Result<Option<CacheEntry>, StorageError>> {
        if !self.0.known.may_hold(&key) {
            return Box::pin(std::future::ready(Ok(None)));
        }
        Box::pin(self.run(move |inner, disk| inner.get(disk, key, now)))
    }

    fn put(&self, entries: Vec<(CacheKey, CacheEntry)>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.run(move |inner, disk| inner.put(disk, &entries)))
    }

    fn touch(&self, hits: Vec<(CacheKey, u64)>, now: Timestamp) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.run(move |_, disk| {
            let transaction = disk.connection.transaction().map_err(failure)?;
            for (key, count) in hits {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                let sql = "UPDATE entries SET hits = hits + ?, used = ? WHERE key = ?";
                transaction.execute(sql, params![count, now.as_microsecond(), key.0]).map_err(failure)?;
            }
            transaction.commit().map_err(failure)
        }))
    }

    fn list(&self, filter: CacheFilter) -> BoxFuture<'_, Result<Vec<(CacheKey, CacheEntry)>, StorageError>> {
        Box::pin(self.run(move |_, disk| {
            let connection = &disk.connection;
            let (condition, values) = condition(&filter);
            let limit = filter.limit.unwrap_or(u32::MAX);
            let sql = format!("SELECT key, about, hits FROM entries WHERE {condition} ORDER BY created DESC, key LIMIT {limit}");
            let mut statement = connection.prepare(&sql).map_err(failure)?;
            let rows = statement
                .query_map(params_from_iter(values), |row| {
                    Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
                })
                .map_err(failure)?;
            let mut found = Vec::new();
            for row in rows {
                let (key, about, hits) = row.map_err(failure)?;
                if let Ok(entry) = serde_json::from_str::<CacheEntry>(&about) {
                    found.push((CacheKey(key), CacheEntry { hits: u64::try_from(hits).unwrap_or(0), ..entry }));
                }
            }
            Ok(found)
        }))
    }

    fn remove(&self, key: CacheKey) -> BoxFuture<'_, Result<bool, StorageError>> {
        Box::pin(self.run_removal(move |connection| {
            Ok(connection.execute("DELETE FROM entries WHERE key = ?", [key.0]).map_err(failure)? > 0)
        }))
    }

    fn clear(&self, filter: CacheFilter) -> BoxFuture<'_, Result<u64, StorageError>> {
        Box::pin(self.run_removal(move |connection| {
            let (condition, values) = condition(&filter);
            let gone = connection
                .execute(&format!("DELETE FROM entries WHERE {condition}"), params_from_iter(values));
            Ok(gone.map_err(failure)? as u64)
        }))
    }

    fn stats(&self) -> BoxFuture<'_, Result<CacheStats, StorageError>> {
        Box::pin(self.run(move |inner, disk| {
            let connection = &disk.connection;
            let number = |sql: &str| -> Result<u64, StorageError> {
                let found: Option<i64> =
                    connection.query_row(sql, params![], |row| row.get(0)).optional().map_err(failure)?;
                Ok(u64::try_from(found.unwrap_or(0)).unwrap_or(0))
            };
            Ok(CacheStats {
                entries: number("SELECT count(*) FROM entries")?,
                stored_bytes: disk.stored_bytes,
                cap_bytes: inner.cap_bytes,
                damaged: number("SELECT value FROM counters WHERE name = 'damaged'")?,
                evicted: number("SELECT value FROM counters WHERE name = 'evicted'")?,
                hits: number("SELECT coalesce(sum(hits), 0) FROM entries")?,
            })
        }))
    }
}

fn stored_bytes(connection: &Connection) -> Result<u64, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT coalesce(sum(bytes), 0) FROM entries").map_err(failure)?;
    let sum: i64 = statement.query_row(params![], |row| row.get(0)).map_err(failure)?;
    Ok(u64::try_from(sum).unwrap_or(0))
}

/// Bytes of the entry that is there already, if one is.
fn replaced_bytes(connection: &Connection, key: &CacheKey) -> Result<u64, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT bytes FROM entries WHERE key = ?").map_err(failure)?;
    let bytes: Option<i64> = statement.query_row([key.0], |row| row.get(0)).optional().map_err(failure)?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}

fn count(connection: &Connection, name: &str, more: u64) -> Result<(), StorageError> {
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    let sql = "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2";
    connection.execute(sql, params![name, more]).map_err(failure)?;
    Ok(())
}

fn condition(filter: &CacheFilter) -> (String, Vec<Box<dyn rusqlite::ToSql>>) {
    let mut sql = String::from("1");
    let mut values: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
    if let Some(model) = &filter.model {
        sql.push_str(" AND model = ?");
        values.push(Box::new(model.clone()));
    }
    if let Some(before) = filter.before {
        sql.push_str(" AND created < ?");
        values.push(Box::new(before.as_microsecond()));
    }
    if let Some(now) = filter.expired_at {
        sql.push_str(" AND expires <= ?");
        values.push(Box::new(now.as_microsecond()));
    }
    (sql, values)
}

fn known_keys(connection: &Connection) -> Result<Marks, StorageError> {
    let marks = Marks::new();
    let mut statement = connection.prepare("SELECT key FROM entries").map_err(failure)?;
    let keys = statement.query_map(params![], |row| row.get::<_, [u8; 32]>(0)).map_err(failure)?;
    for key in keys {
        marks.add(&CacheKey(key.map_err(failure)?));
    }
    Ok(marks)
}

fn set_aside(path: &Path) -> Result<(), StorageError> {
    let aside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    for suffix in ["-wal", "-shm"] {
        // They may not be there.
        let _absent = std::fs::remove_file(aside(suffix));
    }
    std::fs::rename(path, aside(".damaged")).map_err(|error| StorageError::Other(error.to_string()))
}
