//! Originals of what was sent shortened: sealed like an answer, under a cap of their own.

use super::{Disk, Inner, SqliteCache};
use crate::seal::{Packer, checksum};
use crate::sqlite::connection::failure;
use jiff::Timestamp;
use nunchi_core::{BoxFuture, CacheKey, Original, OriginalStore, StorageError};
use rusqlite::{Connection, OptionalExtension, params};

/// Originals may take this share of the cache's cap, beside it.
const SHARE_OF_CAP: u64 = 4;

impl OriginalStore for SqliteCache {
    fn put_originals(&self, originals: Vec<Original>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.run(move |inner, disk| {
            let Disk { connection, packer, .. } = disk;
            let transaction = connection.transaction().map_err(failure)?;
            for original in &originals {
                inner.put_original(&transaction, packer, original)?;
            }
            evict(&transaction, inner.cap_bytes / SHARE_OF_CAP)?;
            transaction.commit().map_err(failure)
        }))
    }

    fn originals(
        &self,
        keys: Vec<CacheKey>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Original>, StorageError>> {
        Box::pin(self.run(move |inner, disk| {
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                found.extend(inner.original(&disk.connection, key, now)?);
            }
            Ok(found)
        }))
    }
}

impl Inner {
    fn put_original(
        &self,
        connection: &Connection,
        packer: &mut Packer,
        original: &Original,
    ) -> Result<(), StorageError> {
        let sealed = self.sealer.seal(packer, &original.key, original.text.as_bytes())?;
        let bytes = i64::try_from(sealed.len() + 128).unwrap_or(i64::MAX);
        let sql =
            "INSERT OR REPLACE INTO originals (key, expires, bytes, checksum, sealed) VALUES (?, ?, ?, ?, ?)";
        let mut insert = connection.prepare_cached(sql).map_err(failure)?;
        let expires = original.expires.as_microsecond();
        insert
            .execute(params![original.key.0, expires, bytes, checksum("", &sealed), sealed])
            .map_err(failure)?;
        Ok(())
    }

    /// `None` when it is absent, expired, damaged or sealed with another key.
    fn original(
        &self,
        connection: &Connection,
        key: CacheKey,
        now: Timestamp,
    ) -> Result<Option<Original>, StorageError> {
        let sql = "SELECT expires, checksum, sealed FROM originals WHERE key = ? AND expires > ?";
        let mut select = connection.prepare_cached(sql).map_err(failure)?;
        let row = select
            .query_row(params![key.0, now.as_microsecond()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()
            .map_err(failure)?;
        let Some((expires, sum, sealed)) = row else { return Ok(None) };
        let whole = checksum("", &sealed) == sum;
        let text = if whole { self.sealer.open(&key, &sealed) } else { None };
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let expires = Timestamp::from_microsecond(expires).ok();
        Ok(text.zip(expires).map(|(text, expires)| Original { key, text, expires }))
    }
}

/// Drops those kept longest until the cap holds, a tenth of it at once.
fn evict(connection: &Connection, cap: u64) -> Result<(), StorageError> {
    let size: i64 = connection
        .query_row("SELECT coalesce(sum(bytes), 0) FROM originals", params![], |row| row.get(0))
        .map_err(failure)?;
    let size = u64::try_from(size).unwrap_or(0);
    if size > cap {
        let goal = i64::try_from(size - cap + cap / 10).unwrap_or(i64::MAX);
        let sql = "DELETE FROM originals WHERE place IN (SELECT place FROM \
            (SELECT place, sum(bytes) OVER (ORDER BY place) - bytes AS before FROM originals) WHERE before < ?)";
        connection.execute(sql, [goal]).map_err(failure)?;
    }
    Ok(())
}
