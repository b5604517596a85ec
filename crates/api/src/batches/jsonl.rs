//! Lines of a file that comes piece by piece; a line that is too long is told as such and held by nobody.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use nunchi_core::{ByteStream, StorageError};

/// One line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    TooLong,
}

/// Reads lines.
pub(super) struct Lines {
    source: ByteStream,
    buffer: BytesMut,
    /// Up to where the buffer holds no line end.
    searched: usize,
    longest: usize,
    /// Whether the line under way is too long already.
    skipping: bool,
    over: bool,
}

impl Lines {
    pub(super) fn new(source: ByteStream, longest: usize) -> Self {
        Self { source, buffer: BytesMut::new(), searched: 0, longest, skipping: false, over: false }
    }

    /// The next line that is not empty.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, StorageError> {
        loop {
            if let Some(line) = self.take() {
                match line {
                    Line::Whole(bytes) if bytes.trim_ascii().is_empty() => continue,
                    line => return Ok(Some(line)),
                }
            }
            if self.over {
                return Ok(self.last());
            }
            match self.source.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None => self.over = true,
            }
        }
    }

    /// A line that the buffer holds whole.
    fn take(&mut self) -> Option<Line> {
        let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            if self.searched > self.longest {
                self.skipping = true;
                self.buffer.clear();
                self.searched = 0;
            }
            return None;
        };
        let line = self.buffer.split_to(self.searched + end + 1).freeze();
        self.searched = 0;
        if std::mem::take(&mut self.skipping) || line.len() > self.longest {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(line.slice(..line.len() - 1)))
    }

    /// What stands behind the last line end.
    fn last(&mut self) -> Option<Line> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        self.searched = 0;
        if std::mem::take(&mut self.skipping) {
            return Some(Line::TooLong);
        }
        (!rest.trim_ascii().is_empty()).then_some(Line::Whole(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn lines(text: &'static str, piece: usize) -> Vec<String> {
        let pieces: Vec<_> =
            text.as_bytes().chunks(piece).map(|bytes| Ok(Bytes::from_static(bytes))).collect();
        let mut lines = Lines::new(stream::iter(pieces).boxed(), 8);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(match line {
                Line::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Line::TooLong => "too long".to_owned(),
            });
        }
        found
    }

    #[tokio::test]
    async fn pieces_make_no_difference() {
        for piece in [1, 2, 3, 7, 100] {
            assert_eq!(lines("one\n\n  \ntwo\r\nthree", piece).await, ["one", "two\r", "three"], "{piece}");
            assert_eq!(lines("a\nfar too long\nb\n", piece).await, ["a", "too long", "b"], "{piece}");
            assert_eq!(lines("a\nfar too long at the end", piece).await, ["a", "too long"], "{piece}");
            assert!(lines("", piece).await.is_empty());
        }
    }
}
