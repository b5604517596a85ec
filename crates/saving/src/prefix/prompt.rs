//! A prompt in the order in which providers cache it, and where the next one first differs from it.

use nunchi_core::{MediaSource, Message, ModelRequest, Part, Role};
use std::hash::{DefaultHasher, Hash, Hasher};

/// So much of a prompt's beginning is kept as it is, so that the very byte that broke it can be shown.
const HEAD: usize = 16 << 10;
/// Beyond that, pieces of this size are kept as hashes.
const PIECE: usize = 64;
/// Prompts are compared up to here.
const MOST: usize = 1 << 20;
/// Characters shown of the place that broke.
const EXCERPT: usize = 48;

/// A prompt as bytes, with the places that they come from.
#[derive(Clone, Debug)]
pub struct PromptBytes {
    bytes: Vec<u8>,
    /// Where each place begins, with its name.
    places: Vec<(usize, String)>,
}

/// What is kept of a prompt.
#[derive(Clone, Debug)]
pub struct SeenPrompt {
    head: Box<[u8]>,
    pieces: Box<[u32]>,
    length: usize,
}

/// Where a prompt first differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixDifference {
    /// Bytes that both begin with; behind the kept head to within a piece.
    pub kept: usize,
    /// `tools`, `system`, `message 3` …
    pub place: String,
    /// The byte within the place.
    pub byte: usize,
    /// What stands there now.
    pub excerpt: String,
}

impl PromptBytes {
    /// Tools, instructions, then the conversation.
    pub fn of(request: &ModelRequest) -> Self {
        let mut prompt = Self { bytes: Vec::new(), places: Vec::new() };
        if !request.tools.is_empty() {
            prompt.begin("tools".into());
        }
        for tool in &request.tools {
            prompt.text(&tool.name);
            prompt.text(tool.description.as_deref().unwrap_or(""));
            prompt.text(tool.parameters.as_ref().or(tool.builtin.as_ref()).map_or("", |json| json.get()));
        }
        let instructions = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
        for message in request.messages.iter().filter(instructions) {
            prompt.begin("system".into());
            prompt.parts(&message.parts);
        }
        for (number, message) in (1..).zip(request.messages.iter().filter(|message| !instructions(message))) {
            prompt.begin(format!("message {number}"));
            prompt.text(message.name.as_deref().unwrap_or(""));
            prompt.parts(&message.parts);
        }
        prompt.bytes.truncate(MOST);
        prompt
    }

    fn begin(&mut self, place: String) {
        self.places.push((self.bytes.len(), place));
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Text(text) | Part::Refusal(text) | Part::RedactedThinking(text) => self.text(text),
                Part::Thinking { text, .. } => self.text(text),
                Part::ToolCall { name, arguments, .. } => {
                    self.text(name);
                    self.text(arguments);
                }
                Part::ToolResult { content, .. } => self.parts(content),
                Part::Media(media) => match &media.source {
                    MediaSource::Url(text) | MediaSource::FileId(text) => self.text(text),
                    MediaSource::Base64(data) => self.bytes.extend_from_slice(data),
                },
                Part::CachePoint(_) => {}
            }
        }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each place (the tools, each message) ends, in order, with whether it is an instruction.
    pub fn ends(&self) -> Vec<(usize, bool)> {
        let starts = self.places.iter().skip(1).map(|(start, _)| *start).chain([self.bytes.len()]);
        starts
            .zip(&self.places)
            .map(|(end, (_, name))| (end.min(self.bytes.len()), name == "system"))
            .collect()
    }

    /// What is kept of it for the next comparison.
    pub fn seen(&self) -> SeenPrompt {
        let head = &self.bytes[..self.bytes.len().min(HEAD)];
        let rest = &self.bytes[head.len()..];
        let pieces = rest.chunks(PIECE).map(digest).collect();
        SeenPrompt { head: head.into(), pieces, length: self.bytes.len() }
    }

    /// Where this prompt differs from an earlier one; `None` when it goes on where that one ended.
    pub fn differs(&self, seen: &SeenPrompt) -> Option<PrefixDifference> {
        let common = seen.head.iter().zip(&self.bytes).take_while(|(a, b)| a == b).count();
        let kept = if common < seen.head.len() { common } else { self.kept_behind_head(seen) };
        if kept >= seen.length {
            return None;
        }
        let (start, place) = self
            .places
            .iter()
            .rev()
            .find(|(start, _)| *start <= kept)
            .cloned()
            .unwrap_or_else(|| (0, "prompt".into()));
        let rest = &self.bytes[kept.min(self.bytes.len())..];
        let rest = String::from_utf8_lossy(&rest[..rest.len().min(4 * EXCERPT)]);
        let excerpt = rest.split('\0').next().unwrap_or_default().chars().take(EXCERPT).collect();
        Some(PrefixDifference { kept, place, byte: kept - start, excerpt })
    }

    fn kept_behind_head(&self, seen: &SeenPrompt) -> usize {
        let rest = self.bytes.get(seen.head.len()..).unwrap_or_default();
        let whole = |(at, digest_before): &(usize, &u32)| {
            let end = seen.length.min(seen.head.len() + (at + 1) * PIECE) - seen.head.len();
            rest.get(at * PIECE..end).is_some_and(|piece| digest(piece) == **digest_before)
        };
        let same = seen.pieces.iter().enumerate().take_while(whole).count();
        (seen.head.len() + same * PIECE).min(seen.length)
    }
}

impl SeenPrompt {
    /// The length of the prompt in bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there was nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

fn digest(piece: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    piece.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(system: &str, turns: &[&str]) -> PromptBytes {
        let turns = turns.iter().map(|text| Message::text(Role::User, *text));
        let messages = std::iter::once(Message::text(Role::System, system)).chain(turns).collect();
        PromptBytes::of(&ModelRequest::new("m", messages))
    }

    #[test]
    fn a_longer_conversation_goes_on_where_it_ended() {
        let long = "x".repeat(40_000);
        let seen = prompt(&long, &["one"]).seen();
        assert_eq!(prompt(&long, &["one"]).differs(&seen), None);
        assert_eq!(prompt(&long, &["one", "two"]).differs(&seen), None);
    }

    #[test]
    fn the_first_differing_byte_is_named() {
        let seen = prompt("Today is 2026-11-21. Be brief.", &["one"]).seen();
        let found = prompt("Today is 2026-11-22. Be brief.", &["one"]).differs(&seen).unwrap();
        assert_eq!(
            (found.place.as_str(), found.byte, found.excerpt.as_str()),
            ("system", 18, "2. Be brief.")
        );
        let found = prompt("Today is 2026-11-21. Be brief.", &["두 번째"]).differs(&seen).unwrap();
        assert_eq!((found.place.as_str(), found.excerpt.as_str()), ("message 1", "두 번째"));
        let found = prompt("Today is 2026-11-21. Be brief.", &[]).differs(&seen).unwrap();
        assert_eq!(found.excerpt, "");
    }

    #[test]
    fn far_behind_the_beginning_it_is_near() {
        let (a, b) = (format!("{}A{}", "x".repeat(30_000), "y".repeat(9_000)), "x".repeat(30_000));
        let b = format!("{b}B{}", "y".repeat(9_000));
        let found = prompt(&b, &["one"]).differs(&prompt(&a, &["one"]).seen()).unwrap();
        assert!((29_900..=30_000).contains(&found.kept), "{}", found.kept);
    }
}
