//! Tells the owner something, wherever the owner is.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::RunId;

/// A text to the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerMessage {
    /// Names it for ever: the same key twice is one message.
    pub key: String,
    /// The run that tells it.
    pub run: RunId,
    /// What is told.
    pub text: String,
}

/// Tells the owner things. What was acknowledged is told, over restarts as well.
pub trait Notifier: Send + Sync {
    /// Tells it, once.
    fn notify(&self, message: OwnerMessage) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Whether the message of this key was taken.
    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>>;
}
