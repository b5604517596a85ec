//! How an answer is cut, paced and broken on its way out.

use bytes::Bytes;
use std::time::Duration;

/// How bytes are cut into writes. Every write is its own HTTP chunk and its own TCP segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChunkPlan {
    /// One write an event; a body that is no stream goes out whole, with its length.
    #[default]
    PerEvent,
    /// One write a byte.
    EveryByte,
    /// Everything in one write.
    Whole,
    /// This many events in one write.
    Events(usize),
    /// Writes of this many bytes.
    Sized(usize),
    /// Cuts at these byte offsets of the whole.
    At(Vec<usize>),
    /// A cut inside every character of several bytes (nowhere else).
    InsideCharacters,
}

impl ChunkPlan {
    /// Cuts framed events into writes.
    pub(crate) fn apply(&self, events: Vec<Bytes>) -> Vec<Bytes> {
        if *self == Self::PerEvent {
            return events;
        }
        if let Self::Events(count) = self {
            return events.chunks((*count).max(1)).map(|group| group.concat().into()).collect();
        }
        let all = Bytes::from(events.concat());
        let cuts: Vec<usize> = match self {
            Self::EveryByte => (1..all.len()).collect(),
            Self::Sized(size) => (1..all.len()).filter(|at| at.is_multiple_of((*size).max(1))).collect(),
            Self::At(cuts) => cuts.clone(),
            Self::InsideCharacters => (1..all.len()).filter(|&at| inside_character(&all, at)).collect(),
            Self::PerEvent | Self::Whole | Self::Events(_) => Vec::new(),
        };
        cut(&all, &cuts)
    }
}

/// Whether a cut at `at` is right behind the first byte of a character of several bytes.
fn inside_character(all: &[u8], at: usize) -> bool {
    all[at] & 0b1100_0000 == 0b1000_0000 && all[at - 1] & 0b1100_0000 == 0b1100_0000
}

fn cut(all: &Bytes, cuts: &[usize]) -> Vec<Bytes> {
    let mut start = 0;
    let ends = cuts.iter().copied().chain([all.len()]);
    let mut pieces = Vec::new();
    for end in ends.filter(|&end| end <= all.len()) {
        if end > start {
            pieces.push(all.slice(start..end));
            start = end;
        }
    }
    pieces
}

/// How a text is cut into deltas, always between characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// One delta.
    Whole,
    /// One delta a word, its space included.
    Words,
    /// One delta a character.
    Characters,
    /// Deltas of this many characters.
    Every(usize),
    /// Cuts at these byte offsets, moved down to the start of a character.
    At(Vec<usize>),
}

impl Split {
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let every =
            |count: usize| text.char_indices().map(|(at, _)| at).step_by(count.max(1)).collect::<Vec<_>>();
        let cuts = match self {
            _ if text.is_empty() => return Vec::new(),
            Self::Whole => return vec![text],
            Self::Words => return text.split_inclusive(' ').collect(),
            Self::Characters => every(1),
            Self::Every(count) => every(*count),
            Self::At(cuts) => cuts.iter().map(|&at| floor(text, at)).collect(),
        };
        let mut start = 0;
        let mut pieces = Vec::new();
        for end in cuts.into_iter().chain([text.len()]) {
            if end > start {
                pieces.push(&text[start..end]);
                start = end;
            }
        }
        pieces
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The line ends of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`, which the SSE rules allow as well.
    Cr,
}

impl LineEnd {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// How fast an answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Before the response headers.
    pub headers: Duration,
    /// Between the headers and the first byte of the body.
    pub first_byte: Duration,
    /// Between writes.
    pub between: Duration,
}

/// How an answer ends. Events are counted from the first one of the stream, the dialect's opening events included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    #[default]
    Whole,
    /// The connection drops after this many events.
    Cut(usize),
    /// Silence after this many events.
    Hang(usize),
    /// The dialect's error event after this many events.
    Error(usize, Fault),
    /// The event of this number is broken JSON.
    Garbage(usize),
    /// The dialect's last event is missing.
    NoTerminator,
    /// The last line end and blank line are missing.
    NoLastBlankLine,
}

/// An error that a provider reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// The message; the provider's usual one until given.
    pub message: Option<String>,
    /// The code; the provider's usual one until given.
    pub code: Option<String>,
    /// Seconds after which the caller may come back.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// An error with the provider's usual words for this status.
    pub fn new(status: u16) -> Self {
        Self { status, message: None, code: None, retry_after: None }
    }
}

/// Whether a request is answered at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is.
    #[default]
    Answer,
    /// Never.
    Silence,
    /// The connection closes.
    Drop,
}
