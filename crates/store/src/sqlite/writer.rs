//! The one writer: a thread that owns the connection and commits what has queued up in one transaction.
//!
//! Only this thread books and releases, always after it has asked the database whether a row is new; so a settle counts once
//! however often it comes, and memory and file never disagree for longer than one transaction.

use super::checkpoint::{Checkpointer, KEPT, checkpoint};
use super::connection::failure;
use super::desk::SharedDesk;
use super::ledger::scope_of;
use super::rows::{delete_hold, write_booked, write_call, write_hold};
use nunchi_core::{Booked, BudgetNotice, CallId, CallRecord, Clock, NanoUsd, StorageError, Ticket};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Jobs of one commit.
const BATCH: usize = 32;
/// Pause between two tries to write what the disk refused.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Rows that may wait for a full disk; each row of a paid call has a hold, so only free rows can be more.
const MOST_LEFT: usize = 65_536;

type Answer<T> = oneshot::Sender<Result<T, StorageError>>;

/// Work with the connection for itself, outside any transaction; it answers its caller by itself.
type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// One row to write.
pub(super) enum Entry {
    /// A hold that the desk has granted.
    Hold { call: CallId, money: NanoUsd, tokens: u64, if_lost: String, answer: Option<Answer<()>> },
    /// A call that has ended.
    Settle { record: Box<CallRecord>, answer: Option<Answer<Vec<BudgetNotice>>> },
    /// A hold, or a place in the queue, whose caller has left.
    Forget { call: CallId, ticket: Option<Ticket> },
}

enum Job {
    Entry(Entry),
    Work(Work),
    /// Write what is queued, then end.
    Close,
}

/// The sending side. Every job waits for its own commit, so the queue is as long as there are callers.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the thread; it ends, with its queue drained, when it is closed or the last sender is gone.
    pub(super) fn start(
        (connection, path): (Connection, &Path),
        desk: SharedDesk,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, JoinHandle<()>), StorageError> {
        let (jobs, queue) = channel();
        let checkpointer = Checkpointer::start(path)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failure)?;
        connection.pragma_update_and_check(None, "journal_size_limit", KEPT, |_| Ok(())).map_err(failure)?;
        let mut scribe = Scribe { connection, checkpointer, desk, clock, left: Vec::new() };
        let thread = std::thread::Builder::new()
            .name("ledger-writer".into())
            .spawn(move || scribe.run(&queue))
            .map_err(|error| StorageError::Other(error.to_string()))?;
        Ok((Self { jobs }, thread))
    }

    /// Queues a row; a writer that is gone drops it, and with it its answer.
    pub(super) fn enter(&self, entry: Entry) {
        let _closed = self.jobs.send(Job::Entry(entry));
    }

    /// Does the work and returns once it is done; each statement survives a loss of power. Work of which the caller no longer
    /// waits is done all the same.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (told, answer) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let _left = told.send(carefully(connection, work));
        });
        self.jobs.send(Job::Work(work)).map_err(|_| StorageError::Closed)?;
        answer.await.map_err(|_| StorageError::Closed)?
    }

    /// Lets the thread end once it has written what is queued.
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
    checkpointer: Checkpointer,
    desk: SharedDesk,
    clock: Arc<dyn Clock>,
    /// What the disk refused and is tried again: nothing is lost, and its holds stay open as long.
    left: Vec<Entry>,
}

impl Scribe {
    fn run(&mut self, queue: &Receiver<Job>) {
        loop {
            let first = match self.next(queue) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    self.write(Vec::new());
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if !self.take(std::iter::once(first).chain(queue.try_iter().take(BATCH - 1))) {
                break;
            }
        }
        self.end(queue);
    }

