//! The call path, as a list: limit, recall, plan, attempt. A reply that comes back is already being metered.

use crate::ask::Ask;
use crate::cache::{Asked, Shared, Stored, replay};
use crate::flight::{Flight, Landing, Listener};
use crate::gateway::Gateway;
use crate::limits::Permit;
use crate::plan::{Candidate, Judgement, RoutePlan, may_use};
use crate::prices::baseline_cost;
use crate::quotas::typical_tokens;
use futures_util::StreamExt;
use nunchi_core::{
    BoxFuture, CacheDirective, CacheKey, CacheVerdict, CallContext, CallId, CallRecord, CallSummary, Event,
    EventSink, Explain, Frame, Model, ModelError, ModelErrorKind, ModelRequest, NanoUsd, Outcome, Reply,
    ReplyEvent, ReplyInfo, Saved, Served, ServiceTier, Settlement, SpendScope, TaskName, Usage,
    asked_service_tier, exact_key, live_word, mask_start,
};
use nunchi_saving::{Freshness, freshness};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Why an answer was free that was not stored.
const JOINED: &str = "joined the same question under way";
/// Characters of a question shown in a reason.
const PREVIEW_CHARS: usize = 60;

/// Where the answer of a miss goes.
pub(crate) struct Slot {
    /// The key to store the answer under, if it may be stored.
    pub(crate) key: Option<CacheKey>,
    pub(crate) verdict: CacheVerdict,
    /// Why the cache was not asked, if it was not.
    pub(crate) why: Option<String>,
    pub(crate) flight: Arc<Flight>,
    /// The question, if its answer may be shared with others that mean the same.
    pub(crate) asked: Option<Asked>,
    /// The caller's own ear; made first, so that the call never looks abandoned.
    pub(crate) listener: Listener,
    /// Ends the flight for those who joined it, whatever becomes of this call.
    pub(crate) landing: Option<Landing>,
}

enum Recall {
    Hit(Reply),
    Miss(Slot),
}

impl Model for Gateway {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        Box::pin(self.serve_ask(self.estimate(request, context)))
    }
}

impl Gateway {
    /// One model call, paid for.
    pub(crate) async fn serve_ask(&self, ask: Ask) -> Result<Reply, ModelError> {
        let permit = self.limit(&ask)?;
        let mut slot = match self.recall(&ask).await? {
            Recall::Hit(reply) => return Ok(reply),
            Recall::Miss(slot) => slot,
        };
        let posture = self.parts.ledger.posture(&SpendScope::of(&ask.context, "", ""), ask.started);
        let judged = self.judge(&ask, slot.asked.as_ref()).await;
        let opinion = self.tier_opinion(&ask, judged.as_ref()).await;
        let judgement = Judgement { route: judged.as_ref(), opinion: opinion.as_ref() };
        let planned = self.plan(&ask, &posture, judgement);
        let planned = planned.map(|plan| self.spare_quotas(plan, ask.prompt_bound));
        let planned = planned.map(|plan| self.stay(&ask, plan, &posture, judged.as_ref()));
        let planned = planned.map(|plan| RoutePlan {
            cheap_first: self.cheap_first(&ask, &plan, &posture, judged.as_ref()),
            ..plan
        });
        if self.is_patient(&ask) {
            if let Ok(plan) = &planned
                && let Some(reply) = self.defer(&ask, plan, &slot).await?
            {
                return Ok(reply);
            }
            slot = match self.join_or_lead(&ask, slot).await? {
                Recall::Hit(reply) => return Ok(reply),
                Recall::Miss(slot) => slot,
            };
        }
        let plan = match planned {
            Ok(plan) => plan,
            Err(error) => return Err(self.give_up(&ask, slot, error).await),
        };
        let listener = self.pursue(ask, plan, slot, permit, posture)?;
        let info = listener.head().await?;
        Ok(Reply { info, stream: Box::pin(listener) })
    }

    pub(crate) fn estimate(&self, request: ModelRequest, context: CallContext) -> Ask {
        let clock = &self.parts.clock;
        Ask::new(request, context, (clock.now(), clock.monotonic()))
    }

    pub(crate) fn limit(&self, ask: &Ask) -> Result<Permit, ModelError> {
        // Limits count tokens as a reader would, not by the bound that keeps budgets safe.
        let tokens = typical_tokens(ask.prompt_bound) + ask.request.max_output_tokens.unwrap_or(0);
        self.limits.admit(&ask.context.principal, ask.since, tokens, self.settings.limits.chat_per_minute)
    }

