//! Tells the owner something, wherever the owner is.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Tells it, once, when its time has come.
    fn remind(&self, message: OwnerMessage, due: Timestamp) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Does not tell what has not been told yet: gives the text and its time. `None` when it was told or is unknown.
    fn cancel<'a>(&'a self, key: &'a str)
    -> BoxFuture<'a, Result<Option<(String, Timestamp)>, StorageError>>;
    /// Whether the message of this key was taken, to be told now or later.
    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>>;
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldMessage {
    /// Its place in the order of messages, from 1.
    pub number: u64,
    /// The run that told it.
    pub run: RunId,
    /// What was told.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// Whether the owner has seen it.
    pub seen: bool,
}

/// A message that will be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The run that set it.
    pub run: RunId,
    /// What will be told.
    pub text: String,
    /// When.
    pub due: Timestamp,
}

/// What the owner was told.
pub trait MessageStore: Send + Sync {
    /// The newest messages first, at most `limit`; with `unseen` only those not seen yet.
    fn messages(&self, unseen: bool, limit: u32) -> BoxFuture<'_, Result<Vec<ToldMessage>, StorageError>>;
    /// What will be told later, the next first.
    fn reminders(&self) -> BoxFuture<'_, Result<Vec<Reminder>, StorageError>>;
    /// Marks all messages up to this number as seen.
    fn mark_seen(&self, up_to: u64) -> BoxFuture<'_, Result<(), StorageError>>;
}
