//! Which conversation a request belongs to.

use crate::call::Ask;
use nunchi_core::Role;
use nunchi_saving::conversation_of;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The session the caller names, else its key and first question; with a name for people. `None` without either.
pub(crate) fn identity(ask: &Ask) -> Option<(u64, String)> {
    conversation_of(&ask.request, &ask.context)
}

/// One conversation of a session: agents that work side by side share the session, but not how they began.
pub(crate) fn conversation(ask: &Ask) -> Option<u64> {
    let (session, _) = identity(ask)?;
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    for message in &ask.request.messages {
        message.plain_text().hash(&mut hasher);
        if message.role == Role::User {
            break;
        }
    }
    Some(hasher.finish())
}
