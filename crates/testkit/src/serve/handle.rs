//! One request: written down, checked as the provider would, answered with its turn.

use super::pour::{Dropped, Pour};
use super::seen::Seen;
use super::state::{Follow, State};
use super::{admin, batches, check};
use crate::dialect::{Dialect, Endpoint, Route, route};
use crate::turn::{Fault, Opening, Pace};
use crate::wire::{Ask, Response, refuse, render};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::sync::Arc;

/// Answers one request.
pub(super) async fn handle(
    state: Arc<State>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Pour>, Dropped> {
    let (head, body) = request.into_parts();
    let raw = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    if let Some(response) = admin::answer(&state, &head.method, head.uri.path(), &raw) {
        return send(response, Pace::default(), Follow::new(Arc::clone(&state), None));
    }
    let route = route(state.dialect, &head.method, head.uri.path());
    let seen = Seen {
        dialect: state.dialect,
        endpoint: route.as_ref().map(|route| route.endpoint),
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: serde_json::from_slice(&raw).unwrap_or(Value::Null),
        raw,
        status: 0,
        aborted: false,
        finished: false,
    };
    let (place, number) = state.record(&seen);
    let mut follow = Follow::new(Arc::clone(&state), place);
    let ask = ask(&state, &seen, route.as_ref(), number);
    if let Some(fault) = refusal(&state, &seen) {
        return send(refuse(state.dialect, &ask, fault), Pace::default(), follow);
    }
    if let Some(endpoint) = seen.endpoint.filter(|endpoint| endpoint.is_of_batches()) {
        return batches::answer(&state, &seen, endpoint, &ask, follow).await;
    }
    let turn = state.next_turn(&seen);
    match turn.opening {
        Opening::Answer => state.bill_live(&seen, &turn),
        Opening::Silence => std::future::pending().await,
        Opening::Drop => {
            follow.finish();
            return Err(Dropped);
        }
    }
    if !turn.pace.headers.is_zero() {
        tokio::time::sleep(turn.pace.headers).await;
    }
    send(render(state.dialect, &ask, &turn), turn.pace, follow)
}

/// What the provider refuses before any model runs.
fn refusal(state: &State, seen: &Seen) -> Option<Fault> {
    let (key, lenient) = {
        let book = state.book();
        (book.key.clone(), book.lenient)
    };
    let fault = |status, message: String| Some(Fault { message: Some(message), ..Fault::new(status) });
    if let Some(wanted) = key
        && check::key(seen) != Some(wanted)
    {
        return Some(Fault::new(401));
    }
    if seen.endpoint.is_none() {
        return fault(404, format!("There is nothing at {} {}.", seen.method, seen.path));
    }
    if lenient {
        return None;
    }
    let broken = check::request(seen)?;
    state.book().violations.push(broken.clone());
    fault(400, broken)
}

pub(super) fn ask(state: &State, seen: &Seen, route: Option<&Route>, number: u64) -> Ask {
    let streamed = route.is_some_and(|route| route.stream);
    let query = seen.query.as_deref().unwrap_or_default();
    Ask {
        endpoint: route.map_or(Endpoint::Chat, |route| route.endpoint),
        model: seen.model().unwrap_or("unknown").to_owned(),
        stream: streamed || seen.stream(),
        usage_in_stream: seen.body["stream_options"]["include_usage"] == true,
        array: seen.dialect == Dialect::Gemini && !query.split('&').any(|pair| pair == "alt=sse"),
        body: seen.body.clone(),
        models: state.book().models.clone(),
        serial: number,
    }
}

pub(super) fn send(response: Response, pace: Pace, follow: Follow) -> Result<hyper::Response<Pour>, Dropped> {
    follow.begin(response.status);
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    builder.body(Pour::new(response, pace, follow)).map_err(|_| Dropped)
}
