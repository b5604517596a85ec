//! Stands in front of a store: every change and every search goes through the rules.

use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, CallContext, Candidates, Clock, EmbedRequest, Embedder, Fact, FactFilter, FactId, FactKind,
    FactQuery, FactRecord, FactState, FactVector, FactVerdict, FactWish, Ids, Label, Memory, MemoryBounds,
    MemoryChange, MemoryError, MemoryFigures, MemoryStore, OWN_TASKS, PackedVector, Principal, RankedFact,
    Remembered, RequestId, fact_topic, holds_secret, judge_fact, rank_facts, worth_keeping,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Longest wait for the meaning of a question: without it, words alone find.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for meanings that are kept: an encoder that is still being loaded is worth waiting for.
const KEPT_PATIENCE: Duration = Duration::from_secs(20);
/// Vetoes that a new fact is compared with.
const MOST_VETOES: u32 = 500;
/// So many new facts are taken in between two looks at the bounds.
const SHRINK_EVERY: u64 = 64;

/// Makes meanings.
#[derive(Clone)]
pub struct MemoryEncoder {
    /// Where they are made.
    pub embedder: Arc<dyn Embedder>,
    /// Which encoder is asked for; meanings of two encoders are never compared.
    pub name: String,
}

/// How much is kept and told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// How much is kept at most.
    pub bounds: MemoryBounds,
    /// Most tokens of standing facts that a run is told.
    pub standing_tokens: u64,
    /// Most tokens of what else fits its goal.
    pub found_tokens: u64,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { bounds: MemoryBounds::default(), standing_tokens: 600, found_tokens: 600 }
    }
}

/// What a keeper is made of.
#[derive(Clone)]
pub struct MemoryParts {
    /// Where it lives.
    pub store: Arc<dyn MemoryStore>,
    /// Makes meanings; without it words alone find.
    pub encoder: Option<MemoryEncoder>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// On whose behalf meanings are made.
    pub principal: Arc<Principal>,
    /// How much is kept and told.
    pub settings: MemorySettings,
}

/// Keeps what is remembered.
pub struct MemoryKeeper {
    pub(super) parts: MemoryParts,
    /// A new fact is judged and written before the next one is judged.
    writing: Mutex<()>,
    since_shrink: AtomicU64,
}

impl MemoryKeeper {
    /// A keeper in front of a store.
    pub fn new(parts: MemoryParts) -> Self {
        Self { parts, writing: Mutex::new(()), since_shrink: AtomicU64::new(0) }
    }

    /// Erases what has faded most, as far as the bounds want it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn shrink(&self) -> Result<Vec<FactId>, MemoryError> {
        self.since_shrink.store(0, Ordering::Relaxed);
        Ok(self.parts.store.shrink(self.parts.settings.bounds, self.now()).await?)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    async fn turn(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// The context of calls that memory makes for itself.
    pub(super) fn context(&self) -> CallContext {
        let request = RequestId(self.parts.ids.new_id());
        let mut context = CallContext::new(request, Arc::clone(&self.parts.principal));
        context.phase = Some(Arc::from("memory"));
        context.task = Some(Arc::from(format!("{OWN_TASKS}memory")));
        context
    }

    /// The meaning of a text; `None` when it cannot be had in time.
    async fn meaning(&self, text: &str, patience: Duration) -> Option<FactVector> {
        self.meanings(&[text.to_owned()], patience).await.and_then(|mut vectors| vectors.pop())
    }

    async fn meanings(&self, texts: &[String], patience: Duration) -> Option<Vec<FactVector>> {
        let MemoryEncoder { embedder, name } = self.parts.encoder.as_ref()?;
        let request = EmbedRequest { model: name.clone(), inputs: texts.to_vec(), dimensions: None };
        let made = tokio::time::timeout(patience, embedder.embed(request, self.context())).await;
        match made {
            Ok(Ok(reply)) if reply.vectors.len() == texts.len() => {
                let packed = |vector: &Vec<f32>| FactVector {
                    encoder: name.clone(),
                    vector: PackedVector::pack(vector),
                };
                Some(reply.vectors.iter().map(packed).collect())
            }
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::debug!(%error, "memory goes without meanings");
                None
            }
            Err(_) => {
                tracing::debug!("memory does not wait for meanings");
                None
            }
        }
    }

