//! A batch desk on a test bench: a provider with a Batch API that follows a script, stores that outlive a gateway, a clock that jumps.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    BatchAnswer, BatchAnswers, BatchId, BatchItem, BatchLimits, BatchModel, BatchOutcome, BatchSearch,
    BatchStatus, BatchTicket, BoxFuture, BudgetNotice, CallContext, CallId, CallRecord, Clock, Dialect,
    FileId, FileStore, Frame, HoldError, HoldRequest, JobPlace, JobState, Ledger, Message, Model, ModelError,
    ModelErrorKind, ModelPrice, ModelRequest, NanoUsd, Posture, Principal, Rates, ReplyEvent, Role,
    Settlement, SpendScope, StopReason, StorageError, StoredBatch, Usage,
};
use nunchi_gateway::{
    BatchLine, BatchParts, Gateway, Parts, PriceCatalog, ProviderEntry, Settings, TierModels,
};
use nunchi_testkit::{
    Fuse, MemoryCache, MemoryJobs, MemoryKeys, MemoryLedger, ScriptedModel, ScriptedReply, SequentialIds,
    TokioClock, TokioSpawn, owner_context,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use uuid::Uuid;

/// Tokens of every answer of a batch: 1,000 in, 100 out.
pub(crate) const USAGE: Usage = Usage {
    input: 1_000,
    output: 100,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    reasoning: 0,
    tool_uses: 0,
};
/// What that costs in a batch: half of 1 and 2 dollars a million.
pub(crate) const BATCH_COST: NanoUsd = NanoUsd(1_000 * 500 + 100 * 1_000);
/// What it costs live.
pub(crate) const LIVE_COST: NanoUsd = NanoUsd(1_000 * 1_000 + 100 * 2_000);

/// What a submission does instead of being accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Submission {
    /// The provider never got it; we cannot tell.
    LostBefore,
    /// The provider has it; we cannot tell.
    LostAfter,
    /// Turned down for good.
    Refused,
    /// Turned down for now.
    Busy,
}

pub(crate) struct Made {
    pub(crate) marker: Uuid,
    pub(crate) items: Vec<BatchItem>,
    polls: u32,
    cancelled: bool,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) made: Vec<Made>,
    pub(crate) submissions: VecDeque<Submission>,
    /// Looks until a batch ends by itself.
    pub(crate) polls: u32,
    /// So many searches cannot tell.
    pub(crate) undecided: u32,
    /// So many looks fail.
    pub(crate) silent: u32,
    /// So many readings break off after the first answer.
    pub(crate) broken: u32,
    pub(crate) cancels: u32,
    pub(crate) most_items: Option<usize>,
}

/// A provider's Batch API. A request's text decides its outcome: `bad`, `fail`, `expire`, else it is echoed.
#[derive(Clone, Default)]
pub(crate) struct Provider(Arc<Mutex<Book>>);

impl Provider {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }

    /// How often each text was answered, and so paid for, over all batches.
    pub(crate) fn paid(&self) -> BTreeMap<String, usize> {
        let mut paid = BTreeMap::new();
        let book = self.book();
        for made in book.made.iter().filter(|made| made.polls == 0 && !made.cancelled) {
            for item in &made.items {
                if matches!(outcome(made, item), BatchOutcome::Answered(_)) {
                    *paid.entry(text_of(item)).or_default() += 1;
                }
            }
        }
        paid
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.book().made.iter().map(|made| made.items.len()).collect()
    }
}

fn text_of(item: &BatchItem) -> String {
    item.request.last_user_text().unwrap_or_default()
}

fn outcome(made: &Made, item: &BatchItem) -> BatchOutcome {
    let text = text_of(item);
    if made.cancelled {
        return BatchOutcome::Cancelled;
    }
    match text.split(' ').next() {
        Some("bad") => BatchOutcome::Failed(ModelError::new(ModelErrorKind::InvalidRequest, "no")),
        Some("fail") => BatchOutcome::Failed(ModelError::new(ModelErrorKind::UpstreamFailed, "oops")),
        Some("expire") => BatchOutcome::Expired,
        _ => BatchOutcome::Answered(vec![Frame::of(vec![
            ReplyEvent::Text(format!("batch: {text}")),
            ReplyEvent::Usage { usage: USAGE, reported_cost: None, service_tier: None },
            ReplyEvent::End(StopReason::EndTurn),
        ])]),
    }
}

