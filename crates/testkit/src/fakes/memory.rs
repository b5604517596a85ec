//! What is remembered, in memory: every fact is looked at, so that other stores can be compared with it.

use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, Candidates, Fact, FactFilter, FactId, FactKind, FactQuery, FactRecord, FactState, Fading,
    MemoryBounds, MemoryChange, MemoryFigures, MemoryStore, StorageError, faded, search_terms,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A memory that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryFacts(Mutex<BTreeMap<FactId, FactRecord>>);

impl MemoryFacts {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FactId, FactRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn candidates(&self, query: &FactQuery) -> Candidates {
        let all = self.lock();
        let active: Vec<&FactRecord> =
            all.values().filter(|record| record.fact.state == FactState::Active).collect();
        let terms = |record: &FactRecord| {
            let mut terms = search_terms(&record.fact.text);
            terms.extend(search_terms(&record.around));
            terms
        };
        let known: Vec<Vec<String>> = active.iter().map(|record| terms(record)).collect();
        let holders =
            query.terms.iter().map(|term| known.iter().filter(|terms| terms.contains(term)).count() as u64);
        Candidates {
            holders: holders.collect(),
            total: active.len() as u64,
            records: active
                .into_iter()
                .filter(|record| query.kind.is_none_or(|kind| record.fact.kind == kind))
                .cloned()
                .collect(),
        }
    }
}

fn bytes(record: &FactRecord) -> u64 {
    (record.fact.text.len() + record.around.len()) as u64
}

impl MemoryStore for MemoryFacts {
    fn change(&self, change: MemoryChange) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let mut all = self.lock();
            for record in change.put {
                all.insert(record.fact.id, record);
            }
            for (id, at) in change.used {
                if let Some(record) = all.get_mut(&id) {
                    record.fact.uses += 1;
                    record.fact.last_used = record.fact.last_used.max(at);
                }
            }
            for id in change.remove {
                all.remove(&id);
            }
            Ok(())
        })
    }

    fn fact(&self, id: FactId) -> BoxFuture<'_, Result<Option<FactRecord>, StorageError>> {
        Box::pin(async move { Ok(self.lock().get(&id).cloned()) })
    }

    fn facts(&self, filter: FactFilter) -> BoxFuture<'_, Result<Vec<Fact>, StorageError>> {
        Box::pin(async move {
            let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
            let all = self.lock();
            let fits = all
                .values()
                .rev()
                .map(|record| &record.fact)
                .filter(|fact| filter.before.is_none_or(|before| fact.id < before) && filter.fits(fact));
            Ok(fits.take(limit).cloned().collect())
        })
    }

    fn search(&self, query: FactQuery) -> BoxFuture<'_, Result<Candidates, StorageError>> {
        Box::pin(async move { Ok(self.candidates(&query)) })
    }

    fn figures(&self) -> BoxFuture<'_, Result<MemoryFigures, StorageError>> {
        Box::pin(async move {
            let mut figures = MemoryFigures::default();
            for record in self.lock().values() {
                figures.bytes += bytes(record);
                match (record.fact.state, record.fact.kind) {
                    (FactState::Active, FactKind::Fact) => figures.facts += 1,
                    (FactState::Active, FactKind::Turn) => figures.turns += 1,
                    (FactState::Superseded, _) => figures.superseded += 1,
                    (FactState::Vetoed, _) => figures.vetoed += 1,
                    (FactState::Forgotten, _) => figures.forgotten += 1,
                }
            }
            Ok(figures)
        })
    }

    fn shrink(
        &self,
        bounds: MemoryBounds,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<FactId>, StorageError>> {
        Box::pin(async move {
            let mut all = self.lock();
            let heads = all.values().map(|record| Fading::of(&record.fact, bytes(record))).collect();
            let gone = faded(heads, bounds, now);
            for id in &gone {
                all.remove(id);
            }
            Ok(gone)
        })
    }
}
