//! Cuts a streamed body into SSE events or NDJSON lines, however the bytes were chunked; slices instead of copies where it can.

use crate::codec::Framing;
use crate::shared::garbage;
use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};
use nunchi_core::ModelError;

/// The most bytes of one event or line.
pub(crate) const EVENT_LIMIT: usize = 8 * 1024 * 1024;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// One event: its SSE name, if any, and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The SSE `event:` name.
    pub(crate) name: Option<Bytes>,
    /// The SSE `data:` payload, or the line.
    pub(crate) data: Bytes,
}

/// An incremental reader of one streamed body.
#[derive(Debug)]
pub(crate) struct Frames {
    framing: Framing,
    limit: usize,
    /// Bytes of the latest chunk that were not read yet.
    rest: Bytes,
    /// The start of a line whose end has not come yet.
    carry: BytesMut,
    /// The last line ended with a CR at the end of a chunk: an LF that follows belongs to it.
    after_cr: bool,
    /// No line was read yet, so that a byte order mark may come.
    fresh: bool,
    name: Option<Bytes>,
    data: Data,
}

/// The data lines of the event that is being read.
#[derive(Debug)]
enum Data {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Frames {
    /// A reader at the start of a body.
    pub(crate) fn new(framing: Framing) -> Self {
        Self::with_limit(framing, EVENT_LIMIT)
    }

    fn with_limit(framing: Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            rest: Bytes::new(),
            carry: BytesMut::new(),
            after_cr: false,
            fresh: true,
            name: None,
            data: Data::None,
        }
    }