    /// What fits a question, the best first.
    pub(super) async fn ranked(
        &self,
        question: &str,
        kind: Option<FactKind>,
        at: Timestamp,
    ) -> Result<Vec<RankedFact>, MemoryError> {
        let mut query = FactQuery::new(question, at);
        query.kind = kind;
        query.half_life = self.parts.settings.bounds.half_life;
        query.vector = self.meaning(question, PATIENCE).await;
        let found: Candidates = self.parts.store.search(query.clone()).await?;
        Ok(rank_facts(&query, found))
    }

    async fn record(&self, id: FactId) -> Result<FactRecord, MemoryError> {
        self.parts.store.fact(id).await?.ok_or(MemoryError::Unknown(id))
    }

    async fn put(&self, put: Vec<FactRecord>) -> Result<(), MemoryError> {
        let count = put.len() as u64;
        self.parts.store.change(MemoryChange { put, ..MemoryChange::default() }).await?;
        if self.since_shrink.fetch_add(count, Ordering::Relaxed) + count >= SHRINK_EVERY {
            self.shrink().await?;
        }
        Ok(())
    }

    /// Facts that a new one has to be judged beside: alike, about the same, vetoed.
    async fn neighbours(
        &self,
        text: &str,
        topic: Option<&str>,
        vector: Option<&FactVector>,
    ) -> Result<Vec<FactRecord>, MemoryError> {
        let mut query = FactQuery::new(text, self.now());
        query.kind = Some(FactKind::Fact);
        query.vector = vector.cloned();
        let mut known = self.parts.store.search(query).await?.records;
        let mut others = Vec::new();
        if let Some(topic) = fact_topic(text, topic) {
            let filter =
                FactFilter { topic: Some(topic), state: Some(FactState::Active), ..FactFilter::default() };
            others.extend(self.parts.store.facts(filter).await?);
        }
        let vetoed =
            FactFilter { state: Some(FactState::Vetoed), limit: Some(MOST_VETOES), ..FactFilter::default() };
        others.extend(self.parts.store.facts(vetoed).await?);
        for fact in others {
            if !known.iter().any(|record| record.fact.id == fact.id) {
                known.extend(self.parts.store.fact(fact.id).await?);
            }
        }
        Ok(known)
    }

    async fn learn_fact(&self, wish: FactWish) -> Result<Remembered, MemoryError> {
        let text = wish.text.trim().to_owned();
        if holds_secret(&text) || holds_secret(&wish.around) {
            return Err(MemoryError::Secret);
        }
        worth_keeping(&text).map_err(MemoryError::NotWorth)?;
        let vector = self.meaning(&text, KEPT_PATIENCE).await;
        let _turn = self.turn().await;
        let label = wish.label.unwrap_or(Label::Stranger);
        let known = self.neighbours(&text, wish.topic.as_deref(), vector.as_ref()).await?;
        let (replaced, topic) = match judge_fact(&text, wish.topic.as_deref(), label, vector.as_ref(), &known)
        {
            FactVerdict::Vetoed(id) => return Err(MemoryError::Vetoed(id)),
            FactVerdict::Outranked(id) => return Err(MemoryError::Outranked(id)),
            FactVerdict::Same(id) => return self.said_again(id, label, wish.importance).await,
            FactVerdict::New(topic) => (Vec::new(), topic),
            FactVerdict::Replaces(ids, topic) => (ids, topic),
        };
        let now = self.now();
        let mut fact = Fact {
            id: FactId(self.parts.ids.new_id()),
            kind: wish.kind,
            text,
            topic,
            source: wish.source,
            label,
            created: now,
            changed: now,
            last_used: now,
            uses: 0,
            importance: wish.importance.min(100),
            state: FactState::Active,
            superseded_by: None,
            valid_until: wish.valid_until,
        };
        let mut put = Vec::new();
        for mut old in known.into_iter().filter(|record| replaced.contains(&record.fact.id)) {
            fact.uses = fact.uses.max(old.fact.uses);
            supersede(&mut old.fact, fact.id, now);
            put.push(old);
        }
        put.push(FactRecord { fact: fact.clone(), around: wish.around, vector });
        self.put(put).await?;
        Ok(Remembered { fact, known: false, superseded: replaced })
    }