/// The provider as one process sees it.
struct Line {
    provider: Provider,
    fuse: Fuse,
}

impl BatchModel for Line {
    fn limits(&self) -> BatchLimits {
        BatchLimits { items: self.provider.book().most_items.unwrap_or(1_000), bytes: 1 << 20 }
    }

    fn submit(&self, marker: Uuid, items: Vec<BatchItem>) -> BoxFuture<'_, Result<BatchTicket, ModelError>> {
        Box::pin(async move {
            self.fuse.step().await;
            let lost = || ModelError::new(ModelErrorKind::TimedOut, "lost");
            let (verdict, ticket) = {
                let mut book = self.provider.book();
                let verdict = book.submissions.pop_front();
                match verdict {
                    Some(Submission::LostBefore) => return Err(lost()),
                    Some(Submission::Refused) => {
                        return Err(ModelError::new(ModelErrorKind::InvalidRequest, "no batches for you"));
                    }
                    Some(Submission::Busy) => {
                        return Err(ModelError::new(ModelErrorKind::UpstreamFailed, "503"));
                    }
                    None | Some(Submission::LostAfter) => {}
                }
                let polls = book.polls;
                book.made.push(Made { marker, items, polls, cancelled: false });
                (verdict, BatchTicket((book.made.len() - 1).to_string()))
            };
            self.fuse.step().await;
            if verdict.is_some() { Err(lost()) } else { Ok(ticket) }
        })
    }

    fn find<'a>(
        &'a self,
        marker: Uuid,
        _: Timestamp,
        _: &'a [CallId],
        known: &'a [BatchTicket],
    ) -> BoxFuture<'a, Result<BatchSearch, ModelError>> {
        Box::pin(async move {
            let mut book = self.provider.book();
            if book.undecided > 0 {
                book.undecided -= 1;
                return Ok(BatchSearch::Undecided);
            }
            let place = book.made.iter().position(|made| made.marker == marker);
            let ticket = place.map(|place| BatchTicket(place.to_string()));
            assert!(ticket.as_ref().is_none_or(|ticket| !known.contains(ticket)));
            Ok(ticket.map_or(BatchSearch::Absent, BatchSearch::Found))
        })
    }

    fn status<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<BatchStatus, ModelError>> {
        Box::pin(async move {
            let mut book = self.provider.book();
            if book.silent > 0 {
                book.silent -= 1;
                return Err(ModelError::new(ModelErrorKind::Unreachable, "down"));
            }
            let made = &mut book.made[ticket.0.parse::<usize>().unwrap()];
            made.polls = made.polls.saturating_sub(1);
            Ok(BatchStatus { ended: made.cancelled || made.polls == 0, ..BatchStatus::default() })
        })
    }

    fn answers<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<BatchAnswers, ModelError>> {
        Box::pin(async move {
            let mut book = self.provider.book();
            let made = &book.made[ticket.0.parse::<usize>().unwrap()];
            // In another order than they came.
            let mut answers: Vec<Result<BatchAnswer, ModelError>> = (made.items.iter().rev())
                .map(|item| Ok(BatchAnswer { id: item.id, outcome: outcome(made, item) }))
                .collect();
            if book.broken > 0 {
                book.broken -= 1;
                answers.truncate(1);
                answers.push(Err(ModelError::new(ModelErrorKind::Cut, "broke off")));
            }
            Ok(stream::iter(answers).boxed())
        })
    }

    fn cancel<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<(), ModelError>> {
        Box::pin(async move {
            self.fuse.step().await;
            {
                let mut book = self.provider.book();
                book.cancels += 1;
                let made = &mut book.made[ticket.0.parse::<usize>().unwrap()];
                made.cancelled |= made.polls > 0;
            }
            self.fuse.step().await;
            Ok(())
        })
    }
}

/// The ledger as one process sees it.
struct FusedLedger {
    ledger: Arc<MemoryLedger>,
    fuse: Fuse,
}

