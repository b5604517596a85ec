//! How requests become jobs: single calls that can wait, calls whose caller comes back later, and lines of callers' batches.

use super::Runner;
use crate::ask::Ask;
use crate::call::Slot;
use crate::flight::Flight;
use crate::gateway::Gateway;
use crate::hold::Worst;
use crate::plan::{Candidate, Judgement, RoutePlan};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    BatchTerms, CacheDirective, CacheKey, CacheVerdict, CallContext, CallId, Job, JobAnswer, JobHead,
    JobPlace, JobState, KeyId, ModelError, ModelErrorKind, ModelRequest, Note, Reply, ReplyInfo, Served,
    ServiceTier, SpendScope, StorageError, StoredBatch, StoredJob, TaskName, exact_key,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A line of a caller's batch: a request, or why it is none.
#[derive(Debug)]
pub struct BatchLine {
    /// Its place.
    pub place: JobPlace,
    /// Everything about the call but what is asked.
    pub context: CallContext,
    /// What is asked.
    pub asked: Result<ModelRequest, ModelError>,
}

/// A batch that is being taken in. What was taken in is dropped at the next start unless the intake was finished.
pub struct BatchIntake {
    runner: Runner,
    batch: StoredBatch,
    heads: Vec<(JobHead, Option<usize>)>,
}

/// A job that is not stored yet.
struct Planned {
    job: Job,
    lane: Option<usize>,
    /// Set when it is over before it began.
    answer: Option<JobAnswer>,
}

impl Planned {
    fn head(&self) -> JobHead {
        let job = &self.job;
        JobHead {
            id: job.id,
            place: job.place.clone(),
            owner: job.owner(),
            created: job.created,
            deadline: job.deadline,
            key: job.key,
            provider: job.terms.as_ref().map(|terms| terms.record.provider.clone()),
            state: JobState::Queued,
            bytes: bytes_of(&job.request),
        }
    }
}

/// Bytes that a request will take on the wire, roughly.
fn bytes_of(request: &ModelRequest) -> usize {
    let whole = || serde_json::to_vec(request).map_or(0, |bytes| bytes.len());
    request.origin.as_ref().map_or_else(whole, |origin| origin.body.len()) + 512
}

impl Gateway {
    /// Begins to take a caller's batch in.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] where there is no place for jobs; else what the store says.
    pub async fn begin_batch(&self, batch: StoredBatch) -> Result<BatchIntake, StorageError> {
        let runner = self.runner().ok_or_else(|| StorageError::NotFound("the batch desk".into()))?;
        let batch = StoredBatch { complete: false, ..batch };
        runner.desk.parts.files.put_batch(batch.clone()).await?;
        Ok(BatchIntake { runner, batch, heads: Vec::new() })
    }

    /// Makes a job of a request whose caller comes back for the answer; one that asks the same as an open job is that job.
    ///
    /// # Errors
    /// As of a call that fails before it begins.
    pub async fn take_job(&self, request: ModelRequest, context: CallContext) -> Result<CallId, ModelError> {
        let Some(runner) = self.runner() else {
            return Err(ModelError::new(ModelErrorKind::Unsupported, "there is no place for jobs"));
        };
        let ask = self.estimate(request, context);
        let _permit = self.limit(&ask)?;
        let key = self.job_key(&ask);
        if let Some(open) = key.and_then(|key| runner.open_of_key(key, ask.context.principal.key)) {
            return Ok(open);
        }
        let plan = self.plan_of(&ask).await?;
        let deadline = ask.context.deadline.unwrap_or_else(|| runner.longest(ask.started));
        let planned = runner.planned(&ask, &plan, (key, deadline, None));
        let id = planned.job.id;
        runner.keep(planned, None).await?;
        Ok(id)
    }

