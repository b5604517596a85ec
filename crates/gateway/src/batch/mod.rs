//! The batch desk: calls that can wait are stored as jobs, handed to providers' Batch APIs together, and answered live when that fails.
//!
//! Every state of a job is stored before what it stands for is done, so a process that dies at any moment is gone on from. Money:
//! a job's hold is made before it is handed over, outlives the process, and is settled once, at the batch price; before a job is
//! answered live its hold is released as a free row, and the live call holds and settles under an id of its own.

mod admit;
mod answers;
mod carry;
mod intake;
mod lane;
mod live;
mod recover;
mod settings;

pub use intake::{BatchIntake, BatchLine};
pub use settings::BatchSettings;

use crate::flight::Flight;
use crate::gateway::Gateway;
use crate::parts::{BatchParts, Parts};
use crate::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use lane::{Lane, Waiting};
use nunchi_core::{
    BatchId, BatchLimits, BatchTicket, CacheKey, CallId, Frame, JobHead, KeyId, ModelError, ModelErrorKind,
    ReplyEvent, StorageError, TaskName,
};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Pause before something that the disk refused is tried again.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two removals of answers that were kept long enough.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// A job that is not over.
struct OpenJob {
    owner: Option<KeyId>,
    batch: Option<BatchId>,
    deadline: Timestamp,
    key: Option<CacheKey>,
    /// The provider's place among the lanes; `None` when it is answered by a plain call.
    lane: Option<usize>,
    bytes: usize,
    /// Whether its owner does not want it any more.
    cancelled: bool,
    /// Whether its money is held.
    held: bool,
    /// The provider's batch that holds it.
    ticket: Option<BatchTicket>,
    /// Callers that wait for it.
    waiting: Vec<Arc<Flight>>,
}

#[derive(Default)]
struct State {
    open: HashMap<CallId, OpenJob>,
    /// The job to join, by question and owner.
    by_key: HashMap<(CacheKey, Option<KeyId>), CallId>,
    lanes: Vec<Lane>,
    /// Jobs to be answered by plain calls.
    plain: VecDeque<CallId>,
    /// Open jobs by batch.
    remaining: HashMap<BatchId, u64>,
}

/// What is shared between the tasks of the desk.
pub(crate) struct Desk {
    parts: BatchParts,
    settings: BatchSettings,
    state: Mutex<State>,
    /// Something waits to be collected.
    collect: Notify,
    /// A deadline moved, or something was cancelled.
    nudge: Notify,
    /// Plain calls that may run at once.
    slots: Arc<Semaphore>,
}

/// The desk together with its gateway: what its tasks hold.
#[derive(Clone)]
struct Runner {
    gateway: Arc<Gateway>,
    desk: Arc<Desk>,
}

