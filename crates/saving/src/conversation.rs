//! Which conversation a request belongs to, and what it has used.

use nunchi_core::{CallContext, ModelRequest, Part, Role, mask_start};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Characters of a first question that name its conversation.
const SHOWN: usize = 40;

/// The conversation of a request: its key, run and session, and its first question, as agents that work side by side share all but
/// that. Without run and session the instructions tell conversations apart as well, but for their digits: many name the time. `None`
/// without session and question.
pub fn conversation_of(request: &ModelRequest, context: &CallContext) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    context.principal.key.hash(&mut hasher);
    (context.run, &context.session).hash(&mut hasher);
    let first = request.messages.iter().position(|message| message.role == Role::User);
    if context.session.is_none() {
        let before = &request.messages[..first?];
        if context.run.is_none() {
            before.iter().for_each(|message| hash_without_digits(&message.plain_text(), &mut hasher));
        }
    }
    first.map(|at| request.messages[at].plain_text()).hash(&mut hasher);
    Some(hasher.finish())
}

/// What people call the conversation of a request: its session, or the beginning of its first question.
pub fn conversation_name(request: &ModelRequest, context: &CallContext) -> String {
    if let Some(session) = &context.session {
        return session.to_string();
    }
    let first = request.messages.iter().find(|message| message.role == Role::User);
    first.map_or_else(String::new, |message| mask_start(&message.plain_text(), SHOWN))
}

fn hash_without_digits(text: &str, hasher: &mut impl Hasher) {
    text.split(|letter: char| letter.is_ascii_digit()).for_each(|piece| hasher.write(piece.as_bytes()));
    // Ends the text, as the standard library ends strings.
    hasher.write_u8(0xff);
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

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{Message, Principal};
    use std::sync::Arc;

    fn id(context: &CallContext, system: &str, first: &str) -> u64 {
        let messages = vec![Message::text(Role::System, system), Message::text(Role::User, first)];
        conversation_of(&ModelRequest::new("m", messages), context).unwrap()
    }

    #[test]
    fn what_tells_conversations_apart() {
        let request = "00000000-0000-0000-0000-000000000001".parse().unwrap();
        let alone = CallContext::new(request, Arc::new(Principal::owner()));
        assert_ne!(id(&alone, "You plan.", "hi"), id(&alone, "You write.", "hi"));
        assert_eq!(id(&alone, "It is 10:59.", "hi"), id(&alone, "It is 11:00.", "hi"), "a clock");
        let session = CallContext { session: Some("s".into()), ..alone.clone() };
        assert_ne!(id(&session, "", "read a.rs"), id(&session, "", "read b.rs"), "agents side by side");
        assert_eq!(id(&session, "Monday", "hi"), id(&session, "Tuesday", "hi"));
        let run = |end: char| {
            let run = Some(format!("00000000-0000-0000-0000-00000000000{end}").parse().unwrap());
            CallContext { run, ..session.clone() }
        };
        assert_ne!(id(&run('1'), "", "vote"), id(&run('2'), "", "vote"), "two agents with one order");
    }
}
