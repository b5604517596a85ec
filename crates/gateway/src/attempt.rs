//! The attempts at an answer: hold, call, and on failure wait, move on or stop. Once content is out there is no fail-over.

use crate::breaker::{Admission, Failure, blame};
use crate::cache::Asked;
use crate::call::{Ask, Slot};
use crate::compression::Shape;
use crate::flight::{Flight, Landing, Listener};
use crate::gateway::Gateway;
use crate::limits::Permit;
use crate::plan::{Candidate, RoutePlan};
use crate::prices::free_price;
use crate::prompt_cache::{Look, SentPrefix};
use crate::quotas::typical_tokens;
use crate::rounds::{Rounds, Screen};
use crate::tokens;
use crate::tool_selection::Chosen;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use nunchi_core::{
    CacheKey, CacheVerdict, CallRecord, Event, EventSink, Explain, Frame, HoldError, HoldRequest, ModelError,
    ModelErrorKind, ModelPrice, ModelRequest, NanoUsd, Note, Outcome, Posture, Reply, ReplyEvent, ReplyInfo,
    ReplyStream, RetryClass, Served, SpendScope, TaskName, prompt_token_bound, upper_bound,
};
use std::sync::Arc;
use std::time::Duration;

/// The smallest output cap that is still worth asking for when a budget is nearly spent, in tokens.
const SMALLEST_CAP: u64 = 256;

/// The attempts at one request. Lives in a task of its own, so that a caller who leaves never leaves money unsettled.
pub(crate) struct Pursuit {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) ask: Ask,
    pub(crate) flight: Arc<Flight>,
    pub(crate) key: Option<CacheKey>,
    /// The question, if its answer may be shared.
    pub(crate) asked: Option<Asked>,
    pub(crate) open: Option<OpenCall>,
    /// What was noticed of the prompt, if a provider may cache it.
    pub(crate) look: Option<Look>,
    /// The beginning of the prompt that was sent last.
    pub(crate) prefix: Option<SentPrefix>,
    /// The tools to send, if not all.
    pub(crate) chosen: Option<Chosen>,
    /// How the request is sent, if not as it came.
    pub(crate) shape: Option<Shape>,
    /// Keeps from the caller what is not for him, if the model was given tools that the gateway answers itself.
    pub(crate) screen: Option<Screen>,
    /// The answers given to such tools.
    pub(crate) rounds: Rounds,
    /// Who answers.
    pub(crate) answering: Option<Candidate>,
    /// The cap on the whole answer, in tokens.
    pub(crate) cap: u64,
    pub(crate) plan: RoutePlan,
    verdict: CacheVerdict,
    posture: Posture,
    _permit: Permit,
}

/// An attempt that holds money.
pub(crate) struct OpenCall {
    pub(crate) record: CallRecord,
    pub(crate) held: NanoUsd,
    pub(crate) price: Arc<ModelPrice>,
    pub(crate) since: Duration,
    /// Whether the budget shortened the answer, which then is nobody else's answer.
    pub(crate) shortened: bool,
}

/// An answer that has begun.
pub(crate) struct Begun {
    pub(crate) info: ReplyInfo,
    /// Frames up to and including the first with content.
    pub(crate) opening: Vec<Frame>,
    pub(crate) stream: ReplyStream,
}

