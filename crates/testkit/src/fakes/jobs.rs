//! Jobs, files and batches in memory, with a fuse that ends a process at any step.

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use jiff::Timestamp;
use nunchi_core::{
    BatchId, BoxFuture, ByteStream, CallId, FileId, FileStore, Job, JobAnswer, JobCounts, JobHead, JobResult,
    JobState, JobStore, StorageError, StoredBatch, StoredFile, StoredJob,
};
use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::Notify;

/// Lets so many steps happen and no more: what comes next waits for ever, as in a process that was killed.
#[derive(Clone, Debug)]
pub struct Fuse(Arc<(AtomicU64, Notify)>);

impl Default for Fuse {
    fn default() -> Self {
        Self::after(u64::MAX)
    }
}

impl Fuse {
    /// Blows after so many steps.
    pub fn after(steps: u64) -> Self {
        Self(Arc::new((AtomicU64::new(steps), Notify::new())))
    }

    /// One step; never returns once the fuse has blown.
    pub async fn step(&self) {
        let (left, blown) = &*self.0;
        let less = |left: u64| left.checked_sub(1);
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            blown.notify_one();
            pending::<()>().await;
        }
    }

    /// Returns once the fuse has blown.
    pub async fn blown(&self) {
        self.0.1.notified().await;
    }
}

#[derive(Debug, Default)]
struct Shelf {
    jobs: BTreeMap<CallId, StoredJob>,
    files: BTreeMap<FileId, (StoredFile, Bytes)>,
    batches: BTreeMap<BatchId, StoredBatch>,
    /// The names of the states that were stored, in order.
    stages: Vec<&'static str>,
}

/// Jobs, files and batches that outlive a gateway, though not their test. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryJobs {
    shelf: Arc<Mutex<Shelf>>,
    fuse: Fuse,
}

impl MemoryJobs {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same jobs for the next process, which this fuse ends.
    pub fn with_fuse(&self, fuse: Fuse) -> Self {
        Self { shelf: Arc::clone(&self.shelf), fuse }
    }

    /// All jobs.
    pub fn all(&self) -> Vec<StoredJob> {
        self.shelf().jobs.values().cloned().collect()
    }

    /// The names of the states that were stored, in order.
    pub fn stages(&self) -> Vec<&'static str> {
        self.shelf().stages.clone()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write: a process can be killed before it and after it.
    fn write<'a, T: Send + 'a>(
        &'a self,
        change: impl FnOnce(&mut Shelf) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StorageError>> {
        Box::pin(async move {
            self.fuse.step().await;
            let outcome = change(&mut self.shelf());
            self.fuse.step().await;
            Ok(outcome)
        })
    }
}

const fn stage(state: &JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Submitting { .. } => "submitting",
        JobState::Submitted { .. } => "submitted",
        JobState::Live => "live",
        JobState::Answered => "answered",
        JobState::Done => "done",
    }
}

impl JobStore for MemoryJobs {
    fn add_jobs(&self, jobs: Vec<(Job, Option<JobAnswer>)>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(|shelf| {
            for (job, answer) in jobs {
                let state = if answer.is_some() { JobState::Done } else { JobState::Queued };
                shelf.stages.push(stage(&state));
                shelf.jobs.entry(job.id).or_insert(StoredJob { job, state, answer, record: None });
            }
        })
    }

