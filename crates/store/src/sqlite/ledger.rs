//! Holds and settles: decided in memory and appended to the journal, under one lock and without a change of thread.

use super::desk::{Desked, SharedDesk};
use super::journal::{Frame, Held, SettleDraft};
use super::open::LedgerOptions;
use super::runs::SaveQueue;
use super::writer::{FOLD_AT, Writer};
use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, BudgetNotice, CallId, CallRecord, HoldError, HoldRequest, Ledger, NanoUsd, Posture,
    Settlement, SpendScope, SpendWish, StorageError, Ticket,
};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The ledger, budgets and keys in one SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteLedger {
    pub(super) desk: SharedDesk,
    pub(super) writer: Writer,
    pub(super) thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    pub(super) reader: Arc<Mutex<Connection>>,
    pub(super) path: PathBuf,
    pub(super) options: LedgerOptions,
    /// The open holds of a process before that outlived it.
    pub(super) outlived: Arc<Vec<CallRecord>>,
    pub(super) saves: SaveQueue,
}

/// Why a row was not booked at once.
enum Unsettled {
    Failed(StorageError),
    /// Only the database knows whether it is new.
    Unsure(Box<CallRecord>),
}

impl From<StorageError> for Unsettled {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

impl std::fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteLedger").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A wish that waits for a budget; should its caller leave, its place and what it was granted are given back.
struct Waiting<'a> {
    writer: &'a Writer,
    call: CallId,
    ticket: Ticket,
    over: bool,
}

// drop: sends a message (the place of a caller who left is given back)
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.writer.forget(self.call, self.ticket);
        }
    }
}

impl SqliteLedger {
    /// Holds that are open now.
    pub fn open_holds(&self) -> usize {
        self.desk.lock().book.open_holds()
    }

    /// Waits until everything is in the database and the writer has ended. Clones that are left answer that the store is closed.
    pub async fn close(self) {
        self.writer.close();
        let ended = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // A writer that panicked has said so itself.
            let _panicked = tokio::task::spawn_blocking(move || ended.join()).await;
        }
    }

    async fn hold_durably(&self, request: HoldRequest) -> Result<(), HoldError> {
        let HoldRequest { call, scope, money, tokens, at, patience, if_lost, outlives } = request;
        let held = Held { call, money, tokens, if_lost, outlives };
        let frame = Frame::hold(&held)?;
        self.wait_for_room().await;
        let (ticket, verdict) = {
            let mut desk = self.desk.lock();
            match desk.admit(SpendWish { call, scope, money, tokens }, at)? {
                Desked::Granted => {
                    desk.keep(held, &frame, at)?;
                    self.wake_for(desk.entries());
                    return Ok(());
                }
                Desked::Waits(ticket, verdict) => (ticket, verdict),
            }
        };
        let mut waiting = Waiting { writer: &self.writer, call, ticket, over: false };
        let verdict = self.wait(ticket, verdict, patience).await;
        waiting.over = true;
        verdict?;
        let mut desk = self.desk.lock();
        desk.keep(held, &frame, self.options.clock.now())?;
        self.wake_for(desk.entries());
        Ok(())
    }

    /// Waits while so much is still to be folded that memory would fill up.
    async fn wait_for_room(&self) {
        loop {
            let folded = self.desk.room.notified();
            if !self.desk.lock().is_full() {
                return;
            }
            self.writer.wake();
            folded.await;
        }
    }

    /// Wakes the writer for the first entry that waits for it, and for the last that may.
    fn wake_for(&self, entries: usize) {
        if entries == 1 || entries.is_multiple_of(FOLD_AT) {
            self.writer.wake();
        }
    }

    /// Books at once what cannot have been booked before: a call that has a hold, or one that counts nothing.
    fn settle_here(&self, record: Box<CallRecord>) -> Result<Vec<BudgetNotice>, Unsettled> {
        let draft = SettleDraft::new(&record)?;
        let counts = record.cost != NanoUsd(0) || record.usage.total_tokens() != 0;
        let now = self.options.clock.now();
        let mut desk = self.desk.lock();
        if counts && !desk.book.is_held(record.id) {
            return Err(Unsettled::Unsure(record));
        }
        let settled = desk.settle(record, draft, now);
        let entries = desk.entries();
        drop(desk);
        match &settled {
            Ok(_) => self.wake_for(entries),
            // The writer tries again.
            Err(_) => self.writer.wake(),
        }
        Ok(settled?)
    }

    async fn wait(
        &self,
        ticket: Ticket,
        mut verdict: oneshot::Receiver<super::desk::Verdict>,
        patience: Duration,
    ) -> Result<(), HoldError> {
        let answer = match tokio::time::timeout(patience, &mut verdict).await {
            Ok(answer) => answer,
            Err(_) => {
                let refusal = self.desk.lock().give_up(ticket, self.options.clock.now());
                if let Some(refusal) = refusal {
                    return Err(HoldError::Refused(refusal));
                }
                // Decided at the very end of the wait.
                verdict.await
            }
        };
        match answer {
            Ok(verdict) => verdict.map_err(HoldError::Refused),
            Err(_) => {
                let shut = self.desk.lock().shut_by();
                Err(HoldError::Storage(shut.unwrap_or(StorageError::Closed)))
            }
        }
    }
}

impl Ledger for SqliteLedger {
    fn hold(&self, request: HoldRequest) -> BoxFuture<'_, Result<(), HoldError>> {
        Box::pin(self.hold_durably(request))
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        // Done at once: a caller who never awaits the answer settles all the same.
        match self.settle_here(Box::new(settlement.record)) {
            Ok(notices) => Box::pin(std::future::ready(Ok(notices))),
            Err(Unsettled::Failed(error)) => Box::pin(std::future::ready(Err(error))),
            Err(Unsettled::Unsure(record)) => Box::pin(self.writer.settle(record)),
        }
    }

    fn posture(&self, scope: &SpendScope, now: Timestamp) -> Posture {
        self.desk.lock().book.posture(scope, now)
    }

    fn outlived(&self) -> Vec<CallRecord> {
        let desk = self.desk.lock();
        self.outlived.iter().filter(|record| desk.book.is_held(record.id)).cloned().collect()
    }
}

/// What budgets of a booked row are scoped by.
pub(super) fn scope_of(record: &CallRecord) -> SpendScope {
    SpendScope {
        user: record.user,
        key: record.key,
        session: record.session.clone(),
        run: record.run,
        task: record.task.clone(),
        tags: Arc::clone(&record.tags),
        provider: record.provider.clone(),
        model: record.model.clone(),
    }
}