    fn next(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        if self.left.is_empty() {
            return queue.recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        queue.recv_timeout(RETRY_PAUSE)
    }

    fn end(&mut self, queue: &Receiver<Job>) {
        self.desk.lock().shut(&StorageError::Closed);
        loop {
            let jobs: Vec<Job> = queue.try_iter().take(BATCH).collect();
            if jobs.is_empty() {
                break;
            }
            self.take(jobs.into_iter());
        }
        self.write(Vec::new());
        if !self.left.is_empty() {
            tracing::error!(
                rows = self.left.len(),
                "rows could not be written; the next start books their holds"
            );
        }
        // A whole file is easier to copy; a log that cannot be folded in now is folded in at the next start.
        let _folded = checkpoint(&self.connection, "TRUNCATE");
    }

    /// Does the jobs in their order; tells whether more may come.
    fn take(&mut self, jobs: impl Iterator<Item = Job>) -> bool {
        let mut open = true;
        let mut entries = Vec::with_capacity(BATCH);
        for job in jobs {
            match job {
                Job::Entry(entry) => entries.push(entry),
                Job::Work(work) => {
                    self.write(std::mem::take(&mut entries));
                    work(&mut self.connection);
                }
                Job::Close => open = false,
            }
        }
        self.write(entries);
        open
    }

    /// Writes what was left over and these, in one transaction. Should that fail through a row and not through the disk, each is
    /// tried by itself, so that one bad row fails alone.
    fn write(&mut self, fresh: Vec<Entry>) {
        let mut entries = std::mem::take(&mut self.left);
        entries.extend(fresh);
        if entries.is_empty() {
            return;
        }
        match self.commit(&entries) {
            Ok(booked) => self.done(entries, booked),
            Err(StorageError::Other(error)) if entries.len() > 1 => {
                tracing::warn!(error, "a batch failed; its rows are written one by one");
                for entry in entries {
                    let alone = vec![entry];
                    match self.commit(&alone) {
                        Ok(booked) => self.done(alone, booked),
                        Err(error) => self.failed(alone, &error),
                    }
                }
            }
            Err(error) => self.failed(entries, &error),
        }
    }

    /// One transaction. What it books is counted in memory before the commit, so that later bookings of the batch see it, and
    /// is taken back should the commit fail.
    fn commit(&mut self, entries: &[Entry]) -> Result<Vec<Booked>, StorageError> {
        let now = self.clock.now();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        let fresh = entries.iter().map(|entry| apply(&transaction, entry)).collect::<Result<Vec<_>, _>>()?;
        let booked: Vec<Booked> = {
            let mut desk = self.desk.lock();
            let book = |(entry, fresh): (&Entry, bool)| match entry {
                Entry::Settle { record, .. } if fresh => {
                    let tokens = record.usage.total_tokens();
                    desk.book.book(record.id, &scope_of(record), record.cost, tokens, now)
                }
                _ => Booked::default(),
            };
            entries.iter().zip(fresh).map(book).collect()
        };
        let written =
            write_booked(&transaction, &booked).and_then(|()| transaction.commit().map_err(failure));
        if let Err(error) = written {
            let mut desk = self.desk.lock();
            booked.iter().for_each(|booked| desk.book.unbook(booked));
            return Err(error);
        }
        self.checkpointer.committed(&self.connection);
        Ok(booked)
    }

    fn done(&self, entries: Vec<Entry>, booked: Vec<Booked>) {
        let now = self.clock.now();
        let mut desk = self.desk.lock();
        for entry in &entries {
            match entry {
                Entry::Hold { .. } => {}
                Entry::Settle { record, .. } => desk.book.release(record.id, now),
                Entry::Forget { call, ticket } => desk.forget(*call, *ticket, now),
            }
        }
        desk.tell();
        drop(desk);
        // Whoever has left meanwhile sends word of that.
        for (entry, booked) in entries.into_iter().zip(booked) {
            match entry {
                Entry::Hold { answer: Some(answer), .. } => {
                    let _left = answer.send(Ok(()));
                }
                Entry::Settle { answer: Some(answer), .. } => {
                    let notices = booked.notices.into_iter().map(|(_, notice)| notice);
                    let _left = answer.send(Ok(notices.collect()));
                }
                _ => {}
            }
        }
    }

    /// Undoes holds; keeps settles and releases for another try, unless the file is damaged.
    fn failed(&mut self, entries: Vec<Entry>, error: &StorageError) {
        let now = self.clock.now();
        let mut desk = self.desk.lock();
        let again = !matches!(error, StorageError::Damaged(_));
        if !again {
            desk.shut(error);
        }
        for entry in entries {
            let kept = match entry {
                Entry::Hold { call, answer, .. } => {
                    desk.book.release(call, now);
                    answer.map(|answer| answer.send(Err(error.clone())));
                    continue;
                }
                Entry::Settle { record, answer } => {
                    answer.map(|answer| answer.send(Err(error.clone())));
                    Entry::Settle { record, answer: None }
                }
                Entry::Forget { call, ticket } => {
                    if let Some(ticket) = ticket {
                        desk.give_up(ticket, now);
                    }
                    Entry::Forget { call, ticket: None }
                }
            };
            if again && self.left.len() < MOST_LEFT {
                self.left.push(kept);
            }
        }
        desk.tell();
    }
}

/// Writes one row; tells whether a settle is new.
fn apply(connection: &Connection, entry: &Entry) -> Result<bool, StorageError> {
    match entry {
        Entry::Hold { call, money, tokens, if_lost, .. } => {
            write_hold(connection, *call, *money, *tokens, if_lost)?;
            Ok(false)
        }
        Entry::Settle { record, .. } => {
            let fresh = write_call(connection, record)?;
            delete_hold(connection, record.id)?;
            Ok(fresh)
        }
        Entry::Forget { call, .. } => {
            delete_hold(connection, *call)?;
            Ok(false)
        }
    }
}
