//! Cuts a body into lines as its pieces come, each within a limit. A line that is too long costs itself, not those behind it.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// The most bytes of one line.
pub(super) const LINE_LIMIT: usize = 16 << 20;

/// What is kept of a line that is too long: enough to tell whose it is.
const START: usize = 4 << 10;

/// One line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    /// The start of one that is too long.
    TooLong(Bytes),
}

/// An incremental reader of lines. Empty ones are left out.
#[derive(Debug)]
pub(super) struct Lines {
    limit: usize,
    rest: Bytes,
    /// The start of a line whose end has not come yet.
    carry: BytesMut,
    /// The line is longer than the limit; only its start is kept.
    too_long: bool,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, rest: Bytes::new(), carry: BytesMut::new(), too_long: false }
    }

    /// Takes the next piece. Everything before it must have been read with [`Lines::next_line`].
    pub(super) fn push(&mut self, piece: Bytes) {
        self.rest = piece;
    }

    /// The next line, or `None` until more bytes come.
    pub(super) fn next_line(&mut self) -> Option<Line> {
        loop {
            let Some(end) = memchr(b'\n', &self.rest) else {
                let rest = std::mem::take(&mut self.rest);
                self.keep(&rest);
                return None;
            };
            let piece = self.rest.split_to(end);
            self.rest.advance(1);
            self.keep(&piece);
            if let Some(line) = self.take() {
                return Some(line);
            }
        }
    }

    /// What is left when the body has ended: a line without its end.
    pub(super) fn finish(&mut self) -> Option<Line> {
        self.take()
    }

    fn keep(&mut self, piece: &[u8]) {
        if !self.too_long && self.carry.len() + piece.len() > self.limit {
            self.too_long = true;
            self.carry.truncate(START);
        }
        let room = if self.too_long { START.saturating_sub(self.carry.len()) } else { piece.len() };
        self.carry.extend_from_slice(&piece[..room.min(piece.len())]);
    }

    fn take(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.carry).freeze();
        let too_long = std::mem::take(&mut self.too_long);
        let line = line.slice_ref(line.trim_ascii());
        match (too_long, line.is_empty()) {
            (true, _) => Some(Line::TooLong(line)),
            (false, true) => None,
            (false, false) => Some(Line::Whole(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(limit: usize, pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::new(limit);
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece));
            out.extend(std::iter::from_fn(|| lines.next_line()));
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_and_their_ends() {
        let whole = |text: &'static str| Line::Whole(Bytes::from_static(text.as_bytes()));
        assert_eq!(read(99, &[b"{\"a\":1}\r\n\n \n{\"b\":2}"]), [whole("{\"a\":1}"), whole("{\"b\":2}")]);
        assert_eq!(read(99, &[b"", b"a", b"b\n", b"\n", b"c\n"]), [whole("ab"), whole("c")]);
        assert_eq!(read(99, &[]), []);
    }

    #[test]
    fn a_long_line_costs_itself_only() {
        let long = [b'x'; 9_000];
        let lines = read(8_000, &[b"a\n", &long[..5_000], &long[5_000..], b"\nb\n", &long]);
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0], &lines[2]), (&Line::Whole("a".into()), &Line::Whole("b".into())));
        for at in [1, 3] {
            assert_eq!(lines[at], Line::TooLong(Bytes::copy_from_slice(&long[..START])));
        }
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_lines(text in "[a-c가\n\r]{0,60}", cuts in prop::collection::vec(0_usize..80, 0..8), limit in 1_usize..12) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut <= text.len()).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[start..cut]);
                start = cut;
            }
            prop_assert_eq!(read(limit, &pieces), read(limit, &[text.as_bytes()]));
        }
    }
}
