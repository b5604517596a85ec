//! The conversation in Gemini's form: instructions apart, user and model in turn, results of tools by the name of the function.

use super::SIGNATURE_MARK;
use super::facts::Facts;
use super::media::media;
use super::wire::{Content, Data, Outcome, Part as Piece};
use crate::notes::Notes;
use crate::shared::unsupported;
use nunchi_core::{Message, ModelError, ModelErrorKind, Part, Role};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::HashMap;

/// What Google documents for calls that its model did not make: since Gemini 3 a turn's first call without a signature is refused.
const UNSIGNED: &str = "skip_thought_signature_validator";

const USER: &str = "user";
const MODEL: &str = "model";

/// Instructions and turns.
pub(super) struct Conversation<'a> {
    facts: Facts,
    pub(super) system: Vec<Piece<'a>>,
    pub(super) turns: Vec<Content<'a>>,
    /// The function that each call named, by the call's id; the latest of several.
    names: HashMap<&'a str, &'a str>,
}

/// A signature as Gemini wrote it; `None` for another provider's.
fn own(signature: &str) -> Option<&str> {
    signature.strip_prefix(SIGNATURE_MARK).filter(|signature| !signature.is_empty())
}

/// Translates all messages.
pub(super) fn conversation<'a>(
    messages: &'a [Message],
    facts: Facts,
    notes: &mut Notes,
) -> Result<Conversation<'a>, ModelError> {
    let mut out = Conversation { facts, system: Vec::new(), turns: Vec::new(), names: HashMap::new() };
    for message in messages {
        if message.name.is_some() {
            notes.add("messages.name", "left out: Gemini's messages carry no names");
        }
        match message.role {
            Role::System | Role::Developer => out.instruct(message, notes)?,
            Role::User | Role::Tool => out.say(USER, message, notes)?,
            Role::Assistant => out.say(MODEL, message, notes)?,
        }
    }
    if out.turns.is_empty() {
        return Err(unsupported("Gemini needs at least one message that is not an instruction"));
    }
    for turn in &mut out.turns {
        // The results of a turn's calls must come before anything else the user says.
        turn.parts.sort_by_key(|part| {
            turn.role == Some(USER) && !matches!(part.data, Data::FunctionResponse { .. })
        });
    }
    if facts.newest {
        out.sign(notes);
    }
    Ok(out)
}

impl<'a> Conversation<'a> {
    fn instruct(&mut self, message: &'a Message, notes: &mut Notes) -> Result<(), ModelError> {
        if !self.turns.is_empty() {
            notes.add(
                "messages.role",
                "instructions in the middle of the conversation were moved to its front",
            );
        }
        for part in &message.parts {
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) => self.system.push(Data::Text(text).into()),
                Part::CachePoint(_) => cached_by_itself(notes),
                _ => return Err(unsupported("instructions hold text only")),
            }
        }
        Ok(())
    }

    fn say(&mut self, role: &'static str, message: &'a Message, notes: &mut Notes) -> Result<(), ModelError> {
        let mut pieces = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            self.piece(role, part, &mut pieces, notes)?;
        }
        match self.turns.last_mut() {
            _ if pieces.is_empty() => {}
            Some(turn) if turn.role == Some(role) => turn.parts.extend(pieces),
            _ => self.turns.push(Content { role: Some(role), parts: pieces }),
        }
        Ok(())
    }

    fn piece(
        &mut self,
        role: &'static str,
        part: &'a Part,
        out: &mut Vec<Piece<'a>>,
        notes: &mut Notes,
    ) -> Result<(), ModelError> {
        match part {
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
            Part::Text(text) | Part::Refusal(text) => out.push(Data::Text(text).into()),
            Part::Media(one) => out.push(media(one, notes)?.into()),
            Part::Thinking { text, signature } => {
                thought(text, signature.as_deref(), out, notes);
            }
            Part::RedactedThinking(data) => thought("", Some(data), out, notes),
            Part::ToolCall { .. } if role == USER => {
                return Err(unsupported("only the model's messages hold tool calls"));
            }
            Part::ToolCall { id, name, arguments, signature } => {
                self.names.insert(id, name);
                let thought_signature = signature.as_deref().and_then(own);
                if signature.is_some() && thought_signature.is_none() {
                    notes.add("messages.tool_calls", "left out: a signature of another provider's");
                }
                let data = Data::FunctionCall { id, name, args: args(arguments, notes)? };
                out.push(Piece { data, thought: false, thought_signature });
            }
            Part::ToolResult { .. } if role == MODEL => {
                return Err(unsupported("the model's messages hold no tool results"));
            }
            Part::ToolResult { call_id, content, is_error } => {
                self.result(call_id, content, *is_error, out, notes)?;
            }
            Part::CachePoint(_) => cached_by_itself(notes),
        }
        Ok(())
    }

    /// A result, found by its call. Media stand behind it; since Gemini 3 those that are sent along stand inside of it.
    fn result(
        &mut self,
        call_id: &'a str,
        content: &'a [Part],
        is_error: bool,
        out: &mut Vec<Piece<'a>>,
        notes: &mut Notes,
    ) -> Result<(), ModelError> {
        let Some(name) = self.names.get(call_id) else {
            let detail = format!("the tool result \"{call_id}\" answers no call of this conversation");
            return Err(ModelError::new(ModelErrorKind::InvalidRequest, detail));
        };
        let mut texts = Vec::new();
        let mut shown: Vec<Piece<'a>> = Vec::new();
        for part in content {
            match part {
                Part::Text(text) => texts.push(text.as_str()),
                Part::Media(one) => shown.push(media(one, notes)?.into()),
                Part::CachePoint(_) => cached_by_itself(notes),
                _ => return Err(unsupported("a tool result holds text and media only")),
            }
        }
        let text = match texts[..] {
            [text] => Cow::Borrowed(text),
            _ => Cow::Owned(texts.join("\n")),
        };
        let response = if is_error { Outcome::Error(text) } else { Outcome::Output(text) };
        let inside = |piece: &Piece<'_>| self.facts.newest && matches!(piece.data, Data::Inline { .. });
        let (parts, behind): (Vec<_>, Vec<_>) = shown.into_iter().partition(inside);
        out.push(Data::FunctionResponse { id: call_id, name, response, parts }.into());
        out.extend(behind);
        Ok(())
    }

    /// Signs the first call of each turn, where none of Gemini's signatures is left.
    fn sign(&mut self, notes: &mut Notes) {
        for turn in self.turns.iter_mut().filter(|turn| turn.role == Some(MODEL)) {
            let first = turn.parts.iter_mut().find(|part| matches!(part.data, Data::FunctionCall { .. }));
            if let Some(part) = first.filter(|part| part.thought_signature.is_none()) {
                part.thought_signature = Some(UNSIGNED);
                notes.add("messages.tool_calls", "calls without Gemini's signature were marked as such");
            }
        }
    }
}

