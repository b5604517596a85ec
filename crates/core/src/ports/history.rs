//! Conversations that a run is told of in fewer tokens than they have.

use crate::chat::Message;

/// The earlier turns of a conversation as a run is told of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShortenedHistory {
    /// The turns, the oldest first, older ones shortened.
    pub turns: Vec<Message>,
    /// Sentences of what was left out that fit what is asked now, for the place right before it; empty when there are none.
    pub fitting: String,
}

/// Shortens the earlier turns of a conversation.
pub trait ShortenHistory: Send + Sync {
    /// At most `tokens` tokens by its own estimate, the fitting sentences included; `None` when the turns fit as they are. The turns
    /// do not depend on what is asked now, and as a conversation grows their beginning changes seldom, so that a provider's prompt
    /// cache keeps its prefix.
    fn shorten(&self, turns: &[Message], asked: &str, tokens: u64) -> Option<ShortenedHistory>;
}
