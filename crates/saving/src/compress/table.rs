//! JSON without its repetition: white space goes, and arrays of like objects become tables. Nothing is lost.
//!
//! A table opens with its columns, then has one row a line; a column that is the same in every row is said once. A cell is
//! the JSON value; text stands bare where it cannot be mistaken. An empty cell is a key the row does not have.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Rows from which a table is shorter than its objects.
const LEAST_ROWS: usize = 3;
/// How deep arrays are looked for.
const MOST_DEPTH: usize = 6;
/// Columns beyond which objects are not alike.
const MOST_COLUMNS: usize = 64;

/// Fields of an object in their order, each value as its own JSON text: numbers keep every digit.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &RawValue>()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// A compact writing of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompactJson {
    /// The text.
    pub(crate) text: String,
    /// Rows left out of tables, and rows there were.
    pub(crate) rows_left_out: usize,
    pub(crate) rows: usize,
}

/// Writes JSON compactly, at most `most_rows` rows of each table. `None` when the text is no JSON object or array.
pub(crate) fn compact_json(text: &str, most_rows: usize) -> Option<CompactJson> {
    let value: &RawValue = serde_json::from_str(text.trim()).ok()?;
    if !value.get().starts_with(['{', '[']) {
        return None;
    }
    let mut writer = Writer { tables: Vec::new(), most_rows, rows_left_out: 0, rows: 0 };
    let mut head = String::new();
    writer.write(value.get(), MOST_DEPTH, &mut head);
    let lone = writer.tables.len() == 1 && head == "@1";
    let blocks = writer.tables.iter().enumerate();
    let blocks: Vec<String> =
        blocks.map(|(at, table)| if lone { table.clone() } else { format!("@{} {table}", at + 1) }).collect();
    let text = if lone { blocks.concat() } else { [vec![head], blocks].concat().join("\n") };
    Some(CompactJson { text, rows_left_out: writer.rows_left_out, rows: writer.rows })
}

struct Writer {
    tables: Vec<String>,
    most_rows: usize,
    rows_left_out: usize,
    rows: usize,
}

impl Writer {
    fn write(&mut self, json: &str, depth: usize, out: &mut String) {
        if depth > 0 && json.starts_with('{') {
            if let Ok(Fields(fields)) = serde_json::from_str::<Fields<'_>>(json) {
                return self.write_object(&fields, depth, out);
            }
        } else if depth > 0
            && json.starts_with('[')
            && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json)
        {
            return self.write_array(&items, depth, out);
        }
        minify(json, out);
    }

    fn write_object(&mut self, fields: &[(String, &RawValue)], depth: usize, out: &mut String) {
        out.push('{');
        for (at, (key, value)) in fields.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&quoted(key));
            out.push(':');
            self.write(value.get(), depth - 1, out);
        }
        out.push('}');
    }

    fn write_array(&mut self, items: &[&RawValue], depth: usize, out: &mut String) {
        if let Some(table) = self.table(items) {
            self.tables.push(table);
            out.push_str(&format!("@{}", self.tables.len()));
            return;
        }
        out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            self.write(item.get(), depth - 1, out);
        }
        out.push(']');
    }

    fn table(&mut self, items: &[&RawValue]) -> Option<String> {
        if items.len() < LEAST_ROWS {
            return None;
        }
        let rows: Vec<Fields<'_>> =
            items.iter().map(|item| serde_json::from_str(item.get())).collect::<Result<_, _>>().ok()?;
        let columns = columns(&rows)?;
        let cell = |row: &Fields<'_>, column: &str| {
            row.0
                .iter()
                .find(|(key, _)| key == column)
                .map_or_else(String::new, |(_, value)| cell(value.get()))
        };
        let cells: Vec<Vec<String>> =
            rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
        let constant = |column: usize| {
            !cells[0][column].is_empty() && cells.iter().all(|row| row[column] == cells[0][column])
        };
        let (same, varying): (Vec<usize>, Vec<usize>) =
            (0..columns.len()).partition(|column| constant(*column));
        let mut table = format!("table of {} rows", rows.len());
        for column in same {
            table.push_str(&format!(", all {}={}", column_name(&columns[column]), cells[0][column]));
        }
        let names: Vec<String> = varying.iter().map(|column| column_name(&columns[*column])).collect();
        table.push_str(&format!(":\n{}", names.join("|")));
        for row in cells.iter().take(self.most_rows) {
            let row: Vec<&str> = varying.iter().map(|column| row[*column].as_str()).collect();
            table.push('\n');
            table.push_str(&row.join("|"));
        }
        self.rows += rows.len();
        self.rows_left_out += rows.len().saturating_sub(self.most_rows);
        Some(table)
    }
}

