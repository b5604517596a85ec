//! The exact cache: memory in front, the durable store behind, one upstream call for concurrent identical questions.

mod replay;
mod semantic;
mod stored;
mod writer;

pub(crate) use replay::replay;
pub(crate) use semantic::{Asked, Semantic, Shared};
pub use semantic::{
    Calibration, CalibrationError, CalibrationRow, QuestionPair, SemanticFigures, SharingReport,
};
pub(crate) use stored::{Stored, weigh};

use crate::flight::{Flight, Listener};
use crate::parts::Parts;
use crate::settings::Settings;
use nunchi_core::{
    CacheEntry, CacheFilter, CacheKey, CacheStats, CacheStore, CallContext, Clock, StorageError, TaskName,
};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use writer::CacheWriter;

/// Figures of the cache: of this process, and of what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheFigures {
    /// What is stored.
    pub stored: CacheStats,
    /// Lookups since the process began.
    pub lookups: u64,
    /// Hits among them.
    pub hits: u64,
    /// Requests that joined a call under way.
    pub joined: u64,
    /// Requests that were not looked up.
    pub bypassed: u64,
    /// Answers not stored because the writer was too far behind.
    pub skipped_writes: u64,
    /// Its semantic side, where an encoder is at hand.
    pub semantic: Option<SemanticFigures>,
}

#[derive(Default)]
pub(crate) struct Counters {
    lookups: AtomicU64,
    hits: AtomicU64,
    joined: AtomicU64,
    bypassed: AtomicU64,
    pub(crate) skipped_writes: AtomicU64,
}

/// The cache of answers.
pub struct AnswerCache {
    store: Arc<dyn CacheStore>,
    front: moka::future::Cache<CacheKey, Arc<Stored>>,
    flights: Mutex<HashMap<CacheKey, Arc<Flight>>>,
    counters: Arc<Counters>,
    writer: CacheWriter,
    clock: Arc<dyn Clock>,
    pub(crate) semantic: Option<Arc<Semantic>>,
}

impl AnswerCache {
    pub(crate) fn new(settings: &Settings, parts: &Parts) -> Self {
        let (store, clock) = (Arc::clone(&parts.cache), Arc::clone(&parts.clock));
        let wanted = settings.cache.enabled && settings.semantic.enabled;
        let semantic = parts.semantic.clone().filter(|_| wanted).map(|needs| {
            let semantic = Arc::new(Semantic::new(
                needs,
                settings.semantic.clone(),
                Arc::clone(&clock),
                Arc::clone(&parts.ids),
            ));
            let loading = Arc::clone(&semantic);
            parts.spawn.spawn(TaskName::QuestionIndex, Box::pin(async move { loading.load().await }));
            semantic
        });
        let front = moka::future::Cache::builder()
            .max_capacity(settings.cache.memory_bytes)
            .weigher(|_, stored: &Arc<Stored>| u32::try_from(stored.bytes).unwrap_or(u32::MAX))
            .build();
        let counters = Arc::new(Counters::default());
        let stores = (Arc::clone(&store), semantic.as_ref().map(|semantic| Arc::clone(semantic.store())));
        let writer = CacheWriter::start(stores, Arc::clone(&clock), &parts.spawn, Arc::clone(&counters));
        Self { store, front, flights: Mutex::default(), counters, writer, clock, semantic }
    }

    /// The stored answer, from memory or from the store. A store that fails is a miss: a cache never stops a call.
    pub(crate) async fn lookup(&self, key: CacheKey) -> Option<Arc<Stored>> {
        self.counters.lookups.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let found = match self.front.get(&key).await {
            Some(stored) if stored.expires > now => Some(stored),
            Some(_) => None,
            None => self.lookup_stored(key, now).await,
        };
        if found.is_some() {
            self.counters.hits.fetch_add(1, Ordering::Relaxed);
            self.writer.touch(key);
        }
        found
    }

