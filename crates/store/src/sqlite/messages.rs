//! What agents tell the owner: each message once, kept until the owner has seen it and after.

use super::connection::failure;
use super::ledger::SqliteLedger;
use super::rows::{time, uuid};
use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, MessageStore, Notifier, OwnerMessage, Reminder, RunId, StorageError, ToldMessage,
};
use rusqlite::{OptionalExtension, params};

impl Notifier for SqliteLedger {
    fn notify(&self, message: OwnerMessage) -> BoxFuture<'_, Result<(), StorageError>> {
        let at = self.options.clock.now().as_microsecond();
        Box::pin(self.writer.work(move |connection| {
            let sql = "INSERT OR IGNORE INTO messages (key, run, at, text) VALUES (?, ?, ?, ?)";
            let values = params![message.key, message.run.0.as_bytes(), at, message.text];
            connection.execute(sql, values).map_err(failure).map(|_| ())
        }))
    }

    fn remind(&self, message: OwnerMessage, due: Timestamp) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.writer.work(move |connection| {
            // One that was told already is not told again.
            let sql = "INSERT OR IGNORE INTO reminders (key, run, due, text)
                       SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE key = ?1)";
            let values = params![message.key, message.run.0.as_bytes(), due.as_microsecond(), message.text];
            connection.execute(sql, values).map_err(failure).map(|_| ())
        }))
    }

    fn cancel<'a>(
        &'a self,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<(String, Timestamp)>, StorageError>> {
        let (key, now) = (key.to_owned(), self.options.clock.now().as_microsecond());
        Box::pin(self.writer.work(move |connection| {
            let sql = "DELETE FROM reminders WHERE key = ? AND due > ? RETURNING text, due";
            let row = connection.query_row(sql, params![key, now], |row| Ok((row.get(0)?, time(row, 1)?)));
            row.optional().map_err(failure)
        }))
    }

    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>> {
        let key = key.to_owned();
        Box::pin(self.read(move |connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE key = ?1)
                           OR EXISTS (SELECT 1 FROM reminders WHERE key = ?1)";
            connection.query_row(sql, [key], |row| row.get(0)).map_err(failure)
        }))
    }
}

impl SqliteLedger {
    /// Makes messages of the reminders whose time has come. Each step alone is harmless: a message is taken once a key.
    async fn tell_due(&self) -> Result<(), StorageError> {
        let now = self.options.clock.now().as_microsecond();
        let due = self.read(move |connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM reminders WHERE due <= ?)";
            connection.query_row(sql, [now], |row| row.get::<_, bool>(0)).map_err(failure)
        });
        if !due.await? {
            return Ok(());
        }
        let telling = self.writer.work(move |connection| {
            let tell = "INSERT OR IGNORE INTO messages (key, run, at, text)
                        SELECT key, run, due, text FROM reminders WHERE due <= ? ORDER BY due";
            connection.execute(tell, [now]).map_err(failure)?;
            let told = "DELETE FROM reminders WHERE key IN (SELECT key FROM messages)";
            connection.execute(told, []).map_err(failure).map(|_| ())
        });
        telling.await
    }

    async fn told(&self, unseen: bool, limit: u32) -> Result<Vec<ToldMessage>, StorageError> {
        self.tell_due().await?;
        let reading = self.read(move |connection| {
            let sql = "SELECT number, run, at, text, seen FROM messages WHERE seen = 0 OR ?
                       ORDER BY number DESC LIMIT ?";
            let mut statement = connection.prepare_cached(sql).map_err(failure)?;
            let rows = statement.query_map(params![!unseen, limit], |row| {
                Ok(ToldMessage {
                    number: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                    run: RunId(uuid(row, 1)?.unwrap_or_default()),
                    at: time(row, 2)?,
                    text: row.get(3)?,
                    seen: row.get(4)?,
                })
            });
            rows.map_err(failure)?.map(|row| row.map_err(failure)).collect()
        });
        reading.await
    }
}

impl MessageStore for SqliteLedger {
    fn messages(&self, unseen: bool, limit: u32) -> BoxFuture<'_, Result<Vec<ToldMessage>, StorageError>> {
        Box::pin(self.told(unseen, limit))
    }

    fn reminders(&self) -> BoxFuture<'_, Result<Vec<Reminder>, StorageError>> {
        Box::pin(async move {
            self.tell_due().await?;
            let reading = self.read(move |connection| {
                let sql = "SELECT run, text, due FROM reminders ORDER BY due";
                let mut statement = connection.prepare_cached(sql).map_err(failure)?;
                let rows = statement.query_map([], |row| {
                    let run = RunId(uuid(row, 0)?.unwrap_or_default());
                    Ok(Reminder { run, text: row.get(1)?, due: time(row, 2)? })
                });
                rows.map_err(failure)?.map(|row| row.map_err(failure)).collect()
            });
            reading.await
        })
    }

    fn mark_seen(&self, up_to: u64) -> BoxFuture<'_, Result<(), StorageError>> {
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        Box::pin(self.writer.work(move |connection| {
            let sql = "UPDATE messages SET seen = 1 WHERE seen = 0 AND number <= ?";
            connection.execute(sql, [up_to]).map_err(failure).map(|_| ())
        }))
    }
}
