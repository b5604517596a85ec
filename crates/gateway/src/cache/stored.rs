//! An answer as the cache keeps it.

use jiff::Timestamp;
use nunchi_core::{CacheEntry, Frame, NanoUsd, ReplyEvent, Usage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An answer in memory.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) usage: Usage,
    pub(crate) cost: NanoUsd,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    /// Whether the frames are those of a stream; else there is one whole body.
    pub(crate) streamed: bool,
    pub(crate) frames: Arc<[Frame]>,
    /// Bytes it weighs, roughly.
    pub(crate) bytes: usize,
}

/// The durable form of the frames.
#[derive(Serialize, Deserialize)]
struct Wire {
    streamed: bool,
    frames: Vec<Frame>,
}

impl Stored {
    /// Reads a stored entry; `None` when its frames are from an unknown version.
    pub(crate) fn read(entry: &CacheEntry) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(&entry.frames)
            .inspect_err(
                |error| tracing::warn!(%error, "a cache entry is of another version; it counts as a miss"),
            )
            .ok()?;
        Some(Self {
            provider: entry.provider.clone(),
            model: entry.model.clone(),
            usage: entry.usage,
            cost: entry.cost,
            created: entry.created,
            expires: entry.expires,
            streamed: wire.streamed,
            bytes: entry.frames.len() + 256,
            frames: wire.frames.into(),
        })
    }

    /// The durable form.
    pub(crate) fn write(&self, preview: String) -> Result<CacheEntry, serde_json::Error> {
        let wire = Wire { streamed: self.streamed, frames: self.frames.to_vec() };
        Ok(CacheEntry {
            frames: serde_json::to_vec(&wire)?.into(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            usage: self.usage,
            cost: self.cost,
            preview,
            created: self.created,
            expires: self.expires,
            hits: 0,
        })
    }
}

/// Bytes that frames weigh in memory, roughly.
pub(crate) fn weigh(frames: &[Frame]) -> usize {
    let weigh = |frame: &Frame| {
        let text: usize = frame.events.iter().map(text_bytes).sum();
        160 + text + frame.raw.as_ref().map_or(0, |raw| raw.data.len())
    };
    frames.iter().map(weigh).sum()
}

fn text_bytes(event: &ReplyEvent) -> usize {
    match event {
        ReplyEvent::Text(text) | ReplyEvent::Thinking(text) | ReplyEvent::Refusal(text) => text.len(),
        ReplyEvent::RedactedThinking(data) | ReplyEvent::ThinkingSignature(data) => data.len(),
        ReplyEvent::ToolArguments { delta, .. } => delta.len(),
        ReplyEvent::ToolSignature { signature, .. } => signature.len(),
        _ => 0,
    }
}
