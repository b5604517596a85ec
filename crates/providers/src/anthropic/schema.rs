//! Fits a JSON Schema to structured outputs: what the grammar cannot check is told to the model in the description instead.

use crate::notes::Notes;
use nunchi_core::JsonSchemaFormat;
use serde_json::{Map, Value};

/// String formats that are checked.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Keywords that are kept as they are.
const KEPT: [&str; 8] = ["type", "description", "title", "enum", "const", "required", "default", "$ref"];

/// A schema deeper than this is handed on unread below.
const DEPTH_LIMIT: u32 = 64;

/// The schema as it is sent; name and description go into it where it has none of its own.
pub(super) fn fitted(format: &JsonSchemaFormat, notes: &mut Notes) -> Value {
    let mut schema: Value = serde_json::from_str(format.schema.get()).unwrap_or(Value::Bool(true));
    if let Value::Object(fields) = &mut schema
        && !fields.contains_key("$ref")
    {
        let described = format.description.as_deref().unwrap_or_default();
        for (field, text) in [("title", format.name.as_str()), ("description", described)] {
            if !text.is_empty() && !fields.contains_key(field) {
                fields.insert(field.into(), text.into());
            }
        }
    }
    let mut moved = Vec::new();
    let schema = fit(schema, 0, &mut moved);
    moved.sort_unstable();
    moved.dedup();
    if !moved.is_empty() {
        let what = format!("not enforced, told in the description instead: {}", moved.join(", "));
        notes.add("response_format.schema", what);
    }
    schema
}

fn fit(schema: Value, depth: u32, moved: &mut Vec<String>) -> Value {
    let Value::Object(fields) = schema else { return schema };
    if depth > DEPTH_LIMIT {
        return Value::Object(fields);
    }
    let object = fields.get("type").is_some_and(|kind| names(kind, "object"))
        || (fields.contains_key("properties") && !fields.contains_key("type"));
    let mut out = Map::new();
    let mut told = Vec::new();
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(inner)) => {
                let inner = inner.into_iter().map(|(name, one)| (name, fit(one, depth + 1, moved)));
                out.insert(key, Value::Object(inner.collect()));
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(list)) => {
                let key = if key == "oneOf" { "anyOf".into() } else { key };
                out.insert(key, list.into_iter().map(|one| fit(one, depth + 1, moved)).collect());
            }
            ("items", value) => {
                out.insert(key, fit(value, depth + 1, moved));
            }
            // Objects are always closed; saying so changes nothing.
            ("additionalProperties", Value::Bool(false)) => {}
            ("$schema" | "$id" | "$comment", _) => {}
            ("minItems", value) if value == 0 || value == 1 => {
                out.insert(key, value);
            }
            ("format", value) if value.as_str().is_some_and(|name| FORMATS.contains(&name)) => {
                out.insert(key, value);
            }
            (name, value) if KEPT.contains(&name) => {
                out.insert(key, value);
            }
            (_, value) => told.push((key, value)),
        }
    }
    if object {
        out.insert("additionalProperties".into(), Value::Bool(false));
    }
    tell(&mut out, told, moved);
    Value::Object(out)
}

/// Puts what cannot be enforced into the description.
fn tell(out: &mut Map<String, Value>, told: Vec<(String, Value)>, moved: &mut Vec<String>) {
    if told.is_empty() {
        return;
    }
    let words: Vec<String> = told.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let before = out.get("description").and_then(Value::as_str).unwrap_or_default();
    let gap = if before.is_empty() { "" } else { "\n\n" };
    let text = format!("{before}{gap}{{{}}}", words.join(", "));
    out.insert("description".into(), text.into());
    moved.extend(told.into_iter().map(|(key, _)| key));
}

/// Whether a `type` names a kind, alone or among others.
fn names(kind: &Value, name: &str) -> bool {
    kind == name || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_grammar_cannot_check_is_told() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 1, "description": "How many."},
                "when": {"type": "string", "format": "date"},
                "code": {"type": "string", "format": "regex", "pattern": "^a"},
                "list": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "object", "properties": {}}},
                "either": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/x"}]},
                "type": {"type": ["object", "null"]},
            },
            "required": ["n"],
            "additionalProperties": true,
            "$defs": {"x": {"type": "object", "additionalProperties": false}},
        });
        let format = JsonSchemaFormat {
            name: "answer".into(),
            description: Some("An answer.".into()),
            schema: serde_json::value::to_raw_value(&schema).unwrap(),
            strict: Some(true),
        };
        let mut notes = Notes::default();
        let wanted = json!({
            "type": "object",
            "properties": {
                "n": {"type": "integer", "description": "How many.\n\n{minimum: 1}"},
                "when": {"type": "string", "format": "date"},
                "code": {"type": "string", "description": "{format: \"regex\", pattern: \"^a\"}"},
                "list": {
                    "type": "array", "minItems": 1, "description": "{maxItems: 3}",
                    "items": {"type": "object", "properties": {}, "additionalProperties": false},
                },
                "either": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/x"}]},
                "type": {"type": ["object", "null"], "additionalProperties": false},
            },
            "required": ["n"],
            "$defs": {"x": {"type": "object", "additionalProperties": false}},
            "title": "answer",
            "description": "An answer.\n\n{additionalProperties: true}",
            "additionalProperties": false,
        });
        assert_eq!(fitted(&format, &mut notes), wanted);
        let notes = notes.into_list();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].what.contains("additionalProperties, format, maxItems, minimum, pattern"));
    }
}
