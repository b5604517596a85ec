//! Holds and settles: admission in memory, then durable in the writer's next commit.

use super::connection::failure;
use super::open::{LedgerOptions, counted};
use super::rows::write_call;
use super::writer::Writer;
use jiff::Timestamp;
use nunchi_core::{
    Admission, Booked, BoxFuture, Budget, BudgetBook, BudgetId, BudgetNotice, BudgetState, BudgetStore,
    CallId, CallRecord, HoldError, HoldRequest, KeyId, KeyStore, Ledger, Posture, Refusal, Settlement,
    SpendScope, SpendWish, StorageError, TaskName, Ticket, VirtualKey,
};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Pause between two tries to write a settle that the disk refused.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

type Verdict = Result<(), Box<Refusal>>;

/// The budgets, and who waits for them.
pub(super) struct Desk {
    pub(super) book: BudgetBook,
    waiting: HashMap<Ticket, oneshot::Sender<Verdict>>,
}

impl Desk {
    pub(super) fn new(book: BudgetBook) -> Self {
        Self { book, waiting: HashMap::new() }
    }

    /// Tells those about whom something was decided; who has left gives the hold back.
    pub(super) fn tell(&mut self, now: Timestamp) {
        loop {
            let decided = self.book.take_decided();
            if decided.is_empty() {
                return;
            }
            for decision in decided {
                let granted = decision.outcome.is_ok();
                let told = self
                    .waiting
                    .remove(&decision.ticket)
                    .is_some_and(|waiter| waiter.send(decision.outcome).is_ok());
                if granted && !told {
                    self.book.release(decision.call, now);
                }
            }
        }
    }
}

/// The ledger, budgets and keys in one SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteLedger {
    pub(super) desk: Arc<Mutex<Desk>>,
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
    ledger: &'a SqliteLedger,
    call: CallId,
    ticket: Option<Ticket>,
    kept: bool,
}

// drop: sends a message (the hold of a caller who left is given back)
impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.ledger.give_back(self.call, self.ticket);
        }
    }
}

impl SqliteLedger {
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds that are open now.
    pub fn open_holds(&self) -> usize {
        self.desk().book.open_holds()
    }

    /// Waits until everything queued is written and the writer has ended; the last clone must be the caller's.
    pub async fn close(self) {
        let Self { writer, thread, .. } = self;
        drop(writer);
        let ended = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended {
            // A writer that panicked has said so itself.
            let _panicked = tokio::task::spawn_blocking(move || ended.join()).await;
        }
    }

    fn give_back(&self, call: CallId, ticket: Option<Ticket>) {
        let now = self.options.clock.now();
        {
            let mut desk = self.desk();
            if let Some(ticket) = ticket {
                desk.waiting.remove(&ticket);
                let _decided_before = desk.book.cancel(ticket, now);
            }
            desk.book.release(call, now);
            desk.tell(now);
        }
        self.writer.queue(move |connection| delete_hold(connection, call));
    }

