//! Keeps generated text inside JSON: tells, byte by byte, whether a text can still become one JSON object.

/// Deepest nesting that is followed.
const DEPTH: usize = 64;
/// Longest run of white space between two parts: a small model may otherwise never come to an end.
const MOST_SPACE: u8 = 2;

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The object itself.
    Start,
    /// A value; `true` where an array may also end.
    Value(bool),
    /// A key; `true` where the object may also end.
    Key(bool),
    /// The colon after a key.
    Colon,
    /// After a value: a comma or the end of what encloses it.
    After,
    /// In a string; `true` if it is a key.
    Text(bool),
    /// After a backslash in a string.
    Escape(bool),
    /// So many hexadecimal digits are missing from a `\u` in a string.
    Hex(bool, u8),
    /// In a number.
    Number(Digits),
    /// In `true`, `false` or `null`: what is left of it.
    Word(&'static [u8]),
    /// The object is complete.
    End,
}

/// Where in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    /// After the minus sign.
    Sign,
    /// After a leading zero.
    Zero,
    /// In the whole part.
    Whole,
    /// After the point.
    Point,
    /// In the fraction.
    Fraction,
    /// After `e`.
    E,
    /// After the sign of the exponent.
    ExponentSign,
    /// In the exponent.
    Exponent,
}

/// A JSON object being written.
#[derive(Clone, Debug)]
pub(super) struct JsonGuard {
    state: State,
    /// Open brackets; `true` is an object.
    open: Vec<bool>,
    space: u8,
}

impl JsonGuard {
    /// Nothing is written yet.
    pub(super) fn new() -> Self {
        Self { state: State::Start, open: Vec::new(), space: 0 }
    }

    /// Whether the object is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::End
    }

    /// Whether `bytes` may follow.
    pub(super) fn allows(&self, bytes: &[u8]) -> bool {
        let mut copy = self.clone();
        !bytes.is_empty() && bytes.iter().all(|byte| copy.push(*byte))
    }

    /// Takes bytes that were allowed.
    pub(super) fn accept(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    /// Takes one byte; `false` if it cannot follow.
    fn push(&mut self, byte: u8) -> bool {
        let between = !matches!(
            self.state,
            State::Text(_) | State::Escape(_) | State::Hex(..) | State::Number(_) | State::Word(_)
        );
        if between && matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
            self.space += 1;
            return self.space <= MOST_SPACE && !matches!(self.state, State::Start | State::End);
        }
        self.space = 0;
        let next = match self.state {
            State::Start if byte == b'{' => self.enter(true),
            State::Start | State::End => None,
            State::Value(true) if byte == b']' => self.leave(false),
            State::Value(_) => self.value(byte),
            State::Key(true) if byte == b'}' => self.leave(true),
            State::Key(_) => (byte == b'"').then_some(State::Text(true)),
            State::Colon => (byte == b':').then_some(State::Value(false)),
            State::After => self.after(byte),
            State::Text(key) => text(byte, key),
            State::Escape(key) => match byte {
                b'u' => Some(State::Hex(key, 4)),
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(State::Text(key)),
                _ => None,
            },
            State::Hex(key, left) => byte.is_ascii_hexdigit().then_some(match left {
                1 => State::Text(key),
                left => State::Hex(key, left - 1),
            }),
            State::Number(digits) => match digits.next(byte) {
                Some(digits) => Some(State::Number(digits)),
                // A number ends with the first byte that is none of its own.
                None if digits.may_end() => {
                    self.state = State::After;
                    return self.push(byte);
                }
                None => None,
            },
            State::Word(rest) => match rest.split_first() {
                Some((first, [])) if *first == byte => Some(State::After),
                Some((first, rest)) if *first == byte => Some(State::Word(rest)),
                _ => None,
            },
        };
        if let Some(next) = next {
            self.state = next;
        }
        next.is_some()
    }

    fn value(&mut self, byte: u8) -> Option<State> {
        match byte {
            b'{' => self.enter(true),
            b'[' => self.enter(false),
            b'"' => Some(State::Text(false)),
            b'-' => Some(State::Number(Digits::Sign)),
            b'0' => Some(State::Number(Digits::Zero)),
            b'1'..=b'9' => Some(State::Number(Digits::Whole)),
            b't' => Some(State::Word(b"rue")),
            b'f' => Some(State::Word(b"alse")),
            b'n' => Some(State::Word(b"ull")),
            _ => None,
        }
    }

    fn after(&mut self, byte: u8) -> Option<State> {
        let object = *self.open.last()?;
        match byte {
            b',' if object => Some(State::Key(false)),
            b',' => Some(State::Value(false)),
            b'}' => self.leave(true),
            b']' => self.leave(false),
            _ => None,
        }
    }

    fn enter(&mut self, object: bool) -> Option<State> {
        if self.open.len() == DEPTH {
            return None;
        }
        self.open.push(object);
        Some(if object { State::Key(true) } else { State::Value(true) })
    }

    fn leave(&mut self, object: bool) -> Option<State> {
        if self.open.last() != Some(&object) {
            return None;
        }
        self.open.pop();
        Some(if self.open.is_empty() { State::End } else { State::After })
    }
}

/// Inside a string. Bytes of other characters than ASCII are the tokenizer's business.
fn text(byte: u8, key: bool) -> Option<State> {
    match byte {
        b'"' if key => Some(State::Colon),
        b'"' => Some(State::After),
        b'\\' => Some(State::Escape(key)),
        0..=0x1f => None,
        _ => Some(State::Text(key)),
    }
}

impl Digits {
    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Sign, b'0') => Self::Zero,
            (Self::Sign, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::ExponentSign,
            (Self::E | Self::ExponentSign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::JsonGuard;

    /// How many bytes are taken, and whether the object is then complete.
    fn taken(text: &str) -> (usize, bool) {
        let mut guard = JsonGuard::new();
        let count = text.bytes().take_while(|byte| guard.push(*byte)).count();
        (count, guard.is_complete())
    }

    #[test]
    fn json_objects_are_taken_whole() {
        for text in [
            "{}",
            r#"{"a": 1}"#,
            r#"{"a":[1,-0.5e+3,[],{"b":null}],"c":{"d":true},"e":false}"#,
            r#"{"키": "값 \u00e9 \" \\ \n", "n": 0}"#,
            "{\n\"a\" :\t[ ] }",
        ] {
            assert_eq!(taken(text), (text.len(), true), "{text}");
        }
    }

    #[test]
    fn the_first_wrong_byte_is_refused() {
        for (text, good) in [
            ("[1]", 0),
            (" {}", 0),
            ("{a", 1),
            ("{}x", 2),
            ("{} ", 2),
            (r#"{"a" 1"#, 5),
            (r#"{"a":01"#, 6),
            (r#"{"a":1.}"#, 7),
            (r#"{"a":-}"#, 6),
            (r#"{"a":tru}"#, 8),
            (r#"{"a":[1}"#, 7),
            (r#"{"a":[1,]"#, 8),
            (r#"{"a":1,}"#, 7),
            ("{\"a\nb", 3),
            (r#"{"\x"#, 3),
            (r#"{"\u12g"#, 6),
            ("{   \"", 3),
        ] {
            assert_eq!(taken(text), (good, text.starts_with("{}")), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_floor() {
        assert_eq!(taken(&format!("{{\"a\":{}", "[".repeat(100))).0, 5 + 63);
    }
}
