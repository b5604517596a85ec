//! A run as it happens: server-sent events and a WebSocket. Both tell what is stored first, then what comes.

use super::caller::Caller;
use super::watch::{RunWatch, Told};
use super::wire::RunObject;
use crate::admin::{Path, Query, Refused};
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use http::HeaderMap;
use nunchi_agent::Notice;
use nunchi_core::{Explain, Lang, LogStep, RunId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;

/// From where on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    /// The number of the last step known.
    after: Option<u32>,
}

/// One event as it is written: its name, the step's number where it is one, its data.
pub(super) struct Written {
    pub(super) name: &'static str,
    pub(super) step: Option<u32>,
    pub(super) data: Value,
}

impl Written {
    fn new(name: &'static str, data: Value) -> Self {
        Self { name, step: None, data }
    }
}

/// Puts what a watcher is told into words of the wire.
pub(super) fn written(told: &Told, lang: Lang) -> Written {
    match told {
        Told::Standing(run) => Written::new("run", json!(RunObject::from(&**run))),
        Told::Text(text) => Written::new("text", json!({ "text": text })),
        Told::Step(step) => {
            Written { step: Some(step.number), ..Written::new("step", json!(LogStep::of(step))) }
        }
        Told::Asked(approval) => Written::new("asked", json!(approval)),
        Told::Notice(notice) => match &**notice {
            Notice::Estimate(estimate) => Written::new("estimate", json!(estimate)),
            Notice::Planned(plan) => Written::new("planned", json!(plan)),
            Notice::Parked { reason, until } => {
                Written::new("parked", json!({"reason": reason, "until": until}))
            }
            Notice::Finished { status, outcome } => {
                Written::new("finished", json!({"status": status, "outcome": outcome}))
            }
        },
        Told::Ended(run) => Written::new("end", json!(RunObject::from(&**run))),
        Told::Stopped(error) => Written::new(
            "stopped",
            json!({"code": error.code(), "message": error.message(lang), "hint": error.hint(lang)}),
        ),
    }
}

async fn watch(caller: &Caller, id: RunId, after: u32) -> Result<RunWatch, Refused> {
    caller.run(id).await?;
    Ok(RunWatch::begin(caller.services.clone(), id, after))
}

/// `GET /api/runs/{id}/events`. The id of a step's event is its number, so that a client that reconnects misses nothing.
pub(crate) async fn sse(
    caller: Caller,
    Path(id): Path<RunId>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let watch = watch(&caller, id, last.or(from.after).unwrap_or(0)).await?;
    let lang = caller.lang;
    let stream = unfold(watch, move |mut watch| async move {
        let Written { name, step, data } = written(&watch.next().await?, lang);
        let event = Event::default().event(name).data(data.to_string());
        let event = match step {
            Some(number) => event.id(number.to_string()),
            None => event,
        };
        Some((Ok::<_, Infallible>(event), watch))
    });
    let keep_alive = KeepAlive::new().interval(caller.state.parts.settings.keep_alive);
    let mut response = Sse::new(stream).keep_alive(keep_alive).into_response();
    // nginx would hold the stream back otherwise.
    response.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(response)
}

/// `GET /api/runs/{id}/ws`: the same events as text messages, `{"event", "data"}` each.
pub(crate) async fn web_socket(
    caller: Caller,
    Path(id): Path<RunId>,
    Query(from): Query<From>,
    request: axum::extract::Request,
) -> Result<Response, Refused> {
    let watch = watch(&caller, id, from.after.unwrap_or(0)).await?;
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &caller.state).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Err(caller.invalid("upgrade", rejection.body_text())),
    };
    let lang = caller.lang;
    Ok(upgrade.on_upgrade(move |socket| tell(socket, watch, lang)))
}

/// Tells until the run has ended or nobody listens. What the client sends is read, so that its leaving is seen.
async fn tell(mut socket: WebSocket, mut watch: RunWatch, lang: Lang) {
    loop {
        tokio::select! {
            told = watch.next() => {
                let Some(told) = told else { break };
                let Written { name, data, .. } = written(&told, lang);
                let text = json!({"event": name, "data": data}).to_string();
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    drop(socket.send(Message::Close(None)).await);
}
