//! Translates messages to chat completions.

use super::Flavour;
use super::wire::{Called, Content, ContentPart, File, ImageUrl, InputAudio, Shown, ToolCall, WireMessage};
use crate::notes::Notes;
use crate::shared::unsupported;
use nunchi_core::{Media, MediaSource, Message, ModelError, Part, Role};
use std::borrow::Cow;

/// All messages, in order. Cache points say nothing here: most servers of this dialect cache prefixes by themselves, and OpenAI's
/// own marks are set afterwards.
pub(super) fn translate<'a>(
    flavour: Flavour,
    messages: &'a [Message],
    notes: &mut Notes,
) -> Result<Vec<WireMessage<'a>>, ModelError> {
    let mut out = Vec::with_capacity(messages.len());
    // Media of tool results: they wait until the last result of a turn, as nothing may stand between results.
    let mut held: Vec<&Part> = Vec::new();
    for message in messages {
        if !matches!(message.role, Role::User | Role::Tool) {
            flush(&mut held, None, &mut out)?;
        }
        match message.role {
            Role::Assistant => out.push(assistant(flavour, message, notes)?),
            Role::System | Role::Developer => out.push(instructions(flavour, message)?),
            Role::User | Role::Tool => user_or_tool(message, &mut held, notes, &mut out)?,
        }
    }
    flush(&mut held, None, &mut out)?;
    Ok(out)
}

/// Writes what is held as a user's message.
fn flush<'a>(
    held: &mut Vec<&'a Part>,
    name: Option<&'a str>,
    out: &mut Vec<WireMessage<'a>>,
) -> Result<(), ModelError> {
    if !held.is_empty() {
        let content = Some(user_content(held)?);
        out.push(WireMessage { role: "user", content, name, ..WireMessage::default() });
        held.clear();
    }
    Ok(())
}

fn instructions(flavour: Flavour, message: &Message) -> Result<WireMessage<'_>, ModelError> {
    // Only OpenAI knows the developer; everyone knows the system.
    let developer = message.role == Role::Developer && flavour == Flavour::OpenAi;
    let role = if developer { "developer" } else { "system" };
    let texts = message.parts.iter().filter(|part| !matches!(part, Part::CachePoint(_)));
    let texts = texts.map(|part| part.as_text().ok_or_else(|| unsupported("instructions hold text only")));
    let texts: Vec<&str> = texts.collect::<Result<_, _>>()?;
    Ok(WireMessage {
        role,
        content: Some(text_content(&texts)),
        name: message.name.as_deref(),
        ..WireMessage::default()
    })
}

fn text_content<'a>(texts: &[&'a str]) -> Content<'a> {
    match texts {
        [] => Content::Text(Cow::Borrowed("")),
        [text] => Content::Text(Cow::Borrowed(text)),
        texts => Content::Parts(texts.iter().map(|text| ContentPart::text(text)).collect()),
    }
}

fn assistant<'a>(
    flavour: Flavour,
    message: &'a Message,
    notes: &mut Notes,
) -> Result<WireMessage<'a>, ModelError> {
    let mut out = WireMessage { role: "assistant", name: message.name.as_deref(), ..WireMessage::default() };
    let mut texts: Vec<&str> = Vec::new();
    let mut refusal: Option<String> = None;
    for part in &message.parts {
        match part {
            Part::Text(text) => texts.push(text),
            Part::Refusal(text) if flavour == Flavour::OpenAi => {
                refusal.get_or_insert_default().push_str(text);
            }
            Part::Refusal(text) => texts.push(text),
            Part::ToolCall { id, name, arguments, .. } => {
                let arguments = if arguments.is_empty() { "{}" } else { arguments };
                out.tool_calls.push(ToolCall { id, kind: "function", function: Called { name, arguments } });
            }
            Part::Thinking { .. } | Part::RedactedThinking(_) => {
                notes.add("thinking", "left out of earlier answers: chat completions take no reasoning back");
            }
            Part::CachePoint(_) => {}
            Part::Media(_) => return Err(unsupported("chat completions take no media from the assistant")),
            Part::ToolResult { .. } => return Err(unsupported("a tool result in an assistant's message")),
        }
    }
    out.refusal = refusal.map(Cow::Owned);
    let silent = texts.is_empty() && (!out.tool_calls.is_empty() || out.refusal.is_some());
    out.content = (!silent).then(|| text_content(&texts));
    Ok(out)
}

