//! The attempts at an answer: hold, call, and on failure wait, move on or stop. Once content is out there is no fail-over.

use crate::ask::Ask;
use crate::breaker::{Admission, Failure, blame};
use crate::cache::Asked;
use crate::call::Slot;
use crate::compression::Shape;
use crate::flight::{Flight, Landing, Listener};
use crate::gateway::Gateway;
use crate::hold::OpenCall;
use crate::limits::Permit;
use crate::meter::Reading;
use crate::plan::{Candidate, RoutePlan};
use crate::prompt_cache::{Look, SentPrefix};
use crate::quotas::typical_tokens;
use crate::rounds::{Rounds, Screen};
use crate::tool_selection::Chosen;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use nunchi_core::{
    CacheKey, CacheVerdict, Event, EventSink, Explain, Frame, ModelError, ModelErrorKind, ModelPrice,
    ModelRequest, Note, Outcome, Posture, Reply, ReplyEvent, ReplyInfo, ReplyStream, RetryClass, Served,
    TaskName,
};
use std::sync::Arc;
use std::time::Duration;

/// How often an attempt may fail that is billed all the same, before the request fails.
const MOST_BILLED_FAILURES: u32 = 2;

/// The attempts at one request. Lives in a task of its own, so that a caller who leaves never leaves money unsettled.
pub(crate) struct Pursuit {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) ask: Ask,
    pub(crate) flight: Arc<Flight>,
    pub(crate) key: Option<CacheKey>,
    /// The question, if its answer may be shared.
    pub(crate) asked: Option<Asked>,
    pub(crate) open: Option<OpenCall>,
    /// What the budgets say of the candidate being tried, if those of its provider or model say more.
    pub(crate) scoped: Option<Posture>,
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
    pub(crate) verdict: CacheVerdict,
    pub(crate) posture: Posture,
    _landing: Landing,
    _permit: Permit,
}

/// An answer that has begun.
pub(crate) struct Begun {
    pub(crate) info: ReplyInfo,
    /// Frames up to and including the first with content.
    pub(crate) opening: Vec<Frame>,
    pub(crate) stream: ReplyStream,
}

impl Gateway {
    /// Starts the attempts in a task of their own; tells where their reply is heard. Not an `async fn`: that would keep room for
    /// everything that it is given.
    pub(crate) fn pursue(
        &self,
        ask: Ask,
        mut plan: RoutePlan,
        slot: Slot,
        permit: Permit,
        posture: Posture,
    ) -> Result<Listener, ModelError> {
        let Slot { key, verdict, why, flight, asked, listener, landing } = slot;
        let landing = landing.unwrap_or_else(|| Landing::before_asking(&flight)).asking();
        let Some(gateway) = self.me.upgrade() else {
            return Err(ModelError::new(ModelErrorKind::ShuttingDown, ""));
        };
        if let Some(why) = why {
            plan.reason = format!("{}; {why}", plan.reason);
        }
        let mut pursuit = Box::new(Pursuit {
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
            scoped: None,
            plan,
            verdict,
            posture,
            _landing: landing,
            _permit: permit,
        });
        // Lent, not given: a future keeps room for what it is given twice.
        self.parts.spawn.spawn(TaskName::Call, Box::pin(async move { pursuit.run().await }));
        Ok(listener)
    }

    /// Ends a call for which there is no plan: it is booked, and whoever joined it hears why.
    pub(crate) async fn give_up(&self, ask: &Ask, slot: Slot, error: ModelError) -> ModelError {
        let _landing = slot.landing.map(Landing::asking);
        self.refuse(ask, &error).await;
        if let Some(key) = slot.key {
            self.cache.land(key, &slot.flight);
        }
        slot.flight.begin(Err(error.clone()));
        error
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

impl Pursuit {
    async fn run(&mut self) {
        let flight = Arc::clone(&self.flight);
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
        let mut billed = 0;
        loop {
            gateway.admitted(candidate)?;
            self.allowed(candidate, others)?;
            let request = self.hold(candidate).await?;
            let error = match self.send(candidate, request).await {
                Ok(begun) => return Ok(begun),
                Err(error) => error,
            };
            self.flight.let_go();
            self.fail(candidate, &error).await;
            billed += u32::from(error.may_be_charged() || error.broke_an_answer());
            if billed >= MOST_BILLED_FAILURES {
                return Err(error);
            }
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

    /// The request as it is sent, but for its cap.
    pub(crate) fn outgoing(
        &self,
        candidate: &Candidate,
        price: &ModelPrice,
    ) -> (ModelRequest, Option<SentPrefix>) {
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
        let whole = !self.ask.request.stream
            || self.open.as_ref().is_some_and(|open| open.worst.is_worth_hearing(&open.price));
        if whole && !entry.local {
            self.flight.buy();
        }
        let Reply { mut info, mut stream } = entry.model.call(request, self.ask.context.clone()).await?;
        if let Some(quota) = info.quota {
            self.gateway.quotas.note(candidate, quota, self.gateway.parts.clock.monotonic());
        }
        let mut opening = Vec::with_capacity(1);
        while let Some(frame) = stream.next().await {
            let frame = frame.inspect_err(|_| self.note_opening(&opening))?;
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
            budgets: self.states().to_vec(),
        }));
        Ok(Begun { info, opening, stream })
    }

    /// What an answer reported that then broke off before its first content.
    fn note_opening(&mut self, opening: &[Frame]) {
        if let Some(open) = &mut self.open {
            open.reported = Reading::of(opening).usage();
        }
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
