//! Changes top-level fields of a JSON object and keeps every other byte, so that an upstream of the caller's own dialect gets the
//! caller's own body: unknown fields, key order, number spelling and all.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use std::borrow::Cow;
use std::ops::Range;

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit<'a> {
    /// It gets this JSON text, or is appended with it.
    Set(Cow<'a, str>),
    /// It goes.
    Remove,
}

/// The top-level fields of a JSON object. The text is not checked further than it takes to find them.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    text: &'a Bytes,
    fields: Vec<Field>,
    /// Just behind the opening brace.
    start: usize,
}

#[derive(Debug)]
struct Field {
    /// With its quotes.
    key: Range<usize>,
    value: Range<usize>,
}

impl<'a> Object<'a> {
    /// Finds the fields; `None` when the text is no JSON object.
    pub(crate) fn scan(text: &'a Bytes) -> Option<Self> {
        let mut at = skip_space(text, 0);
        if text.get(at) != Some(&b'{') {
            return None;
        }
        at += 1;
        let mut object = Self { text, fields: Vec::with_capacity(16), start: at };
        at = skip_space(text, at);
        if text.get(at) != Some(&b'}') {
            at = object.scan_fields(at)?;
        }
        (skip_space(text, at + 1) == text.len()).then_some(object)
    }

    /// Reads `"key": value, …`; the position of the closing brace.
    fn scan_fields(&mut self, mut at: usize) -> Option<usize> {
        loop {
            let key = at..string_end(self.text, at)?;
            at = skip_space(self.text, key.end);
            if self.text.get(at) != Some(&b':') {
                return None;
            }
            at = skip_space(self.text, at + 1);
            let value = at..value_end(self.text, at)?;
            at = skip_space(self.text, value.end);
            self.fields.push(Field { key, value });
            match self.text.get(at)? {
                b',' => at = skip_space(self.text, at + 1),
                b'}' => return Some(at),
                _ => return None,
            }
        }
    }

    /// The JSON text of a field; of the last one when it is there several times, as parsers read it.
    pub(crate) fn get(&self, name: &str) -> Option<&'a [u8]> {
        let field = self.fields.iter().rev().find(|field| self.is_named(field, name))?;
        Some(&self.text[field.value.clone()])
    }

    /// The value of a field, when it is of this type.
    pub(crate) fn read<T: serde::Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(self.get(name)?).ok()
    }

    /// Whether the field is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != b"null")
    }

    fn is_named(&self, field: &Field, name: &str) -> bool {
        let key = &self.text[field.key.clone()];
        let inner = &key[1..key.len() - 1];
        inner == name.as_bytes()
            || (inner.contains(&b'\\') && serde_json::from_slice::<String>(key).is_ok_and(|key| key == name))
    }

    /// The text with these changes. A field that is there several times is changed everywhere.
    pub(crate) fn with(&self, edits: &[(&str, Edit<'_>)]) -> Bytes {
        if edits.iter().all(|(name, edit)| *edit == Edit::Remove && self.get(name).is_none()) {
            return self.text.clone();
        }
        let added: usize = edits.iter().map(|(name, edit)| name.len() + edit.len() + 4).sum();
        let mut out = BytesMut::with_capacity(self.text.len() + added);
        out.extend_from_slice(&self.text[..self.fields.first().map_or(self.start, |field| field.key.start)]);
        let mut first = true;
        let mut behind = self.start;
        for field in &self.fields {
            let edit = edits.iter().find(|(name, _)| self.is_named(field, name)).map(|(_, edit)| edit);
            if edit != Some(&Edit::Remove) {
                if !std::mem::take(&mut first) {
                    out.extend_from_slice(&self.text[behind..field.key.start]);
                }
                out.extend_from_slice(&self.text[field.key.start..field.value.start]);
                match edit {
                    Some(Edit::Set(value)) => out.extend_from_slice(value.as_bytes()),
                    _ => out.extend_from_slice(&self.text[field.value.clone()]),
                }
            }
            behind = field.value.end;
        }
        for (name, edit) in edits {
            if let Edit::Set(value) = edit
                && self.get(name).is_none()
            {
                let comma = if std::mem::take(&mut first) { "" } else { "," };
                for piece in [comma, "\"", name, "\":", value] {
                    out.extend_from_slice(piece.as_bytes());
                }
            }
        }
        out.extend_from_slice(&self.text[behind..]);
        out.freeze()
    }
}

/// The value of a field at the front of an object that may be broken further on.
pub(crate) fn leading_field<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut at = skip_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        at = skip_space(text, at + 1);
        let key = at..string_end(text, at)?;
        at = skip_space(text, key.end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        at = skip_space(text, at + 1);
        let value = at..value_end(text, at)?;
        if text[key.start + 1..key.end - 1] == *name.as_bytes() {
            return Some(&text[value]);
        }
        at = skip_space(text, value.end);
        if text.get(at) != Some(&b',') {
            return None;
        }
    }
}

