//! The answer cache of a replay: exact keys, then questions that mean the same.

use super::texts::Meanings;
use super::words::{ReplayCache, ReplayPolicy, ReplaySharing};
use crate::guard::{Freshness, Question, SharingDecision, SharingPrior, SharingRecord, freshness};
use crate::sharing::{
    NEIGHBOURS, QuestionIndex, StoredMeaning, best_share, meaning_text, shareable_question,
};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    CacheDirective, CacheKey, CallContext, ModelRequest, PackedVector, exact_key, human_text, kin_key,
    lone_question,
};
use std::collections::HashMap;

/// A stored answer: the call that it came from.
struct Stored {
    source: usize,
    expires: Timestamp,
}

/// A stored question with what was learned of it.
struct StoredQuestion {
    text: String,
    vector: PackedVector,
    record: SharingRecord,
}

/// A question that may share an answer.
pub(super) struct Asked {
    kin: CacheKey,
    text: String,
    vector: PackedVector,
    question: Question,
}

/// What the cache says of a call.
pub(super) enum Found {
    /// The answer of this call, found by its key.
    Exact(usize),
    /// The answer of this call, shared by meaning.
    Semantic(usize),
    /// None: to be asked, and kept under the key if there is one. Perhaps an answer was there, and this call is asked to check it.
    Miss { key: Option<CacheKey>, asked: Option<Box<Asked>>, audit: Option<Audit> },
    /// The cache is not asked.
    Bypass,
}

/// A stored answer of which the fresh one tells whether it would have been right.
pub(super) struct Audit {
    key: CacheKey,
    pub(super) source: usize,
    probability: f32,
    /// Whether it could have been served.
    pub(super) servable: bool,
}

/// The cache.
#[derive(Default)]
pub(super) struct AnswerBook {
    answers: HashMap<CacheKey, Stored>,
    questions: HashMap<CacheKey, StoredQuestion>,
    index: QuestionIndex,
    prior: Option<SharingPrior>,
}

impl AnswerBook {
    /// Looks a call up. `draw` is even from 0 to 1 and decides which servable answers are checked.
    pub(super) fn find(
        &mut self,
        policy: &ReplayPolicy,
        meanings: &Meanings,
        (request, context): (&ModelRequest, &CallContext),
        (now, draw): (Timestamp, f64),
    ) -> Found {
        let live = || human_text(request).is_some_and(|text| freshness(&text) == Freshness::Never);
        let Some(cache) = policy.cache.filter(|_| context.cache != CacheDirective::NoStore && !live()) else {
            return Found::Bypass;
        };
        let key = exact_key(request, context, cache.scope, &policy.name, cache.fold_case);
        let reads = context.cache != CacheDirective::NoCache;
        if let Some(stored) = self.answers.get(&key).filter(|stored| reads && stored.expires > now) {
            return Found::Exact(stored.source);
        }
        let asked = policy.sharing.and_then(|sharing| {
            read(policy, cache, sharing, meanings, (request, context)).zip(Some(sharing))
        });
        let Some((asked, sharing)) = asked else {
            return Found::Miss { key: Some(key), asked: None, audit: None };
        };
        let found = if reads { self.nearest(&asked, sharing, now) } else { None };
        let Some((near, source, probability)) = found else {
            return Found::Miss { key: Some(key), asked: Some(Box::new(asked)), audit: None };
        };
        let prior = *self.prior.get_or_insert_with(SharingPrior::shipped);
        let record = &self.questions[&near].record;
        match record.decide(&prior, probability, f64::from(sharing.error_rate), draw) {
            SharingDecision::Serve => Found::Semantic(source),
            decision => {
                let servable = decision == SharingDecision::Audit;
                let audit = Some(Audit { key: near, source, probability, servable });
                Found::Miss { key: Some(key), asked: Some(Box::new(asked)), audit }
            }
        }
    }

    /// The stored question whose answer is most likely right: its entry, the call it came from, how likely.
    fn nearest(
        &self,
        asked: &Asked,
        sharing: ReplaySharing,
        now: Timestamp,
    ) -> Option<(CacheKey, usize, f32)> {
        let near = self.index.nearest(asked.kin, &asked.vector.signs(), NEIGHBOURS, now);
        let known: Vec<(CacheKey, &StoredQuestion)> =
            near.into_iter().filter_map(|key| Some((key, self.questions.get(&key)?))).collect();
        let stored: Vec<_> = known
            .iter()
            .map(|(_, stored)| StoredMeaning { text: &stored.text, vector: &stored.vector })
            .collect();
        let (at, probability) = best_share((&asked.question, &asked.vector), &stored, sharing.rules).best?;
        let key = known[at].0;
        let answer = self.answers.get(&key).filter(|stored| stored.expires > now)?;
        Some((key, answer.source, probability))
    }

    /// Keeps the fresh answer of a call.
    pub(super) fn keep(
        &mut self,
        (key, asked): (CacheKey, Option<Box<Asked>>),
        cache: ReplayCache,
        (request, context): (&ModelRequest, &CallContext),
        (source, now): (usize, Timestamp),
    ) {
        let usual = context
            .cache_ttl_seconds
            .unwrap_or_else(|| freshness(&human_text(request).unwrap_or_default()).life(cache.ttl).as_secs());
        let life = SignedDuration::from_secs(i64::try_from(usual).unwrap_or(i64::MAX));
        let expires = now.checked_add(life).unwrap_or(Timestamp::MAX);
        self.answers.insert(key, Stored { source, expires });
        if let Some(asked) = asked {
            let Asked { kin, text, vector, .. } = *asked;
            self.index.add(kin, key, &vector.signs(), expires);
            self.questions.insert(key, StoredQuestion { text, vector, record: SharingRecord::default() });
        }
    }

    /// Notes whether a stored answer would have been right.
    pub(super) fn learn(&mut self, audit: &Audit, right: bool) {
        if let Some(stored) = self.questions.get_mut(&audit.key) {
            stored.record.observe(audit.probability, right);
        }
    }
}

fn read(
    policy: &ReplayPolicy,
    cache: ReplayCache,
    sharing: ReplaySharing,
    meanings: &Meanings,
    (request, context): (&ModelRequest, &CallContext),
) -> Option<Asked> {
    let text = lone_question(request)?;
    let question = shareable_question(text, sharing.rules)?;
    let vector = PackedVector::pack(meanings.get(meaning_text(text).as_ref())?);
    let kin = kin_key(request, context, cache.scope, &policy.name);
    Some(Asked { kin, text: text.to_owned(), vector, question })
}
