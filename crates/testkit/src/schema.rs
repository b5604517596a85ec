//! The smallest JSON value that satisfies a JSON Schema, as far as structured output uses the language.

use serde_json::{Map, Value, json};

/// How deep a schema may refer to itself.
const DEPTH: u8 = 16;

/// Makes a small value that follows the schema. Gemini's upper-case types are understood.
pub fn minimal_json(schema: &Value) -> Value {
    value(schema, schema, "", DEPTH)
}

fn value(root: &Value, schema: &Value, name: &str, depth: u8) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|path| root.pointer(path));
        return target.map_or(Value::Null, |target| value(root, target, name, depth - 1));
    }
    let given = ["const", "default"].iter().find_map(|key| schema.get(key)).or_else(|| schema["enum"].get(0));
    if let Some(given) = given {
        return given.clone();
    }
    let first = ["anyOf", "oneOf"].iter().find_map(|key| schema[key].get(0));
    if let Some(first) = first {
        return value(root, first, name, depth - 1);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return all_of(root, parts, name, depth);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind.to_lowercase().as_str() {
        "string" => text(schema, name),
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(1)),
        "number" => json!(schema["minimum"].as_f64().unwrap_or(1.5)),
        "boolean" => json!(true),
        "array" => {
            let count = schema["minItems"].as_u64().unwrap_or(1).max(1);
            (0..count).map(|_| value(root, &schema["items"], name, depth - 1)).collect()
        }
        "object" => object(root, schema, depth),
        _ => Value::Null,
    }
}

/// Values of all parts, merged where they are objects.
fn all_of(root: &Value, parts: &[Value], name: &str, depth: u8) -> Value {
    let mut merged = Map::new();
    for part in parts {
        match value(root, part, name, depth - 1) {
            Value::Object(fields) => merged.extend(fields),
            other => return other,
        }
    }
    merged.into()
}

fn object(root: &Value, schema: &Value, depth: u8) -> Value {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let wanted =
        properties.iter().filter(|(name, _)| required.is_empty() || required.contains(&name.as_str()));
    wanted.map(|(name, schema)| (name.clone(), value(root, schema, name, depth - 1))).collect()
}

fn text(schema: &Value, name: &str) -> Value {
    let usual = match (schema["format"].as_str(), name) {
        (Some("date"), _) => "2026-01-01",
        (Some("date-time"), _) => "2026-01-01T00:00:00Z",
        (Some("time"), _) => "00:00:00Z",
        (Some("email"), _) => "someone@example.com",
        (Some("uri"), _) => "https://example.com/",
        (Some("uuid"), _) => "00000000-0000-4000-8000-000000000000",
        (_, "city" | "location" | "place") => "Seoul",
        _ => "text",
    };
    let least = schema["minLength"].as_u64().and_then(|least| usize::try_from(least).ok()).unwrap_or(0);
    let missing = least.saturating_sub(usual.len()).min(10_000);
    Value::String(format!("{usual}{}", "x".repeat(missing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_follow_their_schema() {
        let schema = json!({
            "type": "object", "required": ["city", "days", "kind", "nested", "tags"],
            "properties": {
                "city": {"type": "string"}, "days": {"type": "integer", "minimum": 3},
                "kind": {"enum": ["sun", "rain"]}, "nested": {"$ref": "#/$defs/inner"},
                "tags": {"type": "array", "items": {"type": ["string", "null"]}}, "optional": {"type": "string"},
            },
            "$defs": {"inner": {"anyOf": [{"type": "OBJECT", "properties": {"ok": {"type": "BOOLEAN"}}}]}},
        });
        assert_eq!(
            minimal_json(&schema),
            json!({"city": "Seoul", "days": 3, "kind": "sun", "nested": {"ok": true}, "tags": ["text"]})
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}});
        assert!(minimal_json(&schema).to_string().ends_with("}"));
    }
}