    async fn admit(
        &self,
        wish: SpendWish,
        at: Timestamp,
        patience: Duration,
        pending: &mut Pending<'_>,
    ) -> Result<(), HoldError> {
        let verdict = {
            let mut desk = self.desk();
            match desk.book.hold(wish, at) {
                Admission::Granted => return Ok(()),
                Admission::Refused(refusal) => return Err(HoldError::Refused(refusal)),
                Admission::Queued(ticket) => {
                    let (told, verdict) = oneshot::channel();
                    desk.waiting.insert(ticket, told);
                    pending.ticket = Some(ticket);
                    verdict
                }
            }
        };
        match tokio::time::timeout(patience, verdict).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(refusal))) => Err(HoldError::Refused(refusal)),
            Ok(Err(_)) => Err(HoldError::Storage(StorageError::Closed)),
            Err(_) => self.give_up(pending),
        }
    }

    /// The wait ran out; a decision of the same moment still counts.
    fn give_up(&self, pending: &mut Pending<'_>) -> Result<(), HoldError> {
        let now = self.options.clock.now();
        let mut desk = self.desk();
        let Some(ticket) = pending.ticket.take() else { return Ok(()) };
        desk.waiting.remove(&ticket);
        let outcome = match desk.book.cancel(ticket, now) {
            Some(refusal) => Err(HoldError::Refused(refusal)),
            None => Ok(()),
        };
        desk.tell(now);
        outcome
    }

    async fn hold_durably(&self, request: HoldRequest) -> Result<(), HoldError> {
        let HoldRequest { call, scope, money, tokens, at, patience, if_lost } = request;
        let mut pending = Pending { ledger: self, call, ticket: None, kept: false };
        self.admit(SpendWish { call, scope, money, tokens }, at, patience, &mut pending).await?;
        let row = serde_json::to_string(&if_lost).map_err(|error| StorageError::Other(error.to_string()))?;
        let written = self.writer.write(move |connection| {
            let mut insert = connection
                .prepare_cached("INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?)")
                .map_err(failure)?;
            let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
            insert.execute(params![call.0.as_bytes(), money.0, tokens, row]).map_err(failure)?;
            Ok(())
        });
        written.await?;
        pending.kept = true;
        Ok(())
    }

    async fn book_durably(&self, record: CallRecord) -> Result<Vec<BudgetNotice>, StorageError> {
        let call = record.id;
        let now = self.options.clock.now();
        let booked =
            self.desk().book.book(call, &scope_of(&record), record.cost, record.usage.total_tokens(), now);
        let (row, written_booking) = (record.clone(), booked.clone());
        let written = self.writer.write(move |connection| {
            let fresh = write_call(connection, &row)?;
            if fresh {
                write_booked(connection, &written_booking)?;
            }
            delete_hold(connection, call)?;
            Ok(fresh)
        });
        let outcome = written.await;
        let mut desk = self.desk();
        if !matches!(outcome, Ok(true)) {
            desk.book.unbook(&booked);
        }
        if outcome.is_ok() {
            desk.book.release(call, now);
            desk.tell(now);
        }
        outcome.map(|fresh| {
            if fresh { booked.notices.into_iter().map(|(_, notice)| notice).collect() } else { Vec::new() }
        })
    }

    /// Tries again until the disk takes it: the hold stays open as long, so nothing is lost and nothing is spent twice.
    fn settle_later(&self, record: CallRecord) {
        let ledger = self.clone();
        let retry = async move {
            loop {
                tokio::time::sleep(RETRY_PAUSE).await;
                match ledger.book_durably(record.clone()).await {
                    Ok(_) | Err(StorageError::Closed) => return,
                    Err(error) => tracing::warn!(%error, call = %record.id, "a settle waits for the disk"),
                }
            }
        };
        self.options.spawn.spawn(TaskName::HoldReaper, Box::pin(retry));
    }
}

impl Ledger for SqliteLedger {
    fn hold(&self, request: HoldRequest) -> BoxFuture<'_, Result<(), HoldError>> {
        Box::pin(self.hold_durably(request))
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        Box::pin(async move {
            let outcome = self.book_durably(settlement.record.clone()).await;
            if matches!(outcome, Err(StorageError::DiskFull | StorageError::Other(_))) {
                self.settle_later(settlement.record);
            }
            outcome
        })
    }

    fn posture(&self, scope: &SpendScope, now: Timestamp) -> Posture {
        self.desk().book.posture(scope, now)
    }
}