    fn open_jobs(&self) -> BoxFuture<'_, Result<Vec<JobHead>, StorageError>> {
        let open: Vec<_> = self.all().into_iter().filter(|stored| stored.state != JobState::Done).collect();
        let heads = open.into_iter().map(|StoredJob { job, state, .. }| JobHead {
            id: job.id,
            owner: job.owner(),
            created: job.created,
            deadline: job.deadline,
            key: job.key,
            provider: job.terms.map(|terms| terms.record.provider),
            state,
            bytes: 100,
            place: job.place,
        });
        let heads = heads.collect();
        Box::pin(async move { Ok(heads) })
    }

    fn jobs(&self, ids: Vec<CallId>) -> BoxFuture<'_, Result<Vec<StoredJob>, StorageError>> {
        Box::pin(async move {
            let shelf = self.shelf();
            Ok(ids.iter().filter_map(|id| shelf.jobs.get(id).cloned()).collect())
        })
    }

    fn advance(&self, ids: Vec<CallId>, to: JobState) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(move |shelf| {
            for id in ids {
                shelf.stages.push(stage(&to));
                if let Some(stored) = shelf.jobs.get_mut(&id).filter(|stored| stored.state != JobState::Done)
                {
                    stored.state = to.clone();
                }
            }
        })
    }

    fn answer(&self, results: Vec<JobResult>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(|shelf| {
            for JobResult { job, answer, record } in results {
                shelf.stages.push("answered");
                if let Some(stored) = shelf.jobs.get_mut(&job).filter(|stored| stored.state != JobState::Done)
                {
                    (stored.state, stored.answer, stored.record) = (JobState::Answered, Some(answer), record);
                }
            }
        })
    }

    fn lines(
        &self,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredJob>, StorageError>> {
        let line = |stored: &StoredJob| {
            stored.job.place.as_ref().filter(|place| place.batch == batch).map(|place| place.line)
        };
        let mut lines: Vec<_> =
            self.all().into_iter().filter(|job| line(job).is_some_and(|line| line >= from)).collect();
        lines.sort_by_key(line);
        lines.truncate(most as usize);
        Box::pin(async move { Ok(lines) })
    }

    fn counts(&self, batch: BatchId) -> BoxFuture<'_, Result<JobCounts, StorageError>> {
        let mut counts = JobCounts::default();
        for stored in self.all() {
            if stored.job.place.is_none_or(|place| place.batch != batch) {
                continue;
            }
            counts.total += 1;
            match stored.answer {
                Some(JobAnswer::Answered { .. }) if stored.state == JobState::Done => counts.completed += 1,
                Some(_) if stored.state == JobState::Done => counts.failed += 1,
                _ => {}
            }
        }
        Box::pin(async move { Ok(counts) })
    }

    fn forget_jobs(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, StorageError>> {
        Box::pin(async move {
            let mut shelf = self.shelf();
            let all = shelf.jobs.len();
            shelf.jobs.retain(|_, stored| {
                stored.state != JobState::Done || stored.job.place.is_some() || stored.job.created >= before
            });
            Ok((all - shelf.jobs.len()) as u64)
        })
    }
}

impl FileStore for MemoryJobs {
    fn put_file(
        &self,
        file: StoredFile,
        mut bytes: ByteStream,
        limit: u64,
    ) -> BoxFuture<'_, Result<StoredFile, StorageError>> {
        Box::pin(async move {
            let mut whole = BytesMut::new();
            while let Some(piece) = poll_fn(|cx| bytes.as_mut().poll_next(cx)).await {
                whole.extend_from_slice(&piece?);
                if whole.len() as u64 > limit {
                    return Err(StorageError::TooLarge(limit));
                }
            }
            let file = StoredFile { bytes: whole.len() as u64, ..file };
            self.shelf().files.insert(file.id, (file.clone(), whole.freeze()));
            Ok(file)
        })
    }

    fn file(&self, id: FileId) -> BoxFuture<'_, Result<Option<StoredFile>, StorageError>> {
        Box::pin(async move { Ok(self.shelf().files.get(&id).map(|(file, _)| file.clone())) })
    }

    fn files(&self) -> BoxFuture<'_, Result<Vec<StoredFile>, StorageError>> {
        Box::pin(async move { Ok(self.shelf().files.values().rev().map(|(file, _)| file.clone()).collect()) })
    }

    fn read_file(&self, id: FileId) -> BoxFuture<'_, Result<ByteStream, StorageError>> {
        Box::pin(async move {
            let bytes = self.shelf().files.get(&id).map(|(_, bytes)| bytes.clone());
            let bytes = bytes.ok_or_else(|| StorageError::NotFound(format!("file {id}")))?;
            Ok(Box::pin(Once(Some(bytes))) as ByteStream)
        })
    }

    fn remove_file(&self, id: FileId) -> BoxFuture<'_, Result<bool, StorageError>> {
        Box::pin(async move { Ok(self.shelf().files.remove(&id).is_some()) })
    }

    fn put_batch(&self, batch: StoredBatch) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(move |shelf| {
            shelf.batches.insert(batch.id, batch);
        })
    }

    fn batch(&self, id: BatchId) -> BoxFuture<'_, Result<Option<StoredBatch>, StorageError>> {
        Box::pin(async move { Ok(self.shelf().batches.get(&id).cloned()) })
    }

    fn batches(&self) -> BoxFuture<'_, Result<Vec<StoredBatch>, StorageError>> {
        Box::pin(async move { Ok(self.shelf().batches.values().rev().cloned().collect()) })
    }

    fn remove_batch(&self, id: BatchId) -> BoxFuture<'_, Result<bool, StorageError>> {
        self.write(move |shelf| {
            shelf.jobs.retain(|_, stored| stored.job.place.as_ref().is_none_or(|place| place.batch != id));
            shelf.batches.remove(&id).is_some()
        })
    }
}

/// A stream of one piece.
struct Once(Option<Bytes>);

impl Stream for Once {
    type Item = Result<Bytes, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
