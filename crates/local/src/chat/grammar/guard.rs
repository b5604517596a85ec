//! Keeps generated text inside a grammar: tells, byte by byte, whether a text can still become what the grammar allows.

use super::number::Number;
use super::text::{Text, TextStep};
use super::{Grammar, Node, NodeId};

/// Deepest nesting that is followed.
const DEPTH: usize = 64;
/// Most readings of a text that are followed at once.
const MOST_READINGS: usize = 64;
/// Unions within unions that are entered before a byte is taken.
const MOST_UNIONS: u8 = 16;
/// Longest text that is given without the model.
const MOST_FORCED: usize = 4_096;

/// What must come next, before what lies below it on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame<'g> {
    Value(NodeId),
    Fixed(&'g [u8]),
    /// The rest of one of these texts, of which so many bytes are written.
    OneOf(&'g [Box<[u8]>], usize),
    Text(Text),
    Number(Number),
    /// Within an object: the next property that may come, and whether it is the first.
    Object(NodeId, usize, bool),
    Map(NodeId, bool),
    /// Within an array of so many items.
    Array(NodeId, u32),
}

/// One way to read what is written: what is still open, innermost last. Empty when all is written.
type Reading<'g> = Vec<Frame<'g>>;

/// A text being written under a grammar.
#[derive(Clone, Debug)]
pub(in crate::chat) struct JsonGuard<'g> {
    grammar: &'g Grammar,
    readings: Vec<Reading<'g>>,
}

impl<'g> JsonGuard<'g> {
    /// Nothing is written yet.
    pub(in crate::chat) fn new(grammar: &'g Grammar) -> Self {
        Self { grammar, readings: vec![vec![Frame::Value(grammar.root)]] }
    }

    /// Whether nothing may follow.
    pub(in crate::chat) fn is_complete(&self) -> bool {
        self.readings.iter().all(Vec::is_empty)
    }

    /// Whether the text is whole as it is, though more may follow (as after a number alone).
    pub(in crate::chat) fn may_end(&self) -> bool {
        self.readings.iter().any(|reading| match reading.as_slice() {
            [] => true,
            [Frame::Number(number)] => number.may_end(),
            _ => false,
        })
    }

    /// Whether a string is open, behind its quotation mark.
    pub(in crate::chat) fn in_text(&self) -> bool {
        !self.readings.is_empty()
            && self.readings.iter().all(|open| matches!(open.last(), Some(Frame::Text(_))))
    }

    /// Whether `bytes` may follow.
    pub(in crate::chat) fn allows(&self, bytes: &[u8]) -> bool {
        let mut copy = self.clone();
        !bytes.is_empty() && copy.accept(bytes)
    }

