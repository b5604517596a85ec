//! The conversation of the caller's own body with the gateway's changes: what is not changed stays byte for byte.

use crate::splice::{Edit, Object};
use bytes::Bytes;
use nunchi_core::{ConversationChanges, Message, ModelRequest};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How a dialect's body holds its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Chat completions: `messages`, one element a message.
    Chat,
    /// Anthropic: `messages` behind `system`; a user's turn may hold tool results, which are messages of their own.
    Anthropic,
    /// Responses: `input` behind `instructions`; several items may make one message.
    Responses,
}

/// Where a message begins: its element, and the block within it.
type Place = (usize, usize);

/// The change of the conversation's field; `None` where nothing changed. `Err` when the places of the changes are not found:
/// then the request has to be translated. `write` writes messages as elements of the dialect.
pub(crate) fn changed_turns(
    object: &Object<'_>,
    request: &ModelRequest,
    form: Form,
    write: impl Fn(&[Message]) -> Option<Vec<String>>,
) -> Result<Option<(&'static str, Edit<'static>)>, ()> {
    let changes = request.changes.as_ref();
    match changes.filter(|changes| !changes.results.is_empty() || !changes.runs.is_empty()) {
        Some(changes) => {
            let text = changed(object, request, changes, form, write).ok_or(())?;
            Ok(Some((form.field(), Edit::Set(Cow::Owned(text)))))
        }
        None => Ok(None),
    }
}

fn changed(
    object: &Object<'_>,
    request: &ModelRequest,
    changes: &ConversationChanges,
    form: Form,
    write: impl Fn(&[Message]) -> Option<Vec<String>>,
) -> Option<String> {
    let elements = form.elements(object)?;
    let places = form.places(object, &elements)?;
    let (added, gone) = changes
        .runs
        .iter()
        .fold((0, 0), |(added, gone), run| (added + run.messages.len(), gone + run.removed));
    if places.len() + added != request.messages.len() + gone {
        return None;
    }
    let place =
        |at: usize| if at == places.len() { Some((elements.len(), 0)) } else { places.get(at).copied() };
    let mut kept = Kept { form, changes, elements: &elements, out: Vec::new(), shortened: 0 };
    let mut next: Place = (0, 0);
    for run in &changes.runs {
        let (from, block) = place(run.at)?;
        if block != 0 {
            return None;
        }
        kept.keep(next, from)?;
        kept.out.extend(write(&run.messages)?.into_iter().map(Cow::Owned));
        next = place(run.at + run.removed)?;
    }
    kept.keep(next, elements.len())?;
    (kept.shortened >= changes.results.len()).then(|| format!("[{}]", kept.out.join(",")))
}

/// What is looked at of an element or a block.
#[derive(Default, Deserialize)]
struct Peek<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

impl Form {
    const fn field(self) -> &'static str {
        match self {
            Self::Chat | Self::Anthropic => "messages",
            Self::Responses => "input",
        }
    }

    fn elements<'a>(self, object: &Object<'a>) -> Option<Vec<Cow<'a, str>>> {
        if let Some(list) = object.read::<Vec<&'a RawValue>>(self.field()) {
            return Some(list.into_iter().map(|raw| Cow::Borrowed(raw.get())).collect());
        }
        // Responses take one text in place of a list of items.
        let text = object.get(self.field()).filter(|value| value.starts_with(b"\""))?;
        let text = std::str::from_utf8(text).ok()?;
        Some(vec![Cow::Owned(format!("{{\"role\":\"user\",\"content\":{text}}}"))])
    }

    /// Where each of the caller's messages begins, the instructions in front included. As the inbound dialects read them.
    fn places(self, object: &Object<'_>, elements: &[Cow<'_, str>]) -> Option<Vec<Place>> {
        let instructions = match self {
            Self::Chat => false,
            Self::Anthropic => object.has("system"),
            Self::Responses => object.has("instructions"),
        };
        let mut places = vec![(0, 0); usize::from(instructions)];
        let mut before = instructions.then_some("system");
        for (at, element) in elements.iter().enumerate() {
            match self {
                Self::Chat => places.push((at, 0)),
                Self::Anthropic => turn_places(at, &serde_json::from_str(element).ok()?, &mut places),
                Self::Responses => {
                    let Some(speaker) = item_speaker(&serde_json::from_str(element).ok()?) else { continue };
                    let joins = before == Some(speaker) && speaker != "other";
                    before = Some(speaker);
                    places.extend((!joins).then_some((at, 0)));
                }
            }
        }
        Some(places)
    }
}

/// Messages of one turn of Anthropic's: runs of tool results, and what stands between them.
fn turn_places(at: usize, turn: &Peek<'_>, places: &mut Vec<Place>) {
    const KNOWN: [&str; 6] = ["text", "image", "document", "tool_use", "thinking", "redacted_thinking"];
    let blocks: Vec<Peek<'_>> =
        turn.content.and_then(|content| serde_json::from_str(content.get()).ok()).unwrap_or_default();
    let is_result = |block: &Peek<'_>| block.kind.as_deref() == Some("tool_result");
    if turn.role.as_deref() != Some("user") || !blocks.iter().any(is_result) {
        places.push((at, 0));
        return;
    }
    let mut before = None;
    for (number, block) in blocks.iter().enumerate() {
        let known = block.kind.as_deref().is_some_and(|kind| KNOWN.contains(&kind));
        if (known || is_result(block)) && before != Some(is_result(block)) {
            places.push((at, if before.is_none() { 0 } else { number }));
            before = Some(is_result(block));
        }
    }
}