    /// A known fact was said again. A stranger who says it proves nothing.
    async fn said_again(&self, id: FactId, label: Label, importance: u8) -> Result<Remembered, MemoryError> {
        let mut record = self.record(id).await?;
        if label <= record.fact.label {
            record.fact.uses += 1;
            record.fact.last_used = self.now();
            record.fact.importance = record.fact.importance.max(importance.min(100));
            self.put(vec![record.clone()]).await?;
        }
        Ok(Remembered { fact: record.fact, known: true, superseded: Vec::new() })
    }

    /// Keeps what was said, as it was said.
    async fn keep_turn(&self, wish: FactWish) -> Result<Remembered, MemoryError> {
        let mut made = self.keep_turns(vec![wish]).await?;
        made.pop().ok_or(MemoryError::NotWorth("it says nothing"))
    }

    /// Keeps turns of a conversation; those that hold secrets or say nothing are left out.
    pub(super) async fn keep_turns(&self, wishes: Vec<FactWish>) -> Result<Vec<Remembered>, MemoryError> {
        let mut wishes = wishes;
        wishes.retain(|wish| !holds_secret(&wish.text) && !nunchi_core::search_terms(&wish.text).is_empty());
        for wish in &mut wishes {
            if holds_secret(&wish.around) {
                wish.around.clear();
            }
        }
        if wishes.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<String> = wishes.iter().map(|wish| wish.text.clone()).collect();
        let mut vectors = self.meanings(&texts, KEPT_PATIENCE).await.unwrap_or_default().into_iter();
        let now = self.now();
        let _turn = self.turn().await;
        let mut put = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let fact = Fact {
                id: FactId(self.parts.ids.new_id()),
                kind: FactKind::Turn,
                text: wish.text,
                topic: None,
                source: wish.source,
                label: wish.label.unwrap_or(Label::Stranger),
                created: now,
                changed: now,
                last_used: now,
                uses: 0,
                importance: wish.importance.min(100),
                state: FactState::Active,
                superseded_by: None,
                valid_until: wish.valid_until,
            };
            put.push(FactRecord { fact, around: wish.around, vector: vectors.next() });
        }
        let facts: Vec<Fact> = put.iter().map(|record| record.fact.clone()).collect();
        self.put(put).await?;
        Ok(facts.into_iter().map(|fact| Remembered { fact, known: false, superseded: Vec::new() }).collect())
    }

    async fn set_state(&self, id: FactId, state: FactState) -> Result<Fact, MemoryError> {
        let _turn = self.turn().await;
        let mut record = self.record(id).await?;
        if record.fact.state != state {
            record.fact.state = state;
            record.fact.changed = self.now();
            self.put(vec![record.clone()]).await?;
        }
        Ok(record.fact)
    }

    async fn edited(&self, id: FactId, text: String, by: Label) -> Result<Fact, MemoryError> {
        let text = text.trim().to_owned();
        if holds_secret(&text) {
            return Err(MemoryError::Secret);
        }
        worth_keeping(&text).map_err(MemoryError::NotWorth)?;
        let vector = self.meaning(&text, KEPT_PATIENCE).await;
        let _turn = self.turn().await;
        let mut record = self.record(id).await?;
        record.fact.label = by;
        record.fact.changed = self.now();
        record.fact.topic = fact_topic(&text, None).or(record.fact.topic);
        record.fact.text.clone_from(&text);
        record.vector = vector;
        self.put(vec![record.clone()]).await?;
        Ok(record.fact)
    }

    /// Brings a fact back; others about the same become history again.
    async fn restored(&self, id: FactId) -> Result<Fact, MemoryError> {
        let _turn = self.turn().await;
        let now = self.now();
        let mut record = self.record(id).await?;
        let mut put = Vec::new();
        let mut rivals: Vec<FactId> = record.fact.superseded_by.into_iter().collect();
        if let Some(topic) = record.fact.topic.clone() {
            let filter =
                FactFilter { topic: Some(topic), state: Some(FactState::Active), ..FactFilter::default() };
            rivals.extend(self.parts.store.facts(filter).await?.iter().map(|fact| fact.id));
        }
        rivals.sort();
        rivals.dedup();
        for rival in rivals.into_iter().filter(|rival| *rival != id) {
            let Some(mut rival) = self.parts.store.fact(rival).await? else { continue };
            if rival.fact.state == FactState::Active {
                supersede(&mut rival.fact, id, now);
                put.push(rival);
            }
        }
        let was_superseded = record.fact.state == FactState::Superseded;
        record.fact.state = FactState::Active;
        record.fact.superseded_by = None;
        record.fact.changed = now;
        if was_superseded {
            record.fact.valid_until = None;
        }
        put.push(record.clone());
        self.put(put).await?;
        Ok(record.fact)
    }
}