impl Ledger for FusedLedger {
    fn hold(&self, request: HoldRequest) -> BoxFuture<'_, Result<(), HoldError>> {
        Box::pin(async move {
            self.fuse.step().await;
            let held = self.ledger.hold(request).await;
            self.fuse.step().await;
            held
        })
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        Box::pin(async move {
            self.fuse.step().await;
            let settled = self.ledger.settle(settlement).await;
            self.fuse.step().await;
            settled
        })
    }

    fn posture(&self, scope: &SpendScope, now: Timestamp) -> Posture {
        self.ledger.posture(scope, now)
    }

    fn outlived(&self) -> Vec<CallRecord> {
        self.ledger.outlived()
    }
}

/// Tokio's time, with a time of day that can be set.
pub(crate) struct JumpyClock(TokioClock, Mutex<SignedDuration>);

impl JumpyClock {
    pub(crate) fn jump(&self, by: SignedDuration) {
        *self.1.lock().unwrap() += by;
    }
}

impl Clock for JumpyClock {
    fn now(&self) -> Timestamp {
        self.0.now() + *self.1.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

/// What outlives a gateway.
pub(crate) struct World {
    pub(crate) provider: Provider,
    /// The plain side of the provider with the Batch API, and a model that has none.
    pub(crate) cloud: Arc<ScriptedModel>,
    pub(crate) plain: Arc<ScriptedModel>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) jobs: MemoryJobs,
    pub(crate) cache: Arc<MemoryCache>,
    pub(crate) clock: Arc<JumpyClock>,
    ids: Arc<SequentialIds>,
}

/// One process.
pub(crate) struct Process {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) spawn: Arc<TokioSpawn>,
    pub(crate) fuse: Fuse,
}

impl Process {
    /// Ends it at once, wherever it is.
    pub(crate) async fn kill(self) {
        self.spawn.cancel().await;
    }
}

