//! The Batch APIs over HTTP: the book's answers, broken where the script says; requests of batches are answered as live ones are.

use super::check;
use super::handle::{ask, send};
use super::pour::{Dropped, Pour};
use super::seen::Seen;
use super::state::{Follow, State};
use crate::batch::{self, Asked, Bill, End, Item, Reply, Steering};
use crate::dialect::{Dialect, Endpoint};
use crate::turn::{Ending, Fault, Opening, Turn};
use crate::wire::{Ask, Close, Response, refuse, render};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::cell::RefCell;

/// Answers one request of a Batch API. A scripted error comes instead of it; another scripted turn shapes how it is answered.
pub(super) async fn answer(
    state: &State,
    seen: &Seen,
    endpoint: Endpoint,
    ask: &Ask,
    mut follow: Follow,
) -> Result<hyper::Response<Pour>, Dropped> {
    let turn = state.scripted(endpoint).unwrap_or_default();
    if turn.fault.is_some() {
        return send(render(state.dialect, ask, &turn), turn.pace, follow);
    }
    let asked = Asked {
        endpoint,
        path: &seen.path,
        query: seen.query.as_deref(),
        headers: &seen.headers,
        raw: &seen.raw,
        body: &seen.body,
    };
    let reply = with_answers(state, |book, answer| batch::answer(book, state.dialect, &asked, answer));
    match turn.opening {
        Opening::Answer => {}
        Opening::Silence => std::future::pending().await,
        Opening::Drop => {
            follow.finish();
            return Err(Dropped);
        }
    }
    let response = match reply {
        Reply::Refused(fault) => refuse(state.dialect, ask, fault),
        Reply::Json(value) => {
            written(state.dialect, ask, &turn, "application/json", value.to_string().into())
        }
        Reply::Lines(content_type, mut lines) => {
            let cut = Reply::broken(&mut lines, &turn.ending);
            let mut response = written(state.dialect, ask, &turn, content_type, Bytes::new());
            response.close = match turn.ending {
                Ending::Hang(_) => Close::Silence,
                _ if cut => Close::Cut,
                _ => Close::Clean,
            };
            response.writes = turn.chunks.apply(lines);
            response
        }
    };
    send(response, turn.pace, follow)
}

/// A body of a content type, with the headers of the provider and of the turn.
fn written(dialect: Dialect, ask: &Ask, turn: &Turn, content_type: &str, body: Bytes) -> Response {
    let mut shaped = Turn::raw(200, content_type, body);
    shaped.headers.extend(turn.headers.iter().cloned());
    shaped.ending = turn.ending.clone();
    render(dialect, ask, &shaped)
}

/// Works on the batches with answers at hand, and charges for them.
fn with_answers<T>(state: &State, work: impl FnOnce(&mut batch::BatchBook, batch::AnswerItem<'_>) -> T) -> T {
    let paid = RefCell::new(Vec::new());
    let mut book = state.batches();
    let result = work(&mut book, &|item, headers| {
        let (end, answered) = answer_item(state, item, headers);
        paid.borrow_mut().extend(answered);
        end
    });
    let keeps = !state.book().forgetful;
    for (seen, turn) in paid.into_inner() {
        Bill::add(&mut book.billed.batch, turn.usage.tokens());
        if keeps {
            *book.billed.texts.entry(seen.last_user_text()).or_default() += 1;
        }
    }
    result
}

/// Answers one request as if it had come live; what is paid for comes along.
fn answer_item(state: &State, item: &Item, headers: &HeaderMap) -> (End, Option<(Seen, Turn)>) {
    let serial = state.number();
    let seen = Seen {
        dialect: state.dialect,
        endpoint: Some(item.endpoint),
        method: Method::POST,
        path: item.path.clone(),
        query: None,
        headers: headers.clone(),
        body: item.body.clone(),
        raw: item.body.to_string().into(),
        status: 0,
        aborted: false,
        finished: false,
    };
    let mut ask = ask(state, &seen, None, serial);
    (ask.endpoint, ask.stream) = (item.endpoint, false);
    let broken = if state.book().lenient { None } else { check::request(&seen) };
    let turn = match broken {
        Some(message) => {
            let fault = Fault { message: Some(message), ..Fault::new(400) };
            Turn { fault: Some(fault), ..Turn::default() }
        }
        None => state.next_turn(&seen),
    };
    // Nobody waits at the other end of a connection, so whatever breaks is the server's error.
    let whole = turn.opening == Opening::Answer && turn.ending == Ending::Whole;
    let turn = if whole { turn } else { Turn::status(500) };
    let response = render(state.dialect, &ask, &turn);
    let body = response.writes.concat();
    let mut body: Value =
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
    let paid = response.status == 200;
    if paid && state.dialect == Dialect::Anthropic && body["usage"].is_object() {
        body["usage"]["service_tier"] = "batch".into();
    }
    (End::Answered { status: response.status, body, serial }, paid.then_some((seen, turn)))
}

/// Does what a test orders.
pub(super) fn steer(state: &State, steering: &Steering) {
    with_answers(state, |book, answer| book.steer(steering, answer));
    state.touch();
}

/// As [`steer`], with the order as JSON.
pub(super) fn steer_with(state: &State, raw: &Bytes) -> Result<(), String> {
    let order: Value = serde_json::from_slice(raw).map_err(|error| error.to_string())?;
    steer(state, &Steering::from_json(&order)?);
    Ok(())
}

/// All batches and what was billed.
pub(super) fn described(state: &State) -> Value {
    let book = state.batches();
    let batches: Vec<Value> = book.seen().iter().map(batch::BatchSeen::json).collect();
    json!({"batches": batches, "billed": book.billed.json()})
}
