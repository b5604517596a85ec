//! Feedback and the weights fitted to it, in the ledger's file: they are the owner's work and are backed up with it.

use super::connection::failure;
use super::ledger::SqliteLedger;
use crate::seal::{Packer, Sealer};
use jiff::Timestamp;
use nunchi_core::{BoxFuture, CacheKey, Feedback, FeedbackStore, RequestId, StorageError, Weights};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// Most that is kept; the oldest goes first, and what no person said before what people did.
const MOST: i64 = 20_000;
/// How far the table may grow beyond that before it is cut: the cut sorts all of it.
const SLACK: i64 = 500;
/// A body names its source unless that is a person.
const BY_OTHERS: &str = "instr(body, '\"source\":') > 0";

impl FeedbackStore for SqliteLedger {
    fn put_feedback(&self, feedback: Feedback) -> BoxFuture<'_, Result<(), StorageError>> {
        let sealer = Sealer::new(self.options.encryption_key);
        Box::pin(self.writer.work(move |connection| put(connection, &sealer, feedback)))
    }

    fn feedback(&self, limit: u32) -> BoxFuture<'_, Result<Vec<Feedback>, StorageError>> {
        let sealer = Sealer::new(self.options.encryption_key);
        Box::pin(self.read(move |connection| {
            let sql = format!("SELECT body, text FROM feedback ORDER BY {BY_OTHERS}, at DESC LIMIT ?");
            let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
            let rows = statement
                .query_map([limit], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .map_err(failure)?;
            let mut found = Vec::new();
            for row in rows {
                let (body, text) = row.map_err(failure)?;
                found.extend(open(&sealer, &body, &text));
            }
            Ok(found)
        }))
    }

    fn put_weights(
        &self,
        name: &'static str,
        weights: Option<Vec<u8>>,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.writer.work(move |connection| {
            match weights {
                Some(bytes) => connection.execute(
                    "INSERT OR REPLACE INTO weights VALUES (?, ?, ?)",
                    params![name, at.as_microsecond(), bytes],
                ),
                None => connection.execute("DELETE FROM weights WHERE name = ?", [name]),
            }
            .map_err(failure)?;
            Ok(())
        }))
    }

    fn weights(&self, name: &'static str) -> BoxFuture<'_, Result<Option<Weights>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let row: Option<(i64, Vec<u8>)> = connection
                .query_row("SELECT at, bytes FROM weights WHERE name = ?", [name], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
                .map_err(failure)?;
            Ok(row.and_then(|(at, bytes)| Some((bytes, Timestamp::from_microsecond(at).ok()?))))
        }))
    }
}

fn put(connection: &mut Connection, sealer: &Sealer, mut feedback: Feedback) -> Result<(), StorageError> {
    let text = std::mem::take(&mut feedback.text);
    let sealed = sealer.seal(&mut Packer::new()?, &place(feedback.request), text.as_bytes())?;
    let body = serde_json::to_string(&feedback).map_err(|error| StorageError::Other(error.to_string()))?;
    let transaction = connection.transaction().map_err(failure)?;
    let mut sql = String::from(
        "INSERT INTO feedback VALUES (?, ?, ?, ?) ON CONFLICT (request)
         DO UPDATE SET at = excluded.at, body = excluded.body, text = excluded.text",
    );
    if !feedback.source.is_person() {
        sql.push_str(&format!(" WHERE {}", BY_OTHERS.replace("body", "feedback.body")));
    }
    let at = feedback.at.as_microsecond();
    transaction.execute(&sql, params![feedback.request.0.as_bytes(), at, body, sealed]).map_err(failure)?;
    let kept: i64 =
        transaction.query_row("SELECT count(*) FROM feedback", [], |row| row.get(0)).map_err(failure)?;
    if kept > MOST + SLACK {
        let stale = format!(
            "DELETE FROM feedback WHERE request IN
             (SELECT request FROM feedback ORDER BY {BY_OTHERS}, at DESC LIMIT -1 OFFSET ?)"
        );
        transaction.execute(&stale, [MOST]).map_err(failure)?;
    }
    transaction.commit().map_err(failure)
}

/// `None` when the row is damaged or was sealed with another key.
fn open(sealer: &Sealer, body: &str, sealed: &[u8]) -> Option<Feedback> {
    let feedback: Feedback = serde_json::from_str(body).ok()?;
    let text = sealer.open(&place(feedback.request), sealed)?;
    Some(Feedback { text: String::from_utf8(text).ok()?, ..feedback })
}

/// What the seal of a text is bound to.
fn place(request: RequestId) -> CacheKey {
    CacheKey(Sha256::digest(request.0.as_bytes()).into())
}
