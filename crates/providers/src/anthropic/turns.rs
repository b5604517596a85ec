//! The conversation in Anthropic's form: instructions on top, user and assistant in turn, cache marks on blocks.

use super::wire::{Block, CacheControl, Content, Source, Turn};
use crate::notes::Notes;
use crate::openai::base64_text;
use crate::shared::unsupported;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nunchi_core::{CacheTtl, ImageDetail, Media, MediaSource, Message, ModelError, Part, Role};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// Anthropic takes at most this many cache marks.
const MARK_LIMIT: usize = 4;

/// Instructions, turns, and the mark behind the tools.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) tools_mark: Option<CacheControl>,
    /// Whether a part refers to an uploaded file.
    pub(super) files: bool,
}

/// Whether a proof of reasoning can be Anthropic's: Gemini's are marked by our decoder, OpenAI's are Fernet tokens.
pub(super) fn is_own(proof: &str) -> bool {
    !proof.is_empty() && !proof.starts_with(crate::gemini::SIGNATURE_MARK) && !proof.starts_with("gAAAA")
}

/// Translates all messages.
pub(super) fn conversation<'a>(
    messages: &'a [Message],
    notes: &mut Notes,
) -> Result<Conversation<'a>, ModelError> {
    let mut out = Conversation::default();
    for message in messages {
        if message.name.is_some() {
            notes.add("messages.name", "left out: Anthropic's messages carry no names");
        }
        match message.role {
            Role::System | Role::Developer => out.instruct(message, notes)?,
            Role::User | Role::Tool => out.say("user", message, notes)?,
            Role::Assistant => out.say("assistant", message, notes)?,
        }
    }
    for turn in out.turns.iter_mut().filter(|turn| turn.role == "user") {
        // The results of tools must come before anything else the user says.
        turn.content.sort_by_key(|block| !matches!(block.content, Content::ToolResult { .. }));
    }
    out.limit_marks(notes);
    if out.turns.is_empty() {
        return Err(unsupported("Anthropic needs at least one message that is not an instruction"));
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
                Part::Text(text) => self.system.push(Content::Text { text }.into()),
                Part::CachePoint(ttl) => self.mark_instructions(*ttl),
                _ => return Err(unsupported("instructions hold text only")),
            }
        }
        Ok(())
    }

    fn mark_instructions(&mut self, ttl: CacheTtl) {
        match self.system.last_mut() {
            Some(block) => block.cache_control = Some(ttl.into()),
            None => self.tools_mark = Some(ttl.into()),
        }
    }

    fn say(&mut self, role: &'static str, message: &'a Message, notes: &mut Notes) -> Result<(), ModelError> {
        for part in &message.parts {
            if let Part::CachePoint(ttl) = part {
                self.mark(*ttl);
            } else if let Some(content) = self.content(role, part, notes)? {
                self.push(role, content);
            }
        }
        Ok(())
    }

    /// Adds to the turn under way, or begins the next one.
    fn push(&mut self, role: &'static str, content: Content<'a>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.push(content.into()),
            _ => self.turns.push(Turn { role, content: vec![content.into()] }),
        }
    }

    /// Marks the nearest block before this point that can bear a mark.
    fn mark(&mut self, ttl: CacheTtl) {
        let blocks = self.turns.iter_mut().rev().flat_map(|turn| turn.content.iter_mut().rev());
        match blocks.into_iter().find(|block| block.content.can_be_marked()) {
            Some(block) => block.cache_control = Some(ttl.into()),
            None => self.mark_instructions(ttl),
        }
    }

    /// Keeps the marks that serve most: those of tools and instructions, then the last ones.
    fn limit_marks(&mut self, notes: &mut Notes) {
        let mut left = MARK_LIMIT.saturating_sub(usize::from(self.tools_mark.is_some()));
        let turns = self.turns.iter_mut().rev().flat_map(|turn| turn.content.iter_mut().rev());
        for block in self.system.iter_mut().rev().chain(turns).filter(|block| block.cache_control.is_some()) {
            if left == 0 {
                block.cache_control = None;
                notes.add(
                    "cache_control",
                    format!("Anthropic takes {MARK_LIMIT} marks; the earliest were left out"),
                );
            }
            left = left.saturating_sub(1);
        }
    }

    /// A part as a block; `None` for what holds nothing or cannot go back.
    fn content(
        &mut self,
        role: &'static str,
        part: &'a Part,
        notes: &mut Notes,
    ) -> Result<Option<Content<'a>>, ModelError> {
        Ok(Some(match part {
            // Anthropic refuses empty text.
            Part::Text(text) | Part::Refusal(text) if text.is_empty() => return Ok(None),
            Part::Text(text) | Part::Refusal(text) => Content::Text { text },
            Part::Media(_) if role == "assistant" => {
                return Err(unsupported("Anthropic's assistant messages hold no media"));
            }
            Part::Media(media) => self.media(media, notes)?,
            Part::Thinking { text, signature: Some(signature) } if is_own(signature) => {
                Content::Thinking { thinking: text, signature }
            }
            Part::RedactedThinking(data) if is_own(data) => Content::RedactedThinking { data },
            Part::Thinking { .. } | Part::RedactedThinking(_) => {
                notes.add(
                    "messages.thinking",
                    "left out: reasoning without Anthropic's own proof cannot go back",
                );
                return Ok(None);
            }
            Part::ToolCall { id, name, arguments, .. } => {
                Content::ToolUse { id: call_id(id), name, input: input(arguments, notes)? }
            }
            Part::ToolResult { call_id: id, content, is_error } => Content::ToolResult {
                tool_use_id: call_id(id),
                content: self.result(content, notes)?,
                is_error: *is_error,
            },
            Part::CachePoint(_) => return Ok(None),
        }))
    }

    /// The content of a tool result.
    fn result(&mut self, parts: &'a [Part], notes: &mut Notes) -> Result<Vec<Block<'a>>, ModelError> {
        let mut blocks: Vec<Block<'a>> = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) => blocks.push(Content::Text { text }.into()),
                Part::Media(media) => blocks.push(self.media(media, notes)?.into()),
                Part::CachePoint(ttl) => {
                    if let Some(block) = blocks.last_mut() {
                        block.cache_control = Some((*ttl).into());
                    }
                }
                _ => return Err(unsupported("a tool result holds text and media only")),
            }
        }
        Ok(blocks)
    }

    fn media(&mut self, media: &'a Media, notes: &mut Notes) -> Result<Content<'a>, ModelError> {
        if matches!(media.detail, Some(ImageDetail::Low | ImageDetail::High)) {
            notes.add("image.detail", "left out: Anthropic chooses by itself");
        }
        let kind = media.media_type.as_str();
        let image = kind.is_empty() || kind.starts_with("image/");
        let source = match &media.source {
            MediaSource::Base64(data) if image => {
                if !["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&kind) {
                    return Err(unsupported(format!(
                        "Anthropic does not read pictures of the type \"{kind}\""
                    )));
                }
                Source::Base64 { media_type: kind, data: base64_text(data)? }
            }
            MediaSource::Base64(data) if kind == "application/pdf" => {
                Source::Base64 { media_type: kind, data: base64_text(data)? }
            }
            MediaSource::Base64(data) if kind.starts_with("text/") => {
                Source::Text { media_type: "text/plain", data: decoded(data)? }
            }
            MediaSource::Url(url) if image || kind == "application/pdf" => Source::Url { url },
            MediaSource::FileId(id) if id.starts_with("file_") => {
                self.files = true;
                Source::File { file_id: id }
            }
            MediaSource::FileId(_) => {
                return Err(unsupported("the file was uploaded to another provider"));
            }
            _ => return Err(unsupported(format!("Anthropic does not read media of the type \"{kind}\""))),
        };
        Ok(if image {
            Content::Image { source }
        } else {
            Content::Document { source, title: media.name.as_deref() }
        })
    }
}