impl BudgetStore for SqliteLedger {
    fn budgets(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<(Budget, BudgetState)>, StorageError>> {
        Box::pin(async move { Ok(self.desk().book.states(now)) })
    }

    fn put_budget(&self, budget: Budget) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let body =
                serde_json::to_string(&budget).map_err(|error| StorageError::Other(error.to_string()))?;
            let id = budget.id;
            let counted = self.writer.write(move |connection| {
                let sql = "INSERT INTO budgets VALUES (?1, (SELECT coalesce(max(position), 0) + 1 FROM budgets), ?2) \
                    ON CONFLICT (id) DO UPDATE SET body = excluded.body";
                connection.execute(sql, params![id.0.as_bytes(), body]).map_err(failure)?;
                counted(connection, id)
            });
            let counted = counted.await?;
            let now = self.options.clock.now();
            let mut desk = self.desk();
            desk.book.put(budget, counted, now);
            desk.tell(now);
            Ok(())
        })
    }

    fn remove_budget(&self, id: BudgetId) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let removed = self.writer.write(move |connection| {
                connection.execute("DELETE FROM budgets WHERE id = ?", [id.0.as_bytes()]).map_err(failure)
            });
            if removed.await? == 0 {
                return Err(StorageError::NotFound(format!("budget {id}")));
            }
            let now = self.options.clock.now();
            let mut desk = self.desk();
            desk.book.remove(id, now);
            desk.tell(now);
            Ok(())
        })
    }
}

impl KeyStore for SqliteLedger {
    fn keys(&self) -> BoxFuture<'_, Result<Vec<VirtualKey>, StorageError>> {
        Box::pin(self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT secret_hash, body FROM keys ORDER BY created, id")
                .map_err(failure)?;
            let rows = statement
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
                .map_err(failure)?;
            rows.map(|row| {
                let (secret_hash, body) = row.map_err(failure)?;
                let key: VirtualKey = serde_json::from_str(&body)
                    .map_err(|error| StorageError::Damaged(format!("a key: {error}")))?;
                Ok(VirtualKey { secret_hash, ..key })
            })
            .collect()
        }))
    }

    fn put_key(&self, key: VirtualKey) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let body = serde_json::to_string(&key).map_err(|error| StorageError::Other(error.to_string()))?;
            let written = self.writer.write(move |connection| {
                let row = params![key.id.0.as_bytes(), key.created.as_microsecond(), key.secret_hash, body];
                connection
                    .execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", row)
                    .map_err(failure)?;
                Ok(())
            });
            written.await
        })
    }

    fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let written = self.writer.write(move |connection| {
                let sql = "UPDATE keys SET body = json_set(body, '$.last_used', ?) WHERE id = ?";
                for (id, at) in used {
                    connection.execute(sql, params![at.to_string(), id.0.as_bytes()]).map_err(failure)?;
                }
                Ok(())
            });
            written.await
        })
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

/// Adds a booking to the durable counters, and keeps its notices.
pub(super) fn write_booked(connection: &Connection, booked: &Booked) -> Result<(), StorageError> {
    let sql = "INSERT INTO spent VALUES (?1, ?2, ?3, ?4) ON CONFLICT (budget, instance, start) DO UPDATE SET units = units + ?4";
    let mut add = connection.prepare_cached(sql).map_err(failure)?;
    for charge in &booked.charges {
        let account = &charge.account;
        let instance = account.instance.as_deref().unwrap_or("");
        let start = account.start.as_microsecond();
        add.execute(params![account.budget.0.as_bytes(), instance, start, charge.units]).map_err(failure)?;
    }
    for (account, notice) in &booked.notices {
        let body = serde_json::to_string(notice).map_err(|error| StorageError::Other(error.to_string()))?;
        let instance = account.instance.as_deref().unwrap_or("");
        let row = params![
            notice.at.as_microsecond(),
            account.budget.0.as_bytes(),
            instance,
            account.start.as_microsecond(),
            body
        ];
        connection.execute("INSERT INTO notices VALUES (?, ?, ?, ?, ?)", row).map_err(failure)?;
    }
    Ok(())
}

fn delete_hold(connection: &Connection, call: CallId) -> Result<(), StorageError> {
    let mut delete = connection.prepare_cached("DELETE FROM holds WHERE id = ?").map_err(failure)?;
    delete.execute([call.0.as_bytes()]).map_err(failure)?;
    Ok(())
}
