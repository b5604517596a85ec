//! Messages to the owner in memory.

use jiff::Timestamp;
use nunchi_core::{BoxFuture, MessageStore, Notifier, OwnerMessage, StorageError, ToldMessage};
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Messages that are forgotten with their test; all are told at the epoch.
#[derive(Debug, Default)]
pub struct MemoryMessages(Mutex<Vec<(String, ToldMessage)>>);

impl MemoryMessages {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, ToldMessage)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notifier for MemoryMessages {
    fn notify(&self, message: OwnerMessage) -> BoxFuture<'_, Result<(), StorageError>> {
        let mut told = self.lock();
        if told.iter().all(|(key, _)| *key != message.key) {
            let number = told.len() as u64 + 1;
            let OwnerMessage { key, run, text } = message;
            told.push((key, ToldMessage { number, run, text, at: Timestamp::UNIX_EPOCH, seen: false }));
        }
        Box::pin(ready(Ok(())))
    }

    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>> {
        let told = self.lock().iter().any(|(known, _)| known == key);
        Box::pin(ready(Ok(told)))
    }
}

impl MessageStore for MemoryMessages {
    fn messages(&self, unseen: bool, limit: u32) -> BoxFuture<'_, Result<Vec<ToldMessage>, StorageError>> {
        let told = self.lock();
        let wanted =
            told.iter().rev().map(|(_, message)| message.clone()).filter(|told| !(unseen && told.seen));
        let found = wanted.take(limit as usize).collect();
        Box::pin(ready(Ok(found)))
    }

    fn mark_seen(&self, up_to: u64) -> BoxFuture<'_, Result<(), StorageError>> {
        for (_, message) in self.lock().iter_mut().filter(|(_, message)| message.number <= up_to) {
            message.seen = true;
        }
        Box::pin(ready(Ok(())))
    }
}
