//! Uploaded files beside the database, their rows and those of callers' batches inside it.

use super::connection::failure;
use super::ledger::SqliteLedger;
use futures_util::{StreamExt, stream};
use nunchi_core::{BatchId, BoxFuture, ByteStream, FileId, FileStore, StorageError, StoredBatch, StoredFile};
use rusqlite::{OptionalExtension, params};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// The end of the name of a file that is still coming in.
const PART: &str = "part";

/// The folder of the files of a database.
fn folder(database: &Path) -> PathBuf {
    database.with_file_name("files")
}

/// Removes what was coming in when a process died: nobody was told of it.
pub(super) fn remove_parts(database: &Path) {
    let Ok(files) = std::fs::read_dir(folder(database)) else { return };
    for path in files.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.extension().is_some_and(|end| end == PART)
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "half a file cannot be removed");
        }
    }
}

impl SqliteLedger {
    fn file_path(&self, id: FileId) -> PathBuf {
        folder(&self.path).join(id.to_string())
    }

    /// Takes the bytes in under a name of its own, and gives them their name once they are on the disk.
    async fn take_in(&self, id: FileId, bytes: ByteStream, limit: u64) -> Result<u64, StorageError> {
        let path = self.file_path(id);
        let part = path.with_extension(PART);
        tokio::fs::create_dir_all(folder(&self.path)).await.map_err(said)?;
        let outcome = match write(&part, bytes, limit).await {
            Ok(length) => tokio::fs::rename(&part, &path).await.map(|()| length).map_err(said),
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            // The next start removes what cannot be removed now.
            let _left = tokio::fs::remove_file(&part).await;
        }
        outcome
    }

    async fn put_row(
        &self,
        table: &'static str,
        id: Uuid,
        created: i64,
        body: String,
    ) -> Result<(), StorageError> {
        let written = self.writer.work(move |connection| {
            let sql = format!("INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)");
            connection.execute(&sql, params![id.as_bytes(), created, body]).map_err(failure)?;
            Ok(())
        });
        written.await
    }

    async fn one_row<T: DeserializeOwned + Send + 'static>(
        &self,
        table: &'static str,
        id: Uuid,
    ) -> Result<Option<T>, StorageError> {
        let read = self.read(move |connection| {
            let sql = format!("SELECT body FROM {table} WHERE id = ?");
            let row = connection.query_row(&sql, [id.as_bytes()], |row| row.get::<_, String>(0));
            row.optional().map_err(failure)?.map(|body| parsed(&body)).transpose()
        });
        read.await
    }

    async fn all_rows<T: DeserializeOwned + Send + 'static>(
        &self,
        table: &'static str,
    ) -> Result<Vec<T>, StorageError> {
        let read = self.read(move |connection| {
            let sql = format!("SELECT body FROM {table} ORDER BY created DESC, id DESC");
            let mut statement = connection.prepare(&sql).map_err(failure)?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failure)?;
            rows.map(|body| parsed(&body.map_err(failure)?)).collect()
        });
        read.await
    }
}

impl FileStore for SqliteLedger {
    fn put_file(
        &self,
        file: StoredFile,
        bytes: ByteStream,
        limit: u64,
    ) -> BoxFuture<'_, Result<StoredFile, StorageError>> {
        Box::pin(async move {
            let bytes = self.take_in(file.id, bytes, limit).await?;
            let file = StoredFile { bytes, ..file };
            self.put_row("files", file.id.0, file.created.as_microsecond(), text(&file)?).await?;
            Ok(file)
        })
    }

    fn file(&self, id: FileId) -> BoxFuture<'_, Result<Option<StoredFile>, StorageError>> {
        Box::pin(self.one_row("files", id.0))
    }

    fn files(&self) -> BoxFuture<'_, Result<Vec<StoredFile>, StorageError>> {
        Box::pin(self.all_rows("files"))
    }

    fn read_file(&self, id: FileId) -> BoxFuture<'_, Result<ByteStream, StorageError>> {
        Box::pin(async move {
            let absent = |_| StorageError::NotFound(format!("file {id}"));
            let file = File::open(self.file_path(id)).await.map_err(absent)?;
            Ok(stream::unfold(Some(file), next_piece).boxed())
        })
    }

    fn remove_file(&self, id: FileId) -> BoxFuture<'_, Result<bool, StorageError>> {
        Box::pin(async move {
            let gone = self.writer.work(move |connection| {
                connection.execute("DELETE FROM files WHERE id = ?", [id.0.as_bytes()]).map_err(failure)
            });
            let gone = gone.await? > 0;
            if gone {
                tokio::fs::remove_file(self.file_path(id)).await.map_err(said)?;
            }
            Ok(gone)
        })
    }

    fn put_batch(&self, batch: StoredBatch) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            self.put_row("batches", batch.id.0, batch.created.as_microsecond(), text(&batch)?).await
        })
    }

    fn batch(&self, id: BatchId) -> BoxFuture<'_, Result<Option<StoredBatch>, StorageError>> {
        Box::pin(self.one_row("batches", id.0))
    }

    fn batches(&self) -> BoxFuture<'_, Result<Vec<StoredBatch>, StorageError>> {
        Box::pin(self.all_rows("batches"))
    }

    fn remove_batch(&self, id: BatchId) -> BoxFuture<'_, Result<bool, StorageError>> {
        Box::pin(self.writer.work(move |connection| {
            let transaction = connection.transaction().map_err(failure)?;
            transaction.execute("DELETE FROM jobs WHERE batch = ?", [id.0.as_bytes()]).map_err(failure)?;
            let sql = "DELETE FROM batches WHERE id = ?";
            let gone = transaction.execute(sql, [id.0.as_bytes()]).map_err(failure)?;
            transaction.commit().map_err(failure)?;
            Ok(gone > 0)
        }))
    }
}

/// Writes a stream to a new file and waits for the disk; tells how long it is.
async fn write(path: &Path, mut bytes: ByteStream, limit: u64) -> Result<u64, StorageError> {
    let mut file = File::create(path).await.map_err(said)?;
    let mut length = 0_u64;
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        length += piece.len() as u64;
        if length > limit {
            return Err(StorageError::TooLarge(limit));
        }
        file.write_all(&piece).await.map_err(said)?;
    }
    file.sync_all().await.map_err(said)?;
    Ok(length)
}

async fn next_piece(file: Option<File>) -> Option<(Result<bytes::Bytes, StorageError>, Option<File>)> {
    let mut file = file?;
    let mut piece = bytes::BytesMut::with_capacity(PIECE);
    match file.read_buf(&mut piece).await {
        Ok(0) => None,
        Ok(_) => Some((Ok(piece.freeze()), Some(file))),
        Err(error) => Some((Err(said(error)), None)),
    }
}

fn text(value: &impl serde::Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| StorageError::Other(error.to_string()))
}

fn parsed<T: DeserializeOwned>(body: &str) -> Result<T, StorageError> {
    serde_json::from_str(body).map_err(|error| StorageError::Damaged(format!("a file or batch: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
fn said(error: std::io::Error) -> StorageError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StorageError::DiskFull;
    }
    StorageError::Other(error.to_string())
}