impl Desk {
    pub(crate) fn new(parts: &Parts, settings: &Settings) -> Option<Arc<Self>> {
        let jobs = parts.batch.clone()?;
        let settings = settings.batch.clone();
        let lanes = parts.providers.iter().map(|_| Lane::default()).collect();
        Some(Arc::new(Self {
            parts: jobs,
            slots: Arc::new(Semaphore::new(settings.concurrent.max(1))),
            settings,
            state: Mutex::new(State { lanes, ..State::default() }),
            collect: Notify::new(),
            nudge: Notify::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_held(&self, id: CallId, held: bool) {
        if let Some(job) = self.state().open.get_mut(&id) {
            job.held = held;
        }
    }

    fn is_cancelled(&self, id: CallId) -> bool {
        self.state().open.get(&id).is_none_or(|job| job.cancelled)
    }

    /// Counts jobs as open and lets them wait their turn.
    fn enqueue(&self, heads: &[(JobHead, Option<usize>)], now: Duration) {
        let mut state = self.state();
        for (head, lane) in heads {
            state.note(head, *lane);
            state.wait(head.id, now);
        }
        drop(state);
        self.collect.notify_one();
    }
}

impl State {
    fn note(&mut self, head: &JobHead, lane: Option<usize>) {
        let batch = head.place.as_ref().map(|place| place.batch);
        if let Some(key) = head.key {
            self.by_key.entry((key, head.owner)).or_insert(head.id);
        }
        if let Some(batch) = batch {
            *self.remaining.entry(batch).or_default() += 1;
        }
        let job = OpenJob {
            owner: head.owner,
            batch,
            deadline: head.deadline,
            key: head.key,
            lane,
            bytes: head.bytes,
            cancelled: false,
            held: false,
            ticket: None,
            waiting: Vec::new(),
        };
        self.open.insert(head.id, job);
    }

    /// Lets a job wait for its provider, or for a plain call.
    fn wait(&mut self, id: CallId, now: Duration) {
        let Some(job) = self.open.get(&id) else { return };
        match job.lane {
            Some(lane) => {
                self.lanes[lane].push(Waiting { id, bytes: job.bytes }, job.batch.is_some(), now);
            }
            None => self.plain.push_back(id),
        }
    }

    /// Parts a job from those who wait for it: they are to be told, and from now on it cannot be joined.
    fn part(&mut self, id: CallId) -> Vec<Arc<Flight>> {
        let Some(job) = self.open.get_mut(&id) else { return Vec::new() };
        if let Some(key) = job.key.map(|key| (key, job.owner)).filter(|key| self.by_key.get(key) == Some(&id))
        {
            self.by_key.remove(&key);
        }
        std::mem::take(&mut job.waiting)
    }

    /// The open job of a question of an owner, unless it is cancelled.
    fn joinable(&mut self, key: CacheKey, owner: Option<KeyId>) -> Option<(CallId, &mut OpenJob)> {
        let id = *self.by_key.get(&(key, owner))?;
        let job = self.open.get_mut(&id).filter(|job| !job.cancelled)?;
        Some((id, job))
    }

    /// Takes jobs that only wait out of every queue; tells which they were.
    fn withdraw(&mut self, ids: &HashSet<CallId>) -> Vec<CallId> {
        let mut out: Vec<_> = self.plain.iter().filter(|id| ids.contains(id)).copied().collect();
        self.plain.retain(|id| !ids.contains(id));
        out.extend(self.lanes.iter_mut().flat_map(|lane| lane.remove(ids)));
        out
    }
}

impl Gateway {
    fn runner(&self) -> Option<Runner> {
        Some(Runner { gateway: self.me.upgrade()?, desk: self.desk.clone()? })
    }

    /// Goes on with what a process before left, then collects what comes until shutdown. Without a place for jobs nothing happens.
    ///
    /// # Errors
    /// When the jobs cannot be read.
    pub async fn start_desk(&self) -> Result<(), StorageError> {
        let Some(runner) = self.runner() else { return Ok(()) };
        runner.recover().await?;
        let spawn = Arc::clone(&self.parts.spawn);
        spawn.spawn(TaskName::BatchDesk, Box::pin(runner.collect()));
        Ok(())
    }

    /// Ends jobs that are not answered yet, as far as that is still possible: what a provider has begun is answered and paid for.
    pub async fn cancel_jobs(&self, ids: &[CallId]) {
        if let Some(runner) = self.runner() {
            runner.cancel(ids).await;
        }
    }

    /// The open jobs of a batch.
    pub fn open_jobs_of(&self, batch: BatchId) -> Vec<CallId> {
        let Some(desk) = &self.desk else { return Vec::new() };
        let state = desk.state();
        let mine = state.open.iter().filter(|(_, job)| job.batch == Some(batch));
        mine.map(|(id, _)| *id).collect()
    }
}

impl Runner {
    /// Hands over what is due until the process ends.
    async fn collect(self) {
        let _closing = Closing(Arc::clone(&self.desk));
        let mut swept: Option<Duration> = None;
        loop {
            let now = self.gateway.parts.clock.monotonic();
            if swept.is_none_or(|at| now.saturating_sub(at) >= SWEEP_EVERY) {
                self.sweep().await;
                swept = Some(now);
            }
            self.hand_out_lanes(now);
            let due = self.next_due();
            tokio::select! {
                () = self.desk.collect.notified() => {}
                () = self.hand_out_plain() => {}
                () = wait_until(due, now) => {}
            }
        }
    }

    fn hand_out_lanes(&self, now: Duration) {
        let mut trips = Vec::new();
        let mut state = self.desk.state();
        for (lane, queue) in state.lanes.iter_mut().enumerate() {
            let limits = self.limits(lane);
            loop {
                let ids = queue.take(now, &self.desk.settings, limits);
                if ids.is_empty() {
                    break;
                }
                trips.push((lane, ids));
            }
        }
        drop(state);
        for (lane, ids) in trips {
            self.clone().depart(lane, ids);
        }
    }

    /// Starts plain calls as slots become free; returns once none waits.
    async fn hand_out_plain(&self) {
        loop {
            if self.desk.state().plain.is_empty() {
                return pending().await;
            }
            let Ok(slot) = Arc::clone(&self.desk.slots).acquire_owned().await else { return };
            let Some(id) = self.desk.state().plain.pop_front() else { continue };
            let runner = self.clone();
            let work = async move {
                runner.answer_live(id).await;
                drop(slot);
            };
            self.gateway.parts.spawn.spawn(TaskName::JobCall, Box::pin(work));
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let state = self.desk.state();
        state.lanes.iter().filter_map(|lane| lane.due(&self.desk.settings)).min()
    }

    fn limits(&self, lane: usize) -> BatchLimits {
        let entry = &self.gateway.parts.providers[lane];
        entry.batch.as_ref().map_or(BatchLimits { items: 1, bytes: 0 }, |batch| batch.limits())
    }

    async fn sweep(&self) {
        let keep = SignedDuration::try_from(self.desk.settings.keep).unwrap_or(SignedDuration::MAX);
        let before = self.now().checked_sub(keep).unwrap_or(Timestamp::MIN);
        if let Err(error) = self.forget(before).await {
            tracing::warn!(%error, "old answers cannot be removed");
        }
    }

    async fn forget(&self, before: Timestamp) -> Result<(), StorageError> {
        let BatchParts { jobs, files } = &self.desk.parts;
        jobs.forget_jobs(before).await?;
        for batch in files.batches().await? {
            if batch.ended.is_some_and(|ended| ended < before) {
                files.remove_batch(batch.id).await?;
            }
        }
        Ok(())
    }

    async fn cancel(&self, ids: &[CallId]) {
        let withdrawn = {
            let mut state = self.desk.state();
            for id in ids {
                if let Some(job) = state.open.get_mut(id) {
                    job.cancelled = true;
                }
            }
            state.withdraw(&ids.iter().copied().collect())
        };
        self.end_cancelled(withdrawn).await;
        self.desk.nudge.notify_waiters();
    }

    fn now(&self) -> Timestamp {
        self.gateway.parts.clock.now()
    }

    /// Whether a job has to be answered live, or ended, before its provider may get to it.
    fn is_wanted_back(&self, id: CallId) -> bool {
        let now = self.now();
        let state = self.desk.state();
        state.open.get(&id).is_none_or(|job| job.cancelled || self.is_late(job.deadline, now))
    }

    fn is_late(&self, deadline: Timestamp, now: Timestamp) -> bool {
        until(deadline, now) <= self.desk.settings.margin
    }

    /// Writes until it is written: what is not stored is not done. A store that is closed ends this task with its process.
    async fn stored<T, F: Future<Output = Result<T, StorageError>>>(
        &self,
        mut write: impl FnMut() -> F,
    ) -> T {
        loop {
            match write().await {
                Ok(value) => return value,
                Err(StorageError::Closed) => return pending().await,
                Err(error) => tracing::error!(%error, "a job cannot be stored; trying again"),
            }
            tokio::time::sleep(STORAGE_PAUSE).await;
        }
    }
}

/// The time from `now` to a moment; nothing once it has passed.
fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}

async fn wait_until(due: Option<Duration>, now: Duration) {
    match due {
        Some(due) => tokio::time::sleep(due.saturating_sub(now)).await,
        None => pending().await,
    }
}

/// Gives a whole reply to a caller who waits for it.
fn tell(flight: &Flight, reply: Result<&[Frame], &ModelError>) {
    match reply {
        Ok(frames) => {
            for frame in frames {
                flight.push(frame.clone());
            }
            flight.finish(Ok(()));
        }
        Err(error) => flight.finish(Err(error.clone())),
    }
}

/// What callers hear that still wait when the desk is ended from outside; their jobs go on at the next start.
struct Closing(Arc<Desk>);

// drop: sends messages (tells waiting callers that the server ends)
impl Drop for Closing {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let flights: Vec<_> =
            state.open.values_mut().flat_map(|job| std::mem::take(&mut job.waiting)).collect();
        drop(state);
        let gone = ModelError::new(ModelErrorKind::ShuttingDown, "the job goes on at the next start");
        flights.iter().for_each(|flight| tell(flight, Err(&gone)));
    }
}

/// The last booking that frames tell of.
fn settled(frames: &[Frame]) -> bool {
    let mut events = frames.iter().flat_map(|frame| &frame.events);
    events.any(|event| matches!(event, ReplyEvent::Settled(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::JobState;
    use uuid::Uuid;

    #[test]
    fn a_job_is_joined_by_its_owner_until_those_who_wait_are_told() {
        let (one, other) = (Some(KeyId(Uuid::from_u128(1))), Some(KeyId(Uuid::from_u128(2))));
        let (key, at) = (CacheKey([7; 32]), Timestamp::UNIX_EPOCH);
        let head = |id: u128, owner| JobHead {
            id: CallId(Uuid::from_u128(id)),
            place: None,
            owner,
            created: at,
            deadline: at,
            key: Some(key),
            provider: None,
            state: JobState::Queued,
            bytes: 1,
        };
        let mut state = State::default();
        let (first, second) = (head(10, one), head(20, other));
        state.note(&first, None);
        assert!(state.joinable(key, other).is_none(), "another's job");
        state.note(&second, None);
        let flight = Arc::new(Flight::default());
        let (id, job) = state.joinable(key, one).unwrap();
        job.waiting.push(Arc::clone(&flight));
        assert_eq!(id, first.id);
        assert_eq!(state.part(first.id).len(), 1);
        assert!(state.joinable(key, one).is_none(), "whoever came now would never be told");
        assert_eq!(state.joinable(key, other).map(|(id, _)| id), Some(second.id));
    }
}