/// Text that came as base64.
fn decoded(data: &[u8]) -> Result<String, ModelError> {
    let bytes = STANDARD.decode(data).map_err(|_| unsupported("the document is not base64"))?;
    String::from_utf8(bytes).map_err(|_| unsupported("the text document is not UTF-8"))
}

/// An id in the letters Anthropic takes; other providers use more.
fn call_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|c| if fits(c) { c } else { '_' }).collect())
}

/// Arguments as the object Anthropic wants. Text that is no object goes along under one field, so that the model sees what it wrote.
fn input<'a>(arguments: &'a str, notes: &mut Notes) -> Result<Cow<'a, RawValue>, ModelError> {
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
    use super::*;
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn message(role: Role, parts: Vec<Part>) -> Message {
        Message { role, parts, name: None }
    }

    /// Turns, system, number of notes.
    fn written(messages: &[Message]) -> (Value, Value, usize) {
        let mut notes = Notes::default();
        let out = conversation(messages, &mut notes).unwrap();
        (json!(out.turns), json!(out.system), notes.into_list().len())
    }

    fn result(id: &str, content: Vec<Part>) -> Part {
        Part::ToolResult { call_id: id.into(), content, is_error: false }
    }

    #[test]
    fn turns_alternate_and_results_come_first() {
        let call = |id: &str| Part::ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: " ".into(),
            signature: None,
        };
        let (turns, _, notes) = written(&[
            Message::text(Role::User, "a"),
            Message::text(Role::User, "b"),
            message(Role::Assistant, vec![Part::Text(String::new()), call("x:1"), call("y")]),
            Message::text(Role::User, "wait"),
            message(Role::Tool, vec![result("x:1", vec![]), result("y", vec![Part::Text("1".into())])]),
        ]);
        let wanted = json!([
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "x_1", "name": "f", "input": {}},
                {"type": "tool_use", "id": "y", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "x_1"},
                {"type": "tool_result", "tool_use_id": "y", "content": [{"type": "text", "text": "1"}]},
                {"type": "text", "text": "wait"},
            ]},
        ]);
        assert_eq!((turns, notes), (wanted, 0));
    }

    #[test]
    fn marks_go_to_what_can_bear_them() {
        let mark = || Part::CachePoint(CacheTtl::FiveMinutes);
        let thought = Part::Thinking { text: "t".into(), signature: Some("s".into()) };
        let (turns, system, notes) = written(&[
            message(Role::System, vec![Part::Text("s".into()), Part::CachePoint(CacheTtl::OneHour)]),
            message(Role::User, vec![Part::Text("a".into()), mark()]),
            message(Role::Assistant, vec![Part::Text("b".into()), thought, mark()]),
            message(Role::User, vec![mark(), Part::Text("c".into()), mark()]),
        ]);
        assert_eq!(system[0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
        assert_eq!(turns[0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
        assert_eq!(turns[1]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
        assert_eq!(turns[1]["content"][1].get("cache_control"), None);
        assert_eq!(turns[2]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
        assert_eq!(notes, 0);
        let many: Vec<Part> = (0..6).flat_map(|n| [Part::Text(n.to_string()), mark()]).collect();
        let (turns, _, notes) = written(&[message(Role::User, many)]);
        let marked: Vec<bool> = turns[0]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b.get("cache_control").is_some())
            .collect();
        assert_eq!((marked, notes), (vec![false, false, true, true, true, true], 1));
        let alone = [message(Role::System, vec![mark()]), Message::text(Role::User, "x")];
        assert!(conversation(&alone, &mut Notes::default()).unwrap().tools_mark.is_some());
    }

    #[test]
    fn foreign_proofs_stay_away() {
        let thought =
            |proof: Option<&str>| Part::Thinking { text: "t".into(), signature: proof.map(str::to_owned) };
        let parts = vec![
            thought(None),
            thought(Some("gemini:CpQ")),
            thought(Some("gAAAAAB")),
            Part::RedactedThinking("gAAAAAB".into()),
            thought(Some("EqQB")),
            Part::RedactedThinking("EmwK".into()),
            Part::Text("said".into()),
        ];
        let (turns, _, notes) = written(&[message(Role::Assistant, parts)]);
        assert_eq!(
            turns[0]["content"],
            json!([
                {"type": "thinking", "thinking": "t", "signature": "EqQB"},
                {"type": "redacted_thinking", "data": "EmwK"},
                {"type": "text", "text": "said"},
            ])
        );
        assert_eq!(notes, 1);
    }

    #[test]
    fn media() {
        let part = |media_type: &str, source| {
            let media = Media { media_type: media_type.into(), source, detail: None, name: Some("n".into()) };
            message(Role::User, vec![Part::Media(media)])
        };
        let base64 = || MediaSource::Base64(Bytes::from_static(b"aGk="));
        for (given, wanted) in [
            (
                part("text/markdown", base64()),
                json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "n"}),
            ),
            (
                part("application/pdf", MediaSource::Url("u".into())),
                json!({"type": "document", "source": {"type": "url", "url": "u"}, "title": "n"}),
            ),
            (
                part("", MediaSource::FileId("file_1".into())),
                json!({"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
            ),
        ] {
            assert_eq!(written(&[given]).0[0]["content"][0], wanted);
        }
        for bad in [
            part("audio/wav", base64()),
            part("image/heic", base64()),
            part("", MediaSource::FileId("file-openai".into())),
            part("video/mp4", MediaSource::Url("u".into())),
            message(Role::System, vec![Part::Refusal("x".into())]),
        ] {
            let error = conversation(&[bad], &mut Notes::default()).err().unwrap();
            assert_eq!(error.kind, nunchi_core::ModelErrorKind::Unsupported);
        }
    }

    #[test]
    fn arguments_that_are_no_object() {
        let mut notes = Notes::default();
        for (text, wanted) in [
            ("{\"a\": 1.0}", "{\"a\": 1.0}"),
            ("", "{}"),
            ("[1]", "{\"invalid_arguments\":\"[1]\"}"),
            ("{", "{\"invalid_arguments\":\"{\"}"),
        ] {
            assert_eq!(input(text, &mut notes).unwrap().get(), wanted);
        }
    }
}
