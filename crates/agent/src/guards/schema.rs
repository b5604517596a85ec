//! JSON that models write: taken out of what they wrap around it, and checked against a schema.

use serde_json::Value;

/// Complaints told at once.
const MOST_COMPLAINTS: usize = 3;

/// Checks a value against a JSON Schema; says what does not fit, in words for the model.
///
/// # Errors
/// The first complaints, or that the schema itself is broken. A schema may not point outside itself.
pub(crate) fn check_schema(schema: &Value, value: &Value) -> Result<(), String> {
    let validator =
        jsonschema::validator_for(schema).map_err(|error| format!("the schema itself is broken: {error}"))?;
    let complaint = |error: jsonschema::ValidationError<'_>| {
        let place = error.instance_path().to_string();
        if place.is_empty() { error.to_string() } else { format!("{place}: {error}") }
    };
    let complaints: Vec<_> = validator.iter_errors(value).take(MOST_COMPLAINTS).map(complaint).collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
}

/// The JSON value in a text that may have a fence or words around it.
///
/// # Errors
/// Why there is none.
pub(crate) fn parse_json(text: &str) -> Result<Value, String> {
    let text = text.trim();
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let begin = text.find(['{', '[']).ok_or("it holds no JSON")?;
    let mut values = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(format!("it is no JSON: {error}")),
        None => Err("it holds no JSON".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_in_its_wrapping() {
        let value = json!({"a": [1]});
        for text in ["{\"a\":[1]}", "```json\n{\"a\": [1]}\n```", "Here: {\"a\": [1]} as you {wished}"] {
            assert_eq!(parse_json(text), Ok(value.clone()), "{text}");
        }
        assert!(parse_json("no").is_err() && parse_json("{\"a\": [1").is_err());
    }

    #[test]
    fn range_type_and_missing() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["id"],
            "properties": {"id": {"type": "integer", "minimum": 1}, "kind": {"enum": ["a", "b"]}},
        });
        assert_eq!(check_schema(&schema, &json!({"id": 1})), Ok(()));
        for (value, word) in [
            (json!({"id": 0}), "/id"),
            (json!({}), "id"),
            (json!({"id": 1, "kind": "c"}), "/kind"),
            (json!({"id": 1, "other": 1}), "other"),
        ] {
            let complaint = check_schema(&schema, &value).unwrap_err();
            assert!(complaint.contains(word), "{complaint}");
        }
    }

    #[test]
    fn a_schema_may_not_point_outside() {
        assert!(check_schema(&json!({"$ref": "https://example.com/s.json"}), &json!({})).is_err());
    }
}
