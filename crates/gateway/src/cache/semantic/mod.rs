//! Questions that mean the same: found by their vectors, let through by the guard, never by likeness alone.

mod audit;
mod calibrate;
mod explain;
mod fresh;

use crate::parts::SemanticParts;
use crate::settings::SemanticSettings;
use audit::{opening, same_answer, start_of};
pub use calibrate::{Calibration, CalibrationError, CalibrationRow, QuestionPair};
pub use explain::SharingReport;
use fresh::Fresh;
use jiff::Timestamp;
use nunchi_core::{
    CacheKey, CacheScope, CallContext, Clock, EmbedRequest, Frame, Ids, ModelRequest, PackedVector,
    QuestionStore, StoredQuestion, kin_key, lone_question,
};
use nunchi_saving::{
    NEIGHBOURS, Question, QuestionIndex, SharingDecision, SharingPrior, SharingRecord, SharingRules,
    StoredMeaning, best_share, meaning_text, shareable_question,
};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests that may wait for the encoder at once; more of them are served without.
const MOST_WAITING: usize = 8;
/// The longest wait for a vector.
const PATIENCE: Duration = Duration::from_millis(150);
/// Questions read at once when the index is built.
const PAGE: u32 = 1_000;

/// Figures of the semantic cache since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SemanticFigures {
    /// Questions that may share their answers.
    pub questions: u64,
    /// Questions that were looked up.
    pub lookups: u64,
    /// Answers that were shared.
    pub hits: u64,
    /// Neighbours that the guard turned away.
    pub refused: u64,
    /// Answers that could have been shared, and were compared with a fresh one instead.
    pub audited: u64,
    /// Those among them that differed.
    pub wrong: u64,
}

#[derive(Default)]
struct Counters {
    lookups: AtomicU64,
    hits: AtomicU64,
    refused: AtomicU64,
    audited: AtomicU64,
    wrong: AtomicU64,
}

/// A question that may share an answer.
pub(crate) struct Asked {
    pub(crate) kin: CacheKey,
    pub(crate) text: String,
    vector: PackedVector,
    question: Question,
    /// A stored answer that the fresh one is compared with.
    pub(crate) audit: Option<Audit>,
}

impl Asked {
    /// The question's meaning.
    pub(crate) const fn vector(&self) -> &PackedVector {
        &self.vector
    }
}

/// A stored answer of which it is to be learned whether it would have been right.
pub(crate) struct Audit {
    pub(crate) key: CacheKey,
    pub(crate) probability: f32,
    /// Whether it could have been served: what is found of these is the share of wrong answers among the served.
    pub(crate) servable: bool,
}

/// A stored answer that may be served.
pub(crate) struct Shared {
    pub(crate) key: CacheKey,
    pub(crate) text: String,
    pub(crate) probability: f32,
}

/// The semantic cache.
pub(crate) struct Semantic {
    parts: SemanticParts,
    settings: SemanticSettings,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    index: RwLock<QuestionIndex>,
    fresh: Mutex<Fresh>,
    waiting: Semaphore,
    /// What holds for every entry before anything was learned of it.
    prior: RwLock<SharingPrior>,
    counters: Counters,
}

impl Semantic {
    pub(crate) fn new(
        parts: SemanticParts,
        settings: SemanticSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self {
            parts,
            settings,
            clock,
            ids,
            index: RwLock::default(),
            fresh: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
            prior: RwLock::new(SharingPrior::shipped()),
            counters: Counters::default(),
        }
    }