impl Gateway {
    /// Starts the attempts in a task of their own and waits for the head of the reply.
    pub(crate) async fn attempt(
        &self,
        ask: Ask,
        planned: Result<RoutePlan, ModelError>,
        slot: Slot,
        permit: Permit,
        posture: Posture,
    ) -> Result<Reply, ModelError> {
        let Slot { key, verdict, why, flight, asked, listener } = slot;
        let Some(gateway) = self.me.upgrade() else {
            return Err(ModelError::new(ModelErrorKind::ShuttingDown, ""));
        };
        let mut plan = match planned {
            Ok(plan) => plan,
            Err(error) => {
                self.refuse(&ask, &error).await;
                if let Some(key) = key {
                    self.cache.land(key, &flight);
                }
                flight.begin(Err(error.clone()));
                return Err(error);
            }
        };
        if let Some(why) = why {
            plan.reason = format!("{}; {why}", plan.reason);
        }
        let mut pursuit = Pursuit {
            gateway,
            ask,
            flight,
            key,
            asked,
            look: None,
            prefix: None,
            chosen: None,
            shape: None,
            screen: None,
            rounds: Rounds::default(),
            answering: None,
            cap: 0,
            open: None,
            plan,
            verdict,
            posture,
            _permit: permit,
        };
        // Lent, not given: a future keeps room for what it is given twice.
        self.parts.spawn.spawn(TaskName::Call, Box::pin(async move { pursuit.run().await }));
        hear(listener).await
    }

    /// Books a refusal by a budget, so that the owner sees what was not done.
    pub(crate) async fn refuse(&self, ask: &Ask, error: &ModelError) {
        if matches!(error.kind, ModelErrorKind::BudgetRefused(_)) {
            let mut record = self.blank_record(ask, "-", "-");
            record.outcome = Outcome::Refused;
            record.error_code = Some(error.code().to_owned());
            record.latency_us = self.micros_since(ask.since);
            self.book(record).await;
        }
    }
}

async fn hear(listener: Listener) -> Result<Reply, ModelError> {
    let info = listener.head().await?;
    Ok(Reply { info, stream: Box::pin(listener) })
}

impl Pursuit {
    async fn run(&mut self) {
        let flight = Arc::clone(&self.flight);
        let _landing = Landing(Arc::clone(&flight));
        let begun = tokio::select! {
            // In a block of its own, which is given back once the answer begins.
            begun = Box::pin(self.begin()) => Some(begun),
            () = flight.abandoned() => None,
        };
        match begun {
            Some(Ok(begun)) => self.meter(begun).await,
            Some(Err(error)) => {
                self.gateway.refuse(&self.ask, &error).await;
                self.land();
                flight.begin(Err(error));
            }
            None => {
                self.land();
                self.abandon().await;
            }
        }
    }

    /// From now on the same question is a new call.
    pub(crate) fn land(&self) {
        if let Some(key) = self.key {
            self.gateway.cache.land(key, &self.flight);
        }
    }

