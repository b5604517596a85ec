//! Whose session is whose: a session's id is no secret, so that only the key that began it may go on with it.

use nunchi_core::{KeyId, Principal};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most sessions that are remembered; the oldest are forgotten, and their clients begin anew.
const MOST: usize = 4_096;

#[derive(Default)]
struct Held {
    next: u64,
    sessions: HashMap<String, (u64, Option<KeyId>)>,
}

/// The sessions and their keys.
#[derive(Default)]
pub(crate) struct SessionOwners(Mutex<Held>);

impl SessionOwners {
    /// A session has begun.
    pub(crate) fn begin(&self, session: &str, owner: &Principal) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.sessions.len() >= MOST
            && let Some(oldest) =
                held.sessions.iter().min_by_key(|(_, (at, _))| *at).map(|(session, _)| session.clone())
        {
            held.sessions.remove(&oldest);
        }
        held.next += 1;
        let entry = (held.next, owner.key);
        held.sessions.insert(session.to_owned(), entry);
    }

    /// Whether a caller may go on with a session.
    pub(crate) fn is_theirs(&self, session: &str, caller: &Principal) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.sessions.get(session).is_some_and(|(_, key)| *key == caller.key)
    }

    /// A session is over.
    pub(crate) fn end(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sessions.remove(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn only_the_key_that_began_it() {
        let owners = SessionOwners::default();
        let other = Principal { key: Some(KeyId(Uuid::max())), ..Principal::owner() };
        owners.begin("a", &Principal::owner());
        assert!(owners.is_theirs("a", &Principal::owner()) && !owners.is_theirs("a", &other));
        assert!(!owners.is_theirs("b", &other));
        owners.end("a");
        assert!(!owners.is_theirs("a", &Principal::owner()));
        for number in 0..=MOST {
            owners.begin(&number.to_string(), &other);
        }
        assert!(!owners.is_theirs("0", &other) && owners.is_theirs(&MOST.to_string(), &other));
    }
}
