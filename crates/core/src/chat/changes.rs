//! What the gateway changed of a caller's conversation, so that the caller's own body can be changed in the same places.

use super::message::{Message, Part};
use serde::{Deserialize, Serialize};

/// Changes of a conversation on its way to a provider. The request's `messages` and `tools` hold them already; this says where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConversationChanges {
    /// Texts of tool results that are sent shorter.
    pub results: Vec<ShortenedResult>,
    /// Runs of messages that are replaced, in order; they never overlap.
    pub runs: Vec<ReplacedRun>,
    /// How many tools at the front of the request's list are the gateway's own.
    pub own_tools: usize,
    /// Whether the model must not call any tool, although the caller let it choose.
    pub no_more_tools: bool,
}

/// One text of a tool result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortenedResult {
    /// The call that the result answers.
    pub call_id: String,
    /// The text as the caller sent it.
    pub before: String,
    /// The text that is sent.
    pub after: String,
}

/// A run of messages and what stands in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplacedRun {
    /// Where it begins among the caller's messages.
    pub at: usize,
    /// How many of the caller's messages go; 0 inserts.
    pub removed: usize,
    /// What is sent there.
    pub messages: Vec<Message>,
}

impl ConversationChanges {
    /// The caller's messages with these changes.
    pub fn apply(&self, messages: &[Message]) -> Vec<Message> {
        let mut sent = Vec::with_capacity(messages.len());
        let mut next = 0;
        for run in &self.runs {
            let at = run.at.clamp(next, messages.len());
            sent.extend(messages[next..at].iter().map(|message| self.shortened(message)));
            sent.extend_from_slice(&run.messages);
            next = (at + run.removed).min(messages.len());
        }
        sent.extend(messages[next..].iter().map(|message| self.shortened(message)));
        sent
    }

    /// What is sent in place of a text of a tool result, if it is shortened.
    pub fn short_of(&self, call_id: &str, text: &str) -> Option<&str> {
        let found = self.results.iter().find(|result| result.call_id == call_id && result.before == text)?;
        Some(&found.after)
    }

    fn shortened(&self, message: &Message) -> Message {
        let mut message = message.clone();
        for part in &mut message.parts {
            let Part::ToolResult { call_id, content, .. } = part else { continue };
            for inner in content {
                if let Part::Text(text) = inner
                    && let Some(short) = self.short_of(call_id, text)
                {
                    short.clone_into(text);
                }
            }
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    #[test]
    fn runs_and_results_are_applied() {
        let say = |text: &str| Message::text(Role::User, text);
        let result = |text: &str| {
            let part = Part::ToolResult {
                call_id: "c".into(),
                content: vec![Part::Text(text.into())],
                is_error: false,
            };
            Message { role: Role::Tool, parts: vec![part], name: None }
        };
        let messages = [say("a"), say("b"), result("long"), say("long")];
        let short = ShortenedResult { call_id: "c".into(), before: "long".into(), after: "s".into() };
        let run = |at, removed, texts: &[&str]| ReplacedRun {
            at,
            removed,
            messages: texts.iter().map(|text| say(text)).collect(),
        };
        let changes = ConversationChanges {
            results: vec![short],
            runs: vec![run(0, 1, &["x", "y"]), run(4, 0, &["z"])],
            ..ConversationChanges::default()
        };
        let sent = changes.apply(&messages);
        assert_eq!(sent, [say("x"), say("y"), say("b"), result("s"), say("long"), say("z")]);
        assert_eq!(ConversationChanges::default().apply(&messages), messages);
    }
}
