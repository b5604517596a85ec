//! Marks for the prompt cache of OpenAI itself, which its models take from GPT-5.6 on (source: its manual, 2026-11).
//!
//! By itself OpenAI keeps a prompt up to its newest message, and finds it again at that very place only. A breakpoint behind the
//! instructions keeps tools and instructions for all who begin alike. Writing has a price, so where the end is not marked, OpenAI
//! is told to keep nothing but what is.

use super::wire::{CacheMode, Content, ContentPart, WireMessage};
use crate::splice::{Edit, Object};
use bytes::Bytes;
use nunchi_core::{Message, ModelRequest, Part, Role};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A breakpoint as it is written.
const BREAKPOINT: &str = r#"{"mode":"explicit"}"#;
/// What a caller says who looks after the cache himself.
const OWN: [&str; 2] = ["prompt_cache_options", "prompt_cache_retention"];

/// What is marked of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breakpoints {
    /// Messages, all of them instructions.
    at: Vec<usize>,
    /// Whether nothing else is to be kept.
    alone: bool,
    /// Sends those who begin alike to the same machine.
    key: String,
}

/// What is to be marked; `None` where OpenAI needs to be told nothing, or would not understand it.
pub(super) fn breakpoints(request: &ModelRequest) -> Option<Breakpoints> {
    let own = request.rest.iter().any(|(name, _)| OWN.contains(&name.as_str()));
    if own || !takes_breakpoints(&request.model) {
        return None;
    }
    let marked = |message: &Message| message.parts.iter().any(|part| matches!(part, Part::CachePoint(_)));
    let instructs = |message: &Message| matches!(message.role, Role::System | Role::Developer);
    let messages = request.messages.iter().enumerate();
    let mut at: Vec<usize> = messages.filter(|(_, m)| instructs(m) && marked(m)).map(|(at, _)| at).collect();
    // Three are written beside the one that OpenAI sets.
    at.drain(..at.len().saturating_sub(3));
    let last = *at.last()?;
    let alone = !request.messages.last().is_some_and(marked) || last + 1 == request.messages.len();
    Some(Breakpoints { at, alone, key: key(request) })
}

/// Whether a model knows breakpoints: `gpt-5.6` and later ones.
fn takes_breakpoints(model: &str) -> bool {
    let Some((major, rest)) = model.strip_prefix("gpt-").and_then(leading_number) else { return false };
    let minor = rest.strip_prefix('.').and_then(leading_number).map_or(0, |(minor, _)| minor);
    (major, minor) >= (5, 6)
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    Some((digits.parse().ok()?, rest))
}

/// A name for tools and instructions that tells nothing of them.
fn key(request: &ModelRequest) -> String {
    let mut hasher = DefaultHasher::new();
    for tool in &request.tools {
        tool.name.hash(&mut hasher);
        tool.description.hash(&mut hasher);
    }
    for message in request.messages.iter().filter(|m| matches!(m.role, Role::System | Role::Developer)) {
        message.plain_text().hash(&mut hasher);
    }
    format!("nunchi-{:016x}", hasher.finish())
}

impl Breakpoints {
    /// What OpenAI is told of the rest.
    pub(super) fn mode(&self) -> Option<CacheMode> {
        self.alone.then_some(CacheMode { mode: "explicit" })
    }

    /// The key, for a caller who gave none.
    pub(super) fn into_key(self) -> String {
        self.key
    }

    /// Marks translated messages, among which instructions are one message each.
    pub(super) fn mark(&self, messages: &mut [WireMessage<'_>], request: &ModelRequest) {
        let instructs = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
        let all = request.messages.iter().enumerate().filter(|(_, message)| instructs(message));
        let written = messages.iter_mut().filter(|message| matches!(message.role, "system" | "developer"));
        for ((at, _), written) in all.zip(written) {
            if self.at.contains(&at) {
                written.content = written.content.take().map(marked);
            }
        }
    }

    /// The changes of the caller's own body; `messages` is the change of its conversation, where there is one. `None` where the
    /// body holds no such messages, or its caller has marked some himself.
    pub(super) fn edits(
        &self,
        object: &Object<'_>,
        messages: Option<&str>,
        count: usize,
    ) -> Option<Vec<(&'static str, Edit<'static>)>> {
        let text = match messages {
            Some(text) => text,
            None => std::str::from_utf8(object.get("messages")?).ok()?,
        };
        let own = OWN.iter().any(|name| object.has(name));
        let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        if own || elements.len() != count || text.contains("prompt_cache_breakpoint") {
            return None;
        }
        let mut out: Vec<Cow<'_, str>> = elements.iter().map(|raw| Cow::Borrowed(raw.get())).collect();
        for at in &self.at {
            let marked = marked_element(out.get(*at)?)?;
            *out.get_mut(*at)? = Cow::Owned(marked);
        }
        let mut edits = vec![("messages", Edit::Set(Cow::Owned(format!("[{}]", out.join(",")))))];
        if self.alone {
            edits.push(("prompt_cache_options", Edit::Set(BREAKPOINT.into())));
        }
        if !object.has("prompt_cache_key") {
            edits.push(("prompt_cache_key", Edit::string(&self.key)));
        }
        Some(edits)
    }
}

/// A content that ends in a breakpoint.
fn marked(content: Content<'_>) -> Content<'_> {
    let mut parts = match content {
        Content::Text(Cow::Borrowed(text)) if !text.is_empty() => vec![ContentPart::text(text)],
        Content::Text(text) => return Content::Text(text),
        Content::Parts(parts) => parts,
    };
    if let Some(ContentPart::Text { prompt_cache_breakpoint, .. }) = parts.last_mut() {
        *prompt_cache_breakpoint = Some(CacheMode { mode: "explicit" });
    }
    Content::Parts(parts)
}

/// A message of the caller's body whose last part of text ends in a breakpoint.
fn marked_element(element: &str) -> Option<String> {
    let text = Bytes::copy_from_slice(element.as_bytes());
    let object = Object::scan(&text)?;
    let content = std::str::from_utf8(object.get("content")?).ok()?.trim();
    let content = if content.starts_with('"') {
        format!(r#"[{{"type":"text","text":{content},"prompt_cache_breakpoint":{BREAKPOINT}}}]"#)
    } else {
        let parts: Vec<&RawValue> = serde_json::from_str(content).ok()?;
        let (last, before) = parts.split_last()?;
        let last = Bytes::copy_from_slice(last.get().as_bytes());
        let inner = Object::scan(&last)?;
        inner.get("text")?;
        let last = inner.with(&[("prompt_cache_breakpoint", Edit::Set(BREAKPOINT.into()))]);
        let mut out: Vec<&str> = before.iter().map(|raw| raw.get()).collect();
        out.push(std::str::from_utf8(&last).ok()?);
        format!("[{}]", out.join(","))
    };
    String::from_utf8(object.with(&[("content", Edit::Set(content.into()))]).to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_take_them() {
        for model in ["gpt-5.6", "gpt-5.6-luna", "gpt-5.10", "gpt-6-luna", "gpt-6.1-sol", "gpt-10"] {
            assert!(takes_breakpoints(model), "{model}");
        }
        for model in ["gpt-5.5", "gpt-5", "gpt-5-mini", "gpt-4.1", "o3", "gpt-oss-120b", "gpt-", "llama"] {
            assert!(!takes_breakpoints(model), "{model}");
        }
    }
}