    async fn lookup_stored(&self, key: CacheKey, now: jiff::Timestamp) -> Option<Arc<Stored>> {
        let entry = match self.store.get(key, now).await {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::warn!(%error, "the answer cache cannot be read");
                return None;
            }
        };
        let stored = Arc::new(Stored::read(&entry)?);
        self.front.insert(key, Arc::clone(&stored)).await;
        Some(stored)
    }

    pub(crate) fn note_bypass(&self) {
        self.counters.bypassed.fetch_add(1, Ordering::Relaxed);
    }

    /// Joins the call for the same question if one is under way, else makes `flight` the one to join.
    pub(crate) fn join_or_lead(&self, key: CacheKey, flight: &Arc<Flight>) -> Option<Listener> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = flights.get(&key).and_then(Flight::join) {
            self.counters.joined.fetch_add(1, Ordering::Relaxed);
            return Some(listener);
        }
        flights.insert(key, Arc::clone(flight));
        None
    }

    /// The call is over: later requests look the answer up, or call anew.
    pub(crate) fn land(&self, key: CacheKey, flight: &Arc<Flight>) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&key).is_some_and(|present| Arc::ptr_eq(present, flight)) {
            flights.remove(&key);
        }
    }

    /// Keeps an answer, and the question that others may share it with: in memory now, in the store behind the reply.
    pub(crate) async fn keep(&self, key: CacheKey, stored: Stored, preview: String, asked: Option<&Asked>) {
        let stored = Arc::new(stored);
        self.front.insert(key, Arc::clone(&stored)).await;
        let question = self.semantic.as_ref().zip(asked);
        let question = question.map(|(semantic, asked)| semantic.stored(key, asked, stored.expires));
        self.writer.write(key, stored, preview, question);
    }

    /// The answer of an entry, not counted as a look-up.
    pub(crate) async fn peek(&self, key: CacheKey) -> Option<Arc<Stored>> {
        let now = self.clock.now();
        match self.front.get(&key).await {
            Some(stored) => Some(stored).filter(|stored| stored.expires > now),
            None => self.lookup_stored(key, now).await,
        }
    }

    /// Why two questions do or do not share an answer; `None` where no encoder can be asked.
    pub async fn explain(&self, a: &str, b: &str, context: &CallContext) -> Option<SharingReport> {
        self.semantic.as_ref()?.explain(a, b, context).await
    }

    /// Counts a hit of an entry that was found by another question.
    pub(crate) fn touch(&self, key: CacheKey) {
        self.writer.touch(key);
    }

    /// Stored entries without their answers.
    pub async fn list(&self, filter: CacheFilter) -> Result<Vec<(CacheKey, CacheEntry)>, StorageError> {
        self.store.list(filter).await
    }

    /// One stored entry.
    pub async fn get(&self, key: CacheKey) -> Result<Option<CacheEntry>, StorageError> {
        self.store.get(key, self.clock.now()).await
    }

    /// Removes one entry; tells whether it was there.
    pub async fn remove(&self, key: CacheKey) -> Result<bool, StorageError> {
        let in_memory = self.front.remove(&key).await.is_some();
        if let Some(semantic) = &self.semantic {
            semantic.forget(key);
        }
        Ok(self.store.remove(key).await? || in_memory)
    }

    /// Removes entries; tells how many were stored.
    pub async fn clear(&self, filter: CacheFilter) -> Result<u64, StorageError> {
        self.front.invalidate_all();
        if let Some(semantic) = &self.semantic {
            semantic.forget_all();
        }
        self.store.clear(filter).await
    }

    /// Figures.
    pub async fn stats(&self) -> Result<CacheFigures, StorageError> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(CacheFigures {
            stored: self.store.stats().await?,
            lookups: read(&self.counters.lookups),
            hits: read(&self.counters.hits),
            joined: read(&self.counters.joined),
            bypassed: read(&self.counters.bypassed),
            skipped_writes: read(&self.counters.skipped_writes),
            semantic: self.semantic.as_ref().map(|semantic| semantic.figures()),
        })
    }
}
