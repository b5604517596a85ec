//! Where a reply's body ends, and what of the bytes that come is the body (RFC 9112, sections 6 and 7).
//!
//! A state machine over whatever came: every byte is taken at once, so nothing has to be kept between two reads.

use bytes::{Bytes, BytesMut};

/// The most bytes of a chunk's size line, of a trailer line, and of all trailers together.
const LINE_LIMIT: usize = 8 << 10;

/// How a body is framed.
#[derive(Debug)]
pub(super) enum BodyDecoder {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunk),
    /// The body ends with the connection.
    UntilClose,
    /// It has ended.
    Done,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug)]
pub(super) enum Chunk {
    Size {
        size: u64,
        digits: u8,
        extension: bool,
        read: usize,
    },
    Data(u64),
    /// The line end behind a chunk's data.
    DataEnd,
    Trailers {
        line: usize,
        read: usize,
    },
}

/// The bytes are not what HTTP says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl Chunk {
    pub(super) const START: Self = Self::Size { size: 0, digits: 0, extension: false, read: 0 };
}

impl BodyDecoder {
    /// Takes bytes from the front of `input` until the body ends or nothing is left; returns what of them is the body.
    pub(super) fn decode(&mut self, input: &mut &[u8]) -> Result<Bytes, Malformed> {
        match self {
            Self::Done => Ok(Bytes::new()),
            Self::UntilClose => Ok(Bytes::copy_from_slice(std::mem::take(input))),
            Self::Length(left) => {
                let data = take(input, left);
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Bytes::copy_from_slice(data))
            }
            Self::Chunked(chunk) => {
                let mut whole = BytesMut::new();
                while !input.is_empty() {
                    if let Chunk::Data(left) = chunk {
                        let room = input.len();
                        let data = take(input, left);
                        if *left == 0 {
                            *chunk = Chunk::DataEnd;
                        }
                        if input.is_empty() && whole.is_empty() {
                            return Ok(Bytes::copy_from_slice(data));
                        }
                        whole.reserve(if whole.is_empty() { room } else { data.len() });
                        whole.extend_from_slice(data);
                    } else if step(chunk, input)? {
                        *self = Self::Done;
                        break;
                    }
                }
                Ok(shrunk(whole))
            }
        }
    }

    /// What the end of the connection means: the end of the body, or that the rest is missing.
    pub(super) fn close(&mut self) -> bool {
        let whole = matches!(self, Self::UntilClose | Self::Done);
        *self = Self::Done;
        whole
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// Pieces are kept as long as the answer, so they keep no room that they do not fill.
fn shrunk(piece: BytesMut) -> Bytes {
    if piece.capacity() > 2 * piece.len() { Bytes::copy_from_slice(&piece) } else { piece.freeze() }
}

fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (data, rest) = input.split_at(count);
    *input = rest;
    *left -= count as u64;
    data
}

/// Takes one byte between chunks; tells whether the body has ended.
fn step(chunk: &mut Chunk, input: &mut &[u8]) -> Result<bool, Malformed> {
    let Some((byte, rest)) = input.split_first() else { return Ok(false) };
    *input = rest;
    match chunk {
        Chunk::Size { size, digits, extension, read } => {
            *read += 1;
            match (*byte, &extension) {
                (b'\n', _) if *digits == 0 => return Err(Malformed("a chunk without a size")),
                (b'\n', _) if *size == 0 => *chunk = Chunk::Trailers { line: 0, read: 0 },
                (b'\n', _) => *chunk = Chunk::Data(*size),
                _ if *read > LINE_LIMIT => return Err(Malformed("the line of a chunk's size is too long")),
                (_, true) => {}
                (b';' | b' ' | b'\t' | b'\r', _) => *extension = true,
                (digit, _) => {
                    let value =
                        char::from(digit).to_digit(16).ok_or(Malformed("a chunk's size is no number"))?;
                    *digits += 1;
                    if *digits > 15 {
                        return Err(Malformed("a chunk is too large"));
                    }
                    *size = *size << 4 | u64::from(value);
                }
            }
        }
        Chunk::DataEnd => match byte {
            b'\r' => {}
            b'\n' => *chunk = Chunk::START,
            _ => return Err(Malformed("a chunk is longer than its size")),
        },
        Chunk::Trailers { line, read } => {
            *read += 1;
            match byte {
                b'\n' if *line == 0 => return Ok(true),
                b'\n' => *line = 0,
                b'\r' => {}
                _ if *read > LINE_LIMIT => return Err(Malformed("the trailers are too long")),
                _ => *line += 1,
            }
        }
        Chunk::Data(_) => {}
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(mut decoder: BodyDecoder, pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>, bool) {
        let (mut body, mut rest) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut input = *piece;
            body.extend_from_slice(&decoder.decode(&mut input).unwrap());
            rest.extend_from_slice(input);
        }
        (body, rest, decoder.is_done())
    }

    #[test]
    fn framings() {
        let chunked = || BodyDecoder::Chunked(Chunk::START);
        for (decoder, input, body, rest, done) in [
            (BodyDecoder::Length(3), "abcdef", "abc", "def", true),
            (BodyDecoder::Length(9), "abc", "abc", "", false),
            (BodyDecoder::UntilClose, "abc", "abc", "", false),
            (chunked(), "3\r\nabc\r\n0\r\n\r\nx", "abc", "x", true),
            (chunked(), "3;a=b\r\nabc\r\n1\nd\n0\n\n", "abcd", "", true),
            (chunked(), "A \r\n0123456789\r\n0\r\ntrailer: 1\r\nb: 2\r\n\r\n", "0123456789", "", true),
            (chunked(), "0005\r\nabc", "abc", "", false),
        ] {
            let expected = (body.as_bytes().to_vec(), rest.as_bytes().to_vec(), done);
            assert_eq!(read(decoder, &[input.as_bytes()]), expected, "{input:?}");
        }
    }

    #[test]
    fn malformed() {
        for input in ["\r\n", "x\r\n", "-1\r\n", "3\r\nabcd", "1234567890abcdef\r\n", ";\r\n"] {
            let mut decoder = BodyDecoder::Chunked(Chunk::START);
            assert!(decoder.decode(&mut input.as_bytes()).is_err(), "{input:?}");
        }
        let mut decoder = BodyDecoder::Chunked(Chunk::START);
        let long = format!("1;{}", "x".repeat(LINE_LIMIT));
        assert!(decoder.decode(&mut long.as_bytes()).is_err());
    }

    #[test]
    fn a_piece_keeps_little_more_than_itself() {
        let mut decoder = BodyDecoder::Chunked(Chunk::START);
        let input = format!("1\r\na\r\n1;{}\r\nb\r\n", "x".repeat(4_000));
        assert_eq!(&decoder.decode(&mut input.as_bytes()).unwrap()[..], b"ab");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(chunks in prop::collection::vec("[a-z가-힣]{1,40}", 0..8), cuts in prop::collection::vec(0_usize..600, 0..12)) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
            let (body, rest, done) = read(BodyDecoder::Chunked(Chunk::START), &pieces);
            prop_assert_eq!((body, rest, done), (chunks.concat().into_bytes(), Vec::new(), true));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = BodyDecoder::Chunked(Chunk::START);
            let _malformed = decoder.decode(&mut bytes.as_slice());
        }
    }
}
