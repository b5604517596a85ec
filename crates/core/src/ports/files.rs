//! Files that callers upload, and the batches they make of them.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::{BatchId, FileId, KeyId};
use bytes::Bytes;
use futures_core::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::pin::Pin;

/// The bytes of a file, piece by piece. Ends after the first error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StorageError>> + Send>>;

/// A file that a caller uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its id.
    pub id: FileId,
    /// The virtual key it belongs to; `None` for the owner at the machine.
    pub owner: Option<KeyId>,
    /// Its name, as the caller gave it.
    pub name: String,
    /// What it is for, in the caller's word (`batch`).
    pub purpose: String,
    /// Its length.
    pub bytes: u64,
    /// When it came.
    pub created: Timestamp,
}

/// A batch that a caller handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBatch {
    /// Its id.
    pub id: BatchId,
    /// The virtual key it belongs to; `None` for the owner at the machine.
    pub owner: Option<KeyId>,
    /// The file with its lines.
    pub input: FileId,
    /// The address each line is a request to (`/v1/chat/completions`).
    pub endpoint: String,
    /// The caller's labels.
    pub metadata: BTreeMap<String, String>,
    /// When it was handed in.
    pub created: Timestamp,
    /// When its answers are needed.
    pub deadline: Timestamp,
    /// Whether all its lines were taken in; until then nobody was told of it.
    pub complete: bool,
    /// When it was cancelled.
    pub cancelled: Option<Timestamp>,
    /// When its last line was over.
    pub ended: Option<Timestamp>,
}

/// Keeps files and batches. What is written is durable when a method returns.
pub trait FileStore: Send + Sync {
    /// Takes a file in piece by piece; a stream that fails, or exceeds `limit` bytes, leaves nothing. `file.bytes` is
    /// counted here.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] beyond the limit; the stream's own error.
    fn put_file(
        &self,
        file: StoredFile,
        bytes: ByteStream,
        limit: u64,
    ) -> BoxFuture<'_, Result<StoredFile, StorageError>>;
    /// A file.
    fn file(&self, id: FileId) -> BoxFuture<'_, Result<Option<StoredFile>, StorageError>>;
    /// All files, the newest first.
    fn files(&self) -> BoxFuture<'_, Result<Vec<StoredFile>, StorageError>>;
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`StorageError::NotFound`].
    fn read_file(&self, id: FileId) -> BoxFuture<'_, Result<ByteStream, StorageError>>;
    /// Removes a file; tells whether it was there.
    fn remove_file(&self, id: FileId) -> BoxFuture<'_, Result<bool, StorageError>>;
    /// Stores a batch, replacing the one of the same id.
    fn put_batch(&self, batch: StoredBatch) -> BoxFuture<'_, Result<(), StorageError>>;
    /// A batch.
    fn batch(&self, id: BatchId) -> BoxFuture<'_, Result<Option<StoredBatch>, StorageError>>;
    /// All batches, the newest first.
    fn batches(&self) -> BoxFuture<'_, Result<Vec<StoredBatch>, StorageError>>;
    /// Removes a batch with its jobs; tells whether it was there.
    fn remove_batch(&self, id: BatchId) -> BoxFuture<'_, Result<bool, StorageError>>;
}
