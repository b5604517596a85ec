//! Which conversation a request belongs to.

use crate::call::Ask;
use nunchi_core::Role;
use nunchi_saving::conversation_of;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The conversation of a request, with a name for people.
pub(crate) fn identity(ask: &Ask) -> Option<(u64, String)> {
    conversation_of(&ask.request, &ask.context)
}

/// The conversation, told apart by all that stands before its first answer: what is remembered of its texts must fit them exactly.
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
