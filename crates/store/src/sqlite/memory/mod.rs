//! Memory in the ledger's file: rows, an index of words (FTS5) and the signs of meanings, changed together in one transaction.

mod find;
mod rows;
mod signs;

use super::connection::{connect_to_read, failure};
use super::ledger::SqliteLedger;
use crate::seal::{Packer, Sealer};
use find::Known;
use nunchi_core::{
    BoxFuture, Candidates, Fact, FactFilter, FactId, FactQuery, FactRecord, MemoryBounds, MemoryChange,
    MemoryFigures, MemoryStore, StorageError, faded,
};
use rows::Rows;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use signs::Signs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is remembered. Cheap to clone.
#[derive(Clone)]
pub struct SqliteMemory {
    ledger: SqliteLedger,
    reader: Arc<Mutex<Connection>>,
    shelf: Arc<Shelf>,
}

/// What readers and the writer share.
struct Shelf {
    sealer: Sealer,
    /// What words, topics and sessions are hashed with.
    key: Option<[u8; 32]>,
    /// The signs of all meanings; `None` until somebody searches.
    signs: Mutex<Option<Signs>>,
    /// Counts that hold until the next change.
    known: Mutex<Known>,
}

impl std::fmt::Debug for SqliteMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteMemory").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl SqliteMemory {
    /// The memory in the file of a ledger, which writes for it.
    ///
    /// # Errors
    /// When the file cannot be opened a second time.
    pub fn open(ledger: &SqliteLedger) -> Result<Self, StorageError> {
        let reader = connect_to_read(&ledger.path)?;
        // Postings of common words are read over and over.
        reader.pragma_update(None, "cache_size", -8192).map_err(failure)?;
        let key = ledger.options.encryption_key;
        let shelf = Shelf { sealer: Sealer::new(key), key, signs: Mutex::new(None), known: Mutex::default() };
        Ok(Self { ledger: ledger.clone(), reader: Arc::new(Mutex::new(reader)), shelf: Arc::new(shelf) })
    }

    /// Runs a query off the async threads. What was acknowledged before is seen: it is in the database.
    async fn look<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection, &Shelf) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (reader, shelf) = (Arc::clone(&self.reader), Arc::clone(&self.shelf));
        let read = tokio::task::spawn_blocking(move || {
            query(&reader.lock().unwrap_or_else(PoisonError::into_inner), &shelf)
        });
        read.await.map_err(|error| StorageError::Other(error.to_string()))?
    }

    /// Reads the signs of all meanings on the writer's thread, in turn with the changes.
    async fn read_signs(&self) -> Result<(), StorageError> {
        let read = self.write(|rows| {
            let signs = rows.shelf.read_signs(rows.connection)?;
            *rows.shelf.signs() = Some(signs);
            Ok(())
        });
        read.await
    }

    /// Makes a change on the writer's thread, in one transaction.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Rows<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let shelf = Arc::clone(&self.shelf);
        let written = self.ledger.writer.work(move |connection| {
            let transaction = connection.transaction().map_err(failure)?;
            let packer = Mutex::new(Packer::new()?);
            let rows =
                Rows { connection: &transaction, shelf: &shelf, packer: &packer, counts: Mutex::default() };
            let outcome = work(&rows)?;
            let counts = rows.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
            // The index follows in the order of the writes. Should the commit fail it is read anew.
            let committed = transaction.commit().map_err(failure);
            shelf.known().follow(committed.is_ok().then_some(&counts));
            if committed.is_err() {
                *shelf.signs() = None;
            }
            committed.map(|()| outcome)
        });
        let outcome = written.await;
        if outcome.is_err() {
            *self.shelf.signs() = None;
        }
        outcome
    }
}

impl Shelf {
    fn signs(&self) -> MutexGuard<'_, Option<Signs>> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word as it stands in the index: itself, or its hash where texts are sealed.
    fn term(&self, term: &str) -> String {
        match &self.key {
            None => term.to_owned(),
            Some(_) => self.mark(term).iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// A session or a topic as it stands in its column: nothing that could be read back.
    fn mark(&self, text: &str) -> Vec<u8> {
        let key = self.key.unwrap_or_default();
        Sha256::new().chain_update(b"memory").chain_update(key).chain_update(text).finalize()[..16].to_vec()
    }
}

impl MemoryStore for SqliteMemory {
    fn change(&self, change: MemoryChange) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.write(move |rows| {
            for record in &change.put {
                rows.put(record)?;
            }
            for (id, at) in &change.used {
                rows.touch(*id, *at)?;
            }
            for id in &change.remove {
                rows.remove(*id)?;
            }
            Ok(())
        }))
    }

    fn fact(&self, id: FactId) -> BoxFuture<'_, Result<Option<FactRecord>, StorageError>> {
        Box::pin(self.look(move |connection, shelf| {
            let sql = format!("SELECT {} FROM memories WHERE id = ?", rows::COLUMNS);
            let mut select = connection.prepare_cached(&sql).map_err(failure)?;
            let row = select.query_row([id.0.as_bytes()], rows::Stored::read).optional().map_err(failure)?;
            Ok(row.and_then(|row| shelf.open(row)))
        }))
    }

    fn facts(&self, filter: FactFilter) -> BoxFuture<'_, Result<Vec<Fact>, StorageError>> {
        Box::pin(self.look(move |connection, shelf| shelf.list(connection, &filter)))
    }

    fn search(&self, query: FactQuery) -> BoxFuture<'_, Result<Candidates, StorageError>> {
        Box::pin(async move {
            if query.vector.is_some() && self.shelf.signs().is_none() {
                self.read_signs().await?;
            }
            self.look(move |connection, shelf| shelf.find(connection, &query)).await
        })
    }

    fn figures(&self) -> BoxFuture<'_, Result<MemoryFigures, StorageError>> {
        Box::pin(self.look(|connection, _| rows::figures(connection)))
    }

    fn shrink(
        &self,
        bounds: MemoryBounds,
        now: jiff::Timestamp,
    ) -> BoxFuture<'_, Result<Vec<FactId>, StorageError>> {
        Box::pin(self.write(move |rows| {
            let gone = faded(rows.fading()?, bounds, now);
            for id in &gone {
                rows.remove(*id)?;
            }
            Ok(gone)
        }))
    }
}

/// Makes the index of words anew where it does not fit the rows: after a salvage, or a change of the rules of words.
impl SqliteMemory {
    /// Looks whether the index has a row for every fact that holds, and makes it anew if not.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn mend(&self) -> Result<bool, StorageError> {
        let whole = self.look(|connection, _| {
            let count = |sql: &str| connection.query_row(sql, params![], |row| row.get::<_, i64>(0));
            let held = count("SELECT count(*) FROM memories WHERE state = 0").map_err(failure)?;
            Ok(held == count("SELECT count(*) FROM memory_words_docsize").map_err(failure)?)
        });
        if whole.await? {
            return Ok(false);
        }
        self.write(|rows| rows.index_anew()).await?;
        Ok(true)
    }
}