    /// Looks the question up; a hit ends here, and so does joining the same question already under way.
    async fn recall(&self, ask: &Ask) -> Result<Recall, ModelError> {
        let directive = ask.context.cache;
        if let Some(why) = self.bypass_reason(ask) {
            self.cache.note_bypass();
            return if directive == CacheDirective::OnlyIfCached {
                Err(ModelError::new(ModelErrorKind::NotCached, why))
            } else {
                Ok(Recall::Miss(Slot::new(ask, None, CacheVerdict::Bypass, Some(why))))
            };
        }
        let cache = &self.settings.cache;
        let key = exact_key(&ask.request, &ask.context, cache.scope, &self.routes().version, cache.fold_case);
        if directive == CacheDirective::NoCache {
            self.cache.note_bypass();
            let why = Some("the caller wants a fresh answer".into());
            let asked = self.read_question(ask).await;
            return Ok(Recall::Miss(Slot { asked, ..Slot::new(ask, Some(key), CacheVerdict::Bypass, why) }));
        }
        if let Some(stored) = self.cache.lookup(key).await
            && may_use(&ask.context.principal, &Candidate::of_stored(&stored), &ask.request.model)
        {
            return Ok(Recall::Hit(self.serve_stored(ask, (key, &stored), None).await));
        }
        let mut asked = self.read_question(ask).await;
        if let Some(reply) = self.recall_similar(ask, asked.as_mut()).await {
            return Ok(Recall::Hit(reply));
        }
        if directive == CacheDirective::OnlyIfCached {
            return Err(ModelError::new(ModelErrorKind::NotCached, ""));
        }
        let checks =
            asked.as_ref().and_then(|asked| asked.audit.as_ref()).is_some_and(|audit| audit.servable);
        let verdict = if checks { CacheVerdict::Audit } else { CacheVerdict::Miss };
        let slot = Slot { asked, ..Slot::new(ask, Some(key), verdict, None) };
        // What can wait never makes those wait who cannot.
        if self.is_patient(ask) { Ok(Recall::Miss(slot)) } else { self.join_or_lead(ask, slot).await }
    }

    /// The question with its meaning, if its answer may be shared.
    async fn read_question(&self, ask: &Ask) -> Option<Asked> {
        let semantic = self.cache.semantic.as_ref()?;
        let (scope, routes) = (self.settings.cache.scope, self.routes());
        semantic.read(&ask.request, &ask.context, (scope, &routes.version)).await
    }

    /// Looks for a question that means the same.
    async fn recall_similar(&self, ask: &Ask, asked: Option<&mut Asked>) -> Option<Reply> {
        let semantic = self.cache.semantic.as_ref()?;
        let asked = asked?;
        let only_if_cached = ask.context.cache == CacheDirective::OnlyIfCached;
        let shared = semantic.find(asked, only_if_cached).await?;
        let Some(stored) = self.cache.peek(shared.key).await else {
            semantic.drop_question(asked.kin, shared.key);
            return None;
        };
        // What holds for a day as the answer to that question may be too old for this one.
        let young = freshness(&asked.text).holds(ask.started.duration_since(stored.created));
        if !young || !may_use(&ask.context.principal, &Candidate::of_stored(&stored), &ask.request.model) {
            return None;
        }
        semantic.note_hit();
        self.cache.touch(shared.key);
        Some(self.serve_stored(ask, (shared.key, &stored), Some(&shared)).await)
    }

    /// Why the cache must not be asked, if so.
    pub(crate) fn bypass_reason(&self, ask: &Ask) -> Option<String> {
        if !self.settings.cache.enabled {
            return Some("the cache is off".into());
        }
        if ask.context.cache == CacheDirective::NoStore {
            return Some("the caller said no-store".into());
        }
        // A live word alone may stand for hours: "the latest version of Rust".
        if ask.freshness() != Freshness::Never {
            return None;
        }
        let word = live_word(ask.human()?)?;
        Some(format!("live question: {word}"))
    }

