//! Memory across conversations: where it lives, and what stands in front of it.

use super::memory_error::MemoryError;
use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::rules::search_terms;
use crate::words::{
    Fact, FactId, FactKind, FactRecord, FactState, FactVector, FactWish, HalfLife, Label, MemoryBounds,
    MemoryFigures, RankedFact, Remembered,
};
use jiff::Timestamp;

/// A change, made as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryChange {
    /// Records to add, or to put in place of those of the same ids.
    pub put: Vec<FactRecord>,
    /// Facts that were of use, and when.
    pub used: Vec<(FactId, Timestamp)>,
    /// Facts to erase, text and all.
    pub remove: Vec<FactId>,
}

/// Which facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactFilter {
    /// Only of this kind.
    pub kind: Option<FactKind>,
    /// Only in this state.
    pub state: Option<FactState>,
    /// Only of this label.
    pub label: Option<Label>,
    /// Only of this conversation.
    pub session: Option<String>,
    /// Only about this.
    pub topic: Option<String>,
    /// Only those before this one in the order of a list: the next page.
    pub before: Option<FactId>,
    /// At most this many; `None` is as many as there are.
    pub limit: Option<u32>,
}

impl FactFilter {
    /// Whether a fact is meant, page and limit apart.
    pub fn fits(&self, fact: &Fact) -> bool {
        self.kind.is_none_or(|kind| fact.kind == kind)
            && self.state.is_none_or(|state| fact.state == state)
            && self.label.is_none_or(|label| fact.label == label)
            && (self.session.is_none() || fact.source.session == self.session)
            && (self.topic.is_none() || fact.topic == self.topic)
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct FactQuery {
    /// The terms of the question, each once ([`search_terms`]).
    pub terms: Vec<String>,
    /// The meaning of the question.
    pub vector: Option<FactVector>,
    /// Only of this kind.
    pub kind: Option<FactKind>,
    /// Only what holds at this time.
    pub at: Timestamp,
    /// How fast what is found fades.
    pub half_life: HalfLife,
    /// Candidates wanted by words, and as many by meaning.
    pub most: u32,
}

impl FactQuery {
    /// Candidates that are looked at, unless said otherwise.
    pub const USUAL: u32 = 60;

    /// By the words of a question.
    pub fn new(question: &str, at: Timestamp) -> Self {
        let mut terms = Vec::new();
        for term in search_terms(question) {
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        terms.truncate(64);
        Self { terms, vector: None, kind: None, at, half_life: HalfLife::default(), most: Self::USUAL }
    }
}

/// Facts that may be meant, for [`crate::rank_facts`] to order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidates {
    /// The records.
    pub records: Vec<FactRecord>,
    /// In how many facts each of the query's terms occurs, in their order.
    pub holders: Vec<u64>,
    /// How many facts were looked at.
    pub total: u64,
}

/// Stores what is remembered. A change survives a power loss once acknowledged.
pub trait MemoryStore: Send + Sync {
    /// Makes a change.
    fn change(&self, change: MemoryChange) -> BoxFuture<'_, Result<(), StorageError>>;
    /// One fact, in whatever state.
    fn fact(&self, id: FactId) -> BoxFuture<'_, Result<Option<FactRecord>, StorageError>>;
    /// Facts, by falling id: those learned last come first.
    fn facts(&self, filter: FactFilter) -> BoxFuture<'_, Result<Vec<Fact>, StorageError>>;
    /// Facts that hold and may be meant.
    fn search(&self, query: FactQuery) -> BoxFuture<'_, Result<Candidates, StorageError>>;
    /// How much there is.
    fn figures(&self) -> BoxFuture<'_, Result<MemoryFigures, StorageError>>;
    /// Erases what has faded most ([`crate::retention`]) until the bounds hold; tells what went.
    fn shrink(
        &self,
        bounds: MemoryBounds,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<FactId>, StorageError>>;
}

/// What stands in front of a store: nothing is remembered, changed or found but through the rules.
pub trait Memory: Send + Sync {
    /// Remembers, unless it is known, vetoed, a secret, or not worth it.
    fn remember(&self, wish: FactWish) -> BoxFuture<'_, Result<Remembered, MemoryError>>;
    /// What fits a question best, the best first.
    fn search<'a>(
        &'a self,
        question: &'a str,
        kind: Option<FactKind>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RankedFact>, MemoryError>>;
    /// Facts that a search found were of use: they fade more slowly.
    fn used(&self, ids: Vec<FactId>) -> BoxFuture<'_, Result<(), MemoryError>>;
    /// One fact.
    fn fact(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>>;
    /// Facts, those learned last first.
    fn facts(&self, filter: FactFilter) -> BoxFuture<'_, Result<Vec<Fact>, MemoryError>>;
    /// Puts other words in place of a fact's; from then on it is the word of whoever changed it.
    fn edit(&self, id: FactId, text: String, by: Label) -> BoxFuture<'_, Result<Fact, MemoryError>>;
    /// Takes a fact out, so that nothing finds it; [`Memory::restore`] brings it back.
    fn forget(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>>;
    /// Erases a fact for good, whatever its state.
    fn erase(&self, id: FactId) -> BoxFuture<'_, Result<(), MemoryError>>;
    /// Takes a fact out and never learns it again.
    fn veto(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>>;
    /// Brings back what was superseded, forgotten or vetoed.
    fn restore(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>>;
    /// How much there is.
    fn figures(&self) -> BoxFuture<'_, Result<MemoryFigures, MemoryError>>;
}
