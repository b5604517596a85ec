//! What was sent shortened, whole: kept for a while, so that it can be recalled.

use super::cache::CacheKey;
use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use jiff::Timestamp;

/// A text that was sent shortened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Names the text and who may recall it ([`crate::original_key`]).
    pub key: CacheKey,
    /// The whole text.
    pub text: String,
    /// When it is no longer returned.
    pub expires: Timestamp,
}

/// Keeps originals under a cap of bytes; beyond it those kept longest go.
pub trait OriginalStore: Send + Sync {
    /// Keeps originals, replacing those of the same keys.
    fn put_originals(&self, originals: Vec<Original>) -> BoxFuture<'_, Result<(), StorageError>>;
    /// The originals of these keys; those that are gone, expired or damaged are left out.
    fn originals(
        &self,
        keys: Vec<CacheKey>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Original>, StorageError>>;
}
