//! The script over HTTP, for tests in other languages: `/__script` and `/__seen`, which no provider has.

use super::seen::Seen;
use super::state::State;
use crate::turn::Turn;
use crate::wire::{Close, Response};
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

/// Answers `POST /__script` (a list of turns as JSON), `GET /__seen` and `DELETE /__seen`.
pub(super) fn answer(state: &State, method: &Method, path: &str, raw: &Bytes) -> Option<Response> {
    let (status, body) = match (method, path) {
        (&Method::POST, "/__script") => match turns(raw) {
            Ok(turns) => {
                state.book().script.extend(turns);
                (200, json!({"ok": true}))
            }
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

fn turns(raw: &Bytes) -> Result<Vec<Turn>, String> {
    let values: Vec<Value> = serde_json::from_slice(raw).map_err(|error| error.to_string())?;
    values.into_iter().map(Turn::from_json).collect()
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
