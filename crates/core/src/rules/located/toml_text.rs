//! TOML with places; all errors at once.

use super::{Located, LocatedEntry, LocatedValue, MOST_DEPTH, Position, SyntaxError, check_length};
use serde_json::{Number, Value};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Reads TOML.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn read_toml(text: &str) -> Result<Located, Vec<SyntaxError>> {
    check_length(text).map_err(|error| vec![error])?;
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| {
            let start = error.span().map_or(0, |span| span.start);
            SyntaxError::new(Position::of_byte(text, start), error.message())
        })
        .collect();
    let reader = Reader { text };
    let span = table.span();
    match reader.table(table.into_inner(), span, 0) {
        Ok(located) if errors.is_empty() => return Ok(located),
        Ok(_) => {}
        Err(error) => errors.push(error),
    }
    errors.sort_by_key(|error| error.at);
    errors.dedup();
    Err(errors)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn at(&self, span: &Range<usize>) -> Position {
        Position::of_byte(self.text, span.start)
    }

    fn table(&self, table: DeTable<'_>, span: Range<usize>, depth: usize) -> Result<Located, SyntaxError> {
        let at = self.at(&span);
        if depth > MOST_DEPTH {
            return Err(SyntaxError::new(at, format!("nested deeper than {MOST_DEPTH}")));
        }
        let mut entries = Vec::new();
        for (key, value) in table {
            let (key_at, value_span) = (self.at(&key.span()), value.span());
            let value = self.value(value.into_inner(), value_span, depth + 1)?;
            entries.push(LocatedEntry { key: key.into_inner().into_owned(), at: key_at, value });
        }
        // The parser sorts by key; people read from top to bottom.
        entries.sort_by_key(|entry| entry.at);
        Ok(Located { at, value: LocatedValue::Map(entries) })
    }

    fn value(&self, value: DeValue<'_>, span: Range<usize>, depth: usize) -> Result<Located, SyntaxError> {
        let at = self.at(&span);
        let number = |found: Option<Number>| {
            found.map(Value::Number).ok_or_else(|| SyntaxError::new(at, "the number cannot be kept exactly"))
        };
        let scalar = match value {
            DeValue::Table(table) => return self.table(table, span, depth),
            DeValue::Array(items) => {
                if depth > MOST_DEPTH {
                    return Err(SyntaxError::new(at, format!("nested deeper than {MOST_DEPTH}")));
                }
                let items: Result<Vec<_>, _> = items
                    .into_iter()
                    .map(|item| {
                        let span = item.span();
                        self.value(item.into_inner(), span, depth + 1)
                    })
                    .collect();
                return Ok(Located { at, value: LocatedValue::List(items?) });
            }
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Boolean(truth) => Value::Bool(truth),
            DeValue::Integer(integer) => {
                number(i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from))?
            }
            DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64))?,
            DeValue::Datetime(time) => Value::String(time.to_string()),
        };
        Ok(Located { at, value: LocatedValue::Scalar(scalar) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_and_order() {
        let read =
            read_toml("b = 0x10\na = [1.5, \"가\", true]\n[t.u]\nk = 1979-05-27\n[[l]]\nx = 1\n").unwrap();
        assert_eq!(
            read.to_json(),
            json!({"b": 16, "a": [1.5, "가", true], "t": {"u": {"k": "1979-05-27"}}, "l": [{"x": 1}]})
        );
        let keys: Vec<_> = read.entries().unwrap().iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "t", "l"]);
        let items = read.get("a").unwrap().items().unwrap();
        assert_eq!(items[1].at, Position { line: 2, column: 11 });
        assert_eq!(items[2].at, Position { line: 2, column: 16 }, "columns count characters");
    }

    #[test]
    fn all_errors_at_once() {
        let errors = read_toml("a = \nb = 1\nb = 2\nc = [1,\n").unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.at.line).collect();
        assert!(lines.len() >= 3 && lines[0] == 1 && lines.contains(&3), "{errors:?}");
        assert_eq!(read_toml(&"x".repeat(300_000)).unwrap_err().len(), 1);
    }
}
