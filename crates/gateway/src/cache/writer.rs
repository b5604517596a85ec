//! Writes answers and hit counts to the store behind the reply; when it falls far behind it skips, and counts.

use super::{Counters, Stored};
use nunchi_core::{CacheFilter, CacheKey, CacheStore, Clock, QuestionStore, Spawn, StoredQuestion, TaskName};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Answers waiting to be written.
const BACKLOG: usize = 1_024;
/// Answers written at once.
const BATCH: usize = 512;
/// Pause behind a write, in which the next ones gather: a commit costs more than a row.
const GATHER: Duration = Duration::from_millis(50);
/// Hits and expiry need not be written more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Sweeps between two removals of expired entries.
const SWEEPS_TO_EXPIRY: u32 = 60;

/// Where answers are kept, and their questions if those may be shared.
type Stores = (Arc<dyn CacheStore>, Option<Arc<dyn QuestionStore>>);

enum Job {
    Keep(CacheKey, Arc<Stored>, String, Option<Box<StoredQuestion>>),
    Hit(CacheKey),
}

/// The sending side.
pub(crate) struct CacheWriter {
    jobs: mpsc::Sender<Job>,
    counters: Arc<Counters>,
}

impl CacheWriter {
    pub(crate) fn start(
        stores: Stores,
        clock: Arc<dyn Clock>,
        spawn: &Arc<dyn Spawn>,
        counters: Arc<Counters>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(BACKLOG);
        spawn.spawn(TaskName::CacheWriter, Box::pin(run(queue, stores, clock)));
        Self { jobs, counters }
    }

    pub(crate) fn write(
        &self,
        key: CacheKey,
        stored: Arc<Stored>,
        preview: String,
        question: Option<StoredQuestion>,
    ) {
        if self.jobs.try_send(Job::Keep(key, stored, preview, question.map(Box::new))).is_err() {
            self.counters.skipped_writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn touch(&self, key: CacheKey) {
        // A hit that is not counted while the writer is behind harms nobody.
        let _full = self.jobs.try_send(Job::Hit(key));
    }
}

/// Ends, with its queue drained, when the cache it belongs to is gone.
async fn run(mut queue: mpsc::Receiver<Job>, stores: Stores, clock: Arc<dyn Clock>) {
    let store = Arc::clone(&stores.0);
    let mut hits: HashMap<CacheKey, u64> = HashMap::new();
    let mut sweeps = 0_u32;
    let mut jobs = Vec::with_capacity(BATCH);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            taken = queue.recv_many(&mut jobs, BATCH) => {
                if taken == 0 {
                    break;
                }
                if keep(&stores, jobs.drain(..), &mut hits).await && !queue.is_closed() {
                    tokio::time::sleep(GATHER).await;
                }
            }
            _ = sweep.tick() => {
                flush(&*store, &mut hits, &*clock).await;
                sweeps += 1;
                if sweeps.is_multiple_of(SWEEPS_TO_EXPIRY) {
                    let expired = CacheFilter { expired_at: Some(clock.now()), ..CacheFilter::default() };
                    report(store.clear(expired).await.map(|_| ()));
                }
            }
        }
    }
    flush(&*store, &mut hits, &*clock).await;
}

/// Counts hits and writes answers; tells whether there were any to write.
async fn keep(
    (store, questions): &Stores,
    jobs: impl Iterator<Item = Job>,
    hits: &mut HashMap<CacheKey, u64>,
) -> bool {
    let (mut entries, mut asked) = (Vec::new(), Vec::new());
    for job in jobs {
        match job {
            Job::Hit(key) => *hits.entry(key).or_default() += 1,
            Job::Keep(key, stored, preview, question) => {
                match stored.write(preview) {
                    Ok(entry) => entries.push((key, entry)),
                    Err(error) => tracing::warn!(%error, "an answer cannot be stored"),
                }
                asked.extend(question.map(|question| *question));
            }
        }
    }
    let any = !entries.is_empty();
    if any {
        report(store.put(entries).await);
    }
    if let Some(questions) = questions.as_ref().filter(|_| !asked.is_empty()) {
        report(questions.put_questions(asked).await);
    }
    any
}

async fn flush(store: &dyn CacheStore, hits: &mut HashMap<CacheKey, u64>, clock: &dyn Clock) {
    if !hits.is_empty() {
        report(store.touch(hits.drain().collect(), clock.now()).await);
    }
}

fn report(result: Result<(), nunchi_core::StorageError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the answer cache cannot be written");
    }
}