    /// Takes bytes; `false` if they are not allowed.
    pub(in crate::chat) fn accept(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.push(*byte))
    }

    /// Which bytes may come next.
    pub(in crate::chat) fn first_bytes(&self) -> [bool; 256] {
        let mut allowed = [false; 256];
        for (byte, slot) in (0..=u8::MAX).zip(&mut allowed) {
            *slot = self.after(byte).next().is_some();
        }
        allowed
    }

    /// The text that must come next, as far as there is no choice.
    pub(in crate::chat) fn forced(&self) -> Vec<u8> {
        let (mut guard, mut forced) = (self.clone(), Vec::new());
        while forced.len() < MOST_FORCED && !guard.may_end() {
            let mut allowed = (0..=u8::MAX).filter(|byte| guard.after(*byte).next().is_some());
            let (Some(byte), None) = (allowed.next(), allowed.next()) else { break };
            drop(allowed);
            guard.push(byte);
            forced.push(byte);
        }
        // A character that is begun is not yet text.
        forced.truncate(std::str::from_utf8(&forced).map_or_else(|error| error.valid_up_to(), str::len));
        forced
    }

    /// The readings after one byte more.
    fn after(&self, byte: u8) -> impl Iterator<Item = Reading<'g>> + '_ {
        self.readings.iter().flat_map(move |reading| {
            let mut next = Vec::new();
            self.step(reading.clone(), byte, 0, &mut next);
            next
        })
    }

    fn push(&mut self, byte: u8) -> bool {
        let mut next = Vec::with_capacity(self.readings.len());
        for reading in std::mem::take(&mut self.readings) {
            self.step(reading, byte, 0, &mut next);
        }
        let mut kept: Vec<Reading<'g>> = Vec::with_capacity(next.len());
        for reading in next {
            if kept.len() < MOST_READINGS && !kept.contains(&reading) {
                kept.push(reading);
            }
        }
        self.readings = kept;
        !self.readings.is_empty()
    }

    /// Adds to `out` what becomes of a reading with one byte more.
    fn step(&self, mut open: Reading<'g>, byte: u8, unions: u8, out: &mut Vec<Reading<'g>>) {
        let Some(frame) = open.pop() else { return };
        match frame {
            Frame::Value(id) => self.value(open, id, byte, unions, out),
            Frame::Fixed([first, rest @ ..]) if *first == byte => {
                if !rest.is_empty() {
                    open.push(Frame::Fixed(rest));
                }
                out.push(open);
            }
            Frame::Fixed(_) => {}
            Frame::OneOf(texts, at) => one_of(open, texts, at, byte, out),
            Frame::Text(text) => match text.next(byte) {
                Some(TextStep::Inside(text)) => {
                    open.push(Frame::Text(text));
                    out.push(open);
                }
                Some(TextStep::Closed) => out.push(open),
                None => {}
            },
            Frame::Number(number) => match number.next(byte) {
                Some(number) => {
                    open.push(Frame::Number(number));
                    out.push(open);
                }
                // A number ends with the first byte that is none of its own.
                None if number.may_end() => self.step(open, byte, unions, out),
                None => {}
            },
            Frame::Object(id, next, first) => self.object(&open, (id, next, first), byte, out),
            Frame::Map(id, first) => self.map(open, (id, first), byte, out),
            Frame::Array(id, count) => self.array(open, (id, count), byte, unions, out),
        }
    }

    fn value(&self, mut open: Reading<'g>, id: NodeId, byte: u8, unions: u8, out: &mut Vec<Reading<'g>>) {
        let frame = match (&self.grammar.nodes[id], byte) {
            (Node::Text { least, most }, b'"') => Frame::Text(Text::new(*least, *most)),
            (Node::Number(rule), byte) => match Number::begin(*rule, byte) {
                Some(number) => Frame::Number(number),
                None => return,
            },
            (Node::Literals(texts), byte) => return one_of(open, texts, 0, byte, out),
            (Node::Object(_), b'{') => Frame::Object(id, 0, true),
            (Node::Map { .. }, b'{') => Frame::Map(id, true),
            (Node::Array { .. }, b'[') => Frame::Array(id, 0),
            (Node::Union(ids), byte) if unions < MOST_UNIONS => {
                for id in ids {
                    self.value(open.clone(), *id, byte, unions + 1, out);
                }
                return;
            }
            _ => return,
        };
        if open.len() < DEPTH {
            open.push(frame);
            out.push(open);
        }
    }

    fn object(
        &self,
        open: &Reading<'g>,
        (id, next, first): (NodeId, usize, bool),
        byte: u8,
        out: &mut Vec<Reading<'g>>,
    ) {
        let Node::Object(properties) = &self.grammar.nodes[id] else { return };
        for (at, property) in properties.iter().enumerate().skip(next) {
            let mut open = open.clone();
            open.extend([Frame::Object(id, at + 1, false), Frame::Value(property.value)]);
            match (first, byte) {
                (true, b'"') => open.push(Frame::Fixed(&property.key[1..])),
                (false, b',') => open.extend([Frame::Fixed(&property.key), Frame::Fixed(b" ")]),
                _ => continue,
            }
            out.push(open);
            if property.required {
                break;
            }
        }
        if byte == b'}' && !properties[next.min(properties.len())..].iter().any(|p| p.required) {
            out.push(open.clone());
        }
    }

    fn map(&self, mut open: Reading<'g>, (id, first): (NodeId, bool), byte: u8, out: &mut Vec<Reading<'g>>) {
        let Node::Map { value } = &self.grammar.nodes[id] else { return };
        let key = [Frame::Map(id, false), Frame::Value(*value), Frame::Fixed(b": "), any_text()];
        match (first, byte) {
            (_, b'}') => {}
            (true, b'"') => open.extend(key),
            (false, b',') => {
                open.extend(key);
                open.push(Frame::Fixed(b" \""));
            }
            _ => return,
        }
        out.push(open);
    }

    fn array(
        &self,
        mut open: Reading<'g>,
        (id, count): (NodeId, u32),
        byte: u8,
        unions: u8,
        out: &mut Vec<Reading<'g>>,
    ) {
        let Node::Array { items, least, most } = &self.grammar.nodes[id] else { return };
        if byte == b']' && count >= *least {
            return out.push(open);
        }
        if count >= *most {
            return;
        }
        open.push(Frame::Array(id, count + 1));
        if count == 0 {
            return self.value(open, *items, byte, unions, out);
        }
        if byte == b',' {
            open.extend([Frame::Value(*items), Frame::Fixed(b" ")]);
            out.push(open);
        }
    }
}

