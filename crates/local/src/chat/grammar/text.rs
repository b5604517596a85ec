//! Strings, byte by byte: escapes, whole characters, lengths.

/// A string being written, behind its opening quotation mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Characters that must still come.
    least: u32,
    /// Characters that may still come.
    room: u32,
    place: Place,
}

/// Where in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    /// After a backslash.
    Escape,
    /// So many hexadecimal digits are missing.
    Hex(u8),
    /// So many bytes of the character are missing; the next one lies in this range.
    Tail(u8, u8, u8),
}

/// What a byte leads to.
pub(super) enum TextStep {
    Inside(Text),
    Closed,
}

impl Text {
    pub(super) fn new(least: u32, most: u32) -> Self {
        Self { least, room: most, place: Place::Between }
    }

    /// Takes one byte; `None` if it cannot follow.
    pub(super) fn next(mut self, byte: u8) -> Option<TextStep> {
        self.place = match self.place {
            Place::Between if byte == b'"' => return (self.least == 0).then_some(TextStep::Closed),
            Place::Between => {
                self.room = self.room.checked_sub(1)?;
                self.least = self.least.saturating_sub(1);
                character(byte)?
            }
            Place::Escape => match byte {
                b'u' => Place::Hex(4),
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Place::Between,
                _ => return None,
            },
            // Halves of a pair (D800 to DFFF) are no characters, and whole ones need no escape.
            Place::Hex(4) if matches!(byte, b'd' | b'D') => return None,
            Place::Hex(left) if byte.is_ascii_hexdigit() => match left {
                1 => Place::Between,
                left => Place::Hex(left - 1),
            },
            Place::Hex(_) => return None,
            Place::Tail(left, low, high) if (low..=high).contains(&byte) => match left {
                1 => Place::Between,
                left => Place::Tail(left - 1, 0x80, 0xbf),
            },
            Place::Tail(..) => return None,
        };
        Some(TextStep::Inside(self))
    }
}

/// What the first byte of a character leads to, by the table of well-formed UTF-8 (Unicode 15, table 3-7).
fn character(byte: u8) -> Option<Place> {
    Some(match byte {
        b'\\' => Place::Escape,
        0x20..=0x7e => Place::Between,
        0xc2..=0xdf => Place::Tail(1, 0x80, 0xbf),
        0xe0 => Place::Tail(2, 0xa0, 0xbf),
        0xed => Place::Tail(2, 0x80, 0x9f),
        0xe1..=0xef => Place::Tail(2, 0x80, 0xbf),
        0xf0 => Place::Tail(3, 0x90, 0xbf),
        0xf1..=0xf3 => Place::Tail(3, 0x80, 0xbf),
        0xf4 => Place::Tail(3, 0x80, 0x8f),
        _ => return None,
    })
}
