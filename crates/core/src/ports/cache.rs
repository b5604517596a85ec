//! The durable side of the answer cache.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::{NanoUsd, Usage};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// SHA-256 over everything that makes two requests the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey(pub [u8; 32]);

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

impl FromStr for CacheKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let fail = || text.to_owned();
        if bytes.len() != 64 || !text.is_ascii() {
            return Err(fail());
        }
        let mut key = [0_u8; 32];
        for (slot, pair) in key.iter_mut().zip(bytes.chunks_exact(2)) {
            let digits = std::str::from_utf8(pair).map_err(|_| fail())?;
            *slot = u8::from_str_radix(digits, 16).map_err(|_| fail())?;
        }
        Ok(Self(key))
    }
}

impl<'de> Deserialize<'de> for CacheKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|text| serde::de::Error::custom(format!("no cache key: {text}")))
    }
}

impl Serialize for CacheKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A stored answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// The frames of the reply, serialised by the gateway (JSON); the store compresses, checks and may encrypt it.
    #[serde(skip)]
    pub frames: Bytes,
    /// The provider that answered.
    pub provider: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// Tokens of the original call.
    pub usage: Usage,
    /// What the original call cost.
    pub cost: NanoUsd,
    /// The beginning of the question, masked, for people.
    pub preview: String,
    /// When it was stored.
    pub created: Timestamp,
    /// When it is no longer served.
    pub expires: Timestamp,
    /// How often it was served.
    pub hits: u64,
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheFilter {
    /// Only this model.
    pub model: Option<String>,
    /// Only what was stored before.
    pub before: Option<Timestamp>,
    /// Only what has expired by now.
    pub expired_at: Option<Timestamp>,
    /// At most this many, the newest first.
    pub limit: Option<u32>,
}

/// Figures of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Entries.
    pub entries: u64,
    /// Bytes on disk, compressed.
    pub stored_bytes: u64,
    /// The cap on them.
    pub cap_bytes: u64,
    /// Entries found damaged and dropped, ever.
    pub damaged: u64,
    /// Entries dropped to stay under the cap, ever.
    pub evicted: u64,
    /// Hits served from entries present.
    pub hits: u64,
}

/// Stores answers by key.
pub trait CacheStore: Send + Sync {
    /// The entry, unless it is absent, expired or damaged (damaged ones are dropped and counted).
    fn get(&self, key: CacheKey, now: Timestamp) -> BoxFuture<'_, Result<Option<CacheEntry>, StorageError>>;
    /// Stores entries, replacing what was there, and evicts the least recently used ones beyond the cap.
    fn put(&self, entries: Vec<(CacheKey, CacheEntry)>) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Notes hits, for LRU and statistics.
    fn touch(&self, hits: Vec<(CacheKey, u64)>, now: Timestamp) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Entries without their frames.
    fn list(&self, filter: CacheFilter) -> BoxFuture<'_, Result<Vec<(CacheKey, CacheEntry)>, StorageError>>;
    /// Removes one entry; tells whether it was there.
    fn remove(&self, key: CacheKey) -> BoxFuture<'_, Result<bool, StorageError>>;
    /// Removes entries; tells how many.
    fn clear(&self, filter: CacheFilter) -> BoxFuture<'_, Result<u64, StorageError>>;
    /// Figures.
    fn stats(&self) -> BoxFuture<'_, Result<CacheStats, StorageError>>;
}
