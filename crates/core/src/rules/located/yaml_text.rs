//! YAML with places. What makes YAML dangerous is refused: anchors, aliases, tags, several documents, double keys.

use super::{
    Located, LocatedEntry, LocatedValue, MOST_DEPTH, MOST_VALUES, Position, SyntaxError, check_length,
};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use serde_json::{Number, Value};
use std::collections::BTreeSet;

/// Reads one YAML document; an empty one is null.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read_yaml(text: &str) -> Result<Located, SyntaxError> {
    check_length(text)?;
    let mut building = Building::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error: ScanError| {
            SyntaxError::new(place(error.marker()), format!("no YAML: {}", error.info()))
        })?;
        building.take(event, place(&span.start))?;
    }
    let empty = Located { at: Position::new(1, 1), value: LocatedValue::Scalar(Value::Null) };
    Ok(building.root.unwrap_or(empty))
}

fn place(marker: &Marker) -> Position {
    Position::new(marker.line(), marker.col() + 1)
}

/// A list or a table that is not at its end.
enum Open {
    List(Position, Vec<Located>),
    Map(Position, Vec<LocatedEntry>, BTreeSet<String>, Option<(String, Position)>),
}

#[derive(Default)]
struct Building {
    open: Vec<Open>,
    root: Option<Located>,
    documents: usize,
    values: usize,
}

impl Building {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), SyntaxError> {
        let refuse = |what: &str| Err(SyntaxError::new(at, format!("{what} are not allowed here")));
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse("several documents");
                }
            }
            Event::Alias(_) => return refuse("aliases"),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor > 0 =>
            {
                return refuse("anchors");
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return refuse("tags"),
            Event::Scalar(text, style, _, _) => return self.scalar(&text, style, at),
            Event::SequenceStart(..) => return self.begin(Open::List(at, Vec::new()), at),
            Event::MappingStart(..) => {
                return self.begin(Open::Map(at, Vec::new(), BTreeSet::new(), None), at);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let ended = match self.open.pop() {
                    Some(Open::List(at, items)) => Located { at, value: LocatedValue::List(items) },
                    Some(Open::Map(at, entries, ..)) => Located { at, value: LocatedValue::Map(entries) },
                    None => return Ok(()),
                };
                return self.put(ended);
            }
        }
        Ok(())
    }

    fn begin(&mut self, open: Open, at: Position) -> Result<(), SyntaxError> {
        if let Some(Open::Map(_, _, _, None)) = self.open.last() {
            return Err(SyntaxError::new(at, "a key must be a text"));
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(SyntaxError::new(at, format!("nested deeper than {MOST_DEPTH}")));
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Position) -> Result<(), SyntaxError> {
        if let Some(Open::Map(_, _, keys, key @ None)) = self.open.last_mut() {
            if !keys.insert(text.to_owned()) {
                return Err(SyntaxError::new(at, format!("the key `{text}` stands twice")));
            }
            *key = Some((text.to_owned(), at));
            return Ok(());
        }
        let value =
            if style == ScalarStyle::Plain { plain(text, at)? } else { Value::String(text.to_owned()) };
        self.put(Located { at, value: LocatedValue::Scalar(value) })
    }

    fn put(&mut self, located: Located) -> Result<(), SyntaxError> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(SyntaxError::new(located.at, format!("more than {MOST_VALUES} values")));
        }
        match self.open.last_mut() {
            None => self.root = Some(located),
            Some(Open::List(_, items)) => items.push(located),
            Some(Open::Map(_, entries, _, key)) => {
                if let Some((key, at)) = key.take() {
                    entries.push(LocatedEntry { key, at, value: located });
                }
            }
        }
        Ok(())
    }
}

/// A text without quotes, by the core schema of YAML 1.2.
fn plain(text: &str, at: Position) -> Result<Value, SyntaxError> {
    let digits = text.trim_start_matches(['-', '+']);
    let numeric =
        digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.len() - digits.len() <= 1;
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if numeric => {
            let radix = |prefix: &str, radix| {
                text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok())
            };
            let integer = text.parse().ok().or_else(|| radix("0x", 16)).or_else(|| radix("0o", 8));
            match (integer, text.parse::<f64>()) {
                (Some(integer), _) => Value::from(integer),
                (None, Ok(float)) => Number::from_f64(float)
                    .map(Value::Number)
                    .ok_or_else(|| SyntaxError::new(at, "the number cannot be kept exactly"))?,
                (None, Err(_)) => Value::String(text.to_owned()),
            }
        }
        _ => Value::String(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn scalars_by_the_core_schema() {
        let text = "a: 1\nb: -2.5\nc: no\nd: \"1\"\ne: ~\nf: true\ng: 0x1F\nh: 2026-11-21\ni: |\n  가\n  나\nj: [x, {k: v}]\nk: 1.2.3\nl: '+82'\n";
        let read = read_yaml(text).unwrap();
        assert_eq!(
            read.to_json(),
            json!({"a": 1, "b": -2.5, "c": "no", "d": "1", "e": null, "f": true, "g": 31, "h": "2026-11-21",
                   "i": "가\n나\n", "j": ["x", {"k": "v"}], "k": "1.2.3", "l": "+82"})
        );
        assert_eq!(read.get("d").unwrap().at, Position { line: 4, column: 4 });
        assert_eq!(read_yaml("").unwrap().to_json(), json!(null));
    }

    #[test]
    fn what_is_dangerous_is_refused() {
        let laughs = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        for (text, line, what) in [
            (laughs, 1, "anchors"),
            ("a: *x\n", 1, "anchor"),
            ("a: !!python/object x\n", 1, "tags"),
            ("a: 1\n---\nb: 2\n", 2, "several documents"),
            ("a: 1\nb: 2\na: 3\n", 3, "stands twice"),
            ("? [x]\n: y\n", 1, "a key must be a text"),
            ("a: [1\nb: 2\n", 2, "no YAML"),
            ("a: 1\n\tb: 2\n", 1, "no YAML"),
        ] {
            let error = read_yaml(text).unwrap_err();
            assert!(error.message.contains(what), "{text}: {error}");
            assert_eq!(error.at.line, line, "{text}: {error}");
        }
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read_yaml(&nested(32)).is_ok() && read_yaml(&nested(1_000)).is_err());
        assert!(read_yaml(&nested(33)).unwrap_err().message.contains("deeper"));
        assert!(
            read_yaml(&format!("[{}]", "1,".repeat(30_000))).unwrap_err().message.contains("more than 20000")
        );
        assert!(read_yaml(&" ".repeat(300_000)).unwrap_err().message.contains("300000 bytes"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\\n가-힣]{0,200}") {
            let _either = read_yaml(&text);
        }
    }
}
