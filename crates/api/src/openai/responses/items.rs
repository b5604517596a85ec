//! The items of a Responses conversation into messages.

use super::wire::{Item, Paragraph, Piece};
use crate::media;
use crate::openai::shared::image_detail;
use crate::problem::Problem;
use crate::wire::{Rest, TextOr, hoist, read_at};
use nunchi_core::{Json, Media, MediaSource, Message, Part, Role};

/// Marks reasoning that its provider hides wholly, inside the one field that clients of this dialect hand back.
pub(super) const REDACTED: &str = "nunchi-redacted:";

/// The conversation so far: what the model said in several items is one message.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
}

impl Conversation {
    fn add(&mut self, role: Role, parts: Vec<Part>) {
        match self.messages.last_mut() {
            Some(last) if last.role == role && matches!(role, Role::Assistant | Role::Tool) => {
                last.parts.extend(parts)
            }
            _ => self.messages.push(Message { role, parts, name: None }),
        }
    }
}

/// Adds one item.
pub(super) fn push_item(
    conversation: &mut Conversation,
    raw: Json,
    at: &dyn Fn() -> String,
    stored_there: &dyn Fn() -> bool,
    rest: &mut Rest,
) -> Result<(), Problem> {
    let need = |value: Option<String>, field: &str| {
        value.ok_or_else(|| Problem::missing(format!("{}.{field}", at())))
    };
    let mut item: Item = read_at(raw.get(), at)?;
    let kind = match item.kind.take() {
        Some(kind) => kind,
        None if item.role.is_some() => "message".into(),
        None => return Err(Problem::missing(at() + ".type")),
    };
    match kind.as_str() {
        "message" => {
            let role = role(need(item.role.take(), "role")?, at)?;
            let said = item.content.take().ok_or_else(|| Problem::missing(at() + ".content"))?;
            conversation.add(role, content(said, &|| at() + ".content", rest)?);
        }
        "function_call" => {
            let part = Part::ToolCall {
                id: need(item.call_id.take(), "call_id")?,
                name: need(item.name.take(), "name")?,
                arguments: need(item.arguments.take(), "arguments")?,
                signature: None,
            };
            conversation.add(Role::Assistant, vec![part]);
        }
        "function_call_output" => {
            let call_id = need(item.call_id.take(), "call_id")?;
            let output = item.output.take().ok_or_else(|| Problem::missing(at() + ".output"))?;
            let content = content(output, &|| at() + ".output", rest)?;
            conversation.add(Role::Tool, vec![Part::ToolResult { call_id, content, is_error: false }]);
        }
        "reasoning" => conversation.add(Role::Assistant, vec![reasoning(&mut item, at)?]),
        "item_reference" if !stored_there() => {
            return Err(Problem::unsupported(at(), "the item is stored nowhere; send it whole"));
        }
        // An item we have no word for still reaches an upstream of this dialect; others are told by a note.
        _ => {
            rest.push((at(), raw));
            return Ok(());
        }
    }
    hoist(rest, at, item.rest);
    Ok(())
}

fn role(word: String, at: &dyn Fn() -> String) -> Result<Role, Problem> {
    match word.as_str() {
        "system" => Ok(Role::System),
        "developer" => Ok(Role::Developer),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        _ => Err(Problem::invalid(at() + ".role", format!("\"{word}\" is no role"))),
    }
}

fn reasoning(item: &mut Item, at: &dyn Fn() -> String) -> Result<Part, Problem> {
    let joined = |paragraphs: Vec<Paragraph>| {
        let texts: Vec<String> = paragraphs.into_iter().filter_map(|paragraph| paragraph.text).collect();
        texts.join("\n\n")
    };
    let mut text = joined(item.summary.take().unwrap_or_default());
    if text.is_empty()
        && let Some(TextOr::List(pieces)) = item.content.take()
    {
        let read = |raw: &Json| read_at(raw.get(), &|| at() + ".content");
        text = joined(pieces.iter().map(read).collect::<Result<_, _>>()?);
    }
    Ok(match item.encrypted_content.take() {
        Some(proof) => match proof.strip_prefix(REDACTED) {
            Some(data) => Part::RedactedThinking(data.to_owned()),
            None => Part::Thinking { text, signature: Some(proof) },
        },
        None => Part::Thinking { text, signature: None },
    })
}

fn content(said: TextOr<Json>, at: &dyn Fn() -> String, rest: &mut Rest) -> Result<Vec<Part>, Problem> {
    let pieces = match said {
        TextOr::Text(text) => return Ok(vec![Part::Text(text)]),
        TextOr::List(pieces) => pieces,
    };
    let mut parts = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.into_iter().enumerate() {
        parts.extend(part(piece, &|| format!("{}[{index}]", at()), rest)?);
    }
    Ok(parts)
}

fn part(raw: Json, at: &dyn Fn() -> String, rest: &mut Rest) -> Result<Option<Part>, Problem> {
    let mut piece: Piece = read_at(raw.get(), at)?;
    let kind = piece.kind.take().ok_or_else(|| Problem::missing(at() + ".type"))?;
    let missing = |field: &str| Problem::missing(format!("{}.{field}", at()));
    let part = match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            Some(Part::Text(piece.text.take().ok_or_else(|| missing("text"))?))
        }
        "refusal" => Some(Part::Refusal(piece.refusal.take().ok_or_else(|| missing("refusal"))?)),
        "input_image" => {
            let media = match (piece.image_url.take(), piece.file_id.take()) {
                (Some(url), _) => media::from_url(url),
                (None, Some(id)) => Media { media_type: String::new(), ..media::from_file_id(id) },
                (None, None) => return Err(missing("image_url")),
            };
            let detail = image_detail(piece.detail.take(), at, rest);
            Some(Part::Media(Media { detail, ..media }))
        }
        "input_file" => Some(Part::Media(file(&mut piece).ok_or_else(|| missing("file_data"))?)),
        "input_audio" => {
            let audio = piece.input_audio.take().ok_or_else(|| missing("input_audio"))?;
            let format = audio.format.ok_or_else(|| missing("input_audio.format"))?;
            let data = audio.data.ok_or_else(|| missing("input_audio.data"))?;
            Some(Part::Media(media::from_base64(&media::audio_type(&format), data)))
        }
        _ => {
            rest.push((at(), raw));
            return Ok(None);
        }
    };
    hoist(rest, at, piece.rest);
    Ok(part)
}

fn file(piece: &mut Piece) -> Option<Media> {
    let media = match (piece.file_id.take(), piece.file_data.take(), piece.file_url.take()) {
        (Some(id), _, _) => media::from_file_id(id),
        (None, Some(data), _) => media::from_base64("application/pdf", data),
        (None, None, Some(url)) => {
            let source = MediaSource::Url(url);
            Media { media_type: "application/pdf".into(), source, detail: None, name: None }
        }
        (None, None, None) => return None,
    };
    Some(Media { name: piece.filename.take(), ..media })
}
