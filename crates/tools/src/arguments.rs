//! What tools share: arguments as structs, work on a blocking thread, texts that fit their cap.

use nunchi_core::{ToolCall, ToolError};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The arguments of a call.
pub(crate) fn arguments<T: DeserializeOwned>(call: &ToolCall) -> Result<T, ToolError> {
    T::deserialize(&call.arguments).map_err(|error| {
        let error = ToolError::new("tool.arguments", format!("The arguments do not fit: {error}."));
        error.hint("Correct them and call again.")
    })
}

/// Does work that blocks, off the threads that serve others. Once begun it goes on though nobody waits any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(ToolError::new("tool.crashed", "The tool crashed.").uncertain()),
    }
}

/// The lock, whatever happened to whoever held it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text cut at a character border to at most `most` bytes; whether it was cut.
pub(crate) fn cut(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    (&text[..end], true)
}

/// Calls under way. A time-out drops a call's future while its work may still stand in a queue: such work must not
/// begin once somebody was told that it did not happen.
#[derive(Default)]
pub(crate) struct Attempts {
    live: Mutex<BTreeMap<String, Arc<AtomicBool>>>,
}

/// One attempt at a call.
#[derive(Clone)]
pub(crate) struct Attempt(Arc<AtomicBool>);

impl Attempts {
    /// Notes that a call begins; one of the same key that is still waiting shall not.
    pub(crate) fn begin(&self, key: &str) -> Attempt {
        let attempt = Arc::new(AtomicBool::new(false));
        if let Some(older) = lock(&self.live).insert(key.to_owned(), Arc::clone(&attempt)) {
            older.store(true, Ordering::SeqCst);
        }
        Attempt(attempt)
    }

    /// The call of this key shall not begin any more.
    pub(crate) fn forbid(&self, key: &str) {
        if let Some(attempt) = lock(&self.live).remove(key) {
            attempt.store(true, Ordering::SeqCst);
        }
    }

    /// The call of this key is over.
    pub(crate) fn end(&self, key: &str, attempt: &Attempt) {
        let mut live = lock(&self.live);
        if live.get(key).is_some_and(|known| Arc::ptr_eq(known, &attempt.0)) {
            live.remove(key);
        }
    }
}

impl Attempt {
    /// Whether the call may begin; asked while holding the lock that [`Attempts::forbid`]'s caller takes afterwards.
    pub(crate) fn may_begin(&self) -> Result<(), ToolError> {
        if self.0.load(Ordering::SeqCst) {
            let error = ToolError::new("tool.given_up", "Nobody waits for this call any more.");
            return Err(error.hint("Calling again is safe."));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_does_not_begin() {
        let attempts = Attempts::default();
        let (first, other) = (attempts.begin("a"), attempts.begin("b"));
        attempts.forbid("a");
        assert_eq!(first.may_begin().unwrap_err().code, "tool.given_up");
        let again = attempts.begin("a");
        assert!(again.may_begin().is_ok() && other.may_begin().is_ok());
        attempts.end("a", &first);
        attempts.forbid("a");
        assert!(again.may_begin().is_err());
    }

    #[test]
    fn a_cut_keeps_letters_whole() {
        assert_eq!(cut("눈치", 5), ("눈", true));
        assert_eq!(cut("눈치", 6), ("눈치", false));
    }
}
