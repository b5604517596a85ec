//! Cuts text into the pieces of a SentencePiece unigram model (the most probable segmentation, by Viterbi).

use super::normalizer::Normalizer;
use crate::error::LocalError;

/// The unknown piece, and those that open and close a sentence.
const UNKNOWN: u32 = 0;
const BEGIN: u32 = 1;
const END: u32 = 2;
/// How much worse an unknown character is than the worst piece (SentencePiece's own constant).
const UNKNOWN_PENALTY: f32 = 10.0;

/// A SentencePiece unigram model.
#[derive(Debug)]
pub(super) struct Pieces {
    normalizer: Normalizer,
    scores: Vec<f32>,
    index: PrefixIndex,
    unknown_score: f32,
}

fn broken(what: &str) -> LocalError {
    LocalError::Format(format!("sp.model: {what}"))
}

impl Pieces {
    /// Reads a serialised model (the older layout: pieces in field 1, the character table in field 3.2).
    pub(super) fn read(data: &[u8]) -> Result<Self, LocalError> {
        let (mut texts, mut scores, mut normalizer) = (Vec::new(), Vec::new(), None);
        for field in Fields(data) {
            match field.ok_or_else(|| broken("damaged"))? {
                (1, Value::Bytes(piece)) => {
                    let (mut text, mut score) = ("", 0.0);
                    for field in Fields(piece) {
                        match field.ok_or_else(|| broken("damaged piece"))? {
                            (1, Value::Bytes(bytes)) => {
                                text =
                                    std::str::from_utf8(bytes).map_err(|_| broken("piece is not UTF-8"))?;
                            }
                            (2, Value::Fixed(bits)) => score = f32::from_bits(bits),
                            _ => {}
                        }
                    }
                    texts.push(text);
                    scores.push(score);
                }
                (3, Value::Bytes(spec)) => {
                    for field in Fields(spec).flatten() {
                        if let (2, Value::Bytes(table)) = field {
                            normalizer = Normalizer::new(table);
                        }
                    }
                }
                _ => {}
            }
        }
        if texts.len() > MOST_PIECES {
            return Err(broken("too many pieces"));
        }
        let lowest = scores.iter().copied().fold(f32::INFINITY, f32::min);
        Ok(Self {
            normalizer: normalizer.ok_or_else(|| broken("no character table"))?,
            scores,
            index: PrefixIndex::new(&texts),
            unknown_score: lowest - UNKNOWN_PENALTY,
        })
    }

    /// Number of pieces.
    pub(super) fn count(&self) -> usize {
        self.scores.len()
    }

    /// The piece ids of a text, opened and closed.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![BEGIN];
        let normalized = self.normalizer.normalize(text);
        if normalized.is_empty() {
            ids.push(UNKNOWN);
        } else {
            self.segment(&normalized, &mut ids);
        }
        ids.push(END);
        ids
    }

    /// Appends the most probable segmentation.
    fn segment(&self, text: &str, ids: &mut Vec<u32>) {
        /// The best way to reach a byte position.
        #[derive(Clone, Copy)]
        struct Best {
            score: f32,
            start: usize,
            piece: u32,
        }
        let mut best = vec![Best { score: f32::NEG_INFINITY, start: 0, piece: UNKNOWN }; text.len() + 1];
        best[0].score = 0.0;
        for (start, first) in text.char_indices() {
            let base = best[start].score;
            let single = start + first.len_utf8();
            let mut offer = |end: usize, score: f32, piece: u32| {
                if score > best[end].score {
                    best[end] = Best { score, start, piece };
                }
            };
            let mut known = false;
            self.index.prefixes(&text[start..], |length, piece| {
                known |= start + length == single;
                offer(start + length, base + self.scores[piece as usize], piece);
            });
            if !known {
                offer(single, base + self.unknown_score, UNKNOWN);
            }
        }
        let (from, mut end) = (ids.len(), text.len());
        while end > 0 {
            ids.push(best[end].piece);
            end = best[end].start;
        }
        ids[from..].reverse();
    }
}

