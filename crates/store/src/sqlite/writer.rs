//! The thread that owns the connection: it folds the journal into the database, and does what needs the database for itself.

use super::checkpoint::{Checkpointer, KEPT, checkpoint};
use super::connection::failure;
use super::desk::SharedDesk;
use super::fold::fold;
use super::journal::{self, Marker, SettleDraft};
use super::rows::is_booked;
use nunchi_core::{BudgetNotice, CallId, CallRecord, Clock, StorageError, Ticket};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long an entry waits for others before it is folded in with them.
const FOLD_EVERY: Duration = Duration::from_millis(50);
/// So many entries are folded in at once without a wait.
pub(super) const FOLD_AT: usize = 4_096;
/// Pause between two tries to write what the disk refused.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// A segment of the journal of this size is followed by the next one, in bytes.
const SEGMENT: u64 = 8 << 20;

type Answer<T> = oneshot::Sender<Result<T, StorageError>>;

/// Work with the connection for itself, outside any transaction, behind all that is in the journal; it answers its caller by
/// itself.
type Work = Box<dyn FnOnce(Result<&mut Connection, StorageError>) + Send>;

enum Job {
    /// Something waits to be folded.
    Wake,
    /// Fold now.
    Fold(Answer<()>),
    /// A row of which only the database knows whether it is new.
    Settle(Box<CallRecord>, Answer<Vec<BudgetNotice>>),
    /// The caller of a hold has left.
    Forget(CallId, Ticket),
    Work(Work),
    /// Fold what is left, then end.
    Close,
}

/// The sending side.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the thread; it ends, with everything folded, when it is closed or the last sender is gone.
    pub(super) fn start(
        (connection, path, journal): (Connection, &Path, Marker),
        desk: SharedDesk,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, JoinHandle<()>), StorageError> {
        let (jobs, queue) = channel();
        let checkpointer = Checkpointer::start(path)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failure)?;
        connection.pragma_update_and_check(None, "journal_size_limit", KEPT, |_| Ok(())).map_err(failure)?;
        let path = path.to_owned();
        let mut scribe = Scribe { connection, path, journal, checkpointer, desk, clock, due: None };
        let thread = std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || scribe.run(&queue))
            .map_err(|error| StorageError::Other(error.to_string()))?;
        Ok((Self { jobs }, thread))
    }

    /// Tells that entries wait to be folded.
    pub(super) fn wake(&self) {
        let _closed = self.jobs.send(Job::Wake);
    }

    /// Gives back the place in the queue, or the hold, of a caller who has left.
    pub(super) fn forget(&self, call: CallId, ticket: Ticket) {
        let _closed = self.jobs.send(Job::Forget(call, ticket));
    }

    /// Returns once the database holds all that was acknowledged before.
    pub(super) async fn fold(&self) -> Result<(), StorageError> {
        self.ask(Job::Fold).await
    }

    /// Books a row unless the database has it, whether or not the answer is awaited.
    pub(super) fn settle(
        &self,
        record: Box<CallRecord>,
    ) -> impl Future<Output = Result<Vec<BudgetNotice>, StorageError>> + use<> {
        let (told, answer) = oneshot::channel();
        let sent = self.jobs.send(Job::Settle(record, told));
        async move {
            sent.map_err(|_| StorageError::Closed)?;
            answer.await.map_err(|_| StorageError::Closed)?
        }
    }

    /// Does the work and returns once it is done; each statement survives a loss of power. Work of which the caller no longer
    /// waits is done all the same.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.ask(|told| {
            Job::Work(Box::new(move |connection| {
                let _left = told.send(connection.and_then(|connection| carefully(connection, work)));
            }))
        })
        .await
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StorageError> {
        let (told, answer) = oneshot::channel();
        self.jobs.send(job(told)).map_err(|_| StorageError::Closed)?;
        answer.await.map_err(|_| StorageError::Closed)?
    }

    /// Lets the thread end once it has folded what is there.
    pub(super) fn close(&self) {
        let _closed_before = self.jobs.send(Job::Close);
    }
}

/// Runs work whose loss would surprise its owner (a budget, a key) with a wait for the disk itself.
fn carefully<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    connection.pragma_update(None, "synchronous", "FULL").map_err(failure)?;
    let outcome = work(connection);
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failure)?;
    outcome
}

/// The thread's own state.
struct Scribe {
    connection: Connection,
    path: PathBuf,
    /// Up to where the database holds the journal.
    journal: Marker,
    checkpointer: Checkpointer,
    desk: SharedDesk,
    clock: Arc<dyn Clock>,
    /// When something is to be folded, or tried again.
    due: Option<Instant>,
}

