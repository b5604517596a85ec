//! Questions beside their answers: text and vector sealed like an answer, found by entry or read through once at the start.

use super::{Disk, Inner, SqliteCache};
use crate::seal::Packer;
use crate::sqlite::connection::failure;
use jiff::Timestamp;
use nunchi_core::{BoxFuture, CacheKey, PackedVector, QuestionStore, StorageError, StoredQuestion};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "key, kin, encoder, sealed, evidence, expires, place";

impl QuestionStore for SqliteCache {
    fn put_questions(&self, questions: Vec<StoredQuestion>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.run(move |inner, disk| {
            let Disk { connection, packer, .. } = disk;
            let transaction = connection.transaction().map_err(failure)?;
            for question in &questions {
                inner.put_question(&transaction, packer, question)?;
            }
            transaction.commit().map_err(failure)
        }))
    }

    fn questions(&self, keys: Vec<CacheKey>) -> BoxFuture<'_, Result<Vec<StoredQuestion>, StorageError>> {
        Box::pin(self.run(move |inner, disk| {
            let sql = format!("SELECT {COLUMNS} FROM questions WHERE key = ?");
            let mut select = disk.connection.prepare_cached(&sql).map_err(failure)?;
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                let row = select.query_row([key.0], Sealed::read).optional().map_err(failure)?;
                found.extend(row.and_then(|row| inner.open_question(row)));
            }
            Ok(found)
        }))
    }

    fn scan_questions(
        &self,
        encoder: String,
        now: Timestamp,
        after: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<(i64, StoredQuestion)>, StorageError>> {
        Box::pin(self.run(move |inner, disk| {
            let sql = format!(
                "SELECT {COLUMNS} FROM questions WHERE place > ? AND encoder = ? AND expires > ? ORDER BY place LIMIT ?"
            );
            let mut select = disk.connection.prepare_cached(&sql).map_err(failure)?;
            let wanted = params![after, encoder, now.as_microsecond(), limit];
            let rows = select.query_map(wanted, Sealed::read).map_err(failure)?;
            let mut found = Vec::new();
            for row in rows {
                let row = row.map_err(failure)?;
                let place = row.place;
                found.extend(inner.open_question(row).map(|question| (place, question)));
            }
            Ok(found)
        }))
    }

    fn learn(&self, key: CacheKey, evidence: String) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.run(move |_, disk| {
            let sql = "UPDATE questions SET evidence = ? WHERE key = ?";
            disk.connection.execute(sql, params![evidence, key.0]).map_err(failure)?;
            Ok(())
        }))
    }
}

/// A row as it is stored.
struct Sealed {
    key: CacheKey,
    kin: CacheKey,
    encoder: String,
    sealed: Vec<u8>,
    evidence: String,
    expires: i64,
    place: i64,
}

impl Sealed {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: CacheKey(row.get(0)?),
            kin: CacheKey(row.get(1)?),
            encoder: row.get(2)?,
            sealed: row.get(3)?,
            evidence: row.get(4)?,
            expires: row.get(5)?,
            place: row.get(6)?,
        })
    }
}

impl Inner {
    fn put_question(
        &self,
        connection: &Connection,
        packer: &mut Packer,
        question: &StoredQuestion,
    ) -> Result<(), StorageError> {
        let vector = question.vector.to_bytes();
        let length = u32::try_from(vector.len()).map_err(|error| StorageError::Other(error.to_string()))?;
        let mut open = length.to_le_bytes().to_vec();
        open.extend_from_slice(&vector);
        open.extend_from_slice(question.text.as_bytes());
        let sealed = self.sealer.seal(packer, &question.key, &open)?;
        let sql = "INSERT INTO questions (key, kin, encoder, sealed, evidence, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
            ON CONFLICT (key) DO UPDATE SET kin = ?2, encoder = ?3, sealed = ?4, evidence = ?5, expires = ?6";
        let StoredQuestion { key, kin, encoder, evidence, expires, .. } = question;
        let mut insert = connection.prepare_cached(sql).map_err(failure)?;
        insert
            .execute(params![key.0, kin.0, encoder, sealed, evidence, expires.as_microsecond()])
            .map_err(failure)?;
        Ok(())
    }

    /// `None` when the row is damaged or sealed with another key: then it is as if it were not there.
    fn open_question(&self, row: Sealed) -> Option<StoredQuestion> {
        let open = self.sealer.open(&row.key, &row.sealed)?;
        let (length, rest) = open.split_first_chunk::<4>()?;
        let (vector, text) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(StoredQuestion {
            key: row.key,
            kin: row.kin,
            text: String::from_utf8(text.to_vec()).ok()?,
            vector: PackedVector::from_bytes(vector),
            encoder: row.encoder,
            evidence: row.evidence,
            expires: Timestamp::from_microsecond(row.expires).ok()?,
        })
    }
}
