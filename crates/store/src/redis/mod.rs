//! The answer cache on Redis, shared by replicas. Redis may be away: then every look-up is a miss.

use crate::CacheOptions;
use crate::seal::{Packer, Sealer, checksum};
use jiff::Timestamp;
use nunchi_core::{BoxFuture, CacheEntry, CacheFilter, CacheKey, CacheStats, CacheStore, StorageError};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, RedisResult, Script, ScriptInvocation, pipe};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What all names begin with. The braces keep them on one node of a cluster.
const BASE: &str = "nunchi:{cache}:";
/// A Redis that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_millis(500);
/// Entries looked at in one round trip.
const PAGE: usize = 256;

/// Stored answers in Redis.
pub struct RedisCache {
    connection: ConnectionManager,
    cap_bytes: u64,
    sealer: Sealer,
    packer: Mutex<Packer>,
    scripts: Scripts,
}

struct Scripts {
    put: Script,
    touch: Script,
    drop: Script,
}

impl Scripts {
    fn new() -> Self {
        let script = |body: &str| Script::new(&format!("{}\n{body}", include_str!("remove.lua")));
        Self {
            put: script(include_str!("put.lua")),
            touch: script(include_str!("touch.lua")),
            drop: script(include_str!("drop.lua")),
        }
    }
}

/// One entry on its way into Redis.
struct Packed {
    id: String,
    about: String,
    frames: Vec<u8>,
    checksum: Vec<u8>,
    created: i64,
    expires: i64,
}

type Row = (CacheKey, Option<CacheEntry>);

impl RedisCache {
    /// A cache at `url` (`redis://[:password@]host:port/database`, `unix:///path`). Connects when it is first used.
    ///
    /// # Errors
    /// [`StorageError::Other`] when the address cannot be understood; it is not repeated, since it may hold a password.
    pub fn open(url: &str, options: CacheOptions) -> Result<Self, StorageError> {
        let client = redis::Client::open(url)
            .map_err(|_| StorageError::Other("the address of Redis cannot be understood".into()))?;
        let patient = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection =
            ConnectionManager::new_lazy_with_config(client, patient).map_err(|error| failure(&error))?;
        Ok(Self {
            connection,
            cap_bytes: options.cap_bytes,
            sealer: Sealer::new(options.encryption_key),
            packer: Mutex::new(Packer::new()?),
            scripts: Scripts::new(),
        })
    }

    fn pack(&self, (key, entry): &(CacheKey, CacheEntry)) -> Result<Packed, StorageError> {
        let about = serde_json::to_string(entry).map_err(|error| StorageError::Other(error.to_string()))?;
        let mut packer = self.packer.lock().unwrap_or_else(PoisonError::into_inner);
        let frames = self.sealer.seal(&mut packer, key, &entry.frames)?;
        drop(packer);
        let (created, expires) = (entry.created.as_microsecond(), entry.expires.as_microsecond());
        Ok(Packed {
            id: key.to_string(),
            checksum: checksum(&about, &frames),
            about,
            frames,
            created,
            expires,
        })
    }

    async fn run(&self, script: &ScriptInvocation<'_>) -> Result<u64, StorageError> {
        let mut connection = self.connection.clone();
        script.invoke_async(&mut connection).await.map_err(|error| failure(&error))
    }

    async fn drop_ids(&self, ids: &[String]) -> Result<u64, StorageError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut script = self.scripts.drop.key(BASE);
        for id in ids {
            script.arg(id);
        }
        self.run(&script).await
    }

    async fn find(&self, key: CacheKey, now: Timestamp) -> Result<Option<CacheEntry>, StorageError> {
        let id = key.to_string();
        type Found = ((Option<String>, Option<Vec<u8>>, Option<Vec<u8>>), Option<u64>);
        let mut fields = pipe();
        fields.cmd("HMGET").arg(name("entry:", &id)).arg(&["about", "frames", "checksum"]);
        fields.cmd("HGET").arg(name("hits", "")).arg(&id);
        let mut connection = self.connection.clone();
        let found: RedisResult<Found> = fields.query_async(&mut connection).await;
        let ((about, frames, stored), hits) = found.map_err(|error| failure(&error))?;
        let (Some(about), Some(frames), Some(stored)) = (about, frames, stored) else { return Ok(None) };
        let whole = checksum(&about, &frames) == stored;
        let opened = if whole { self.sealer.open(&key, &frames) } else { None };
        match opened.zip(serde_json::from_str::<CacheEntry>(&about).ok()) {
            Some((frames, entry)) if entry.expires > now => {
                Ok(Some(CacheEntry { frames: frames.into(), hits: hits.unwrap_or(0), ..entry }))
            }
            Some(_) => Ok(None),
            None => {
                tracing::warn!(%key, "a damaged cache entry is dropped");
                self.drop_ids(&[id]).await?;
                let counted: RedisResult<u64> =
                    redis::cmd("INCR").arg(name("damaged", "")).query_async(&mut connection).await;
                counted.map_err(|error| failure(&error))?;
                Ok(None)
            }
        }
    }

    /// A page of entries, the newest first; one that Redis let expire has no entry any more.
    async fn page(&self, from: usize) -> Result<Vec<Row>, StorageError> {
        let mut connection = self.connection.clone();
        let ids: RedisResult<Vec<String>> = redis::cmd("ZREVRANGE")
            .arg(name("created", ""))
            .arg(from)
            .arg(from + PAGE - 1)
            .query_async(&mut connection)
            .await;
        let ids = ids.map_err(|error| failure(&error))?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut fields = pipe();
        for id in &ids {
            fields.cmd("HGET").arg(name("entry:", id)).arg("about");
            fields.cmd("HGET").arg(name("hits", "")).arg(id);
        }
        let found: RedisResult<Vec<Option<String>>> = fields.query_async(&mut connection).await;
        let found = found.map_err(|error| failure(&error))?;
        let rows = ids.iter().zip(found.chunks(2)).filter_map(|(id, pair)| {
            let entry: Option<CacheEntry> =
                pair.first().cloned().flatten().and_then(|about| serde_json::from_str(&about).ok());
            let hits = pair.get(1).cloned().flatten().and_then(|hits| hits.parse().ok()).unwrap_or(0);
            Some((id.parse().ok()?, entry.map(|entry| CacheEntry { hits, ..entry })))
        });
        Ok(rows.collect())
    }

    async fn clear_matching(&self, filter: &CacheFilter) -> Result<u64, StorageError> {
        // Ids first: what is removed meanwhile would move the pages.
        let (mut ids, mut from) = (Vec::new(), 0);
        loop {
            let page = self.page(from).await?;
            if page.is_empty() {
                break;
            }
            from += PAGE;
            let gone = |entry: &Option<CacheEntry>| entry.as_ref().is_none_or(|entry| fits(entry, filter));
            ids.extend(page.iter().filter(|(_, entry)| gone(entry)).map(|(key, _)| key.to_string()));
        }
        let mut dropped = 0;
        for ids in ids.chunks(PAGE) {
            dropped += self.drop_ids(ids).await?;
        }
        Ok(dropped)
    }
}