impl Scribe {
    fn run(&mut self, queue: &Receiver<Job>) {
        loop {
            match self.next(queue) {
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => self.take(job),
                Err(RecvTimeoutError::Timeout) => self.round(),
            }
        }
        self.end(queue);
    }

    fn next(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        match self.due {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => queue.recv_timeout(due.saturating_duration_since(Instant::now())),
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Wake => {
                self.due.get_or_insert_with(|| Instant::now() + FOLD_EVERY);
                if self.desk.lock().entries() >= FOLD_AT {
                    self.round();
                }
            }
            Job::Fold(answer) => {
                let _left = answer.send(self.fold());
            }
            Job::Settle(record, answer) => {
                let _left = answer.send(self.settle_once(record));
            }
            Job::Forget(call, ticket) => self.desk.lock().forget(call, ticket, self.clock.now()),
            Job::Work(work) => match self.fold() {
                Ok(()) => work(Ok(&mut self.connection)),
                Err(error) => work(Err(error)),
            },
            Job::Close => {}
        }
    }

    /// What is due: rows that the disk refused before, then the fold.
    fn round(&mut self) {
        let left = self.desk.lock().take_left();
        for record in left {
            // What is refused again is left again.
            let _refused = self.settle_once(Box::new(record));
        }
        if self.fold().is_ok() && self.desk.lock().left() == 0 {
            self.due = None;
        } else {
            self.due = Some(Instant::now() + RETRY_PAUSE);
        }
    }

    /// Takes what the journal holds into the database. When that fails nothing is lost: it is tried again, and until then no call
    /// is admitted.
    fn fold(&mut self) -> Result<(), StorageError> {
        let (unfolded, marker) = self.desk.lock().take_unfolded(self.journal);
        if unfolded.entries() == 0 {
            return Ok(());
        }
        if let Err(error) = fold(&mut self.connection, &unfolded, marker) {
            tracing::warn!(%error, entries = unfolded.entries(), "the ledger cannot be written");
            let mut desk = self.desk.lock();
            desk.put_back(unfolded);
            match &error {
                StorageError::Damaged(_) => desk.shut(&error),
                _ => desk.note_trouble(Some(error.clone())),
            }
            drop(desk);
            self.desk.room.notify_waiters();
            self.due = Some(Instant::now() + RETRY_PAUSE);
            return Err(error);
        }
        self.desk.lock().note_trouble(None);
        self.desk.room.notify_waiters();
        let before = std::mem::replace(&mut self.journal, marker);
        for whole in before.position.segment..marker.position.segment {
            if let Err(error) = journal::remove(&self.path, whole) {
                tracing::warn!(%error, "a journal that is no longer needed cannot be removed");
            }
        }
        self.checkpointer.committed(&self.connection);
        self.turn_page();
        Ok(())
    }

    /// Lets a segment that is long enough be followed by the next one.
    fn turn_page(&self) {
        if self.desk.lock().journal_bytes() < SEGMENT {
            return;
        }
        match journal::next(&self.path, self.journal) {
            Ok(segment) => self.desk.lock().turn_page(segment),
            // The present one goes on.
            Err(error) => tracing::warn!(%error, "the journal cannot be continued in a new file"),
        }
    }

    /// Books a row unless the database has it; what cannot be done now is left for the next round.
    fn settle_once(&mut self, record: Box<CallRecord>) -> Result<Vec<BudgetNotice>, StorageError> {
        self.due.get_or_insert_with(|| Instant::now() + FOLD_EVERY);
        let known = self.fold().and_then(|()| is_booked(&self.connection, record.id));
        match known.and_then(|known| if known { Ok(None) } else { SettleDraft::new(&record).map(Some) }) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(draft)) => self.desk.lock().settle(record, draft, self.clock.now()),
            Err(error) => {
                self.desk.lock().leave(*record);
                Err(error)
            }
        }
    }

    fn end(&mut self, queue: &Receiver<Job>) {
        for job in queue.try_iter().collect::<Vec<_>>() {
            self.take(job);
        }
        self.round();
        // Whoever comes now is told that the ledger is closed, so the last fold misses nothing.
        self.desk.lock().shut(&StorageError::Closed);
        self.desk.room.notify_waiters();
        let folded = self.fold();
        let left = self.desk.lock().left();
        if left > 0 {
            tracing::error!(rows = left, "rows could not be written; the next start books their holds");
        }
        if folded.is_ok() {
            // A whole file is easier to copy; a log that cannot be folded in now is folded in at the next start.
            let _folded = checkpoint(&self.connection, "TRUNCATE");
            let _kept = journal::clear(&self.path, Some(self.journal.epoch));
        }
    }
}
