//! SentencePiece's text normalisation: a compiled table of replacements (a double-array trie) and its white-space rules.

/// What stands for a space in pieces (U+2581).
const SPACE: &[u8] = "\u{2581}".as_bytes();

/// Replaces characters as the model's training did.
#[derive(Debug)]
pub(super) struct Normalizer {
    trie: Vec<u32>,
    /// Replacements, each ended by a zero byte.
    replacements: Vec<u8>,
}

fn child_offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 0x200) >> 6)) as usize
}

impl Normalizer {
    /// Reads the compiled table; `None` if it is damaged.
    pub(super) fn new(compiled: &[u8]) -> Option<Self> {
        let (size, rest) = compiled.split_first_chunk::<4>()?;
        let (trie, replacements) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
        let trie = trie.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
        Some(Self { trie, replacements: replacements.to_vec() })
    }

    /// Normalises a text: pieces begin with the space sign, runs of spaces are one, none at the ends.
    pub(super) fn normalize(&self, text: &str) -> String {
        let mut out = Vec::with_capacity(text.len() + 16);
        let (mut rest, mut after_space) = (text.as_bytes(), true);
        while !rest.is_empty() {
            let (mut piece, length) = self.longest_prefix(rest);
            rest = &rest[length..];
            if after_space {
                piece = piece.trim_ascii_start_spaces();
            }
            if let Some(last) = piece.last() {
                if out.is_empty() {
                    out.extend_from_slice(SPACE);
                }
                for byte in piece {
                    if *byte == b' ' { out.extend_from_slice(SPACE) } else { out.push(*byte) }
                }
                after_space = *last == b' ';
            }
        }
        while out.ends_with(SPACE) {
            out.truncate(out.len() - SPACE.len());
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The replacement of the longest known prefix (else its first character) and how many bytes it stands for.
    fn longest_prefix<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], usize) {
        let unit_at = |node: usize| self.trie.get(node).copied();
        let (mut best, mut node) = (None, child_offset(unit_at(0).unwrap_or(0)));
        for (index, byte) in text.iter().enumerate() {
            node ^= usize::from(*byte);
            let Some(unit) = unit_at(node).filter(|unit| unit & 0x8000_00ff == u32::from(*byte)) else {
                break;
            };
            node ^= child_offset(unit);
            if unit & 0x100 != 0 {
                best = unit_at(node).map(|leaf| ((leaf & 0x7fff_ffff) as usize, index + 1));
            }
        }
        if let Some((at, length)) = best
            && let Some(tail) = self.replacements.get(at..)
        {
            let end = tail.iter().position(|b| *b == 0).unwrap_or(tail.len());
            return (&tail[..end], length);
        }
        let length = match text[0] {
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            _ => 1,
        };
        let length = length.min(text.len());
        (&text[..length], length)
    }
}

/// Leading spaces (not other white space) are cut.
trait TrimSpaces {
    fn trim_ascii_start_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_ascii_start_spaces(&self) -> &Self {
        let start = self.iter().position(|b| *b != b' ').unwrap_or(self.len());
        &self[start..]
    }
}
