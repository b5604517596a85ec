//! Whose words a stream consists of: the upstream's own bytes where it speaks the caller's dialect, else ours.

use crate::answer::Inbound;
use crate::sse::put_event;
use bytes::BytesMut;
use nunchi_core::{Frame, RawFrame, ReplyEvent};
use serde::Deserialize;
use std::borrow::Cow;

/// Whose words a stream consists of; decided by its first piece, so that the two never mix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Relay {
    /// Nothing came yet.
    #[default]
    Open,
    /// The upstream's.
    Raw,
    /// Ours.
    Rendered,
}

/// What is to be done with a piece.
pub(crate) enum Piece<'a> {
    /// Forward these bytes.
    Raw(&'a RawFrame),
    /// Write these events.
    Events(&'a [ReplyEvent]),
    /// Note these events, which came beside the upstream's bytes.
    Aside(&'a [ReplyEvent]),
}

impl Relay {
    /// Decides what is to be done with a piece.
    pub(crate) fn next<'a, D: Inbound>(&mut self, frame: &'a Frame) -> Piece<'a> {
        let raw = frame.raw.as_ref().filter(|raw| raw.dialect == D::DIALECT);
        if *self == Self::Open {
            *self = match raw {
                // An answer that was stored whole is told anew in pieces.
                Some(raw) if D::is_whole(&raw.data) => Self::Rendered,
                Some(_) => Self::Raw,
                None if frame.events.is_empty() => Self::Open,
                None => Self::Rendered,
            };
        }
        match (*self, raw) {
            (Self::Raw, Some(raw)) => Piece::Raw(raw),
            (Self::Raw, None) => Piece::Aside(&frame.events),
            (Self::Open | Self::Rendered, _) => Piece::Events(&frame.events),
        }
    }
}

/// Forwards an upstream's event under its name; SDKs of the dialects with named events rely on it.
pub(crate) fn put_named(out: &mut BytesMut, raw: &RawFrame) {
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Cow<'a, str>>,
    }
    match &raw.event {
        Some(name) => put_event(out, Some(name), &raw.data),
        None => {
            let name = serde_json::from_slice::<Peek<'_>>(&raw.data).ok().and_then(|peek| peek.kind);
            put_event(out, name.as_deref(), &raw.data);
        }
    }
}
