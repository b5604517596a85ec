//! Messages and their parts as Anthropic's content blocks: system apart, turns merged so that they alternate.

use crate::notes::Notes;
use crate::shared::{garbage, unsupported};
use nunchi_core::{CacheTtl, Media, MediaSource, Message, ModelError, Part, Role};
use serde_json::{Value, json};

/// The system blocks and the messages.
pub(super) fn translate(
    messages: &[Message],
    notes: &mut Notes,
) -> Result<(Vec<Value>, Vec<Value>), ModelError> {
    let mut system = Vec::new();
    let mut turns: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for message in messages {
        if message.name.is_some() {
            notes.add("name", "left out: Anthropic's messages carry no names");
        }
        let target = match message.role {
            Role::System | Role::Developer => &mut system,
            role => {
                let word = if role == Role::Assistant { "assistant" } else { "user" };
                if turns.last().is_none_or(|(last, _)| *last != word) {
                    turns.push((word, Vec::new()));
                }
                match turns.last_mut() {
                    Some((_, blocks)) => blocks,
                    None => continue,
                }
            }
        };
        for part in &message.parts {
            add(target, part, notes)?;
        }
    }
    let turns = turns.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    Ok((system, turns.map(|(role, content)| json!({ "role": role, "content": content })).collect()))
}

/// Adds a part as a block; a cache point marks the block before it.
fn add(blocks: &mut Vec<Value>, part: &Part, notes: &mut Notes) -> Result<(), ModelError> {
    let block = match part {
        // Anthropic refuses empty text.
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return Ok(()),
        Part::Text(text) | Part::Refusal(text) => json!({ "type": "text", "text": text }),
        Part::Media(media) => media_block(media)?,
        Part::Thinking { text, signature: Some(signature) } => {
            json!({ "type": "thinking", "thinking": text, "signature": signature })
        }
        Part::Thinking { signature: None, .. } => {
            notes.add("thinking", "left out: reasoning without Anthropic's signature cannot go back to it");
            return Ok(());
        }
        Part::RedactedThinking(data) => json!({ "type": "redacted_thinking", "data": data }),
        Part::ToolCall { id, name, arguments, .. } => {
            json!({ "type": "tool_use", "id": id, "name": name, "input": arguments_of(name, arguments)? })
        }
        Part::ToolResult { call_id, content, is_error } => result_block(call_id, content, *is_error, notes)?,
        Part::CachePoint(ttl) => {
            if let Some(last) = blocks.last_mut() {
                last["cache_control"] = match ttl {
                    CacheTtl::FiveMinutes => json!({ "type": "ephemeral" }),
                    CacheTtl::OneHour => json!({ "type": "ephemeral", "ttl": "1h" }),
                };
            }
            return Ok(());
        }
    };
    blocks.push(block);
    Ok(())
}

fn result_block(
    call_id: &str,
    content: &[Part],
    is_error: bool,
    notes: &mut Notes,
) -> Result<Value, ModelError> {
    let mut inner = Vec::new();
    for part in content {
        add(&mut inner, part, notes)?;
    }
    let mut block = json!({ "type": "tool_result", "tool_use_id": call_id, "content": inner });
    if is_error {
        block["is_error"] = true.into();
    }
    Ok(block)
}

/// Arguments as the object Anthropic wants; none at all means an empty one.
fn arguments_of(name: &str, arguments: &str) -> Result<Value, ModelError> {
    if arguments.trim().is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_str(arguments).map_err(|error| {
        ModelError::new(
            nunchi_core::ModelErrorKind::InvalidRequest,
            format!("the arguments of {name}: {error}"),
        )
    })?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(garbage(format!("the arguments of {name} are no JSON object")))
    }
}

fn media_block(media: &Media) -> Result<Value, ModelError> {
    let image = media.media_type.is_empty() || media.media_type.starts_with("image/");
    if !image && media.media_type.starts_with("audio/") {
        return Err(unsupported("Anthropic hears no audio"));
    }
    let source = match &media.source {
        MediaSource::Url(url) => json!({ "type": "url", "url": url }),
        MediaSource::FileId(id) => json!({ "type": "file", "file_id": id }),
        MediaSource::Base64(data) => {
            let data = std::str::from_utf8(data).map_err(|_| garbage("base64 that is not text"))?;
            json!({ "type": "base64", "media_type": media.media_type, "data": data })
        }
    };
    let mut block = json!({ "type": if image { "image" } else { "document" }, "source": source });
    if let Some(name) = media.name.as_ref().filter(|_| !image) {
        block["title"] = name.as_str().into();
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate_and_marks_stand_on_their_block() {
        let call = Part::ToolCall {
            id: "a".into(),
            name: "f".into(),
            arguments: "{\"x\":1}".into(),
            signature: None,
        };
        let result = |id: &str| Part::ToolResult {
            call_id: id.into(),
            content: vec![Part::Text("ok".into())],
            is_error: id == "b",
        };
        let messages = [
            Message {
                role: Role::System,
                parts: vec![Part::Text("Be brief.".into()), Part::CachePoint(CacheTtl::OneHour)],
                name: None,
            },
            Message::text(Role::User, "Go"),
            Message { role: Role::Assistant, parts: vec![call], name: None },
            Message { role: Role::Tool, parts: vec![result("a")], name: None },
            Message { role: Role::Tool, parts: vec![result("b")], name: None },
            Message::text(Role::User, "And?"),
        ];
        let (system, turns) = translate(&messages, &mut Notes::default()).unwrap();
        assert_eq!(system[0]["cache_control"], json!({ "type": "ephemeral", "ttl": "1h" }));
        let roles: Vec<_> = turns.iter().map(|turn| turn["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert_eq!(turns[1]["content"][0]["input"], json!({ "x": 1 }));
        assert_eq!(turns[2]["content"].as_array().unwrap().len(), 3);
        assert_eq!(turns[2]["content"][1]["is_error"], true);
    }
}