    /// Reads the stored questions into the index; to be run in the background at the start.
    pub(crate) async fn load(&self) {
        let mut after = i64::MIN;
        loop {
            let (encoder, now) = (self.parts.encoder.clone(), self.clock.now());
            let page = match self.parts.questions.scan_questions(encoder, now, after, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "the stored questions cannot be read");
                    return;
                }
            };
            let Some((last, _)) = page.last() else { return };
            after = *last;
            let mut index = self.write();
            for (_, question) in page {
                index.add(question.kin, question.key, &question.vector.signs(), question.expires);
            }
        }
    }

    /// Reads a question and its meaning; `None` when it may not share, or when the encoder is too busy.
    pub(crate) async fn read(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        (scope, policy): (CacheScope, &str),
    ) -> Option<Asked> {
        let text = lone_question(request)?;
        let question = shareable_question(text, self.rules())?;
        let vector = self.embed(text, context).await?;
        let kin = kin_key(request, context, scope, policy);
        Some(Asked { kin, text: text.to_owned(), vector, question, audit: None })
    }

    /// The meaning of a text.
    pub(crate) async fn embed(&self, text: &str, context: &CallContext) -> Option<PackedVector> {
        let _place = self.waiting.try_acquire().ok()?;
        let request = EmbedRequest {
            model: self.parts.encoder.clone(),
            inputs: vec![meaning_text(text).into_owned()],
            dimensions: None,
        };
        let embedding = self.parts.embedder.embed(request, context.clone());
        // An encoder that is still being loaded is not waited for.
        match tokio::time::timeout(PATIENCE, embedding).await.ok()? {
            Ok(reply) => reply.vectors.first().map(|vector| PackedVector::pack(vector)),
            Err(error) => {
                tracing::debug!(%error, "the encoder cannot be asked");
                None
            }
        }
    }

    /// The meanings of several texts, in order. Waits as long as it takes: it is work of the background.
    pub(crate) async fn embed_many(&self, texts: &[String], context: &CallContext) -> Option<Vec<Vec<f32>>> {
        let inputs = texts.iter().map(|text| meaning_text(text).into_owned()).collect();
        let request = EmbedRequest { model: self.parts.encoder.clone(), inputs, dimensions: None };
        let reply = self.parts.embedder.embed(request, context.clone()).await;
        reply
            .inspect_err(|error| tracing::debug!(%error, "the encoder cannot be asked"))
            .ok()
            .map(|r| r.vectors)
    }

    /// Waits until the encoder has been loaded; for those who would rather wait than go without.
    pub(crate) async fn ready(&self, context: &CallContext) {
        let _vectors = self.embed_many(&["ready".to_owned()], context).await;
    }

    /// A stored answer that may be served for this question; else perhaps one that the fresh answer is to be compared with, unless
    /// there will be none.
    pub(crate) async fn find(&self, asked: &mut Asked, only_if_cached: bool) -> Option<Shared> {
        self.counters.lookups.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("nunchi_semantic_lookups_total").increment(1);
        let near = self.read_index().nearest(asked.kin, &asked.vector.signs(), NEIGHBOURS, self.clock.now());
        if near.is_empty() {
            return None;
        }
        let stored = self.questions(&near).await?;
        self.forget_missing(asked.kin, &near, &stored);
        let (best, probability) = self.judge_all(asked, stored)?;
        let record = read_record(&best.evidence);
        let (delta, draw) = (f64::from(self.settings.error_rate), self.draw());
        match record.decide(&self.prior(), probability, delta, draw) {
            SharingDecision::Serve => Some(Shared { key: best.key, text: best.text, probability }),
            SharingDecision::Audit if only_if_cached => {
                Some(Shared { key: best.key, text: best.text, probability })
            }
            decision => {
                let servable = decision == SharingDecision::Audit;
                asked.audit = Some(Audit { key: best.key, probability, servable });
                None
            }
        }
    }

    /// Counts an answer that was shared.
    pub(crate) fn note_hit(&self) {
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("nunchi_semantic_hits_total").increment(1);
    }

    /// The answer of a question is gone: it stands in no other's way.
    pub(crate) fn drop_question(&self, kin: CacheKey, key: CacheKey) {
        self.forget(key);
        self.write().remove(kin, key);
    }

    /// The questions of these entries, from memory or from the store.
    async fn questions(&self, keys: &[CacheKey]) -> Option<Vec<StoredQuestion>> {
        let (mut found, mut rest) = (Vec::with_capacity(keys.len()), Vec::new());
        {
            let fresh = self.fresh();
            for key in keys {
                match fresh.get(*key) {
                    Some(question) => found.push(question.clone()),
                    None => rest.push(*key),
                }
            }
        }
        if !rest.is_empty() {
            match self.parts.questions.questions(rest).await {
                Ok(stored) => found.extend(stored),
                Err(error) => {
                    tracing::warn!(%error, "the stored questions cannot be read");
                    return None;
                }
            }
        }
        Some(found)
    }

    /// Compares the fresh answer with the stored one that was likely to be right, and learns from that.
    pub(crate) async fn learn(
        &self,
        asked: &Asked,
        stored: &[Frame],
        fresh: &[Frame],
        context: &CallContext,
    ) {
        let Some(audit) = &asked.audit else { return };
        let (stored, fresh) = (opening(stored), opening(fresh));
        let (Some(a), Some(b)) = (self.embed(&stored, context).await, self.embed(&fresh, context).await)
        else {
            return;
        };
        let right = same_answer((&stored, &a), (&fresh, &b));
        if audit.servable {
            self.counters.audited.fetch_add(1, Ordering::Relaxed);
            self.counters.wrong.fetch_add(u64::from(!right), Ordering::Relaxed);
            let verdict = if right { "right" } else { "wrong" };
            metrics::counter!("nunchi_semantic_audits_total", "verdict" => verdict).increment(1);
        }
        self.observe(audit.key, audit.probability, right).await;
    }

    /// Notes whether the answer of an entry was right for a question that was that likely to share it.
    pub(crate) async fn observe(&self, key: CacheKey, probability: f32, right: bool) {
        let known = self.questions(&[key]).await.unwrap_or_default();
        let Some(mut question) = known.into_iter().next() else { return };
        let mut record = read_record(&question.evidence);
        record.observe(probability, right);
        let Ok(evidence) = serde_json::to_string(&record) else { return };
        question.evidence.clone_from(&evidence);
        self.fresh().add(question);
        if let Err(error) = self.parts.questions.learn(key, evidence).await {
            tracing::warn!(%error, "what was learned of a stored answer cannot be kept");
        }
    }

    /// How far two answers say the same, 0 to 1.
    pub(crate) async fn agreement(&self, a: &str, b: &str, context: &CallContext) -> Option<f32> {
        let (a, b) = (start_of(a), start_of(b));
        let vectors = self.embed_many(&[a.clone(), b.clone()], context).await?;
        let [first, second] = vectors.as_slice() else { return None };
        let (first, second) = (PackedVector::pack(first), PackedVector::pack(second));
        // Alike to the encoder, but a number or a name differs: that is no agreement.
        Some(if same_answer((&a, &first), (&b, &second)) { first.cosine(&second).max(0.0) } else { 0.0 })
    }

    /// Evenly from 0 to 1: the low bits of a new id are random.
    fn draw(&self) -> f64 {
        let (_, low) = self.ids.new_id().as_u64_pair();
        #[expect(clippy::cast_precision_loss, reason = "a draw needs no more")]
        let draw = (low & 0xffff_ffff) as f64;
        draw / f64::from(u32::MAX)
    }

    /// The stored question whose answer is most likely right, and how likely.
    fn judge_all(&self, asked: &Asked, mut stored: Vec<StoredQuestion>) -> Option<(StoredQuestion, f32)> {
        stored.retain(|question| question.kin == asked.kin && question.encoder == self.parts.encoder);
        let near: Vec<_> = stored
            .iter()
            .map(|stored| StoredMeaning { text: &stored.text, vector: &stored.vector })
            .collect();
        let found = best_share((&asked.question, &asked.vector), &near, self.rules());
        self.counters.refused.fetch_add(found.refused, Ordering::Relaxed);
        let (at, probability) = found.best?;
        Some((stored.swap_remove(at), probability))
    }

    const fn rules(&self) -> SharingRules {
        SharingRules { strict: self.settings.strict, across_languages: self.settings.across_languages }
    }

    fn forget_missing(&self, kin: CacheKey, near: &[CacheKey], stored: &[StoredQuestion]) {
        let gone = near.iter().filter(|key| !stored.iter().any(|question| question.key == **key));
        let gone: Vec<CacheKey> = gone.copied().collect();
        if !gone.is_empty() {
            let mut index = self.write();
            gone.into_iter().for_each(|key| index.remove(kin, key));
        }
    }

    /// From now on the answer of this question may be shared.
    pub(crate) fn stored(&self, key: CacheKey, asked: &Asked, expires: Timestamp) -> StoredQuestion {
        self.write().add(asked.kin, key, &asked.vector.signs(), expires);
        let question = StoredQuestion {
            key,
            kin: asked.kin,
            text: asked.text.clone(),
            vector: asked.vector.clone(),
            encoder: self.parts.encoder.clone(),
            evidence: String::new(),
            expires,
        };
        self.fresh().add(question.clone());
        question
    }

    /// The answer of an entry is gone.
    pub(crate) fn forget(&self, key: CacheKey) {
        self.fresh().remove(key);
    }

    /// All answers may be gone.
    pub(crate) fn forget_all(&self) {
        *self.fresh() = Fresh::default();
    }

    pub(crate) fn store(&self) -> &Arc<dyn QuestionStore> {
        &self.parts.questions
    }

    pub(crate) fn figures(&self) -> SemanticFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SemanticFigures {
            questions: self.read_index().len() as u64,
            lookups: read(&self.counters.lookups),
            hits: read(&self.counters.hits),
            refused: read(&self.counters.refused),
            audited: read(&self.counters.audited),
            wrong: read(&self.counters.wrong),
        }
    }

    fn read_index(&self) -> RwLockReadGuard<'_, QuestionIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, QuestionIndex> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was learned of an entry; nothing when it is new, or of another version.
fn read_record(evidence: &str) -> SharingRecord {
    serde_json::from_str(evidence).unwrap_or_default()
}