/// Finds all pieces that a text begins with: an open-addressing hash table of every prefix of every piece, 8 bytes a slot.
#[derive(Debug)]
struct PrefixIndex {
    /// High bits: of the hash; low [`VALUE_BITS`]: 1 + piece id, or [`PREFIX_ONLY`]; 0 is free.
    slots: Vec<u64>,
    used: usize,
    /// All pieces one after the other, to tell a piece from another text with the same hash.
    text: String,
    starts: Vec<u32>,
}

/// Bits of a slot that hold its value. The other 46 keep apart some 300,000 prefixes.
const VALUE_BITS: u32 = 18;
const VALUE: u64 = (1 << VALUE_BITS) - 1;
/// The value of a slot that only keeps the walk going.
const PREFIX_ONLY: u64 = VALUE;
/// Most pieces a model may have.
const MOST_PIECES: usize = VALUE as usize - 1;

/// The hash of a text extended by one character; its high bits are the best mixed.
fn extend(hash: u64, character: char) -> u64 {
    let mixed = (hash ^ u64::from(u32::from(character))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

impl PrefixIndex {
    fn new(pieces: &[&str]) -> Self {
        let mut index = Self { slots: vec![0; 1 << 10], used: 0, text: pieces.concat(), starts: vec![0] };
        let mut end = 0;
        for (id, piece) in (0_u64..).zip(pieces) {
            end += piece.len() as u32;
            index.starts.push(end);
            let (mut hash, mut characters) = (0, piece.chars().peekable());
            while let Some(character) = characters.next() {
                hash = extend(hash, character);
                index.insert(hash, if characters.peek().is_none() { id + 1 } else { PREFIX_ONLY });
            }
        }
        index
    }

    fn insert(&mut self, hash: u64, value: u64) {
        let at = self.find(hash);
        let old = self.slots[at];
        // A piece replaces a mere prefix; the first of two equal pieces stays.
        if old == 0 || (old & VALUE == PREFIX_ONLY && value != PREFIX_ONLY) {
            self.slots[at] = (hash & !VALUE) | value;
        }
        self.used += usize::from(old == 0);
        if 4 * self.used > 3 * self.slots.len() {
            let larger = vec![0; 2 * self.slots.len()];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot != 0 {
                    let at = self.find(slot);
                    self.slots[at] = slot;
                }
            }
        }
    }

    /// The slot that has the hash, or the free one where it belongs.
    fn find(&self, hash: u64) -> usize {
        let size = self.slots.len();
        // The home slot comes from the high bits, which the slots keep, so that the table can grow.
        let mut at = (hash >> (64 - size.trailing_zeros())) as usize;
        while self.slots[at] != 0 && (self.slots[at] ^ hash) & !VALUE != 0 {
            at = (at + 1) & (size - 1);
        }
        at
    }

    /// Calls `found(length in bytes, piece)` for each piece that `text` begins with, shortest first.
    fn prefixes(&self, text: &str, mut found: impl FnMut(usize, u32)) {
        let mut hash = 0;
        for (start, character) in text.char_indices() {
            hash = extend(hash, character);
            let value = self.slots[self.find(hash)] & VALUE;
            if value == 0 {
                return;
            }
            let length = start + character.len_utf8();
            if value != PREFIX_ONLY && self.piece(value as usize - 1) == &text[..length] {
                found(length, value as u32 - 1);
            }
        }
    }

    fn piece(&self, id: usize) -> &str {
        self.text.get(self.starts[id] as usize..self.starts[id + 1] as usize).unwrap_or_default()
    }
}

/// A value of a serialised message.
enum Value<'a> {
    Bytes(&'a [u8]),
    Fixed(u32),
    Other,
}

/// The fields of a serialised protocol-buffer message; `None` where it is damaged, then the end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => self.varint().map(|_| Value::Other)?,
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed(u32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}