/// A string of any length, behind its opening quotation mark.
fn any_text<'g>() -> Frame<'g> {
    Frame::Text(Text::new(0, u32::MAX))
}

/// Narrows texts that share their first `at` bytes to those that go on with `byte`.
fn one_of<'g>(
    mut open: Reading<'g>,
    texts: &'g [Box<[u8]>],
    at: usize,
    byte: u8,
    out: &mut Vec<Reading<'g>>,
) {
    let low = texts.partition_point(|text| text.get(at).is_none_or(|b| *b < byte));
    let high = texts.partition_point(|text| text.get(at).is_none_or(|b| *b <= byte));
    let texts = &texts[low..high];
    let Some(shortest) = texts.first() else { return };
    // Sorted, a text that is the beginning of others comes before them.
    if shortest.len() == at + 1 {
        out.push(open.clone());
    }
    if texts.last().is_some_and(|text| text.len() > at + 1) {
        open.push(Frame::OneOf(texts, at + 1));
        out.push(open);
    }
}

#[cfg(test)]
mod tests {
    use super::{Grammar, JsonGuard};
    use serde_json::{Value, json};

    /// How many bytes of a text are taken, and whether it may then end.
    fn taken(grammar: &Grammar, text: &str) -> (usize, bool) {
        let mut guard = JsonGuard::new(grammar);
        let count = text.bytes().take_while(|byte| guard.push(*byte)).count();
        (count, count == text.len() && guard.may_end())
    }

    fn of(schema: &Value) -> Grammar {
        Grammar::of_schema(schema).expect("compiles").grammar
    }

