//! The script over HTTP, for tests in other languages: `/__script`, `/__seen` and `/__batches`, which no provider has.

use super::batches;
use super::seen::Seen;
use super::state::State;
use crate::dialect::Endpoint;
use crate::turn::Turn;
use crate::wire::{Close, Response};
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

/// Answers `POST /__script` (a list of turns as JSON, or `{"endpoint": "batch_create", "turns": […]}`), `GET /__seen`,
/// `DELETE /__seen`, and `GET` and `POST /__batches`.
pub(super) fn answer(state: &State, method: &Method, path: &str, raw: &Bytes) -> Option<Response> {
    let (status, body) = match (method, path) {
        (&Method::POST, "/__script") => match script(state, raw) {
            Ok(()) => (200, json!({"ok": true})),
            Err(error) => (400, json!({"error": error})),
        },
        (&Method::GET, "/__batches") => (200, batches::described(state)),
        (&Method::POST, "/__batches") => match batches::steer_with(state, raw) {
            Ok(()) => (200, batches::described(state)),
            Err(error) => (400, json!({"error": error})),
        },
        (&Method::GET, "/__seen") => {
            let book = state.book();
            let requests: Vec<Value> = book.requests.iter().map(described).collect();
            (200, json!({"requests": requests, "calls": book.calls, "violations": book.violations}))
        }
        (&Method::DELETE, "/__seen") => {
            state.book().reset();
            (200, json!({"ok": true}))
        }
        _ => return None,
    };
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Some(Response { status, headers, writes: vec![body.to_string().into()], close: Close::Clean })
}

fn script(state: &State, raw: &Bytes) -> Result<(), String> {
    let turns = |list: Vec<Value>| list.into_iter().map(Turn::from_json).collect::<Result<Vec<_>, _>>();
    match serde_json::from_slice(raw).map_err(|error| error.to_string())? {
        Value::Array(list) => state.book().script.extend(turns(list)?),
        Value::Object(mut fields) => {
            let name = fields.get("endpoint").and_then(Value::as_str).unwrap_or_default();
            let endpoint = Endpoint::of_name(name).ok_or_else(|| format!("there is no endpoint {name}"))?;
            let Some(Value::Array(list)) = fields.remove("turns") else {
                return Err("turns: a list is wanted".into());
            };
            let turns = turns(list)?;
            state.book().script_for.entry(endpoint).or_default().extend(turns);
        }
        other => return Err(format!("a list of turns is wanted, not {other}")),
    }
    Ok(())
}

fn described(seen: &Seen) -> Value {
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))
    };
    json!({
        "method": seen.method.as_str(), "path": seen.path, "query": seen.query,
        "headers": seen.headers.iter().map(header).collect::<Map<_, _>>(), "body": seen.body,
        "status": seen.status, "aborted": seen.aborted, "finished": seen.finished,
    })
}