fn supersede(old: &mut Fact, by: FactId, now: Timestamp) {
    old.state = FactState::Superseded;
    old.superseded_by = Some(by);
    old.changed = now;
    old.valid_until = Some(old.valid_until.map_or(now, |until| until.min(now)));
}

impl Memory for MemoryKeeper {
    fn remember(&self, wish: FactWish) -> BoxFuture<'_, Result<Remembered, MemoryError>> {
        match wish.kind {
            FactKind::Fact => Box::pin(self.learn_fact(wish)),
            FactKind::Turn => Box::pin(self.keep_turn(wish)),
        }
    }

    fn search<'a>(
        &'a self,
        question: &'a str,
        kind: Option<FactKind>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RankedFact>, MemoryError>> {
        Box::pin(async move {
            let mut ranked = self.ranked(question, kind, self.now()).await?;
            ranked.truncate(limit as usize);
            Ok(ranked)
        })
    }

    fn used(&self, ids: Vec<FactId>) -> BoxFuture<'_, Result<(), MemoryError>> {
        Box::pin(async move {
            let now = self.now();
            let used = ids.into_iter().map(|id| (id, now)).collect();
            Ok(self.parts.store.change(MemoryChange { used, ..MemoryChange::default() }).await?)
        })
    }

    fn fact(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>> {
        Box::pin(async move { Ok(self.record(id).await?.fact) })
    }

    fn facts(&self, filter: FactFilter) -> BoxFuture<'_, Result<Vec<Fact>, MemoryError>> {
        Box::pin(async move { Ok(self.parts.store.facts(filter).await?) })
    }

    fn edit(&self, id: FactId, text: String, by: Label) -> BoxFuture<'_, Result<Fact, MemoryError>> {
        Box::pin(self.edited(id, text, by))
    }

    fn forget(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>> {
        Box::pin(self.set_state(id, FactState::Forgotten))
    }

    fn erase(&self, id: FactId) -> BoxFuture<'_, Result<(), MemoryError>> {
        Box::pin(async move {
            let _turn = self.turn().await;
            self.record(id).await?;
            Ok(self.parts.store.change(MemoryChange { remove: vec![id], ..MemoryChange::default() }).await?)
        })
    }

    fn veto(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>> {
        Box::pin(self.set_state(id, FactState::Vetoed))
    }

    fn restore(&self, id: FactId) -> BoxFuture<'_, Result<Fact, MemoryError>> {
        Box::pin(self.restored(id))
    }

    fn figures(&self) -> BoxFuture<'_, Result<MemoryFigures, MemoryError>> {
        Box::pin(async move { Ok(self.parts.store.figures().await?) })
    }
}