impl Edit<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Set(value) => value.len(),
            Self::Remove => 0,
        }
    }

    /// Sets a string.
    pub(crate) fn string(text: &str) -> Self {
        Self::Set(Cow::Owned(serde_json::Value::from(text).to_string()))
    }

    /// Sets a number.
    pub(crate) fn number(value: u64) -> Self {
        Self::Set(Cow::Owned(value.to_string()))
    }

    /// Sets true or false.
    pub(crate) fn bool(value: bool) -> Self {
        Self::Set(Cow::Borrowed(if value { "true" } else { "false" }))
    }
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Behind the value that begins at `at`.
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => container_end(text, at),
        _ => {
            let length = text[at..].iter().position(|byte| b",]} \t\r\n".contains(byte))?;
            (length > 0).then_some(at + length)
        }
    }
}

fn container_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn spliced(text: &str, edits: &[(&str, Edit<'_>)]) -> String {
        let text = Bytes::copy_from_slice(text.as_bytes());
        String::from_utf8(Object::scan(&text).unwrap().with(edits).to_vec()).unwrap()
    }

    #[test]
    fn fields_in_front_of_a_break() {
        let read = |text: &'static str| {
            leading_field(text.as_bytes(), "id").map(|id| String::from_utf8_lossy(id).into_owned())
        };
        assert_eq!(read(r#" { "a" : {"id": 1}, "id" : "x", "b": [1, "#).as_deref(), Some("\"x\""));
        assert_eq!(read(r#"{"id":"x""#).as_deref(), Some("\"x\""));
        for text in [
            "",
            "{",
            "[1]",
            r#"{"a":{"id":"x"}"#,
            r#"{"id":"x"#,
            r#"{"id""#,
            r#"{"id":12"#,
            r#"{"a":1;"id":2}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn only_named_fields_change() {
        let set = |text: &'static str| Edit::Set(Cow::Borrowed(text));
        for (text, edits, wanted) in [
            (r#"{"model":"a","n":1.0}"#, vec![("model", set("\"b\""))], r#"{"model":"b","n":1.0}"#),
            (
                "{ \"x\" : [1, {\"model\": 2}] ,\n \"model\" : \"a\" }\n",
                vec![("model", set("\"b\""))],
                "{ \"x\" : [1, {\"model\": 2}] ,\n \"model\" : \"b\" }\n",
            ),
            ("{}", vec![("a", set("1")), ("b", set("2"))], r#"{"a":1,"b":2}"#),
            (" { } ", vec![("a", set("1"))], " {\"a\":1 } "),
            (r#"{"a":1,"b":2,"c":3}"#, vec![("a", Edit::Remove)], r#"{"b":2,"c":3}"#),
            (r#"{"a":1,"b":2,"c":3}"#, vec![("b", Edit::Remove), ("d", set("4"))], r#"{"a":1,"c":3,"d":4}"#),
            (r#"{"a":1, "b":2}"#, vec![("b", Edit::Remove)], r#"{"a":1}"#),
            (r#"{"a":1}"#, vec![("a", Edit::Remove), ("b", set("2"))], r#"{"b":2}"#),
            (r#"{"a":1,"a":2}"#, vec![("a", set("3"))], r#"{"a":3,"a":3}"#),
            (r#"{"a":"}\"{","b":"\\"}"#, vec![("b", set("0"))], r#"{"a":"}\"{","b":0}"#),
            (r#"{"mod\u0065l":"a"}"#, vec![("model", set("\"b\""))], r#"{"mod\u0065l":"b"}"#),
            (r#"{"a":1}"#, vec![("zzz", Edit::Remove)], r#"{"a":1}"#),
        ] {
            assert_eq!(spliced(text, &edits), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_object() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":\"",
            "{\"a\":\"\\",
            "{\"a\":[",
            "{a:1}",
            "{\"a\":1",
        ] {
            assert!(Object::scan(&Bytes::copy_from_slice(text.as_bytes())).is_none(), "{text}");
        }
    }

    #[test]
    fn the_last_of_several_is_read() {
        let text = Bytes::from_static(br#"{"stream":null,"cap":1,"cap":2}"#);
        let object = Object::scan(&text).unwrap();
        assert_eq!(object.read::<u64>("cap"), Some(2));
        assert!(!object.has("stream") && object.get("stream").is_some() && object.get("x").is_none());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\"\\\\{}\\[\\],:a가😀\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-d\"\\\\가]{0,3}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn as_if_parsed_and_changed(
            pairs in prop::collection::vec(("[a-d\"\\\\가]{0,3}", value()), 0..6),
            set in value(),
            pretty: bool,
        ) {
            let before: Map<String, Value> = pairs.into_iter().collect();
            let text = if pretty { serde_json::to_string_pretty(&before) } else { serde_json::to_string(&before) };
            let edits = [("a", Edit::Set(Cow::Owned(set.to_string()))), ("b", Edit::Remove)];
            let after: Value = serde_json::from_str(&spliced(&text.unwrap(), &edits)).unwrap();
            let mut wanted = before;
            wanted.insert("a".into(), set);
            wanted.shift_remove("b");
            prop_assert_eq!(after, json!(wanted));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 ".to_vec()), 0..40)) {
            let text = Bytes::from(bytes);
            if let Some(object) = Object::scan(&text) {
                let _ = object.with(&[("a", Edit::number(1)), ("", Edit::Remove)]);
            }
        }
    }
}
