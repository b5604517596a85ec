//! Hidden calls that stood beside calls of the caller's own tools. They are answered at once and kept; when the conversation comes
//! back, call and answer stand before the turn they belonged to. What cannot be found again is left out: the model asks anew.

use super::screen::HiddenCall;
use crate::ask::Ask;
use crate::compression::Shape;
use crate::gateway::Gateway;
use crate::tool_selection::Chosen;
use nunchi_core::{Message, Part, ReplacedRun, Role};

/// Most turns of a conversation that are looked up.
const MOST: usize = 200;

impl Gateway {
    /// Answers hidden calls beside the caller's, and keeps both for when the conversation comes back.
    pub(super) async fn keep_mixed(
        &self,
        ask: &Ask,
        shape: &Shape,
        chosen: Option<&mut Chosen>,
        calls: &[HiddenCall],
        own: &[String],
    ) {
        let messages = &ask.request.messages;
        let answers = self.answer_hidden(ask, messages, shape, chosen, calls).await;
        let Some(id) = turn_id(ask, messages.len(), own.iter().map(String::as_str)) else { return };
        let round = vec![called(calls), answers];
        if let Ok(text) = serde_json::to_string(&round) {
            self.originals.keep(self, &ask.context.principal, [(id, text)]);
        }
    }

    /// The kept rounds of a conversation, from a message on.
    pub(crate) async fn resumed(&self, ask: &Ask, from: usize) -> Vec<ReplacedRun> {
        let turns = ask.request.messages.iter().enumerate().skip(from).rev();
        let mut wanted: Vec<(usize, String)> = turns
            .filter_map(|(at, message)| Some((at, turn_id(ask, at, own_calls(message)?.into_iter())?)))
            .take(MOST)
            .collect();
        wanted.reverse();
        if wanted.is_empty() {
            return Vec::new();
        }
        let ids: Vec<String> = wanted.iter().map(|(_, id)| id.clone()).collect();
        let found = self.originals.find_many(self, &ask.context.principal, &ids).await;
        let round = |text: String| serde_json::from_str::<Vec<Message>>(&text).ok();
        wanted
            .into_iter()
            .zip(found)
            .filter_map(|((at, _), text)| Some(ReplacedRun { at, removed: 0, messages: round(text?)? }))
            .collect()
    }
}

/// The calls of a turn of the model; `None` for one without calls, and for one whose reasoning must stay the first thing said.
fn own_calls(message: &Message) -> Option<Vec<&str>> {
    let thinks = |part: &Part| matches!(part, Part::Thinking { .. } | Part::RedactedThinking(_));
    if message.role != Role::Assistant || message.parts.iter().any(thinks) {
        return None;
    }
    let ids = message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { id, .. } => Some(id.as_str()),
        _ => None,
    });
    let ids: Vec<&str> = ids.collect();
    (!ids.is_empty()).then_some(ids)
}

/// Names a turn of a conversation: ids of calls alone are unique with some providers only.
fn turn_id<'a>(ask: &Ask, at: usize, calls: impl Iterator<Item = &'a str>) -> Option<String> {
    let conversation = ask.exact_conversation()?;
    Some(format!("round {conversation:016x} {at} {}", calls.collect::<Vec<_>>().join(" ")))
}

fn called(calls: &[HiddenCall]) -> Message {
    let parts = calls.iter().map(|call| Part::ToolCall {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
        signature: None,
    });
    Message { role: Role::Assistant, parts: parts.collect(), name: None }
}
