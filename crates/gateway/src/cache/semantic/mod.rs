//! Questions that mean the same: found by their vectors, let through by the guard, never by likeness alone.

mod audit;
mod fresh;

use crate::parts::SemanticParts;
use crate::settings::SemanticSettings;
use audit::{opening, same_answer};
use fresh::Fresh;
use jiff::Timestamp;
use nunchi_core::{
    CacheKey, CallContext, Clock, EmbedRequest, Frame, Ids, Kinship, Lang, PackedVector, QuestionStore,
    StoredQuestion,
};
use nunchi_saving::{
    NEIGHBOURS, Question, QuestionIndex, SharingDecision, SharingPrior, SharingRecord, SharingRules,
    SharingVerdict, StoredMeaning, best_share, is_plain_question, judge, languages_fit, meaning_text,
    same_words, shareable_question,
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
    /// Answers compared with a fresh one.
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

/// Why two questions do or do not share an answer.
#[derive(Clone, Debug, Serialize)]
pub struct SharingReport {
    /// Whether they do.
    pub shared: bool,
    /// Whether their languages may share at all.
    pub languages_fit: bool,
    /// Whether they are plain questions in which every content word has a counterpart, as far as that is asked for.
    pub same_words: bool,
    /// The probability that is asked for.
    pub needed: f32,
    /// What the guard found.
    pub verdict: SharingVerdict,
}

impl SharingReport {
    /// The report as lines for a person.
    pub fn explain(&self, lang: Lang) -> String {
        let head = if self.shared {
            lang.pick("They share an answer.", "두 질문은 답을 공유합니다.")
        } else if !self.languages_fit {
            lang.pick(
                "They do not share an answer: answers are not shared across languages (cache.across_languages).",
                "답을 공유하지 않습니다: 언어가 다르면 공유하지 않습니다(cache.across_languages).",
            )
        } else if !self.same_words && self.verdict.blocked_by.is_none() {
            lang.pick(
                "They do not share an answer: a word has no counterpart, or something is quoted or pasted (cache.semantic_strict).",
                "답을 공유하지 않습니다: 짝이 없는 낱말이 있거나 인용·붙여넣기가 있습니다(cache.semantic_strict).",
            )
        } else {
            lang.pick("They do not share an answer.", "두 질문은 답을 공유하지 않습니다.")
        };
        let needed = self.needed * 100.0;
        let bar = lang.pick(format!("needed: {needed:.1} %"), format!("필요한 확률: {needed:.1} %"));
        format!("{head}\n{}\n{bar}", self.verdict.explain(lang))
    }
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
    prior: SharingPrior,
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
            prior: SharingPrior::shipped(),
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
    pub(crate) async fn read(&self, kinship: Kinship<'_>, context: &CallContext) -> Option<Asked> {
        let question = shareable_question(kinship.question, self.rules())?;
        let vector = self.embed(kinship.question, context).await?;
        let (kin, text) = (kinship.kin, kinship.question.to_owned());
        Some(Asked { kin, text, vector, question, audit: None })
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

    /// A stored answer that may be served for this question; else perhaps one that the fresh answer is to be compared with.
    pub(crate) async fn find(&self, asked: &mut Asked) -> Option<Shared> {
        self.counters.lookups.fetch_add(1, Ordering::Relaxed);
        let near = self.read_index().nearest(asked.kin, &asked.vector.signs(), NEIGHBOURS, self.clock.now());
        if near.is_empty() {
            return None;
        }
        let stored = self.questions(&near).await?;
        self.forget_missing(asked.kin, &near, &stored);
        let (best, probability) = self.judge_all(asked, stored)?;
        let record = read_record(&best.evidence);
        let (delta, draw) = (f64::from(self.settings.error_rate), self.draw());
        match record.decide(&self.prior, probability, delta, draw) {
            SharingDecision::Serve => {
                self.counters.hits.fetch_add(1, Ordering::Relaxed);
                Some(Shared { key: best.key, text: best.text, probability })
            }
            SharingDecision::Ask => {
                asked.audit = Some(Audit { key: best.key, probability });
                None
            }
        }
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

    /// The probability from which an answer is shared of which nothing was learned yet.
    fn needed(&self, delta: f64) -> f32 {
        let measured = self.prior.floors.iter().flatten().filter(|(promise, _)| *promise <= delta + 1e-6);
        measured.map(|(_, score)| *score).min_by(f32::total_cmp).unwrap_or(1.0 - self.settings.error_rate)
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
        self.counters.audited.fetch_add(1, Ordering::Relaxed);
        self.counters.wrong.fetch_add(u64::from(!right), Ordering::Relaxed);
        let known = self.questions(&[audit.key]).await.unwrap_or_default();
        let Some(mut question) = known.into_iter().next() else { return };
        let mut record = read_record(&question.evidence);
        record.observe(audit.probability, right);
        let Ok(evidence) = serde_json::to_string(&record) else { return };
        question.evidence.clone_from(&evidence);
        self.fresh().add(question);
        if let Err(error) = self.parts.questions.learn(audit.key, evidence).await {
            tracing::warn!(%error, "what was learned of a stored answer cannot be kept");
        }
    }

    /// Evenly from 0 to 1: the low bits of a new id are random.
    fn draw(&self) -> f64 {
        let (_, low) = self.ids.new_id().as_u64_pair();
        #[expect(clippy::cast_precision_loss, reason = "a draw needs no more")]
        let draw = (low & 0xffff_ffff) as f64;
        draw / f64::from(u32::MAX)
    }

    /// Why two questions do or do not share an answer.
    pub(crate) async fn explain(&self, a: &str, b: &str, context: &CallContext) -> Option<SharingReport> {
        let (asked, stored) = (Question::read(a), Question::read(b));
        let cosine = self.embed(a, context).await?.cosine(&self.embed(b, context).await?);
        let verdict = judge(&asked, &stored, cosine);
        let languages = languages_fit(asked.tongue(), stored.tongue(), self.rules());
        let delta = f64::from(self.settings.error_rate);
        let decision = SharingRecord::default().decide(&self.prior, verdict.share_probability, delta, 1.0);
        let plain = is_plain_question(a) && is_plain_question(b);
        let words = !self.settings.strict || plain && same_words(&asked, &stored, cosine);
        let sure = decision == SharingDecision::Serve && words;
        Some(SharingReport {
            shared: languages && verdict.blocked_by.is_none() && sure,
            languages_fit: languages,
            same_words: words,
            needed: self.needed(delta),
            verdict,
        })
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
