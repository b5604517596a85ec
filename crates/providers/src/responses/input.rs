//! Translates messages to the input items of responses.

use super::wire::{Content, Item, Output, Summary};
use crate::notes::Notes;
use crate::openai::{Shown, base64_text};
use crate::shared::unsupported;
use nunchi_core::{ImageDetail, Media, MediaSource, Message, ModelError, Part, Role};
use std::borrow::Cow;

/// How OpenAI's encrypted reasoning begins (a Fernet token). Another provider's proof would be refused with the whole request.
const OWN_PROOF: &str = "gAAAA";

/// The system messages at the start, which this API takes apart from the input; and where the rest begins.
pub(super) fn instructions(messages: &[Message]) -> (Option<Cow<'_, str>>, &[Message]) {
    let plain = |message: &Message| {
        message.role == Role::System
            && message.parts.iter().all(|part| matches!(part, Part::Text(_) | Part::CachePoint(_)))
    };
    let count = messages.iter().take_while(|message| plain(message)).count();
    let (system, rest) = messages.split_at(count);
    let texts: Vec<&str> = system.iter().flat_map(|m| &m.parts).filter_map(Part::as_text).collect();
    let joined = match texts[..] {
        [] => None,
        [text] => Some(Cow::Borrowed(text)),
        _ => Some(Cow::Owned(texts.join("\n\n"))),
    };
    (joined, rest)
}

/// The items of all messages, in order. Cache points say nothing here: OpenAI caches prefixes by itself.
pub(super) fn items<'a>(messages: &'a [Message], notes: &mut Notes) -> Result<Vec<Item<'a>>, ModelError> {
    let mut items = Vec::with_capacity(messages.len());
    for message in messages {
        if message.name.is_some() {
            notes.add("messages.name", "left out: responses name no speakers");
        }
        let role = match message.role {
            Role::Assistant => "assistant",
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Tool => "user",
        };
        let mut content = Vec::new();
        for part in &message.parts {
            match spoken(part, role)? {
                Some(said) => content.push(said),
                // An item between two texts splits the message, as order is meaning.
                None => {
                    if let Some(item) = item(part, notes)? {
                        flush(role, &mut content, &mut items);
                        items.push(item);
                    }
                }
            }
        }
        if message.parts.is_empty() {
            content.push(Content::InputText { text: "" });
        }
        flush(role, &mut content, &mut items);
    }
    Ok(items)
}

fn flush<'a>(role: &'static str, content: &mut Vec<Content<'a>>, items: &mut Vec<Item<'a>>) {
    if !content.is_empty() {
        items.push(Item::Message { role, content: std::mem::take(content) });
    }
}

/// A part that belongs into a message.
fn spoken<'a>(part: &'a Part, role: &str) -> Result<Option<Content<'a>>, ModelError> {
    Ok(Some(match part {
        Part::Text(text) if role == "assistant" => Content::OutputText { text },
        Part::Text(text) => Content::InputText { text },
        Part::Refusal(refusal) => Content::Refusal { refusal },
        Part::Media(_) if role == "assistant" => {
            return Err(unsupported("responses take no media from the assistant"));
        }
        Part::Media(media) => media_content(media)?,
        _ => return Ok(None),
    }))
}

/// A part that is an item of its own.
fn item<'a>(part: &'a Part, notes: &mut Notes) -> Result<Option<Item<'a>>, ModelError> {
    const FOREIGN: &str = "left out of earlier answers: OpenAI takes only its own reasoning back";
    Ok(match part {
        Part::ToolCall { id, name, arguments, .. } => {
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            Some(Item::FunctionCall { call_id: id, name, arguments })
        }
        Part::ToolResult { call_id, content, is_error } => {
            if *is_error {
                notes.add("tool_result.is_error", "left out: responses have no such field");
            }
            Some(Item::FunctionCallOutput { call_id, output: output(content)? })
        }
        Part::Thinking { text, signature: Some(proof) } if proof.starts_with(OWN_PROOF) => {
            let summary = if text.is_empty() { Vec::new() } else { vec![Summary::SummaryText { text }] };
            Some(Item::Reasoning { summary, encrypted_content: proof })
        }
        Part::RedactedThinking(proof) if proof.starts_with(OWN_PROOF) => {
            Some(Item::Reasoning { summary: Vec::new(), encrypted_content: proof })
        }
        Part::Thinking { .. } | Part::RedactedThinking(_) => {
            notes.add("thinking", FOREIGN);
            None
        }
        _ => None,
    })
}

fn output(content: &[Part]) -> Result<Output<'_>, ModelError> {
    if let [Part::Text(text)] = content {
        return Ok(Output::Text(Cow::Borrowed(text)));
    }
    if !content.iter().any(|part| matches!(part, Part::Media(_))) {
        return Ok(Output::Text(content.iter().filter_map(Part::as_text).collect::<String>().into()));
    }
    let parts = content.iter().filter_map(|part| spoken(part, "user").transpose());
    parts.collect::<Result<_, _>>().map(Output::Parts)
}

fn media_content(media: &Media) -> Result<Content<'_>, ModelError> {
    let media_type = media.media_type.as_str();
    if media_type.starts_with("audio/") || media_type.starts_with("video/") {
        return Err(unsupported(format!("responses take no {media_type}")));
    }
    let image = media_type.starts_with("image/")
        || (media_type.is_empty() && !matches!(media.source, MediaSource::FileId(_)));
    let data = match &media.source {
        MediaSource::Base64(bytes) => Some(Shown::Data { media_type, base64: base64_text(bytes)? }),
        _ => None,
    };
    let (url, id) = match &media.source {
        MediaSource::Url(url) => (Some(url.as_str()), None),
        MediaSource::FileId(id) => (None, Some(id.as_str())),
        MediaSource::Base64(_) => (None, None),
    };
    if image {
        return Ok(Content::InputImage {
            image_url: data.or_else(|| url.map(Shown::Url)),
            file_id: id,
            detail: media.detail.unwrap_or(ImageDetail::Auto),
        });
    }
    let unnamed = data.is_some().then_some("document");
    Ok(Content::InputFile {
        filename: media.name.as_deref().filter(|_| data.is_some()).or(unnamed),
        file_data: data,
        file_url: url,
        file_id: id,
    })
}
