//! Messages to the owner in memory.

use jiff::Timestamp;
use nunchi_core::{BoxFuture, MessageStore, Notifier, OwnerMessage, Reminder, StorageError, ToldMessage};
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Messages that are forgotten with their test; all are told at the epoch, and reminders never.
#[derive(Debug, Default)]
pub struct MemoryMessages(Mutex<Vec<(String, ToldMessage)>>, Mutex<Vec<(String, Reminder)>>);

impl MemoryMessages {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, ToldMessage)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn later(&self) -> MutexGuard<'_, Vec<(String, Reminder)>> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn remind(&self, message: OwnerMessage, due: Timestamp) -> BoxFuture<'_, Result<(), StorageError>> {
        let mut later = self.later();
        if later.iter().all(|(key, _)| *key != message.key) {
            let OwnerMessage { key, run, text } = message;
            later.push((key, Reminder { run, text, due }));
        }
        Box::pin(ready(Ok(())))
    }

    fn cancel<'a>(
        &'a self,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<(String, Timestamp)>, StorageError>> {
        let mut later = self.later();
        let at = later.iter().position(|(known, _)| known == key);
        let cancelled = at.map(|at| later.remove(at).1).map(|reminder| (reminder.text, reminder.due));
        Box::pin(ready(Ok(cancelled)))
    }

    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>> {
        let later = self.later().iter().any(|(known, _)| known == key);
        let told = later || self.lock().iter().any(|(known, _)| known == key);
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

    fn reminders(&self) -> BoxFuture<'_, Result<Vec<Reminder>, StorageError>> {
        let mut found: Vec<_> = self.later().iter().map(|(_, reminder)| reminder.clone()).collect();
        found.sort_by_key(|reminder| reminder.due);
        Box::pin(ready(Ok(found)))
    }

    fn mark_seen(&self, up_to: u64) -> BoxFuture<'_, Result<(), StorageError>> {
        for (_, message) in self.lock().iter_mut().filter(|(_, message)| message.number <= up_to) {
            message.seen = true;
        }
        Box::pin(ready(Ok(())))
    }
}
