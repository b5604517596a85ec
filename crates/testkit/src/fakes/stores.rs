//! Stores in memory: of cached answers, of originals, of virtual keys, of feedback.

use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, CacheEntry, CacheFilter, CacheKey, CacheStats, CacheStore, Feedback, FeedbackStore, KeyId,
    KeyStore, Original, OriginalStore, StorageError, VirtualKey, Weights,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A cache store that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryCache(Mutex<BTreeMap<CacheKey, CacheEntry>>);

impl MemoryCache {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<CacheKey, CacheEntry>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn fits(entry: &CacheEntry, filter: &CacheFilter) -> bool {
    filter.model.as_ref().is_none_or(|model| *model == entry.model)
        && filter.before.is_none_or(|before| entry.created < before)
        && filter.expired_at.is_none_or(|now| entry.expires <= now)
}

impl CacheStore for MemoryCache {
    fn get(&self, key: CacheKey, now: Timestamp) -> BoxFuture<'_, Result<Option<CacheEntry>, StorageError>> {
        Box::pin(
            async move { Ok(self.with(|all| all.get(&key).filter(|entry| entry.expires > now).cloned())) },
        )
    }

    fn put(&self, entries: Vec<(CacheKey, CacheEntry)>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            self.with(|all| all.extend(entries));
            Ok(())
        })
    }

    fn touch(&self, hits: Vec<(CacheKey, u64)>, _now: Timestamp) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            self.with(|all| {
                for (key, count) in hits {
                    if let Some(entry) = all.get_mut(&key) {
                        entry.hits += count;
                    }
                }
            });
            Ok(())
        })
    }

    fn list(&self, filter: CacheFilter) -> BoxFuture<'_, Result<Vec<(CacheKey, CacheEntry)>, StorageError>> {
        Box::pin(async move {
            let mut found: Vec<_> = self.with(|all| {
                all.iter()
                    .filter(|(_, entry)| fits(entry, &filter))
                    .map(|(key, entry)| (*key, entry.clone()))
                    .collect()
            });
            found.sort_by_key(|(_, entry): &(CacheKey, CacheEntry)| std::cmp::Reverse(entry.created));
            found.truncate(filter.limit.map_or(usize::MAX, |limit| limit as usize));
            Ok(found)
        })
    }

    fn remove(&self, key: CacheKey) -> BoxFuture<'_, Result<bool, StorageError>> {
        Box::pin(async move { Ok(self.with(|all| all.remove(&key)).is_some()) })
    }

    fn clear(&self, filter: CacheFilter) -> BoxFuture<'_, Result<u64, StorageError>> {
        Box::pin(async move {
            Ok(self.with(|all| {
                let before = all.len();
                all.retain(|_, entry| !fits(entry, &filter));
                (before - all.len()) as u64
            }))
        })
    }

    fn stats(&self) -> BoxFuture<'_, Result<CacheStats, StorageError>> {
        Box::pin(async move {
            Ok(self.with(|all| CacheStats {
                entries: all.len() as u64,
                stored_bytes: all.values().map(|entry| entry.frames.len() as u64).sum(),
                hits: all.values().map(|entry| entry.hits).sum(),
                ..CacheStats::default()
            }))
        })
    }
}

/// A store of originals that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryOriginals(Mutex<BTreeMap<CacheKey, Original>>);

impl MemoryOriginals {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl OriginalStore for MemoryOriginals {
    fn put_originals(&self, originals: Vec<Original>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(originals.into_iter().map(|original| (original.key, original)));
            Ok(())
        })
    }

    fn originals(
        &self,
        keys: Vec<CacheKey>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Original>, StorageError>> {
        Box::pin(async move {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = keys.iter().filter_map(|key| all.get(key)).filter(|kept| kept.expires > now);
            Ok(found.cloned().collect())
        })
    }
}

/// A key store that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryKeys(Mutex<BTreeMap<KeyId, VirtualKey>>);

impl MemoryKeys {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }
}

impl KeyStore for MemoryKeys {
    fn keys(&self) -> BoxFuture<'_, Result<Vec<VirtualKey>, StorageError>> {
        Box::pin(async move {
            Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
        })
    }

    fn put_key(&self, key: VirtualKey) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, key);
            Ok(())
        })
    }

    fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, at) in used {
                if let Some(key) = keys.get_mut(&id) {
                    key.last_used = Some(at);
                }
            }
            Ok(())
        })
    }
}

/// Feedback that is forgotten with its test.
#[derive(Debug, Default)]
pub struct MemoryFeedback {
    said: Mutex<Vec<Feedback>>,
    weights: Mutex<BTreeMap<&'static str, (Vec<u8>, Timestamp)>>,
}

impl MemoryFeedback {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }
}

impl FeedbackStore for MemoryFeedback {
    fn put_feedback(&self, feedback: Feedback) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let by_person = |known: &Feedback| known.request == feedback.request && known.source.is_person();
            if feedback.source.is_person() || !said.iter().any(by_person) {
                said.retain(|known| known.request != feedback.request);
                said.push(feedback);
            }
            Ok(())
        })
    }

    fn feedback(&self, limit: u32) -> BoxFuture<'_, Result<Vec<Feedback>, StorageError>> {
        Box::pin(async move {
            let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let (people, rest): (Vec<_>, Vec<_>) =
                said.iter().rev().partition(|known| known.source.is_person());
            Ok(people.into_iter().chain(rest).take(limit as usize).cloned().collect())
        })
    }

    fn put_weights(
        &self,
        name: &'static str,
        weights: Option<Vec<u8>>,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let mut kept = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
            match weights {
                Some(weights) => kept.insert(name, (weights, at)),
                None => kept.remove(name),
            };
            Ok(())
        })
    }

    fn weights(&self, name: &'static str) -> BoxFuture<'_, Result<Option<Weights>, StorageError>> {
        Box::pin(
            async move { Ok(self.weights.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()) },
        )
    }
}