/// The keys of all rows in the order of first sight; `None` when the rows share too few of them, or a row repeats one.
fn columns(rows: &[Fields<'_>]) -> Option<Vec<String>> {
    let mut columns: Vec<String> = Vec::new();
    let mut filled = 0;
    for Fields(fields) in rows {
        filled += fields.len();
        for (at, (key, _)) in fields.iter().enumerate() {
            if fields[..at].iter().any(|(before, _)| before == key) {
                return None;
            }
            if !columns.contains(key) {
                columns.push(key.clone());
            }
            if columns.len() > MOST_COLUMNS {
                return None;
            }
        }
    }
    let alike = !columns.is_empty() && filled * 2 >= columns.len() * rows.len();
    alike.then_some(columns)
}

fn cell(json: &str) -> String {
    match serde_json::from_str::<String>(json) {
        Ok(text) => bare(&text),
        Err(_) => {
            let mut compact = String::new();
            minify(json, &mut compact);
            guarded(compact)
        }
    }
}

/// Text as it stands, or as JSON where it could be taken for something else.
fn bare(text: &str) -> String {
    let mistaken = text.is_empty()
        || text.starts_with(|c: char| c.is_whitespace() || c == '"')
        || text.ends_with(|c: char| c.is_whitespace() || c == ':')
        || text.contains(|c: char| c.is_control() || c == '|')
        || text.contains(", all ")
        || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if mistaken { quoted(text) } else { text.to_owned() }
}

/// A column's name; the line of constants has it before an equals sign.
fn column_name(name: &str) -> String {
    if name.contains('=') { quoted(name).replace('=', "\\u003d") } else { bare(name) }
}

fn quoted(text: &str) -> String {
    guarded(serde_json::to_string(text).unwrap_or_default())
}

/// JSON whose strings (nothing else can hold them) no longer contain what ends a cell or a constant.
fn guarded(json: String) -> String {
    if json.contains('|') || json.contains(", all ") {
        json.replace('|', "\\u007c").replace(", all ", ",\\u0020all ")
    } else {
        json
    }
}

/// Copies JSON without the white space between its tokens. Needs no recursion, so that any depth is safe.
fn minify(json: &str, out: &mut String) {
    let (mut inside, mut escaped) = (false, false);
    for c in json.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
        } else if !c.is_ascii_whitespace() {
            inside = c == '"';
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    /// Reads a lone table back, to show that nothing was lost.
    fn read_table(text: &str) -> Vec<Value> {
        let mut lines = text.lines();
        let head = lines.next().unwrap().trim_end_matches(':');
        let value =
            |cell: &str| serde_json::from_str(cell).unwrap_or_else(|_| Value::String(cell.to_owned()));
        let name = |name: &str| serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
        let same: Vec<(String, Value)> = head
            .split(", all ")
            .skip(1)
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, cell)| (name(key), value(cell)))
            .collect();
        let columns: Vec<String> = lines.next().unwrap().split('|').map(name).collect();
        lines
            .map(|line| {
                let mut row: Map<String, Value> = same.iter().cloned().collect();
                let cells = columns.iter().cloned().zip(line.split('|')).filter(|(_, cell)| !cell.is_empty());
                row.extend(cells.map(|(key, cell)| (key, value(cell))));
                Value::Object(row)
            })
            .collect()
    }

    #[test]
    fn like_objects_become_a_table() {
        let rows = json!([
            {"id": 1, "name": "Kim", "city": "Seoul", "ok": true},
            {"id": 2, "name": "Lee, J.", "city": "Seoul", "ok": false},
            {"id": 3, "city": "Seoul", "ok": null}
        ]);
        let compact = compact_json(&serde_json::to_string_pretty(&rows).unwrap(), 99).unwrap();
        assert_eq!(
            compact.text,
            "table of 3 rows, all city=Seoul:\nid|name|ok\n1|Kim|true\n2|Lee, J.|false\n3||null"
        );
        let cut = compact_json(&rows.to_string(), 2).unwrap();
        assert_eq!((cut.rows, cut.rows_left_out, cut.text.lines().count()), (3, 1, 4));
    }

    #[test]
    fn tables_inside_objects_are_named() {
        let text = r#"{ "total" : 3, "items": [{"a":1},{"a":2},{"a":3}], "note": "a b" }"#;
        let compact = compact_json(text, 99).unwrap().text;
        assert_eq!(compact, "{\"total\":3,\"items\":@1,\"note\":\"a b\"}\n@1 table of 3 rows:\na\n1\n2\n3");
    }

    #[test]
    fn numbers_keep_every_digit() {
        let big = "123456789012345678901234567890.000000000000000000001";
        let text = format!("[{{\"n\": {big}}}, {{\"n\": -0.0}}, {{\"n\": 1E400}}]");
        let compact = compact_json(&text, 99).unwrap().text;
        assert_eq!(compact, format!("table of 3 rows:\nn\n{big}\n-0.0\n1E400"));
    }

    #[test]
    fn broken_and_deep_json() {
        for broken in ["", "{", "[1,", "text", "12", "\"a\"", "{\"a\":}"] {
            assert!(compact_json(broken, 9).is_none(), "{broken}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(compact_json(&deep, 9).is_none_or(|compact| compact.text.len() <= deep.len()));
        let unlike = r#"[{"a":1},{"b":2},{"c":3},{"d":4}]"#;
        assert_eq!(compact_json(unlike, 9).unwrap().text, unlike);
        let twice = r#"[{"a":1,"a":2},{"a":1},{"a":1}]"#;
        assert_eq!(compact_json(twice, 9).unwrap().text, twice);
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~가-힣]{0,12}",
            Just("true".to_owned()),
            Just("12".to_owned()),
            Just("a|b\n\"c\\".to_owned()),
            Just("x, all y=z:".to_owned())
        ];
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
            Just(json!({"x": "a|b", "y": [1, 2]})),
        ]
    }

    proptest! {
        #[test]
        fn a_table_reads_back(rows in prop::collection::vec(prop::collection::vec(value(), 3), 3..8)) {
            let rows: Vec<Value> =
                rows.into_iter().map(|row| json!({"id=key": row[0], "b": row[1], "다": row[2]})).collect();
            let text = Value::Array(rows.clone()).to_string();
            let compact = compact_json(&text, 99).unwrap().text;
            if rows.windows(2).any(|pair| pair[0] != pair[1]) {
                let back: Vec<Map<String, Value>> = read_table(&compact).into_iter().filter_map(|v| v.as_object().cloned()).collect();
                for (row, back) in rows.iter().zip(back) {
                    for (key, value) in row.as_object().unwrap() {
                        prop_assert_eq!(back.get(key), Some(value), "{} in {}", key, compact);
                    }
                }
            }
        }
    }
}
