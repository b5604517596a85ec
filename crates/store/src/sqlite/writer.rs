//! The one writer: a thread that owns the connection and commits what has queued up in one transaction.

use super::connection::failure;
use nunchi_core::StorageError;
use rusqlite::{Connection, TransactionBehavior};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Jobs of one commit.
const BATCH: usize = 32;

/// What a job does, inside the transaction of its batch.
type Work = Box<dyn FnOnce(&Connection) -> Result<(), StorageError> + Send>;

struct Job {
    work: Work,
    /// Told after the commit.
    done: Option<oneshot::Sender<Result<(), StorageError>>>,
}

/// The sending side. Every job waits for its own commit, so the queue is as long as there are callers.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the thread; it ends, with its queue drained, when the last sender is gone.
    pub(super) fn start(connection: Connection) -> Result<(Self, JoinHandle<()>), StorageError> {
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || run(connection, &queue))
            .map_err(|error| StorageError::Other(error.to_string()))?;
        Ok((Self { jobs }, thread))
    }

    /// Does the work and returns once it is durable. Work of which the caller no longer waits is done all the same.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (value_in, value_out) = oneshot::channel();
        let (done, committed) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let value = work(connection)?;
            // The caller may have left; the work is done all the same.
            let _left = value_in.send(value);
            Ok(())
        });
        self.jobs.send(Job { work, done: Some(done) }).map_err(|_| StorageError::Closed)?;
        committed.await.map_err(|_| StorageError::Closed)??;
        value_out.await.map_err(|_| StorageError::Closed)
    }

    /// Queues work nobody waits for.
    pub(super) fn queue(&self, work: impl FnOnce(&Connection) -> Result<(), StorageError> + Send + 'static) {
        // A writer that is gone has nothing left to protect.
        let _closed = self.jobs.send(Job { work: Box::new(work), done: None });
    }
}

fn run(mut connection: Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(queue.try_iter().take(BATCH - 1)).collect();
        let (works, dones): (Vec<Work>, Vec<_>) = batch.into_iter().map(|job| (job.work, job.done)).unzip();
        let results = commit(&mut connection, works);
        for (done, result) in dones.into_iter().zip(results) {
            if let Some(done) = done {
                // The caller may have left.
                let _left = done.send(result);
            }
        }
    }
    // A whole file is easier to copy; a log that cannot be folded in now is folded in at the next start.
    let _folded = connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()));
}

/// Runs a batch in one transaction. A job that fails by itself does not fail the others; a failed commit fails all.
fn commit(connection: &mut Connection, works: Vec<Work>) -> Vec<Result<(), StorageError>> {
    let count = works.len();
    let all = |error: StorageError| vec![Err(error); count];
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return all(failure(error)),
    };
    let mut results = Vec::with_capacity(count);
    for work in works {
        let result = work(&transaction);
        if let Err(error @ (StorageError::DiskFull | StorageError::Damaged(_))) = &result {
            // SQLite may have rolled the whole transaction back already.
            return all(error.clone());
        }
        results.push(result);
    }
    match transaction.commit() {
        Ok(()) => results,
        Err(error) => all(failure(error)),
    }
}