/// Tool results become messages of their own, before what the user says beside them.
fn user_or_tool<'a>(
    message: &'a Message,
    held: &mut Vec<&'a Part>,
    notes: &mut Notes,
    out: &mut Vec<WireMessage<'a>>,
) -> Result<(), ModelError> {
    let mut said: Vec<&Part> = Vec::new();
    let mut results = 0;
    for part in &message.parts {
        match part {
            Part::ToolResult { call_id, content, is_error } => {
                if *is_error {
                    notes.add("tool_result.is_error", "left out: chat completions have no such field");
                }
                results += 1;
                out.push(tool_result(call_id, content, held, notes));
            }
            Part::CachePoint(_) => {}
            part => said.push(part),
        }
    }
    if said.is_empty() {
        if results == 0 && message.role == Role::User {
            let content = Some(text_content(&[]));
            out.push(WireMessage { role: "user", content, ..WireMessage::default() });
        }
        return Ok(());
    }
    held.extend(said);
    flush(held, message.name.as_deref(), out)
}

/// The text of a result; its media go to the user message behind, as tool messages hold text only.
fn tool_result<'a>(
    call_id: &'a str,
    content: &'a [Part],
    held: &mut Vec<&'a Part>,
    notes: &mut Notes,
) -> WireMessage<'a> {
    let texts: Vec<&str> = content.iter().filter_map(Part::as_text).collect();
    for media in content.iter().filter(|part| matches!(part, Part::Media(_))) {
        notes.add("tool_result.media", "moved into a user message: tool messages hold text only");
        held.push(media);
    }
    let text = if let [text] = texts[..] { Cow::Borrowed(text) } else { Cow::Owned(texts.concat()) };
    WireMessage {
        role: "tool",
        content: Some(Content::Text(text)),
        tool_call_id: Some(call_id),
        ..WireMessage::default()
    }
}

fn user_content<'a>(parts: &[&'a Part]) -> Result<Content<'a>, ModelError> {
    if let [] | [Part::Text(_)] = parts {
        let texts: Vec<&str> = parts.iter().filter_map(|part| part.as_text()).collect();
        return Ok(text_content(&texts));
    }
    let part = |part: &&'a Part| match part {
        Part::Text(text) => Ok(ContentPart::text(text)),
        Part::Media(media) => media_part(media),
        _ => Err(unsupported("a user's message holds text and media only")),
    };
    parts.iter().map(part).collect::<Result<_, _>>().map(Content::Parts)
}

fn media_part(media: &Media) -> Result<ContentPart<'_>, ModelError> {
    let media_type = media.media_type.as_str();
    if media_type.starts_with("image/")
        || (media_type.is_empty() && matches!(media.source, MediaSource::Url(_)))
    {
        let url = match &media.source {
            MediaSource::Url(url) => Shown::Url(url),
            MediaSource::Base64(bytes) => Shown::Data { media_type, base64: base64_text(bytes)? },
            MediaSource::FileId(_) => return Err(unsupported("chat completions take no image by file id")),
        };
        return Ok(ContentPart::ImageUrl { image_url: ImageUrl { url, detail: media.detail } });
    }
    if media_type.starts_with("audio/") {
        let MediaSource::Base64(bytes) = &media.source else {
            return Err(unsupported("chat completions take sound as base64 only"));
        };
        let format = match media_type {
            "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
            "audio/mpeg" | "audio/mp3" => "mp3",
            other => return Err(unsupported(format!("chat completions take wav and mp3, not {other}"))),
        };
        return Ok(ContentPart::InputAudio { input_audio: InputAudio { data: base64_text(bytes)?, format } });
    }
    let name = media.name.as_deref();
    let file = match &media.source {
        MediaSource::FileId(id) => File { file_id: Some(id), ..File::default() },
        MediaSource::Base64(_) if media_type.starts_with("video/") => {
            return Err(unsupported("chat completions take no video"));
        }
        MediaSource::Base64(bytes) => File {
            filename: Some(name.unwrap_or("document")),
            file_data: Some(Shown::Data { media_type, base64: base64_text(bytes)? }),
            file_id: None,
        },
        MediaSource::Url(_) => return Err(unsupported("chat completions take no document by URL")),
    };
    Ok(ContentPart::File { file })
}

/// Base64 text is ASCII; anything else was never base64.
pub(crate) fn base64_text(bytes: &[u8]) -> Result<&str, ModelError> {
    std::str::from_utf8(bytes).map_err(|_| {
        ModelError::new(nunchi_core::ModelErrorKind::InvalidRequest, "media data is not base64 text")
    })
}