    /// Joins the same question under way, or becomes the one to join, unless the cache is passed by.
    async fn join_or_lead(&self, ask: &Ask, slot: Slot) -> Result<Recall, ModelError> {
        let Some(key) = slot.key.filter(|_| slot.verdict != CacheVerdict::Bypass) else {
            return Ok(Recall::Miss(slot));
        };
        let Some(listener) = self.cache.join_or_lead(key, &slot.flight) else {
            // Whoever joins hears an end, even if we never come to ask a model.
            let landing = Some(Landing::before_asking(&slot.flight));
            return Ok(Recall::Miss(Slot { landing, ..slot }));
        };
        match listener.head().await {
            Ok(info) if !may_use(&ask.context.principal, &Candidate::of_reply(&info), &ask.request.model) => {
                Ok(Recall::Miss(slot))
            }
            Ok(info) => Ok(Recall::Hit(self.follow(ask, info, listener))),
            // The leader's own limits are not ours.
            Err(error) if is_personal(&error.kind) => Ok(Recall::Miss(slot)),
            Err(error) => {
                let record = self.hit_record(ask, &ReplyInfo::default(), JOINED, NanoUsd::ZERO);
                self.book(failed(record, &error)).await;
                Err(error)
            }
        }
    }

    /// Answers from the cache: free, booked as saved.
    pub(crate) async fn serve_stored(
        &self,
        ask: &Ask,
        (key, stored): (CacheKey, &Stored),
        shared: Option<&Shared>,
    ) -> Reply {
        self.recent.note_stored(ask, key, shared.map(|shared| shared.probability));
        let saved = self.baseline(&stored.usage, asked_service_tier(&ask.request)).unwrap_or(stored.cost);
        let info = ReplyInfo {
            provider: stored.provider.clone(),
            model: stored.model.clone(),
            ..ReplyInfo::default()
        };
        let mut reason = format!("stored {}", stored.created.strftime("%Y-%m-%d %H:%M UTC"));
        let verdict = if shared.is_some() { CacheVerdict::Semantic } else { CacheVerdict::Exact };
        if let Some(shared) = shared {
            let (percent, text) = (shared.probability * 100.0, mask_start(&shared.text, PREVIEW_CHARS));
            reason = format!("like \"{text}\", {percent:.1} % sure; {reason}");
        }
        let record = CallRecord { cache: verdict, ..self.hit_record(ask, &info, &reason, saved) };
        let summary = record.summary();
        self.book(record).await;
        let stream =
            replay(stored, ask.request.stream, Arc::new(CallSummary { usage: stored.usage, ..summary }));
        Reply { info: self.hit_info(ask, info, reason, verdict), stream }
    }

    /// Hears another caller's identical question being answered.
    pub(crate) fn follow(&self, ask: &Ask, info: ReplyInfo, listener: Listener) -> Reply {
        let reason = JOINED.to_owned();
        let (me, record) = (self.me.clone(), self.hit_record(ask, &info, &reason, NanoUsd::ZERO));
        let mut record = Some(record);
        let same_shape = listener.streamed() == ask.request.stream;
        let book = move |me: &Weak<Self>, record: CallRecord| {
            let Some(gateway) = me.upgrade() else { return };
            let spawn = Arc::clone(&gateway.parts.spawn);
            spawn.spawn(TaskName::Call, Box::pin(async move { gateway.book(record).await }));
        };
        let stream = listener.map(move |item| {
            let mut frame = item.inspect_err(|error| {
                if let Some(record) = record.take() {
                    book(&me, failed(record, error));
                }
            })?;
            frame.raw = frame.raw.filter(|_| same_shape);
            for event in &mut frame.events {
                let ReplyEvent::Settled(leader) = event else { continue };
                let Some(mut record) = record.take() else { continue };
                record.baseline_cost = leader.cost + leader.saved;
                *event =
                    ReplyEvent::Settled(Arc::new(CallSummary { usage: leader.usage, ..record.summary() }));
                book(&me, record);
            }
            Ok::<Frame, ModelError>(frame)
        });
        Reply { info: self.hit_info(ask, info, reason, CacheVerdict::Exact), stream: Box::pin(stream) }
    }

    fn hit_info(&self, ask: &Ask, info: ReplyInfo, reason: String, cache: CacheVerdict) -> ReplyInfo {
        let budgets = self.parts.ledger.posture(&SpendScope::of(&ask.context, "", ""), ask.started).states;
        let served = Served { request: ask.context.request, cache, reason, budgets };
        ReplyInfo { served: Some(Arc::new(served)), ..info }
    }

