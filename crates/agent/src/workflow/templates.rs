//! Templates and expressions: what they name is known beforehand, what is missing is an error, and they end.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, UndefinedBehavior, escape_formatter};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;

/// Instructions that one template may take.
const FUEL: u64 = 50_000;
/// Longest text that a template may make, in bytes.
const MOST_TEXT: usize = 256 * 1024;
/// Names that every template knows.
const GLOBALS: [&str; 4] = ["dict", "loop", "namespace", "range"];

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Truth and nothing are written as in JSON and in workflow files.
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Bool => out.write_str(if value.is_true() { "true" } else { "false" }).map_err(Error::from),
        ValueKind::None => out.write_str("null").map_err(Error::from),
        _ => escape_formatter(out, state, value),
    });
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_keep_trailing_newline(false);
    environment
}

/// The variables that a template names, such as `params.topic` and `nodes.read.text`.
///
/// # Errors
/// When it is no template, in the words of its parser.
pub(crate) fn template_names(template: &str) -> Result<BTreeSet<String>, String> {
    let environment = environment();
    let parsed = environment.template_from_str(template).map_err(words)?;
    Ok(without_globals(parsed.undeclared_variables(true)))
}

/// The variables that an expression names.
///
/// # Errors
/// When it is no expression.
pub(crate) fn expression_names(expression: &str) -> Result<BTreeSet<String>, String> {
    let environment = environment();
    let parsed = environment.compile_expression(expression).map_err(words)?;
    Ok(without_globals(parsed.undeclared_variables(true)))
}

fn without_globals(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let known = |name: &String| GLOBALS.contains(&name.split('.').next().unwrap_or(""));
    names.into_iter().filter(|name| !known(name)).collect()
}

/// Fills a template in.
///
/// # Errors
/// When something that it names is missing, or it does not end.
pub(crate) fn render(template: &str, values: &impl Serialize) -> Result<String, String> {
    let environment = environment();
    let parsed = environment.template_from_str(template).map_err(words)?;
    let mut text = Capped(Vec::new());
    parsed.render_captured_to(values, &mut text).map_err(words)?;
    String::from_utf8(text.0).map_err(|error| error.to_string())
}

/// The value of an expression.
///
/// # Errors
/// As [`render`].
pub(crate) fn evaluate(expression: &str, values: &impl Serialize) -> Result<Value, String> {
    let environment = environment();
    let value =
        environment.compile_expression(expression).and_then(|parsed| parsed.eval(values)).map_err(words)?;
    if value.is_undefined() {
        return Err(format!("`{expression}` is undefined"));
    }
    serde_json::to_value(&value).map_err(|error| error.to_string())
}

/// Whether an expression holds, as templates see truth.
///
/// # Errors
/// As [`render`].
pub(crate) fn holds(expression: &str, values: &impl Serialize) -> Result<bool, String> {
    let environment = environment();
    let value =
        environment.compile_expression(expression).and_then(|parsed| parsed.eval(values)).map_err(words)?;
    if value.is_undefined() {
        return Err(format!("`{expression}` is undefined"));
    }
    Ok(value.is_true())
}

/// Fills in every text of a value. A text that is nothing but one `{{ expression }}` becomes what it stands for, so that
/// numbers and lists stay what they are.
///
/// # Errors
/// As [`render`].
pub(crate) fn render_value(value: &Value, values: &impl Serialize) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match lone_expression(text) {
            Some(expression) => evaluate(expression, values)?,
            None => Value::String(render(text, values)?),
        },
        Value::Array(items) => {
            items.iter().map(|item| render_value(item, values)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Object(entries) => {
            let entry = |(key, item): (&String, &Value)| Ok((key.clone(), render_value(item, values)?));
            Value::Object(entries.iter().map(entry).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// The texts of a value that are templates.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn lone_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%"))
        .then_some(inner.trim_matches('-').trim())
}

fn words(error: Error) -> String {
    let kind = error.kind().to_string();
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    }
}

struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_TEXT {
            return Err(io::Error::other(format!("the text is over {MOST_TEXT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names() {
        let names =
            template_names("{{ params.topic }} {% for x in nodes.a.output %}{{ x.t }}{% endfor %}").unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["nodes.a.output", "params.topic"]);
        let names = expression_names("nodes.b.output.score > 3 and range(2)").unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["nodes.b.output.score"]);
        assert!(template_names("{{ x").is_err() && expression_names("1 +").is_err());
    }

    #[test]
    fn values_stay_what_they_are() {
        let values = json!({"params": {"n": 3, "list": [1, 2], "name": "김"}});
        let args = json!({"a": "{{ params.n }}", "b": ["{{ params.list }}", "n={{ params.n }}"], "c": {"d": "{{ params.name }}씨"}, "e": 1});
        assert_eq!(
            render_value(&args, &values).unwrap(),
            json!({"a": 3, "b": [[1, 2], "n=3"], "c": {"d": "김씨"}, "e": 1})
        );
        assert!(holds("params.n > 2 and params.name == '김'", &values).unwrap());
    }

    #[test]
    fn what_is_missing_or_endless_is_an_error() {
        let values = json!({"params": {}});
        assert!(render("{{ params.x }}", &values).is_err());
        assert!(evaluate("params.x", &values).is_err());
        assert!(holds("params.x", &values).is_err());
        assert!(holds("params.x > 2", &values).is_err());
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(render(endless, &values).unwrap_err().contains("fuel"));
        assert_eq!(render("<{{ params.x }}>", &json!({"params": {"x": "<&>"}})).unwrap(), "<<&>>");
    }
}
