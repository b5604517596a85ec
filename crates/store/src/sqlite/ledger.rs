//! Holds and settles: admission in memory, then durable in the writer's next commit.

use super::desk::{Desked, SharedDesk};
use super::open::LedgerOptions;
use super::writer::{Entry, Writer};
use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, BudgetNotice, CallId, CallRecord, HoldError, HoldRequest, Ledger, Posture, Settlement,
    SpendScope, SpendWish, StorageError, Ticket,
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
}

impl std::fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteLedger").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A hold on its way; should its caller leave before it has it, it is given back.
struct Pending<'a> {
    writer: &'a Writer,
    call: CallId,
    ticket: Option<Ticket>,
    /// Whether nothing has to be given back: the caller has it, or never got it.
    over: bool,
}

// drop: sends a message (the hold of a caller who left is given back)
impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.writer.enter(Entry::Forget { call: self.call, ticket: self.ticket });
        }
    }
}

impl SqliteLedger {
    /// Holds that are open now.
    pub fn open_holds(&self) -> usize {
        self.desk.lock().book.open_holds()
    }

    /// Waits until everything queued is written and the writer has ended. Clones that are left answer that the store is closed.
    pub async fn close(self) {
        self.writer.close();
        let ended = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // A writer that panicked has said so itself.
            let _panicked = tokio::task::spawn_blocking(move || ended.join()).await;
        }
    }

    async fn hold_durably(&self, request: HoldRequest) -> Result<(), HoldError> {
        let HoldRequest { call, scope, money, tokens, at, patience, if_lost } = request;
        let if_lost =
            serde_json::to_string(&if_lost).map_err(|error| StorageError::Other(error.to_string()))?;
        let admitted = self.desk.lock().admit(SpendWish { call, scope, money, tokens }, at)?;
        let mut pending = Pending { writer: &self.writer, call, ticket: None, over: false };
        if let Desked::Waits(ticket, verdict) = admitted {
            pending.ticket = Some(ticket);
            let verdict = self.wait(ticket, verdict, patience).await;
            pending.over = verdict.is_err();
            verdict?;
        }
        let (answer, committed) = oneshot::channel();
        self.writer.enter(Entry::Hold { call, money, tokens, if_lost, answer: Some(answer) });
        let outcome = committed.await.map_err(|_| StorageError::Closed);
        pending.over = true;
        Ok(outcome??)
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
        // Queued at once: a caller who never awaits the answer settles all the same.
        let (answer, committed) = oneshot::channel();
        self.writer.enter(Entry::Settle { record: Box::new(settlement.record), answer: Some(answer) });
        Box::pin(async move { committed.await.map_err(|_| StorageError::Closed)? })
    }

    fn posture(&self, scope: &SpendScope, now: Timestamp) -> Posture {
        self.desk.lock().book.posture(scope, now)
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