/// Who speaks in an item of responses: items of the assistant, and of tools, join into one message.
fn item_speaker(item: &Peek<'_>) -> Option<&'static str> {
    match (item.kind.as_deref(), item.role.as_deref()) {
        (Some("message") | None, Some("assistant")) | (Some("function_call" | "reasoning"), _) => {
            Some("assistant")
        }
        (Some("function_call_output"), _) => Some("tool"),
        (Some("message") | None, Some(_)) => Some("other"),
        _ => None,
    }
}

/// The elements that stay.
struct Kept<'a> {
    form: Form,
    changes: &'a ConversationChanges,
    elements: &'a [Cow<'a, str>],
    out: Vec<Cow<'a, str>>,
    /// Texts of tool results that were found and shortened.
    shortened: usize,
}

impl Kept<'_> {
    /// Keeps the elements up to `end`; of the first one only the blocks from a place on.
    fn keep(&mut self, (first, block): Place, end: usize) -> Option<()> {
        for at in first..end {
            let element = &self.elements[at];
            let dropped = if at == first { block } else { 0 };
            let kept = if dropped == 0 && self.changes.results.is_empty() {
                None
            } else {
                self.element(element, dropped)?
            };
            self.out.push(kept.map_or_else(|| element.clone(), Cow::Owned));
        }
        Some(())
    }

    /// An element without its first blocks and with shortened results; `None` inside when it stays as it is.
    fn element(&mut self, element: &str, dropped: usize) -> Option<Option<String>> {
        let text = Bytes::copy_from_slice(element.as_bytes());
        let object = Object::scan(&text)?;
        let read = |name: &str| object.read::<Cow<'_, str>>(name);
        let (field, call_id) = match self.form {
            Form::Chat => ("content", read("tool_call_id").or_else(|| read("name"))),
            Form::Responses => ("output", read("call_id")),
            Form::Anthropic => return self.blocks(&object, dropped),
        };
        let Some(value) = object.get(field).zip(call_id) else { return Some(None) };
        let edit = self.value(value.0, &value.1);
        match edit {
            Some(edit) => spliced(&object, field, edit).map(Some),
            None => Some(None),
        }
    }

    fn blocks(&mut self, object: &Object<'_>, dropped: usize) -> Option<Option<String>> {
        let Some(blocks) = object.read::<Vec<&RawValue>>("content") else {
            return (dropped == 0).then_some(None);
        };
        let mut changed = dropped > 0;
        let mut out = Vec::with_capacity(blocks.len());
        for block in blocks.iter().skip(dropped) {
            let text = Bytes::copy_from_slice(block.get().as_bytes());
            let inner = Object::scan(&text)?;
            let result = inner.get("content").zip(inner.read::<Cow<'_, str>>("tool_use_id"));
            match result.and_then(|(content, id)| self.value(content, &id)) {
                Some(edit) => {
                    changed = true;
                    out.push(Cow::Owned(spliced(&inner, "content", edit)?));
                }
                None => out.push(Cow::Borrowed(block.get())),
            }
        }
        if !changed {
            return Some(None);
        }
        spliced(object, "content", format!("[{}]", out.join(","))).map(Some)
    }

    /// The content of a tool result with its texts shortened: one text, or a list of parts.
    fn value(&mut self, value: &[u8], call_id: &str) -> Option<String> {
        if let Ok(text) = serde_json::from_slice::<String>(value) {
            let short = self.changes.short_of(call_id, &text)?;
            self.shortened += 1;
            return serde_json::to_string(short).ok();
        }
        let parts: Vec<&RawValue> = serde_json::from_slice(value).ok()?;
        let mut changed = false;
        let mut out = Vec::with_capacity(parts.len());
        for part in parts {
            let text = Bytes::copy_from_slice(part.get().as_bytes());
            let object = Object::scan(&text)?;
            let said = object.read::<String>("text");
            match said.and_then(|said| self.changes.short_of(call_id, &said)) {
                Some(short) => {
                    changed = true;
                    self.shortened += 1;
                    out.push(Cow::Owned(spliced(&object, "text", serde_json::to_string(short).ok()?)?));
                }
                None => out.push(Cow::Borrowed(part.get())),
            }
        }
        changed.then(|| format!("[{}]", out.join(",")))
    }
}

