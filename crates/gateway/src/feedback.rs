//! What people say of answers: it teaches the router, and takes back stored answers that are wrong.

use crate::call::Ask;
use crate::gateway::Gateway;
use crate::plan::Candidate;
use nunchi_core::{
    CacheKey, Explain, Feedback, KeyId, Lang, Principal, Rating, RequestId, StorageError, Tier, human_text,
    mask_secrets,
};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Requests of which it is remembered how they were answered; the oldest goes first.
const MOST: usize = 1_000;
/// Longest text that is remembered, in characters: the router reads no more of one.
const LONGEST_TEXT: usize = 2_000;

/// What somebody says of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The request that was answered.
    pub request: RequestId,
    /// Whether the answer was good.
    pub rating: Rating,
    /// The tier that would have been right, if they say so.
    pub right_tier: Option<Tier>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackEffect {
    /// The router's next training learns that this tier is right for such a text.
    TeachesTier(Tier),
    /// The stored answer is trusted a little more, or a little less, for other questions.
    TeachesSharing,
    /// The stored answer was removed.
    Forgotten,
    /// It is kept, and teaches nothing: a good answer of the best tier does not show that it was needed.
    Noted,
}

/// Why feedback was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedbackError {
    /// No recent request of this key has that id, or its model was not chosen by the router.
    Unknown,
    /// It cannot be kept.
    Storage(StorageError),
}

impl fmt::Display for FeedbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for FeedbackError {}

impl Explain for FeedbackError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "feedback.unknown_request",
            Self::Storage(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        match self {
            Self::Unknown => lang
                .pick(
                    "no recent request of this key has that id and was answered by the router or the cache",
                    "이 키의 최근 요청 가운데 라우터나 캐시가 답한 그런 ID의 요청이 없습니다",
                )
                .to_owned(),
            Self::Storage(error) => error.message(lang),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        match self {
            Self::Unknown => Some(
                lang.pick(
                    "Send the x-nunchi-request-id of one of the last 1,000 answers to `auto`.",
                    "최근 `auto` 응답 1,000개 가운데 하나의 x-nunchi-request-id를 보내세요.",
                )
                .to_owned(),
            ),
            Self::Storage(error) => error.hint(lang),
        }
    }
}

impl From<StorageError> for FeedbackError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// How a request was answered, as far as feedback can change it.
#[derive(Clone)]
enum Origin {
    Routed { tier: Tier, model: String, text: String },
    Stored { key: CacheKey, shared: Option<f32> },
}

#[derive(Default)]
struct Known {
    requests: HashMap<RequestId, (Option<KeyId>, Origin)>,
    order: VecDeque<RequestId>,
}

/// How the last requests were answered.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Known>);

impl Recent {
    /// Remembers an answer of a model that the router chose.
    pub(crate) fn note_routed(&self, ask: &Ask, tier: Tier, candidate: &Candidate) {
        let Some(text) = human_text(&ask.request) else { return };
        let text = mask_secrets(&text).chars().take(LONGEST_TEXT).collect();
        self.note(ask, Origin::Routed { tier, model: candidate.full_name(), text });
    }

    /// Remembers an answer of the cache; `shared` is how likely it was right, if it was another question's.
    pub(crate) fn note_stored(&self, ask: &Ask, key: CacheKey, shared: Option<f32>) {
        self.note(ask, Origin::Stored { key, shared });
    }

    fn note(&self, ask: &Ask, origin: Origin) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.order.len() >= MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.requests.remove(&oldest);
        }
        if known.requests.insert(ask.context.request, (ask.context.principal.key, origin)).is_none() {
            known.order.push_back(ask.context.request);
        }
    }

    fn find(&self, principal: &Principal, request: RequestId) -> Option<Origin> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, origin) = known.requests.get(&request)?;
        let theirs = *key == principal.key || principal.role == nunchi_core::AccessRole::Admin;
        theirs.then(|| origin.clone())
    }
}

impl Gateway {
    /// Takes an opinion on a recent answer; a later one on the same answer replaces it.
    ///
    /// # Errors
    /// [`FeedbackError::Unknown`] for requests of others, of long ago, and for models that the caller named.
    pub async fn take_feedback(
        &self,
        principal: &Principal,
        opinion: Opinion,
    ) -> Result<FeedbackEffect, FeedbackError> {
        let Opinion { request, rating, right_tier } = opinion;
        match self.recent.find(principal, request).ok_or(FeedbackError::Unknown)? {
            Origin::Routed { tier, model, text } => {
                let at = self.parts.clock.now();
                let key = principal.key;
                let feedback =
                    Feedback { request, at, key, model, answered_by: tier, rating, right_tier, text };
                let learned = feedback.tier();
                self.parts.feedback.put_feedback(feedback).await?;
                Ok(learned.map_or(FeedbackEffect::Noted, FeedbackEffect::TeachesTier))
            }
            Origin::Stored { key, shared: Some(probability) } => {
                if let Some(semantic) = &self.cache.semantic {
                    semantic.observe(key, probability, rating == Rating::Good).await;
                }
                Ok(FeedbackEffect::TeachesSharing)
            }
            Origin::Stored { key, shared: None } if rating == Rating::Bad => {
                self.cache.remove(key).await?;
                Ok(FeedbackEffect::Forgotten)
            }
            Origin::Stored { .. } => Ok(FeedbackEffect::Noted),
        }
    }
}