    #[test]
    fn json_objects_are_taken_whole() {
        for text in [
            "{}",
            r#"{"a": 1}"#,
            r#"{"a": [1, -0.5, [], {"b": null}], "c": {"d": true}, "e": false}"#,
            r#"{"키": "값 \u00e9 \" \\ \n 👩‍👩‍👧", "n": 0}"#,
        ] {
            assert_eq!(taken(&Grammar::object(), text), (text.len(), true), "{text}");
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
            (r#"{"a" 1"#, 4),
            (r#"{"a":1"#, 5),
            (r#"{"a": 01"#, 7),
            (r#"{"a": 1.}"#, 8),
            (r#"{"a": -}"#, 7),
            (r#"{"a": tru}"#, 9),
            (r#"{"a": [1}"#, 8),
            (r#"{"a": [1, ]"#, 10),
            (r#"{"a": 1, }"#, 9),
            ("{\"a\nb", 3),
            (r#"{"\x"#, 3),
            (r#"{"\u12g"#, 6),
            (r#"{"\ud800"#, 4),
        ] {
            assert_eq!(taken(&Grammar::object(), text).0, good, "{text}");
        }
        let mut guard = JsonGuard { grammar: &Grammar::object(), readings: Vec::new() };
        assert!(!guard.push(b'{'), "no reading is left");
    }

    #[test]
    fn characters_are_whole() {
        let grammar = Grammar::object();
        let mut guard = JsonGuard::new(&grammar);
        assert!(guard.accept(b"{\"\xeb\x88"));
        assert!(!guard.allows(b"\"") && guard.allows(b"\x88\""));
        assert!(!guard.allows(b"\xff") && !JsonGuard::new(&grammar).allows(b"{\"\xc0\x80"));
    }

    #[test]
    fn nesting_has_a_floor() {
        assert_eq!(taken(&Grammar::object(), &format!("{{\"a\": {}", "[".repeat(100))).0, 6 + 63);
    }

    /// A schema, what it allows and what not.
    type Case = (Value, Vec<&'static str>, Vec<&'static str>);

    fn values() -> Vec<Case> {
        vec![
            (
                json!({"enum": ["a", "ab", 1, 12, null]}),
                vec![r#""a""#, r#""ab""#, "1", "12", "null"],
                vec![r#""b""#, "2", "13", "nul"],
            ),
            (
                json!({"type": "integer", "minimum": 5, "maximum": 120}),
                vec!["5", "9", "10", "99", "120"],
                vec!["4", "0", "-7", "121", "1200", "5.5"],
            ),
            (json!({"type": "integer", "maximum": -10}), vec!["-10", "-123"], vec!["-9", "5", "-0"]),
            (json!({"type": "number", "minimum": 0}), vec!["0", "0.5", "12.25"], vec!["-1", ".5", "1e9"]),
            (
                json!({"type": "array", "items": {"type": ["integer", "null"]}, "minItems": 1, "maxItems": 2}),
                vec!["[1]", "[null, 2]"],
                vec!["[]", "[1, 2, 3]", "[\"a\"]"],
            ),
            (
                json!({"type": "string", "maxLength": 2}),
                vec!["\"\"", "\"눈치\"", r#""\n\u00e9""#],
                vec!["\"abc\""],
            ),
        ]
    }

    fn objects() -> Vec<Case> {
        let person = json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer"}, "ok": {"type": "boolean"}},
        });
        let tree = json!({
            "$defs": {"node": {"type": "object", "required": ["v"], "properties": {
                "v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}},
            "$ref": "#/$defs/node",
        });
        vec![
            (
                person,
                vec![
                    r#"{"name": "a"}"#,
                    r#"{"name": "a", "ok": true}"#,
                    r#"{"name": "a", "age": 3, "ok": false}"#,
                ],
                vec![
                    "{}",
                    r#"{"name": ""}"#,
                    r#"{"age": 3}"#,
                    r#"{"name": "a", "ok": true, "age": 3}"#,
                    r#"{"name": "a", "x": 1}"#,
                ],
            ),
            (
                tree,
                vec![r#"{"v": 1}"#, r#"{"v": 1, "next": {"v": 2, "next": null}}"#],
                vec![r#"{"next": null}"#],
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "integer"}}),
                vec!["{}", r#"{"a": 1, "b": 2}"#],
                vec![r#"{"a": "x"}"#],
            ),
            (json!({"type": "object", "additionalProperties": false}), vec!["{}"], vec![r#"{"a": 1}"#]),
            (json!({"const": {"a": [1]}}), vec![r#"{"a":[1]}"#], vec!["{}"]),
            (
                json!({"oneOf": [
                    {"type": "object", "required": ["kind", "x"], "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}},
                    {"type": "object", "required": ["kind", "y"], "properties": {"kind": {"const": "ab"}, "y": {"type": "string"}}},
                ]}),
                vec![r#"{"kind": "a", "x": 1}"#, r#"{"kind": "ab", "y": ""}"#],
                vec![r#"{"kind": "a", "y": ""}"#, r#"{"kind": "ab", "x": 1}"#],
            ),
        ]
    }

    #[test]
    fn schemas_are_kept_to() {
        for (schema, good, bad) in values().into_iter().chain(objects()) {
            let grammar = of(&schema);
            for text in good {
                assert_eq!(taken(&grammar, text), (text.len(), true), "{schema} {text}");
            }
            for text in bad {
                assert!(!taken(&grammar, text).1, "{schema} {text}");
            }
        }
    }

    #[test]
    fn what_is_determined_is_forced() {
        let schema = json!({
            "type": "object", "required": ["city", "unit"],
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "centi"]}},
        });
        let grammar = of(&schema);
        let mut guard = JsonGuard::new(&grammar);
        for (forced, chosen) in [("{\"city\": \"", "눈\""), (", \"unit\": \"ce", "l"), ("sius\"}", "")] {
            assert_eq!(guard.forced(), forced.as_bytes());
            assert!(guard.accept(forced.as_bytes()) && guard.accept(chosen.as_bytes()));
        }
        assert!(guard.is_complete());
        let grammar = of(&json!({"enum": ["가", "각"]}));
        assert_eq!(JsonGuard::new(&grammar).forced(), b"\"", "a half character is left to the model");
    }

    #[test]
    fn what_cannot_be_held_is_said() {
        for schema in [
            json!({"$ref": "https://example.com/a"}),
            json!({"$ref": "#"}),
            json!({"allOf": [{"type": "object"}, {"type": "object"}]}),
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            json!({"type": "what"}),
            json!(false),
        ] {
            assert!(Grammar::of_schema(&schema).is_err(), "{schema}");
        }
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^a", "format": "date"}}});
        assert_eq!(Grammar::of_schema(&schema).expect("compiles").ignored, ["pattern"]);
    }
}