impl CacheStore for RedisCache {
    fn get(&self, key: CacheKey, now: Timestamp) -> BoxFuture<'_, Result<Option<CacheEntry>, StorageError>> {
        Box::pin(self.find(key, now))
    }

    fn put(&self, entries: Vec<(CacheKey, CacheEntry)>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            for entries in entries.chunks(PAGE) {
                let mut script = self.scripts.put.key(BASE);
                script.arg(self.cap_bytes);
                for entry in entries {
                    let Packed { id, about, frames, checksum, created, expires } = self.pack(entry)?;
                    let size = about.len() + frames.len() + 128;
                    script.arg(id).arg(about).arg(frames).arg(checksum);
                    script.arg(size).arg(created).arg(expires);
                }
                self.run(&script).await?;
            }
            Ok(())
        })
    }

    fn touch(&self, hits: Vec<(CacheKey, u64)>, now: Timestamp) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            for hits in hits.chunks(PAGE) {
                let mut script = self.scripts.touch.key(BASE);
                script.arg(now.as_microsecond());
                for (key, count) in hits {
                    script.arg(key.to_string()).arg(*count);
                }
                self.run(&script).await?;
            }
            Ok(())
        })
    }

    fn list(&self, filter: CacheFilter) -> BoxFuture<'_, Result<Vec<(CacheKey, CacheEntry)>, StorageError>> {
        Box::pin(async move {
            let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
            let (mut found, mut from) = (Vec::new(), 0);
            while found.len() < limit {
                let page = self.page(from).await?;
                if page.is_empty() {
                    break;
                }
                from += PAGE;
                let entries = page.into_iter().filter_map(|(key, entry)| Some((key, entry?)));
                found.extend(entries.filter(|(_, entry)| fits(entry, &filter)));
            }
            found.truncate(limit);
            Ok(found)
        })
    }

    fn remove(&self, key: CacheKey) -> BoxFuture<'_, Result<bool, StorageError>> {
        Box::pin(async move { Ok(self.drop_ids(&[key.to_string()]).await? > 0) })
    }

    fn clear(&self, filter: CacheFilter) -> BoxFuture<'_, Result<u64, StorageError>> {
        Box::pin(async move { self.clear_matching(&filter).await })
    }

    fn stats(&self) -> BoxFuture<'_, Result<CacheStats, StorageError>> {
        Box::pin(async move {
            type Found = (u64, Option<u64>, Option<u64>, Option<u64>, Vec<u64>);
            let mut figures = pipe();
            figures.cmd("ZCARD").arg(name("created", ""));
            for counter in ["bytes", "damaged", "evicted"] {
                figures.cmd("GET").arg(name(counter, ""));
            }
            figures.cmd("HVALS").arg(name("hits", ""));
            let mut connection = self.connection.clone();
            let found: RedisResult<Found> = figures.query_async(&mut connection).await;
            let (entries, bytes, damaged, evicted, hits) = found.map_err(|error| failure(&error))?;
            Ok(CacheStats {
                entries,
                stored_bytes: bytes.unwrap_or(0),
                cap_bytes: self.cap_bytes,
                damaged: damaged.unwrap_or(0),
                evicted: evicted.unwrap_or(0),
                hits: hits.iter().sum(),
            })
        })
    }
}

fn name(what: &str, id: &str) -> String {
    format!("{BASE}{what}{id}")
}

fn fits(entry: &CacheEntry, filter: &CacheFilter) -> bool {
    filter.model.as_ref().is_none_or(|model| *model == entry.model)
        && filter.before.is_none_or(|before| entry.created < before)
        && filter.expired_at.is_none_or(|now| entry.expires <= now)
}

fn failure(error: &RedisError) -> StorageError {
    StorageError::Other(format!("Redis: {}", error.category()))
}
