//! Which conversation a request belongs to, and what it has used.

use nunchi_core::{CallContext, ModelRequest, Part, Role, mask_secrets};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Characters of a first question that name its conversation.
const SHOWN: usize = 40;

/// The session the caller names, else its key and first question; with a name for people. `None` without either.
pub fn conversation_of(request: &ModelRequest, context: &CallContext) -> Option<(u64, String)> {
    let mut hasher = DefaultHasher::new();
    context.principal.key.hash(&mut hasher);
    if let Some(session) = &context.session {
        session.hash(&mut hasher);
        return Some((hasher.finish(), session.to_string()));
    }
    let first = request.messages.iter().find(|message| message.role == Role::User)?.plain_text();
    first.hash(&mut hasher);
    Some((hasher.finish(), mask_secrets(&first).chars().take(SHOWN).collect()))
}

/// Tools that the conversation has called.
pub fn used_tools(request: &ModelRequest) -> Vec<&str> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let mut used: Vec<&str> = parts
        .filter_map(|part| match part {
            Part::ToolCall { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    used.sort_unstable();
    used.dedup();
    used
}