fn spliced(object: &Object<'_>, field: &str, value: String) -> Option<String> {
    String::from_utf8(object.with(&[(field, Edit::Set(Cow::Owned(value)))]).to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{ReplacedRun, Role, ShortenedResult};

    /// What is written for a body of so many messages; new messages are written as `"role:text"`.
    fn turns(form: Form, body: &str, count: usize, changes: ConversationChanges) -> Result<String, ()> {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let before = vec![Message::text(Role::User, ""); count];
        let mut request = ModelRequest::new("m", changes.apply(&before));
        request.changes = Some(changes);
        let write = |messages: &[Message]| {
            let text = |message: &Message| format!("\"{:?}:{}\"", message.role, message.plain_text());
            Some(messages.iter().map(text).collect())
        };
        match changed_turns(&Object::scan(&bytes).unwrap(), &request, form, write)? {
            Some((_, Edit::Set(text))) => Ok(text.into_owned()),
            _ => Ok("unchanged".into()),
        }
    }

    fn short(call_id: &str, before: &str) -> ConversationChanges {
        let result = ShortenedResult { call_id: call_id.into(), before: before.into(), after: "s\"".into() };
        ConversationChanges { results: vec![result], ..ConversationChanges::default() }
    }

    fn run(at: usize, removed: usize) -> ConversationChanges {
        let messages = vec![Message::text(Role::User, "new")];
        ConversationChanges {
            runs: vec![ReplacedRun { at, removed, messages }],
            ..ConversationChanges::default()
        }
    }

    const CHAT: &str = r#"{"messages":[{"role":"system","content":"S"}, {"role":"user","content":"long","x":1.0},{"role":"tool","tool_call_id":"c","content":"long", "y":1.50},{"role":"tool","tool_call_id":"d","content":[{"type":"text","text":"long"}]}]}"#;

    #[test]
    fn only_the_named_result_of_a_chat_is_shortened() {
        let wanted = r#"[{"role":"system","content":"S"},{"role":"user","content":"long","x":1.0},{"role":"tool","tool_call_id":"c","content":"s\"", "y":1.50},{"role":"tool","tool_call_id":"d","content":[{"type":"text","text":"long"}]}]"#;
        assert_eq!(turns(Form::Chat, CHAT, 4, short("c", "long")).unwrap(), wanted);
        assert!(turns(Form::Chat, CHAT, 4, short("d", "long")).unwrap().contains(r#""text":"s\"""#));
        assert_eq!(turns(Form::Chat, CHAT, 4, short("c", "other")), Err(()));
        assert_eq!(turns(Form::Chat, CHAT, 4, ConversationChanges::default()).unwrap(), "unchanged");
    }

    #[test]
    fn runs_of_a_chat_are_replaced() {
        let replaced = turns(Form::Chat, CHAT, 4, run(1, 2)).unwrap();
        assert!(
            replaced.starts_with(
                r#"[{"role":"system","content":"S"},"User:new",{"role":"tool","tool_call_id":"d""#
            )
        );
        assert!(turns(Form::Chat, CHAT, 4, run(4, 0)).unwrap().ends_with(r#"}]},"User:new"]"#));
        assert_eq!(turns(Form::Chat, CHAT, 5, run(1, 2)), Err(()), "another conversation");
    }

    const ANTHROPIC: &str = r#"{"system":"S","messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"long","z":1},{"type":"text","text":"and?"}],"k":2},{"role":"assistant","content":"a"}]}"#;

    #[test]
    fn a_turn_of_anthropic_may_hold_several_messages() {
        // system, question, call, result, text, answer
        let short = turns(Form::Anthropic, ANTHROPIC, 6, short("c", "long")).unwrap();
        assert!(short.contains(r#"{"type":"tool_result","tool_use_id":"c","content":"s\"","z":1},{"type":"text","text":"and?"}],"k":2}"#));
        let rest = turns(Form::Anthropic, ANTHROPIC, 6, run(1, 3)).unwrap();
        let wanted = r#"["User:new",{"role":"user","content":[{"type":"text","text":"and?"}],"k":2},{"role":"assistant","content":"a"}]"#;
        assert_eq!(rest, wanted);
        assert_eq!(turns(Form::Anthropic, ANTHROPIC, 6, run(4, 0)), Err(()), "in the middle of a turn");
        assert!(
            turns(Form::Anthropic, ANTHROPIC, 6, run(5, 0))
                .unwrap()
                .contains(r#""User:new",{"role":"assistant","content":"a"}"#)
        );
    }

    const RESPONSES: &str = r#"{"instructions":"S","input":[{"role":"user","content":"q"},{"type":"reasoning","id":"r"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"web_search_call"},{"type":"function_call_output","call_id":"c","output":"long"},{"type":"message","role":"user","content":"n"}]}"#;

    #[test]
    fn several_items_of_responses_make_a_message() {
        // instructions, question, call with its reasoning, result, question
        assert!(
            turns(Form::Responses, RESPONSES, 5, short("c", "long")).unwrap().contains(r#""output":"s\"""#)
        );
        let replaced = turns(Form::Responses, RESPONSES, 5, run(1, 3)).unwrap();
        assert_eq!(replaced, r#"["User:new",{"type":"message","role":"user","content":"n"}]"#);
        let text = turns(Form::Responses, r#"{"input":"hi"}"#, 1, run(1, 0)).unwrap();
        assert_eq!(text, r#"[{"role":"user","content":"hi"},"User:new"]"#);
    }
}