    /// A job whole.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn job(&self, id: CallId) -> Result<Option<StoredJob>, StorageError> {
        let Some(desk) = &self.desk else { return Ok(None) };
        Ok(desk.parts.jobs.jobs(vec![id]).await?.pop())
    }

    /// Whether a caller says that the answer can wait, in so many words or by the phase.
    pub(crate) fn is_patient(&self, ask: &Ask) -> bool {
        let Some(desk) = self.desk.as_ref().filter(|_| ask.job.is_none()) else { return false };
        let settings = &desk.settings;
        let directive = ask.context.cache;
        if !settings.enabled || directive == CacheDirective::OnlyIfCached {
            return false;
        }
        match ask.context.deadline {
            Some(deadline) => super::until(deadline, ask.started) >= settings.least_time.max(settings.margin),
            None => {
                let phase = ask.context.phase.as_deref();
                phase.is_some_and(|phase| settings.background_phases.iter().any(|known| known == phase))
            }
        }
    }

    /// Makes a job of a call that can wait, if its first candidate has a Batch API; the caller hears of it when it is answered.
    ///
    /// # Errors
    /// When the job cannot be stored.
    pub(crate) async fn defer(
        &self,
        ask: &Ask,
        plan: &RoutePlan,
        slot: &Slot,
    ) -> Result<Option<Reply>, ModelError> {
        let Some(runner) = self.runner() else { return Ok(None) };
        let Some(candidate) = plan.candidates.first().filter(|first| runner.lane_of(first).is_some()) else {
            return Ok(None);
        };
        let deadline = ask.context.deadline.unwrap_or_else(|| runner.longest(ask.started));
        let listener = slot.flight.listen();
        let theirs = slot.key.map(|key| (key, ask.context.principal.key));
        if let Some(id) = theirs.and_then(|key| runner.join(key, deadline, &slot.flight)) {
            let info = self.waiting_info(ask, plan, candidate, (id, slot.verdict));
            slot.flight.begin(Ok(info.clone()));
            return Ok(Some(self.follow(ask, info, listener)));
        }
        let planned = runner.planned(ask, plan, (slot.key, deadline, None));
        let info = self.waiting_info(ask, plan, candidate, (planned.job.id, slot.verdict));
        slot.flight.begin(Ok(info.clone()));
        runner.keep(planned, Some(Arc::clone(&slot.flight))).await?;
        Ok(Some(Reply { info, stream: Box::pin(listener) }))
    }

    fn waiting_info(
        &self,
        ask: &Ask,
        plan: &RoutePlan,
        candidate: &Candidate,
        (id, cache): (CallId, CacheVerdict),
    ) -> ReplyInfo {
        let budgets = self.parts.ledger.posture(&SpendScope::of(&ask.context, "", ""), ask.started).states;
        let reason = format!("{}; waits for the Batch API", plan.reason);
        ReplyInfo {
            provider: candidate.provider.clone(),
            model: candidate.model.clone(),
            tier: plan.tier,
            notes: vec![Note { field: "deadline".into(), what: format!("waits as job {id}") }],
            served: Some(Arc::new(Served { request: ask.context.request, cache, reason, budgets })),
            ..ReplyInfo::default()
        }
    }

    async fn plan_of(&self, ask: &Ask) -> Result<RoutePlan, ModelError> {
        let posture = self.parts.ledger.posture(&SpendScope::of(&ask.context, "", ""), ask.started);
        let judged = self.judge(ask, None).await;
        let opinion = self.tier_opinion(ask, judged.as_ref()).await;
        let judgement = Judgement { route: judged.as_ref(), opinion: opinion.as_ref() };
        self.plan(ask, &posture, judgement)
    }

    /// The key to keep an answer under, if it may be kept and looked up.
    fn job_key(&self, ask: &Ask) -> Option<CacheKey> {
        if self.bypass_reason(ask).is_some() || ask.context.cache == CacheDirective::NoCache {
            return None;
        }
        let cache = &self.settings.cache;
        Some(exact_key(&ask.request, &ask.context, cache.scope, &self.routes().version, cache.fold_case))
    }
}