    fn hit_record(&self, ask: &Ask, info: &ReplyInfo, reason: &str, saved: NanoUsd) -> CallRecord {
        let mut record = self.blank_record(ask, &info.provider, &info.model);
        record.cache = CacheVerdict::Exact;
        record.reason = reason.to_owned();
        record.baseline_cost = saved;
        record.latency_us = self.micros_since(ask.since);
        record.first_event_us = Some(record.latency_us);
        record
    }

    /// A row with everything that is known before an answer.
    pub(crate) fn blank_record(&self, ask: &Ask, provider: &str, model: &str) -> CallRecord {
        let context = &ask.context;
        CallRecord {
            id: CallId(self.parts.ids.new_id()),
            request: context.request,
            started: ask.started,
            latency_us: 0,
            first_event_us: None,
            provider: provider.to_owned(),
            model: model.to_owned(),
            requested_model: ask.request.model.clone(),
            tier: None,
            reason: String::new(),
            cache: CacheVerdict::Miss,
            outcome: Outcome::Ok,
            error_code: None,
            usage: Usage::default(),
            usage_estimated: false,
            batch: false,
            cost: NanoUsd::ZERO,
            baseline_cost: NanoUsd::ZERO,
            saved: Saved::default(),
            price_version: self.prices.version().as_ref().to_owned(),
            principal: context.principal.name.as_ref().to_owned(),
            key: context.principal.key,
            user: context.principal.user,
            session: context.session.clone(),
            run: context.run,
            step: context.step,
            phase: context.phase.clone(),
            task: context.task.clone(),
            tags: Arc::clone(&context.tags),
            notes: Vec::new(),
        }
    }

    /// Books a row and tells whoever watches. A ledger that cannot be written keeps the row and tries again by itself.
    pub(crate) async fn book(&self, record: CallRecord) {
        match self.parts.ledger.settle(Settlement { record: record.clone() }).await {
            Ok(notices) => notices.into_iter().for_each(|notice| {
                tracing::warn!(
                    budget = notice.state.name,
                    percent = notice.threshold.percent,
                    "a budget reached a threshold"
                );
                self.feed.emit(Event::BudgetThreshold(Arc::new(notice)));
            }),
            Err(error) => tracing::error!(%error, call = %record.id, "the ledger cannot be written"),
        }
        self.counters.count(&record);
        self.feed.emit(Event::CallFinished(Arc::new(record)));
    }

    /// What the tokens would cost on the baseline model, if there is one with a price.
    pub(crate) fn baseline(&self, usage: &Usage, tier: ServiceTier) -> Option<NanoUsd> {
        let (provider, model) = self.settings.baseline.as_ref()?.split_once('/')?;
        // The baseline need not be a model that can be asked: then its provider's name is the price list's.
        let entry = self.parts.providers.iter().find(|entry| entry.name == provider);
        let price_from = entry.map_or(provider, |entry| &entry.price_from);
        self.prices.get(price_from, model).map(|price| baseline_cost(&price, usage, tier))
    }

    pub(crate) fn micros_since(&self, since: Duration) -> u64 {
        u64::try_from(self.parts.clock.monotonic().saturating_sub(since).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Slot {
    fn new(ask: &Ask, key: Option<CacheKey>, verdict: CacheVerdict, why: Option<String>) -> Self {
        let flight = Arc::new(Flight::new(ask.request.stream));
        let listener = flight.listen();
        Self { key, verdict, why, flight, asked: None, listener, landing: None }
    }
}

impl Candidate {
    pub(crate) fn of_stored(stored: &Stored) -> Self {
        Self::answered(&stored.provider, &stored.model)
    }

    fn of_reply(info: &ReplyInfo) -> Self {
        Self::answered(&info.provider, &info.model)
    }

    /// Whoever gave an answer that is there already.
    fn answered(provider: &str, model: &str) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), local: false, entry: usize::MAX }
    }
}

/// The row of one who joined an answer that failed: free, but seen.
fn failed(record: CallRecord, error: &ModelError) -> CallRecord {
    CallRecord { outcome: Outcome::Failed, error_code: Some(error.code().to_owned()), ..record }
}

/// Whether a failure concerns only the caller it happened to.
fn is_personal(kind: &ModelErrorKind) -> bool {
    use ModelErrorKind as K;
    matches!(kind, K::BudgetRefused(_) | K::LimitExceeded | K::ModelNotAllowed | K::ClientGone)
}