    /// Takes the next chunk. Everything before it must have been read with [`Frames::next_event`].
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.rest.is_empty() {
            self.rest = chunk;
        } else {
            let mut joined = BytesMut::from(&self.rest[..]);
            joined.extend_from_slice(&chunk);
            self.rest = joined.freeze();
        }
    }

    /// The next event, or `None` until more bytes come.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, ModelError> {
        while let Some(line) = self.next_line()? {
            if let Some(event) = self.take_line(line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// What is left when the body has ended: an event whose last line end or blank line is missing.
    pub(crate) fn finish(&mut self) -> Result<Option<Event>, ModelError> {
        let line = std::mem::take(&mut self.carry).freeze();
        if !line.is_empty()
            && let Some(event) = self.take_line(line)?
        {
            return Ok(Some(event));
        }
        Ok(self.dispatch())
    }

    /// The next line without its end.
    fn next_line(&mut self) -> Result<Option<Bytes>, ModelError> {
        if self.after_cr && !self.rest.is_empty() {
            self.after_cr = false;
            if self.rest[0] == b'\n' {
                self.rest.advance(1);
            }
        }
        let end = match self.framing {
            Framing::Sse => memchr2(b'\n', b'\r', &self.rest),
            Framing::Ndjson => memchr(b'\n', &self.rest),
        };
        let held = self.carry.len() + self.data.len();
        let Some(end) = end else {
            self.within_limit(held + self.rest.len())?;
            self.carry.extend_from_slice(&self.rest);
            self.rest = Bytes::new();
            return Ok(None);
        };
        self.within_limit(held + end)?;
        let cr = self.rest[end] == b'\r';
        let piece = self.rest.split_to(end);
        self.rest.advance(1);
        self.after_cr = cr;
        if self.carry.is_empty() {
            return Ok(Some(piece));
        }
        self.carry.extend_from_slice(&piece);
        Ok(Some(std::mem::take(&mut self.carry).freeze()))
    }

    fn within_limit(&self, size: usize) -> Result<(), ModelError> {
        if size <= self.limit {
            return Ok(());
        }
        Err(garbage(format!("one event of the stream is larger than {} bytes", self.limit)))
    }

    fn take_line(&mut self, mut line: Bytes) -> Result<Option<Event>, ModelError> {
        if std::mem::take(&mut self.fresh) && line.starts_with(BOM) {
            line.advance(BOM.len());
        }
        match self.framing {
            Framing::Sse => self.sse_line(line),
            Framing::Ndjson => {
                let data = line.slice_ref(line.trim_ascii());
                Ok((!data.is_empty()).then_some(Event { name: None, data }))
            }
        }
    }

    fn sse_line(&mut self, line: Bytes) -> Result<Option<Event>, ModelError> {
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = match memchr(b':', &line) {
            Some(0) => return Ok(None),
            Some(colon) => {
                let start = colon + 1 + usize::from(line.get(colon + 1) == Some(&b' '));
                (line.slice(..colon), line.slice(start..))
            }
            None => (line, Bytes::new()),
        };
        match &field[..] {
            b"data" => {
                self.within_limit(self.data.len() + value.len())?;
                self.data.push(value);
            }
            b"event" => self.name = Some(value),
            _ => {}
        }
        Ok(None)
    }

    /// The event read so far; a name without data is none.
    fn dispatch(&mut self) -> Option<Event> {
        let name = self.name.take().filter(|name| !name.is_empty());
        let data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => return None,
            Data::One(data) => data,
            Data::Many(lines) => lines.freeze(),
        };
        Some(Event { name, data })
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(line) => line.len(),
            Self::Many(lines) => lines.len(),
        }
    }

    fn push(&mut self, line: Bytes) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(line),
            Self::One(first) => {
                let mut lines = BytesMut::with_capacity(first.len() + line.len() + 1);
                lines.extend_from_slice(&first);
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&line);
                Self::Many(lines)
            }
            Self::Many(mut lines) => {
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&line);
                Self::Many(lines)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The events of a body that comes in these chunks.
    fn read(framing: Framing, chunks: &[&[u8]]) -> Vec<(Option<String>, String)> {
        let mut frames = Frames::new(framing);
        let mut events = Vec::new();
        for chunk in chunks {
            frames.push(Bytes::copy_from_slice(chunk));
            while let Some(event) = frames.next_event().unwrap() {
                events.push(event);
            }
        }
        events.extend(frames.finish().unwrap());
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        events.into_iter().map(|event| (event.name.map(text), text(event.data))).collect()
    }

    fn plain(data: &str) -> (Option<String>, String) {
        (None, data.to_owned())
    }

    #[test]
    fn sse_forms() {
        let named = |name: &str, data: &str| (Some(name.to_owned()), data.to_owned());
        for (body, events) in [
            ("data: a\n\ndata: b\n\n", vec![plain("a"), plain("b")]),
            ("data: a\r\n\r\ndata:b\r\n\r\n", vec![plain("a"), plain("b")]),
            ("data: a\r\rdata: b\r\r", vec![plain("a"), plain("b")]),
            ("event: x\ndata: 1\ndata: 2\ndata:\n\n", vec![named("x", "1\n2\n")]),
            (": ping\n\nevent: lonely\n\ndata: a\n\n", vec![plain("a")]),
            ("id: 1\nretry: 5\nevent:\ndata: [DONE]", vec![plain("[DONE]")]),
            ("\u{feff}data: a\n\n", vec![plain("a")]),
            ("data:  two spaces\n\ndata\n\n", vec![plain(" two spaces"), plain("")]),
            ("", vec![]),
            ("\n\n\n", vec![]),
        ] {
            assert_eq!(read(Framing::Sse, &[body.as_bytes()]), events, "{body:?}");
        }
    }

    #[test]
    fn lines() {
        let body = b"{\"a\":1}\r\n\n  {\"b\":\"\\r\"}\n{\"c\":3}";
        let events = [plain("{\"a\":1}"), plain("{\"b\":\"\\r\"}"), plain("{\"c\":3}")];
        assert_eq!(read(Framing::Ndjson, &[body]), events);
    }

    #[test]
    fn one_chunk_is_not_copied() {
        let body = Bytes::from_static(b"event: e\ndata: payload\n\n");
        let mut frames = Frames::new(Framing::Sse);
        frames.push(body.clone());
        let event = frames.next_event().unwrap().unwrap();
        assert_eq!(event.data.as_ptr(), body[15..].as_ptr());
    }

    #[test]
    fn events_are_bounded() {
        for (framing, chunk) in [
            (Framing::Sse, "data: 0123456789"),
            (Framing::Sse, "data: 0123456789\n"),
            (Framing::Ndjson, "0123456789"),
        ] {
            let mut frames = Frames::with_limit(framing, 100);
            let failed = (0..20).any(|_| {
                frames.push(Bytes::copy_from_slice(chunk.as_bytes()));
                frames.next_event().is_err()
            });
            assert!(failed, "{chunk:?}");
        }
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "data: ",
            "data:",
            "event: ",
            "x",
            "안녕",
            "😀",
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            ": c",
            "{\"a\":1}",
            "[DONE]",
            "id",
        ])
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(pieces in prop::collection::vec(piece(), 0..60), cuts in prop::collection::vec(0_usize..400, 0..40), lines: bool) {
            let framing = if lines { Framing::Ndjson } else { Framing::Sse };
            let body = pieces.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.sort_unstable();
            let mut chunks: Vec<&[u8]> = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&body[from..cut]);
                from = cut;
            }
            chunks.push(&body[from..]);
            prop_assert_eq!(read(framing, &chunks), read(framing, &[&body]));
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            prop_assert_eq!(read(framing, &bytes), read(framing, &[&body]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20), lines: bool) {
            let framing = if lines { Framing::Ndjson } else { Framing::Sse };
            let slices: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let total: usize = chunks.iter().map(Vec::len).sum();
            prop_assert!(read(framing, &slices).len() <= total);
        }
    }
}
