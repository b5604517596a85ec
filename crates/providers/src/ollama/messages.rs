//! Translates messages to Ollama's: one text a message, with pictures, thinking and tool calls beside it.

use super::wire::{Called, ToolCall, WireMessage};
use crate::notes::Notes;
use crate::openai::base64_text;
use crate::shared::unsupported;
use nunchi_core::{ImageDetail, Media, MediaSource, Message, ModelError, Part, Role};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Between the texts of one message, which are blocks of their own elsewhere.
const GAP: &str = "\n\n";

/// All messages, in order. Cache points say nothing here: the server keeps the prompt it read last by itself.
pub(super) fn translate<'a>(
    messages: &'a [Message],
    notes: &mut Notes,
) -> Result<Vec<WireMessage<'a>>, ModelError> {
    let mut talk = Talk { out: Vec::with_capacity(messages.len()), names: HashMap::new(), held: Vec::new() };
    for message in messages {
        if message.name.is_some() {
            notes.add("messages.name", "left out: Ollama has no such field");
        }
        if !matches!(message.role, Role::User | Role::Tool) {
            talk.flush(notes)?;
        }
        match message.role {
            Role::Assistant => talk.assistant(message, notes)?,
            Role::System | Role::Developer => talk.instructions(message)?,
            Role::User | Role::Tool => talk.user_or_tool(message, notes)?,
        }
    }
    talk.flush(notes)?;
    Ok(talk.out)
}

struct Talk<'a> {
    out: Vec<WireMessage<'a>>,
    /// The tools called so far, by the id of the call.
    names: HashMap<&'a str, &'a str>,
    /// Pictures of tool results: they wait until the last result of a turn, as nothing may stand between results.
    held: Vec<&'a Part>,
}

impl<'a> Talk<'a> {
    /// Writes what is held as a user's message.
    fn flush(&mut self, notes: &mut Notes) -> Result<(), ModelError> {
        if !self.held.is_empty() {
            let parts = std::mem::take(&mut self.held);
            self.out.push(user(&parts, notes)?);
        }
        Ok(())
    }

    fn instructions(&mut self, message: &'a Message) -> Result<(), ModelError> {
        let parts = message.parts.iter().filter(|part| !matches!(part, Part::CachePoint(_)));
        let texts =
            parts.map(|part| part.as_text().ok_or_else(|| unsupported("instructions hold text only")));
        let texts: Vec<&str> = texts.collect::<Result<_, _>>()?;
        self.out.push(WireMessage { role: "system", content: joined(&texts, GAP), ..WireMessage::default() });
        Ok(())
    }

    fn assistant(&mut self, message: &'a Message, notes: &mut Notes) -> Result<(), ModelError> {
        let mut out = WireMessage { role: "assistant", ..WireMessage::default() };
        let (mut texts, mut thoughts): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for part in &message.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) => texts.push(text),
                // The proof is another provider's: Ollama's models make none.
                Part::Thinking { text, .. } => thoughts.extend((!text.is_empty()).then_some(text.as_str())),
                Part::RedactedThinking(_) => {
                    notes.add("thinking", "hidden reasoning of another provider was left out");
                }
                Part::ToolCall { id, name, arguments, .. } => {
                    self.names.insert(id, name);
                    let index = out.tool_calls.len();
                    let function = Called { index, name, arguments: object(arguments, notes)? };
                    out.tool_calls.push(ToolCall { id, function });
                }
                Part::CachePoint(_) => {}
                Part::Media(_) | Part::ToolResult { .. } => {
                    return Err(unsupported("an answer of Ollama's holds text and tool calls only"));
                }
            }
        }
        out.content = joined(&texts, "");
        out.thinking = joined(&thoughts, GAP);
        self.out.push(out);
        Ok(())
    }

    /// Results become messages of their own, in front of what the person said.
    fn user_or_tool(&mut self, message: &'a Message, notes: &mut Notes) -> Result<(), ModelError> {
        let mut said: Vec<&Part> = Vec::new();
        let mut results = 0;
        for part in &message.parts {
            match part {
                Part::ToolResult { call_id, content, is_error } => {
                    if *is_error {
                        notes.add("tool_result.is_error", "left out: Ollama has no such field");
                    }
                    results += 1;
                    self.result(call_id, content, notes);
                }
                Part::CachePoint(_) => {}
                part => said.push(part),
            }
        }
        if !said.is_empty() {
            self.held.extend(said);
            return self.flush(notes);
        }
        if results == 0 && message.role == Role::User {
            self.out.push(user(&[], notes)?);
        }
        Ok(())
    }

    /// A result, with the name of its tool: most models' templates know tools by name only.
    fn result(&mut self, call_id: &'a str, content: &'a [Part], notes: &mut Notes) {
        let texts: Vec<&str> = content.iter().filter_map(Part::as_text).collect();
        for media in content.iter().filter(|part| matches!(part, Part::Media(_))) {
            notes.add("tool_result.media", "moved into a user message: tool messages hold text only");
            self.held.push(media);
        }
        self.out.push(WireMessage {
            role: "tool",
            content: joined(&texts, GAP),
            tool_name: self.names.get(call_id).copied(),
            tool_call_id: Some(call_id),
            ..WireMessage::default()
        });
    }
}

fn user<'a>(parts: &[&'a Part], notes: &mut Notes) -> Result<WireMessage<'a>, ModelError> {
    let mut out = WireMessage { role: "user", ..WireMessage::default() };
    let mut texts: Vec<&str> = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => texts.push(text),
            Part::Media(media) => out.images.push(picture(media, notes)?),
            _ => return Err(unsupported("a user's message holds text and pictures only")),
        }
    }
    out.content = joined(&texts, GAP);
    Ok(out)
}

fn picture<'a>(media: &'a Media, notes: &mut Notes) -> Result<&'a str, ModelError> {
    if media.detail.is_some_and(|detail| detail != ImageDetail::Auto) {
        notes.add("image.detail", "left out: with Ollama the model chooses by itself");
    }
    match &media.source {
        MediaSource::Base64(bytes) if media.media_type.starts_with("image/") => base64_text(bytes),
        MediaSource::Base64(_) => {
            Err(unsupported(format!("Ollama takes pictures, not {}", media.media_type)))
        }
        MediaSource::Url(_) => Err(unsupported("Ollama fetches no pictures: it takes them as base64 only")),
        MediaSource::FileId(_) => Err(unsupported("Ollama keeps no uploaded files")),
    }
}

/// Arguments as the object Ollama wants. Text that is no object goes along under one field, so that the model sees what it wrote.
fn object<'a>(arguments: &'a str, notes: &mut Notes) -> Result<Cow<'a, RawValue>, ModelError> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    match serde_json::from_str::<&'a RawValue>(text) {
        Ok(raw) if raw.get().starts_with('{') => return Ok(Cow::Borrowed(raw)),
        _ => notes.add("messages.tool_calls", "arguments that are no JSON object were wrapped in one"),
    }
    let wrapped = to_raw_value(&serde_json::json!({"invalid_arguments": arguments}));
    wrapped.map(Cow::Owned).map_err(|error| unsupported(format!("the arguments of a tool call: {error}")))
}

/// One text, borrowed where there is only one.
fn joined<'a>(texts: &[&'a str], gap: &str) -> Cow<'a, str> {
    match texts {
        [] => Cow::Borrowed(""),
        [text] => Cow::Borrowed(text),
        texts => Cow::Owned(texts.join(gap)),
    }
}