impl BatchIntake {
    /// Takes lines in. A line that cannot be served is over at once and fails no other.
    ///
    /// # Errors
    /// When they cannot be stored; the batch is then dropped at the next start.
    pub async fn add(&mut self, lines: Vec<BatchLine>) -> Result<(), StorageError> {
        let mut planned = Vec::with_capacity(lines.len());
        for line in lines {
            planned.push(self.runner.planned_line(line, self.batch.deadline).await);
        }
        let open = planned.iter().filter(|planned| planned.answer.is_none());
        self.heads.extend(open.map(|planned| (planned.head(), planned.lane)));
        let rows = planned.into_iter().map(|planned| (planned.job, planned.answer)).collect();
        self.runner.desk.parts.jobs.add_jobs(rows).await
    }

    /// Lets the lines go their way.
    ///
    /// # Errors
    /// When the batch cannot be stored; it is then dropped at the next start.
    pub async fn finish(self) -> Result<StoredBatch, StorageError> {
        let ended = self.heads.is_empty().then(|| self.runner.now());
        let batch = StoredBatch { complete: true, ended, ..self.batch };
        self.runner.desk.parts.files.put_batch(batch.clone()).await?;
        let now = self.runner.gateway.parts.clock.monotonic();
        self.runner.desk.enqueue(&self.heads, now);
        Ok(batch)
    }
}

