//! Which conversation a request belongs to.

use crate::call::Ask;
use nunchi_core::{Role, mask_secrets};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Characters of a first question that name its conversation.
const SHOWN: usize = 40;

/// The session the caller names, else its key and first question; with a name for people. `None` without either.
pub(crate) fn identity(ask: &Ask) -> Option<(u64, String)> {
    let mut hasher = DefaultHasher::new();
    ask.context.principal.key.hash(&mut hasher);
    if let Some(session) = &ask.context.session {
        session.hash(&mut hasher);
        return Some((hasher.finish(), session.to_string()));
    }
    let first = ask.request.messages.iter().find(|message| message.role == Role::User)?.plain_text();
    first.hash(&mut hasher);
    Some((hasher.finish(), mask_secrets(&first).chars().take(SHOWN).collect()))
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
