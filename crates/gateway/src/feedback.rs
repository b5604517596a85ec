//! What people say of answers, and what checks and their next words show: it teaches the router, and takes back stored answers
//! that are wrong.

use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::plan::Candidate;
use nunchi_core::{
    CacheDirective, CacheKey, Explain, Feedback, FeedbackSource, KeyId, Lang, Principal, Rating, RequestId,
    StorageError, Tier, in_tool_loop, mask_start,
};
use nunchi_saving::is_complaint;
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
    Routed(Routed),
    Stored { key: CacheKey, shared: Option<f32> },
}

/// An answer of a model that the router chose.
#[derive(Clone)]
struct Routed {
    tier: Tier,
    model: String,
    text: String,
    conversation: Option<u64>,
    /// Messages of the request.
    turns: usize,
}

#[derive(Default)]
struct Known {
    requests: HashMap<RequestId, (Option<KeyId>, Origin)>,
    order: VecDeque<RequestId>,
    /// The last answer that the router gave in each conversation.
    last: HashMap<u64, RequestId>,
}

impl Known {
    fn forget_oldest(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return };
        let Some((_, Origin::Routed(routed))) = self.requests.remove(&oldest) else { return };
        if let Some(conversation) = routed.conversation
            && self.last.get(&conversation) == Some(&oldest)
        {
            self.last.remove(&conversation);
        }
    }
}

/// How the last requests were answered.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Known>);

impl Recent {
    fn note_routed(&self, ask: &Ask, tier: Tier, candidate: &Candidate) {
        let Some(text) = remembered_text(ask) else { return };
        let conversation = ask.conversation();
        let (model, turns) = (candidate.full_name(), ask.request.messages.len());
        self.note(ask, Origin::Routed(Routed { tier, model, text, conversation, turns }));
        if let Some(conversation) = conversation {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.last.insert(conversation, ask.context.request);
        }
    }

    /// The answer before in this conversation, if this request asks for another one or complains of it.
    fn doubted(&self, ask: &Ask) -> Option<RequestId> {
        if in_tool_loop(&ask.request) {
            return None;
        }
        let conversation = ask.conversation()?;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.last.get(&conversation).filter(|last| **last != ask.context.request)?;
        let (_, Origin::Routed(before)) = known.requests.get(last)? else { return None };
        let text = remembered_text(ask)?;
        let turns = ask.request.messages.len();
        // Without a session two people may have begun with the same words.
        let again = ask.context.session.is_some() && turns == before.turns && text == before.text;
        (again || (turns > before.turns && is_complaint(&text))).then_some(*last)
    }

    /// Remembers an answer of the cache; `shared` is how likely it was right, if it was another question's.
    pub(crate) fn note_stored(&self, ask: &Ask, key: CacheKey, shared: Option<f32>) {
        self.note(ask, Origin::Stored { key, shared });
    }

    fn note(&self, ask: &Ask, origin: Origin) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.order.len() >= MOST {
            known.forget_oldest();
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

    fn routed(&self, request: RequestId) -> Option<(Option<KeyId>, Routed)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.requests.get(&request)? {
            (key, Origin::Routed(routed)) => Some((*key, routed.clone())),
            _ => None,
        }
    }
}

/// The human text of a request, as far as it is remembered.
fn remembered_text(ask: &Ask) -> Option<String> {
    Some(mask_start(ask.human()?, LONGEST_TEXT))
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
            Origin::Routed(Routed { tier, model, text, .. }) => {
                let (at, key, source) = (self.parts.clock.now(), principal.key, FeedbackSource::Person);
                let feedback =
                    Feedback { request, at, key, model, answered_by: tier, rating, source, right_tier, text };
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

    /// Remembers an answer of a model that the router chose. That it was asked for at all may tell something of the one before.
    pub(crate) async fn note_routed(&self, ask: &Ask, tier: Tier, candidate: &Candidate) {
        let doubted = self.recent.doubted(ask);
        self.recent.note_routed(ask, tier, candidate);
        if let Some(doubted) = doubted {
            self.observe(ask, doubted, Rating::Bad, FeedbackSource::Retry).await;
        }
    }

    /// Keeps what was observed of an answer of the router for its next training, unless the caller wants nothing kept.
    /// A failure of a provider is no such thing: it tells nothing of the tier.
    pub(crate) async fn observe(
        &self,
        ask: &Ask,
        request: RequestId,
        rating: Rating,
        source: FeedbackSource,
    ) {
        if ask.context.cache == CacheDirective::NoStore {
            return;
        }
        let Some((key, Routed { tier, model, text, .. })) = self.recent.routed(request) else { return };
        let (at, right_tier) = (self.parts.clock.now(), None);
        let feedback =
            Feedback { request, at, key, model, answered_by: tier, rating, source, right_tier, text };
        if let Err(error) = self.parts.feedback.put_feedback(feedback).await {
            tracing::warn!(%error, "what was observed of an answer cannot be kept");
        }
    }
}
