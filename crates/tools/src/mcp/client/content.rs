//! What a tool answered, as text for the model: visible characters, at most so many, and a note for what is no text.

use super::clean::{clean_line, clean_text};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

/// The answer as a value: what is structured, else the first text as JSON, else the text itself.
pub(super) fn answer_value(result: &CallToolResult) -> Value {
    let first = result.content.iter().find_map(|block| match block {
        ContentBlock::Text(found) => Some(found.text.as_str()),
        _ => None,
    });
    result.structured_content.clone().unwrap_or_else(|| {
        let text = first.unwrap_or_default();
        serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    })
}

/// The answer as text of at most `most` bytes.
pub(crate) fn answer_text(result: &CallToolResult, most: usize) -> String {
    let mut text = String::new();
    for block in &result.content {
        // Nothing beyond the limit is looked at; a note of it stands at the end.
        if text.len() > most {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        add_block(&mut text, block, most);
    }
    if let Some(value) = result.structured_content.as_ref().filter(|value| !says_same(&text, value)) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&clean_text(&value.to_string(), most));
    }
    cut(text, most)
}

fn add_block(text: &mut String, block: &ContentBlock, most: usize) {
    match block {
        ContentBlock::Text(found) => text.push_str(&clean_text(&found.text, most + 1)),
        ContentBlock::Image(image) => *text += &blob_note("image", &image.mime_type, image.data.len()),
        ContentBlock::Audio(audio) => *text += &blob_note("audio", &audio.mime_type, audio.data.len()),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { uri, text: found, .. } => {
                *text += &format!("[resource {}]\n", clean_line(uri, 256));
                text.push_str(&clean_text(found, most + 1));
            }
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                let kind = mime_type.as_deref().unwrap_or("of an unknown kind");
                *text += &format!("[resource {}] ", clean_line(uri, 256));
                *text += &blob_note("file", kind, blob.len());
            }
            _ => text.push_str("[a resource of an unknown kind]"),
        },
        ContentBlock::ResourceLink(link) => {
            *text += &format!("[resource {} at {}]", clean_line(&link.name, 128), clean_line(&link.uri, 256));
        }
        _ => text.push_str("[content of an unknown kind]"),
    }
}

/// Base64 is a third longer than what it holds.
fn blob_note(kind: &str, mime: &str, base64: usize) -> String {
    format!("[{kind} {}, about {} bytes, not shown]", clean_line(mime, 64), base64 / 4 * 3)
}

/// Servers repeat structured content as text, for clients that know no better.
fn says_same(text: &str, value: &Value) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|told| told == *value)
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let note = "\n[cut here: the answer was longer than allowed]";
    let mut end = most.saturating_sub(note.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text + note
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(value: Value) -> CallToolResult {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_kind_of_content() {
        let answer = result(json!({"content": [
            {"type": "text", "text": "a\u{200B}b"},
            {"type": "image", "data": "aGVsbG8h", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inner"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGVs"}},
            {"type": "resource_link", "uri": "file:///c", "name": "c"},
        ], "structuredContent": {"n": 1}}));
        assert_eq!(
            answer_text(&answer, 4_096),
            "ab\n[image image/png, about 6 bytes, not shown]\n[resource file:///a]\ninner\n\
             [resource file:///b] [file of an unknown kind, about 3 bytes, not shown]\n[resource c at file:///c]\n{\"n\":1}"
        );
    }

    #[test]
    fn structured_content_is_told_once() {
        let answer = result(
            json!({"content": [{"type": "text", "text": "{ \"n\": 1 }"}], "structuredContent": {"n": 1}}),
        );
        assert_eq!(answer_text(&answer, 4_096), "{ \"n\": 1 }");
    }

    #[test]
    fn a_huge_answer_is_cut() {
        let answer = result(json!({"content": [
            {"type": "text", "text": "가".repeat(1_000_000)}, {"type": "text", "text": "more"}]}));
        let text = answer_text(&answer, 1_024);
        assert!(text.len() <= 1_024 && text.ends_with("than allowed]"), "{}", text.len());
    }
}