impl std::fmt::Debug for BatchIntake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchIntake").field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Runner {
    /// When a job is needed that names no deadline.
    fn longest(&self, now: Timestamp) -> Timestamp {
        let wait = SignedDuration::try_from(self.desk.settings.longest_wait).unwrap_or(SignedDuration::MAX);
        now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// The lane of a candidate whose provider has a Batch API that is to be used, at a price that is known.
    pub(super) fn lane_of(&self, candidate: &Candidate) -> Option<usize> {
        let settings = &self.desk.settings;
        let entry = self.gateway.parts.providers.get(candidate.entry)?;
        let wanted = settings.providers.is_empty() || settings.providers.contains(&entry.name);
        let price = self.gateway.prices.get(&entry.price_from, &candidate.model)?;
        (settings.enabled && wanted && entry.batch.is_some() && price.batch.is_some())
            .then_some(candidate.entry)
    }

    fn planned(
        &self,
        ask: &Ask,
        plan: &RoutePlan,
        (key, deadline, place): (Option<CacheKey>, Timestamp, Option<JobPlace>),
    ) -> Planned {
        let first = plan.candidates.first().and_then(|first| Some((first, self.lane_of(first)?)));
        let terms = first.and_then(|(candidate, _)| self.terms(ask, plan, (candidate, key)));
        let lane = first.map(|(_, lane)| lane).filter(|_| terms.is_some());
        let id =
            terms.as_ref().map_or_else(|| CallId(self.gateway.parts.ids.new_id()), |terms| terms.record.id);
        let (request, context) = (ask.request.clone(), ask.context.clone());
        let job = Job { id, place, request, context, created: ask.started, deadline, key, terms };
        Planned { job, lane, answer: None }
    }

    /// What goes to the Batch API is held at the live price of the standard tier: more can never be billed, whatever tier it asks for.
    fn terms(
        &self,
        ask: &Ask,
        plan: &RoutePlan,
        (candidate, key): (&Candidate, Option<CacheKey>),
    ) -> Option<BatchTerms> {
        let entry = &self.gateway.parts.providers[candidate.entry];
        let price = self.gateway.prices.get(&entry.price_from, &candidate.model)?;
        let ceiling = price.max_output.unwrap_or(u64::MAX);
        let usual = self.gateway.settings.default_max_output.min(ceiling);
        let output_cap = ask.request.max_output_tokens.unwrap_or(usual);
        let mut record = self.gateway.blank_record(ask, &candidate.provider, &candidate.model);
        record.tier = plan.tier;
        record.reason = format!("{}; Batch API", plan.reason);
        record.batch = true;
        record.cache = if key.is_some() { CacheVerdict::Miss } else { CacheVerdict::Bypass };
        let worst = Worst::of(&ask.request, &price, output_cap, ServiceTier::Batch);
        Some(BatchTerms {
            held: worst.money(&price),
            tokens: worst.tokens(),
            output_cap,
            price: nunchi_core::ModelPrice::clone(&price),
            record,
        })
    }

    async fn planned_line(&self, line: BatchLine, deadline: Timestamp) -> Planned {
        let BatchLine { place, context, asked } = line;
        let (request, refused) = match asked {
            Ok(request) => (request, None),
            Err(error) => (ModelRequest::new("", Vec::new()), Some(error)),
        };
        let ask = self.gateway.estimate(request, context);
        let planned = match refused {
            Some(error) => Err(error),
            None => self.gateway.plan_of(&ask).await,
        };
        match planned {
            Ok(plan) => self.planned(&ask, &plan, (self.gateway.job_key(&ask), deadline, Some(place))),
            Err(error) => {
                self.gateway.refuse(&ask, &error).await;
                let id = CallId(self.gateway.parts.ids.new_id());
                let Ask { request, context, started, .. } = ask;
                let job = Job {
                    id,
                    place: Some(place),
                    request,
                    context,
                    created: started,
                    deadline,
                    key: None,
                    terms: None,
                };
                Planned { job, lane: None, answer: Some(JobAnswer::Failed(error)) }
            }
        }
    }

    /// Stores a job and lets it wait its turn; a caller who leaves in the middle does not stop that.
    async fn keep(&self, planned: Planned, flight: Option<Arc<Flight>>) -> Result<(), ModelError> {
        let (told, kept) = oneshot::channel();
        let runner = self.clone();
        let work = async move {
            // An error means that the caller left.
            let _caller_left = told.send(runner.store(planned, flight).await);
        };
        self.gateway.parts.spawn.spawn(TaskName::Call, Box::pin(work));
        match kept.await {
            Ok(outcome) => outcome.map_err(|error| failed(&error)),
            Err(_) => Err(ModelError::new(ModelErrorKind::ShuttingDown, "")),
        }
    }

    async fn store(self, planned: Planned, flight: Option<Arc<Flight>>) -> Result<(), StorageError> {
        let head = (planned.head(), planned.lane);
        self.desk.parts.jobs.add_jobs(vec![(planned.job, planned.answer)]).await?;
        let now = self.gateway.parts.clock.monotonic();
        let mut state = self.desk.state();
        state.note(&head.0, head.1);
        if let Some(job) = state.open.get_mut(&head.0.id) {
            job.waiting.extend(flight);
        }
        state.wait(head.0.id, now);
        drop(state);
        self.desk.collect.notify_one();
        Ok(())
    }

    /// The open job of the same question and the same owner.
    fn open_of_key(&self, key: CacheKey, owner: Option<KeyId>) -> Option<CallId> {
        self.desk.state().joinable(key, owner).map(|(id, _)| id)
    }

    /// Joins the open job of the same question and the same owner; it is needed when the more urgent of the two needs it.
    fn join(
        &self,
        (key, owner): (CacheKey, Option<KeyId>),
        deadline: Timestamp,
        flight: &Arc<Flight>,
    ) -> Option<CallId> {
        let mut state = self.desk.state();
        let (id, job) = state.joinable(key, owner)?;
        job.waiting.push(Arc::clone(flight));
        job.deadline = job.deadline.min(deadline);
        drop(state);
        self.desk.nudge.notify_waiters();
        Some(id)
    }
}

fn failed(error: &StorageError) -> ModelError {
    ModelError::new(ModelErrorKind::Storage, error.to_string())
}
