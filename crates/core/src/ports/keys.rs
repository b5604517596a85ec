//! Where virtual keys live.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::{KeyId, VirtualKey};
use jiff::Timestamp;

/// Stores virtual keys by the hash of their secret.
pub trait KeyStore: Send + Sync {
    /// All keys, the oldest first; revoked ones included.
    fn keys(&self) -> BoxFuture<'_, Result<Vec<VirtualKey>, StorageError>>;
    /// Adds a key, or replaces the one of the same id.
    fn put_key(&self, key: VirtualKey) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Notes when keys were last used.
    fn touch_keys(&self, used: Vec<(KeyId, Timestamp)>) -> BoxFuture<'_, Result<(), StorageError>>;
}
