//! Virtual keys in the ledger's file.

use super::connection::failure;
use super::ledger::SqliteLedger;
use jiff::Timestamp;
use nunchi_core::{BoxFuture, KeyId, KeyStore, StorageError, VirtualKey};
use rusqlite::params;

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
            let written = self.writer.work(move |connection| {
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
            let written = self.writer.work(move |connection| {
                let transaction = connection.transaction().map_err(failure)?;
                let sql = "UPDATE keys SET body = json_set(body, '$.last_used', ?) WHERE id = ?";
                for (id, at) in used {
                    transaction.execute(sql, params![at.to_string(), id.0.as_bytes()]).map_err(failure)?;
                }
                transaction.commit().map_err(failure)
            });
            written.await
        })
    }
}
