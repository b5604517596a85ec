//! One text for one JSON value, whatever order or spacing it was written in: what is approved is what is run.

use crate::words::ContentHash;
use serde_json::Value;

/// The value without spaces, with its members sorted by name. A whole number is written without a fraction (`2.0` as `2`).
///
/// Source: the idea of RFC 8785; members are sorted by code point here, and other numbers are written as serde_json does.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The hash of a tool's name and exact arguments.
pub fn call_hash(tool: &str, arguments: &Value) -> ContentHash {
    ContentHash::of(format!("{}\n{}", Value::from(tool), canonical_json(arguments)))
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, out);
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, member)) in sorted.into_iter().enumerate() {
                separate(at, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        Value::Number(number) => match number.as_f64() {
            // Beyond 2^53 a float is no longer exact, so such numbers stay as they were written.
            Some(x) if number.is_f64() && x.fract() == 0.0 && x.abs() < 9_007_199_254_740_992.0 => {
                let whole = format!("{x:.0}");
                out.push_str(if whole == "-0" { "0" } else { &whole });
            }
            _ => out.push_str(&number.to_string()),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
    }
}

fn separate(at: usize, out: &mut String) {
    if at > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn one_text() {
        let value: Value =
            serde_json::from_str("{\"b\": [1, 2.0, -0.0, 0.5], \"a\": {\"y\": \"가\\u0041\", \"x\": null}}")
                .unwrap();
        assert_eq!(canonical_json(&value), "{\"a\":{\"x\":null,\"y\":\"가A\"},\"b\":[1,2,0,0.5]}");
        assert_ne!(call_hash("a", &json!({})), call_hash("b", &json!({})));
        assert_ne!(call_hash("a", &json!("1")), call_hash("a", &json!(1)));
        assert_eq!(canonical_json(&json!(-10.0)), "-10");
    }

    proptest! {
        #[test]
        fn order_does_not_matter(names in prop::collection::btree_set("[a-z]{1,4}", 1..6), seed in 0_i64..100) {
            let forward: serde_json::Map<String, Value> = names.iter().map(|name| (name.clone(), json!(seed))).collect();
            let backward: serde_json::Map<String, Value> = names.iter().rev().map(|name| (name.clone(), json!(seed))).collect();
            let (forward, backward) = (Value::from(forward), Value::from(backward));
            prop_assert_eq!(call_hash("t", &forward), call_hash("t", &backward));
            prop_assert_eq!(serde_json::from_str::<Value>(&canonical_json(&forward)).unwrap(), forward);
        }
    }
}
