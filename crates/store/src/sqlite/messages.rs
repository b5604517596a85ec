//! What agents tell the owner: each message once, kept until the owner has seen it and after.

use super::connection::failure;
use super::ledger::SqliteLedger;
use super::rows::{time, uuid};
use nunchi_core::{BoxFuture, MessageStore, Notifier, OwnerMessage, RunId, StorageError, ToldMessage};
use rusqlite::params;

impl Notifier for SqliteLedger {
    fn notify(&self, message: OwnerMessage) -> BoxFuture<'_, Result<(), StorageError>> {
        let at = self.options.clock.now().as_microsecond();
        Box::pin(self.writer.work(move |connection| {
            let sql = "INSERT OR IGNORE INTO messages (key, run, at, text) VALUES (?, ?, ?, ?)";
            let values = params![message.key, message.run.0.as_bytes(), at, message.text];
            connection.execute(sql, values).map_err(failure).map(|_| ())
        }))
    }

    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>> {
        let key = key.to_owned();
        Box::pin(self.read(move |connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM messages WHERE key = ?)";
            connection.query_row(sql, [key], |row| row.get(0)).map_err(failure)
        }))
    }
}

impl MessageStore for SqliteLedger {
    fn messages(&self, unseen: bool, limit: u32) -> BoxFuture<'_, Result<Vec<ToldMessage>, StorageError>> {
        Box::pin(self.read(move |connection| {
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
        }))
    }

    fn mark_seen(&self, up_to: u64) -> BoxFuture<'_, Result<(), StorageError>> {
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        Box::pin(self.writer.work(move |connection| {
            let sql = "UPDATE messages SET seen = 1 WHERE seen = 0 AND number <= ?";
            connection.execute(sql, [up_to]).map_err(failure).map(|_| ())
        }))
    }
}