fn price(provider: &str) -> ModelPrice {
    let usd = NanoUsd::from_usd;
    let rates = Rates { input: usd(1), output: usd(2), ..Rates::default() };
    let half = Rates { input: NanoUsd(500_000_000), output: usd(1), ..Rates::default() };
    ModelPrice {
        provider: provider.into(),
        model: "m".into(),
        rates,
        context_tiers: Vec::new(),
        batch: Some(half),
        flex: None,
        priority: None,
        tool_use: NanoUsd::ZERO,
        request: NanoUsd::ZERO,
        context_window: None,
        max_output: None,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_ledger(MemoryLedger::new())
    }

    pub(crate) fn with_ledger(ledger: MemoryLedger) -> Self {
        let live = ScriptedReply::text_with_usage("live", USAGE);
        let (cloud, plain) = (ScriptedModel::default(), ScriptedModel::default());
        cloud.always(live.clone());
        plain.always(live);
        let provider = Provider::default();
        provider.book().polls = 3;
        Self {
            provider,
            cloud: Arc::new(cloud),
            plain: Arc::new(plain),
            ledger: Arc::new(ledger),
            jobs: MemoryJobs::new(),
            cache: Arc::new(MemoryCache::new()),
            clock: Arc::new(JumpyClock(TokioClock::start(), Mutex::new(SignedDuration::ZERO))),
            ids: Arc::new(SequentialIds::new()),
        }
    }

    /// Starts a process, with its desk.
    pub(crate) async fn start(&self) -> Process {
        self.start_with(Fuse::default(), |_| {}).await
    }

    pub(crate) async fn start_with(&self, fuse: Fuse, change: impl FnOnce(&mut Settings)) -> Process {
        let process = self.build(fuse, change);
        let gateway = Arc::clone(&process.gateway);
        // A fuse may blow while the desk starts.
        tokio::select! {
            started = gateway.start_desk() => started.unwrap(),
            () = process.fuse.blown() => {}
        }
        process
    }

    fn build(&self, fuse: Fuse, change: impl FnOnce(&mut Settings)) -> Process {
        let spawn = Arc::new(TokioSpawn::new());
        let jobs = Arc::new(self.jobs.with_fuse(fuse.clone()));
        let entry =
            |name: &str, model: &Arc<ScriptedModel>, batch: Option<Arc<dyn BatchModel>>| ProviderEntry {
                name: name.into(),
                dialect: Dialect::OpenAiChat,
                price_from: name.into(),
                local: false,
                models: vec!["m".into()],
                model: Arc::clone(model) as Arc<dyn Model>,
                embedder: None,
                list: None,
                batch,
            };
        let line = Line { provider: self.provider.clone(), fuse: fuse.clone() };
        let parts = Parts {
            feedback: Arc::new(nunchi_testkit::MemoryFeedback::new()),
            originals: None,
            providers: vec![
                entry("cloud", &self.cloud, Some(Arc::new(line))),
                entry("plain", &self.plain, None),
            ],
            ledger: Arc::new(FusedLedger { ledger: Arc::clone(&self.ledger), fuse: fuse.clone() }),
            cache: self.cache.clone(),
            semantic: None,
            batch: Some(BatchParts { jobs: jobs.clone(), files: jobs }),
            keys: Arc::new(MemoryKeys::new()),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            spawn: spawn.clone(),
        };
        let mut settings = Settings {
            tiers: TierModels { standard: vec!["cloud/m".into()], ..TierModels::default() },
            prices: PriceCatalog { version: "test".into(), prices: vec![price("cloud"), price("plain")] },
            baseline: Some("cloud/m".into()),
            ..Settings::default()
        };
        settings.retry.jitter = false;
        settings.batch.background_phases = vec!["nightly".into()];
        change(&mut settings);
        Process { gateway: Gateway::new(parts, settings), spawn, fuse }
    }

    /// A context whose answer is needed in so many minutes.
    pub(crate) fn within(&self, minutes: i64) -> CallContext {
        let deadline = self.clock.now() + SignedDuration::from_mins(minutes);
        CallContext { deadline: Some(deadline), ..owner_context() }
    }

    /// Waits until every job is over.
    pub(crate) async fn all_over(&self) {
        let over = async {
            while self.jobs.all().iter().any(|stored| stored.state != JobState::Done) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        // Longer than any batch takes, on a clock that is moved as fast as nothing happens.
        tokio::time::timeout(Duration::from_secs(60 * 60 * 60), over).await.expect("jobs end");
    }

    /// Costs of the booked rows that cost something: in batches, and live.
    pub(crate) fn costs(&self) -> (Vec<NanoUsd>, Vec<NanoUsd>) {
        let rows = self.ledger.rows();
        let (batch, live): (Vec<_>, Vec<_>) =
            rows.iter().filter(|row| row.cost > NanoUsd::ZERO).partition(|row| row.batch);
        let costs = |rows: Vec<&CallRecord>| rows.iter().map(|row| row.cost).collect();
        (costs(batch), costs(live))
    }
}

pub(crate) fn ask(model: &str, text: &str) -> ModelRequest {
    let mut request = ModelRequest::new(model, vec![Message::text(Role::User, text)]);
    request.max_output_tokens = Some(200);
    request
}

/// Hands a batch in whose lines are these texts.
pub(crate) async fn hand_in(
    world: &World,
    gateway: &Gateway,
    model: &str,
    texts: &[&str],
    principal: &Principal,
) -> BatchId {
    let id = BatchId(Uuid::from_u128(77));
    let batch = StoredBatch {
        id,
        owner: principal.key,
        input: FileId(Uuid::from_u128(78)),
        endpoint: "/v1/chat/completions".into(),
        metadata: BTreeMap::new(),
        created: world.clock.now(),
        deadline: world.clock.now() + SignedDuration::from_hours(24),
        complete: false,
        cancelled: None,
        ended: None,
    };
    let mut intake = gateway.begin_batch(batch).await.unwrap();
    let lines = texts.iter().enumerate().map(|(line, text)| {
        let context = CallContext { principal: Arc::new(principal.clone()), ..owner_context() };
        let place = JobPlace { batch: id, line: u32::try_from(line).unwrap(), name: (*text).to_owned() };
        let broken = || Err(ModelError::new(ModelErrorKind::InvalidRequest, "no JSON"));
        let asked = if *text == "broken" { broken() } else { Ok(ask(model, text)) };
        BatchLine { place, context, asked }
    });
    intake.add(lines.collect()).await.unwrap();
    intake.finish().await.unwrap();
    id
}

/// The stored batch.
pub(crate) async fn batch_of(world: &World, id: BatchId) -> StoredBatch {
    world.jobs.batch(id).await.unwrap().unwrap()
}