/// Reasoning goes back with its signature, which stands behind it on a part of its own, as in streams.
fn thought<'a>(text: &'a str, signature: Option<&'a str>, out: &mut Vec<Piece<'a>>, notes: &mut Notes) {
    let Some(signature) = signature.and_then(own) else {
        notes.add("messages.thinking", "left out: reasoning without Gemini's own signature cannot go back");
        return;
    };
    if !text.is_empty() {
        out.push(Piece { thought: true, ..Data::Text(text).into() });
    }
    out.push(Piece { thought_signature: Some(signature), ..Data::Text("").into() });
}

fn cached_by_itself(notes: &mut Notes) {
    notes.add("cache_control", "left out: Gemini caches by itself");
}

/// Arguments as the object Gemini wants. Text that is no object goes along under one field, so that the model sees what it wrote.
fn args<'a>(arguments: &'a str, notes: &mut Notes) -> Result<Cow<'a, RawValue>, ModelError> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    match serde_json::from_str::<&'a RawValue>(text) {
        Ok(raw) if raw.get().starts_with('{') => return Ok(Cow::Borrowed(raw)),
        _ => notes.add("messages.tool_calls", "arguments that are no JSON object were wrapped in one"),
    }
    let wrapped = to_raw_value(&serde_json::json!({"invalid_arguments": arguments}));
    wrapped.map(Cow::Owned).map_err(|error| unsupported(format!("the arguments of a tool call: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::facts::facts;
    use super::*;
    use bytes::Bytes;
    use nunchi_core::{Media, MediaSource};
    use serde_json::{Value, json};

    fn message(role: Role, parts: Vec<Part>) -> Message {
        Message { role, parts, name: None }
    }

    fn call(id: &str, name: &str, signature: Option<&str>) -> Part {
        let signature = signature.map(str::to_owned);
        Part::ToolCall { id: id.into(), name: name.into(), arguments: " ".into(), signature }
    }

    fn result(id: &str, content: Vec<Part>) -> Part {
        Part::ToolResult { call_id: id.into(), content, is_error: false }
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    /// Turns and notes.
    fn written(model: &str, messages: &[Message]) -> Result<(Value, usize), ModelError> {
        let mut notes = Notes::default();
        let out = conversation(messages, facts(model), &mut notes)?;
        Ok((json!(out.turns), notes.into_list().len()))
    }

    #[test]
    fn results_are_grouped_and_named() {
        let messages = [
            message(Role::User, vec![text("a")]),
            message(Role::User, vec![text("b")]),
            message(Role::Assistant, vec![text(""), call("x", "f", None), call("y", "g", None)]),
            message(Role::User, vec![text("wait")]),
            message(Role::Tool, vec![result("y", vec![])]),
            message(Role::Tool, vec![result("x", vec![text("1"), text("2")])]),
            message(Role::Assistant, vec![call("x", "later", None)]),
            message(Role::Tool, vec![result("x", vec![text("3")])]),
        ];
        let calling = |id: &str, name: &str| json!({"functionCall": {"id": id, "name": name, "args": {}}});
        let answer = |id: &str, name: &str, text: &str| json!({"functionResponse": {"id": id, "name": name, "response": {"output": text}}});
        let wanted = json!([
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
            {"role": "model", "parts": [calling("x", "f"), calling("y", "g")]},
            {"role": "user", "parts": [answer("y", "g", ""), answer("x", "f", "1\n2"), {"text": "wait"}]},
            {"role": "model", "parts": [calling("x", "later")]},
            {"role": "user", "parts": [answer("x", "later", "3")]},
        ]);
        assert_eq!(written("gemini-2.5-pro", &messages).unwrap(), (wanted, 0));
    }

    #[test]
    fn media_of_results() {
        let picture =
            |source| Part::Media(Media { media_type: "image/png".into(), source, detail: None, name: None });
        let sent = picture(MediaSource::Base64(Bytes::from_static(b"AAAA")));
        let fetched = picture(MediaSource::Url("https://e/x".into()));
        let messages = [
            message(Role::Assistant, vec![call("x", "f", Some("gemini:s"))]),
            message(Role::Tool, vec![result("x", vec![text("see"), sent, fetched])]),
        ];
        let data = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
        let file = json!({"fileData": {"mimeType": "image/png", "fileUri": "https://e/x"}});
        let answer = json!({"id": "x", "name": "f", "response": {"output": "see"}});
        let mut nested = answer.clone();
        nested["parts"] = json!([data]);
        for (model, wanted) in [
            ("gemini-2.5-pro", json!([{"functionResponse": answer}, data, file])),
            ("gemini-3-flash-preview", json!([{"functionResponse": nested}, file])),
        ] {
            let (turns, notes) = written(model, &messages).unwrap();
            assert_eq!((&turns[1]["parts"], notes), (&wanted, 0), "{model}");
        }
    }

    #[test]
    fn signatures() {
        let new = "gemini-3-pro-preview";
        let part = |part: &Value, signature: &str| {
            let mut part = part.clone();
            part["thoughtSignature"] = signature.into();
            part
        };
        let called = json!({"functionCall": {"id": "a", "name": "f", "args": {}}});
        let thinking = |text: &str, proof: Option<&str>| Part::Thinking {
            text: text.into(),
            signature: proof.map(str::to_owned),
        };
        let empty = json!({"text": ""});
        for (model, parts, wanted, notes) in [
            (new, vec![call("a", "f", Some("gemini:s"))], json!([part(&called, "s")]), 0),
            (new, vec![call("a", "f", None)], json!([part(&called, UNSIGNED)]), 1),
            (new, vec![call("a", "f", Some("gemini:"))], json!([part(&called, UNSIGNED)]), 2),
            ("gemini-2.5-pro", vec![call("a", "f", Some("other"))], json!([called]), 1),
            (
                new,
                vec![call("a", "f", Some("gemini:s")), call("a", "f", None)],
                json!([part(&called, "s"), called]),
                0,
            ),
            (
                new,
                vec![thinking("hm", Some("gemini:s"))],
                json!([{"text": "hm", "thought": true}, part(&empty, "s")]),
                0,
            ),
            (
                new,
                vec![text("x"), thinking("", Some("gemini:s"))],
                json!([{"text": "x"}, part(&empty, "s")]),
                0,
            ),
            (
                new,
                vec![text("x"), thinking("hm", Some("foreign")), thinking("hm", None)],
                json!([{"text": "x"}]),
                1,
            ),
            (new, vec![Part::RedactedThinking("gemini:s".into())], json!([part(&empty, "s")]), 0),
            (new, vec![text("x"), Part::RedactedThinking("other".into())], json!([{"text": "x"}]), 1),
        ] {
            let (turns, said) = written(model, &[message(Role::Assistant, parts.clone())]).unwrap();
            assert_eq!((&turns[0]["parts"], said), (&wanted, notes), "{parts:?}");
        }
    }

    #[test]
    fn what_cannot_be_said() {
        use ModelErrorKind as K;
        for (parts, role, kind) in [
            (vec![], Role::User, K::Unsupported),
            (vec![text("x")], Role::System, K::Unsupported),
            (vec![result("a", vec![])], Role::Tool, K::InvalidRequest),
            (vec![result("a", vec![])], Role::Assistant, K::Unsupported),
            (vec![call("a", "f", None)], Role::User, K::Unsupported),
            (vec![call("a", "f", None)], Role::System, K::Unsupported),
        ] {
            let error = written("gemini-2.5-pro", &[message(role, parts.clone())]).unwrap_err();
            assert_eq!(error.kind, kind, "{role:?} {parts:?}");
        }
    }
}