    /// Tries the candidates in order until one begins to answer.
    async fn begin(&mut self) -> Result<Begun, ModelError> {
        let candidates = std::mem::take(&mut self.plan.candidates);
        self.look = self.gateway.prompt_cache.look(&self.ask);
        self.chosen = self.gateway.choose_tools(&self.ask, candidates.first()).await;
        self.shape = self.gateway.shape(&self.ask, candidates.first(), self.chosen.as_ref()).await;
        if let Some(cheap) = self.plan.cheap_first.take()
            && let Some(begun) = self.begin_cheap(&cheap).await
        {
            return Ok(begun);
        }
        let mut last: Option<ModelError> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let others = index + 1 < candidates.len();
            match self.try_candidate(candidate, others).await {
                Ok(begun) => return Ok(begun),
                Err(error) => {
                    if !moves_on(&error) {
                        return Err(error);
                    }
                    let fell = format!("; {} failed: {}", candidate.full_name(), error.code());
                    self.plan.reason.push_str(&fell);
                    last = Some(more_telling(last, error));
                }
            }
        }
        Err(last.unwrap_or_else(|| ModelError::new(ModelErrorKind::NoCandidate, "")))
    }

    pub(crate) async fn try_candidate(
        &mut self,
        candidate: &Candidate,
        others: bool,
    ) -> Result<Begun, ModelError> {
        let gateway = Arc::clone(&self.gateway);
        let retry = &gateway.settings.retry;
        let mut backoff = ExponentialBuilder::default().with_min_delay(retry.first_pause).with_factor(2.0);
        if retry.jitter {
            backoff = backoff.with_jitter();
        }
        let mut pauses = backoff.with_max_times(retry.attempts.saturating_sub(1) as usize).build();
        loop {
            gateway.admitted(candidate)?;
            let request = self.hold(candidate).await?;
            let error = match self.send(candidate, request).await {
                Ok(begun) => return Ok(begun),
                Err(error) => error,
            };
            self.fail(candidate, &error).await;
            if self.sends_as_it_came(&error) {
                continue;
            }
            let Some(pause) = pause_before_retry(&error, others, retry.longest_wait, &mut pauses) else {
                return Err(error);
            };
            tracing::info!(candidate = candidate.full_name(), code = error.code(), ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    /// A provider that refuses what we made of a request gets it as it came.
    fn sends_as_it_came(&mut self, error: &ModelError) -> bool {
        let refused = matches!(error.kind, ModelErrorKind::InvalidRequest | ModelErrorKind::Unsupported);
        let shaped = self.shape.as_ref().is_some_and(Shape::changes_anything);
        if refused && self.prefix.is_some_and(|prefix| prefix.daring) {
            (self.look, self.prefix) = (None, None);
            return true;
        }
        if !refused || !shaped || self.rounds.made > 0 {
            return false;
        }
        let what = format!("refused by the provider ({}): sent as it came", error.code());
        let plain = Shape::as_it_came(self.shape.as_ref(), Note { field: "compress".into(), what });
        (self.shape, self.screen) = (Some(plain), None);
        true
    }

    /// Reserves the worst case of one attempt; returns the request as it will be sent.
    async fn hold(&mut self, candidate: &Candidate) -> Result<ModelRequest, ModelError> {
        let price = self.gateway.price_of(candidate)?;
        let (outgoing, prefix) = self.outgoing(candidate, &price);
        self.prefix = prefix;
        let (cap, bound, shortened) = self.terms(&price, &outgoing);
        let mut open = self
            .gateway
            .hold_call(&self.ask, candidate, (bound, cap), |record| {
                record.tier = self.plan.tier;
                record.reason.clone_from(&self.plan.reason);
                record.cache = self.verdict;
            })
            .await?;
        open.shortened = shortened;
        self.open = Some(open);
        self.cap = self.cap.max(cap);
        let mut request = outgoing;
        request.max_output_tokens = Some(cap);
        Ok(request)
    }

    /// The output cap, the bound on the prompt's tokens, and whether a tight budget shortened the cap.
    fn terms(&self, price: &ModelPrice, outgoing: &ModelRequest) -> (u64, u64, bool) {
        let request = &self.ask.request;
        let ceiling = price.max_output.unwrap_or(u64::MAX);
        let cap = request.max_output_tokens.unwrap_or(self.gateway.settings.default_max_output.min(ceiling));
        let cap = cap.saturating_sub(self.rounds.usage.completion_tokens()).max(1);
        let bound = match &outgoing.changes {
            Some(_) => prompt_token_bound(outgoing),
            None => self.ask.prompt_bound,
        };
        let left =
            self.posture.states.iter().filter(|state| matches!(state.limit, nunchi_core::Amount::Money(_)));
        let Some(left) = left.map(nunchi_core::BudgetState::remaining_units).min() else {
            return (cap, bound, false);
        };
        let worst = |bound: u64, cap: u64| upper_bound(price, bound, cap, request.choices).0;
        if worst(bound, cap) <= left {
            return (cap, bound, false);
        }
        // Near the limit the exact count is worth its time; other vocabularies than o200k need at most about twice as many.
        let bound = bound.min(tokens::count_prompt(outgoing).saturating_mul(2) + 600);
        let mut affordable = cap;
        while request.max_output_tokens.is_none()
            && affordable > SMALLEST_CAP
            && worst(bound, affordable) > left
        {
            affordable = (affordable / 2).max(SMALLEST_CAP);
        }
        (affordable, bound, affordable < cap)
    }

    /// The request as it is sent, but for its cap.
    fn outgoing(&self, candidate: &Candidate, price: &ModelPrice) -> (ModelRequest, Option<SentPrefix>) {
        let mut request = self.ask.request.clone();
        request.model.clone_from(&candidate.model);
        if let Some(chosen) = &self.chosen {
            chosen.apply(&mut request);
        }
        if let Some(shape) = &self.shape {
            shape.apply(&mut request);
        }
        let dialect = self.gateway.parts.providers[candidate.entry].dialect;
        let cache = &self.gateway.prompt_cache;
        let prefix = self.look.map(|look| cache.mark(look, &mut request, (dialect, price)));
        (request, prefix)
    }

    /// Calls the provider and waits for the first content.
    async fn send(&mut self, candidate: &Candidate, request: ModelRequest) -> Result<Begun, ModelError> {
        let entry = &self.gateway.parts.providers[candidate.entry];
        self.gateway.quotas.take(candidate, typical_tokens(self.ask.prompt_bound));
        let Reply { mut info, mut stream } = entry.model.call(request, self.ask.context.clone()).await?;
        if let Some(quota) = info.quota {
            self.gateway.quotas.note(candidate, quota, self.gateway.parts.clock.monotonic());
        }
        let mut opening = Vec::with_capacity(1);
        while let Some(frame) = stream.next().await.transpose()? {
            let content = frame.events.iter().any(is_content);
            opening.push(frame);
            if content {
                break;
            }
        }
        if self.gateway.breakers.succeeded(&candidate.provider, &candidate.model) {
            self.gateway.tell_breaker(candidate.provider.clone(), candidate.model.clone(), false);
        }
        self.gateway.note_answering(&self.ask, self.plan.tier, candidate);
        if let Some(tier) = self.plan.tier.filter(|_| self.gateway.chooses_tier(&self.ask.request)) {
            self.gateway.note_routed(&self.ask, tier, candidate).await;
        }
        info.provider.clone_from(&candidate.provider);
        info.model.clone_from(&candidate.model);
        info.tier = self.plan.tier;
        self.answering = Some(candidate.clone());
        if let Some(chosen) = &self.chosen {
            info.notes.push(Note { field: "tools".into(), what: chosen.note() });
        }
        if let Some(shape) = &self.shape {
            info.context = shape.context;
            info.notes.extend(shape.notes.iter().cloned());
            if self.screen.is_none() && !shape.hidden.is_empty() {
                self.screen = Some(Screen::new(shape.hidden.clone(), self.ask.request.stream));
            }
        }
        if self.open.as_ref().is_some_and(|open| open.shortened) {
            let what = "shortened to what the budget still allows".to_owned();
            info.notes.push(Note { field: "max_output_tokens".into(), what });
        }
        info.served = Some(Arc::new(Served {
            request: self.ask.context.request,
            cache: self.verdict,
            reason: self.plan.reason.clone(),
            budgets: self.posture.states.clone(),
        }));
        Ok(Begun { info, opening, stream })
    }

    /// Books a failed attempt and blames whom it concerns.
    pub(crate) async fn fail(&mut self, candidate: &Candidate, error: &ModelError) {
        let gateway = Arc::clone(&self.gateway);
        let failure = Failure { code: error.code(), blame: blame(&error.kind, error.retry_after) };
        if gateway.breakers.failed(
            &candidate.provider,
            &candidate.model,
            &failure,
            gateway.parts.clock.monotonic(),
        ) {
            gateway.tell_breaker(candidate.provider.clone(), candidate.model.clone(), true);
        }
        if let Some(open) = self.open.take() {
            gateway.book_failure(open, error, &self.ask.request).await;
        }
    }
}

impl Gateway {
    /// Reserves the worst case of a call with at most so many prompt and output tokens; durable when this returns.
    pub(crate) async fn hold_call(
        &self,
        ask: &Ask,
        candidate: &Candidate,
        (bound, cap): (u64, u64),
        describe: impl FnOnce(&mut CallRecord),
    ) -> Result<OpenCall, ModelError> {
        let price = self.price_of(candidate)?;
        let held = upper_bound(&price, bound, cap, ask.request.choices);
        let mut record = self.blank_record(ask, &candidate.provider, &candidate.model);
        describe(&mut record);
        let request = HoldRequest {
            call: record.id,
            scope: SpendScope::of(&ask.context, &candidate.provider, &candidate.model),
            money: held,
            tokens: bound.saturating_add(cap.saturating_mul(u64::from(ask.request.choices))),
            at: self.parts.clock.now(),
            patience: self.settings.hold_patience,
            if_lost: Box::new(record.clone()),
            outlives: ask.job.is_some(),
        };
        self.parts.ledger.hold(request).await.map_err(|error| match error {
            HoldError::Refused(refusal) => {
                let name = format!("\"{}\"", refusal.state.name);
                ModelError::new(ModelErrorKind::BudgetRefused(refusal), name)
            }
            HoldError::Storage(error) => ModelError::new(ModelErrorKind::Storage, error.to_string()),
        })?;
        Ok(OpenCall { record, held, price, since: self.parts.clock.monotonic(), shortened: false })
    }

    pub(crate) fn price_of(&self, candidate: &Candidate) -> Result<Arc<ModelPrice>, ModelError> {
        let entry = &self.parts.providers[candidate.entry];
        match self.prices.get(&entry.price_from, &candidate.model) {
            Some(price) => Ok(price),
            None if entry.local => Ok(Arc::new(free_price(&candidate.provider, &candidate.model))),
            None => Err(ModelError::new(ModelErrorKind::NoPrice, format!("`{}`", candidate.full_name()))),
        }
    }

    fn admitted(&self, candidate: &Candidate) -> Result<(), ModelError> {
        match self.breakers.admit(&candidate.provider, &candidate.model, self.parts.clock.monotonic()) {
            Admission::Go => Ok(()),
            Admission::Wait(wait) => Err(ModelError {
                retry_after: Some(wait),
                ..ModelError::new(
                    ModelErrorKind::NoCandidate,
                    format!("`{}` is resting after failures", candidate.full_name()),
                )
            }),
        }
    }

    pub(crate) fn tell_breaker(&self, provider: String, model: String, open: bool) {
        tracing::warn!(provider, model, open, "circuit breaker");
        self.feed.emit(Event::Breaker { provider, model, open });
    }
}

/// Whether an event is part of the answer: from then on the client has something that cannot be taken back.
fn is_content(event: &ReplyEvent) -> bool {
    !matches!(event, ReplyEvent::Start { .. } | ReplyEvent::Choice(_) | ReplyEvent::Usage { .. })
}

/// Whether another candidate may do better.
fn moves_on(error: &ModelError) -> bool {
    use ModelErrorKind as K;
    error.retry_class() != RetryClass::Stop
        || matches!(error.kind, K::BudgetRefused(_) | K::NoCandidate | K::MidStream | K::Cut)
}

/// Of two failures the one that tells the caller more: an upstream's word beats a breaker's.
fn more_telling(first: Option<ModelError>, second: ModelError) -> ModelError {
    match first {
        Some(first) if matches!(second.kind, ModelErrorKind::NoCandidate) => first,
        Some(first) if matches!(first.kind, ModelErrorKind::BudgetRefused(_)) => first,
        _ => second,
    }
}

/// How long to wait before the same candidate is tried again; `None` when it is not.
fn pause_before_retry(
    error: &ModelError,
    others: bool,
    longest_wait: Duration,
    pauses: &mut impl Iterator<Item = Duration>,
) -> Option<Duration> {
    use ModelErrorKind as K;
    let worth_it = match error.kind {
        K::RateLimited => {
            error.retry_after.is_none_or(|wait| wait <= longest_wait)
                && !(others && error.retry_after.is_none())
        }
        K::Unreachable => !others,
        K::Cut | K::MidStream => true,
        _ => error.retry_class() == RetryClass::Again,
    };
    let pause = if worth_it { pauses.next()? } else { return None };
    Some(error.retry_after.filter(|wait| *wait <= longest_wait).unwrap_or(pause))
}
