//! A chat that streams: the page, its way to the API, and what each answer cost.

use super::Console;
use super::figures::{count, latency, local, usd_fine};
use super::layout::{Place, empty, page};
use super::session::{Session, from_here};
use super::words;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use maud::html;
use nunchi_core::{CallRecord, Event, NanoUsd, RequestId};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tower::ServiceExt;

/// How long a page waits for a call to be booked once its answer has ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// Last calls searched for one.
const RECENT: usize = 200;

/// `GET /console/chat`
pub(super) async fn show(State(console): State<Console>, session: Session) -> Response {
    let words = session.taste.words();
    let content = html! {
        div.chat #chat data-you=(words.you) data-answer=(words.answer) data-thinking=(words.thinking)
            data-failed=(words.chat_failed) data-stopped=(words.chat_stopped)
            data-saved=(words.saved) data-good=(words.rate_good) data-bad=(words.rate_bad) data-rated=(words.rated) {
            div.heading {
                h1 { (words.chat) }
                div.row {
                    label.visually-hidden for="model" { (words.model) }
                    select #model { option value="auto" { "auto" } }
                    button #clear type="button" { (words.clear_chat) }
                }
            }
            div #talk aria-live="polite" aria-busy="false" {}
            div #talk-empty { (empty(words.chat_empty, words.chat_empty_note, None)) }
            form.composer #ask-form {
                label.visually-hidden for="message" { (words.chat_placeholder) }
                textarea #message rows="1" placeholder=(words.chat_placeholder) autofocus required aria-describedby="keys-note" {}
                button.primary #send type="submit" { (words.send) }
                button #stop type="button" hidden { (words.stop) }
            }
            p.note #keys-note { (words.shortcuts) }
        }
    };
    page(&console.frame, &session, Place::Chat, &content)
}

/// Passes a request of the chat page on to the API, with the reader's key in place of the cookie.
pub(super) async fn forward(State(console): State<Console>, session: Session, request: Request) -> Response {
    if request.method() != Method::GET && !from_here(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map(|path| path.as_str()).unwrap_or_default();
    let Some(uri) = path.strip_prefix("/console").and_then(|path| path.parse::<Uri>().ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut onward = Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = uri;
    *onward.headers_mut() = parts.headers;
    let headers = onward.headers_mut();
    headers.remove(header::COOKIE);
    headers.remove("x-api-key");
    headers.insert(header::AUTHORIZATION, session.authorization.clone());
    headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(session.taste.lang.pick("en", "ko")));
    console.api.clone().oneshot(onward).await.into_response()
}

/// What an answer cost.
#[derive(Serialize)]
struct Receipt {
    cost: String,
    local: String,
    /// Empty when nothing was saved.
    saved: String,
    tokens: String,
    latency: String,
    outcome: &'static str,
}

/// `GET /console/chat/receipt/{request}`: waits until the call is booked.
pub(super) async fn receipt(
    State(console): State<Console>,
    session: Session,
    Path(request): Path<RequestId>,
) -> Response {
    let Some(record) = booked(&console, request).await else { return StatusCode::NOT_FOUND.into_response() };
    let saved = record.summary().saved;
    Json(Receipt {
        cost: usd_fine(record.cost),
        local: local(record.cost, &console.parts.currency),
        saved: if saved > NanoUsd::ZERO { usd_fine(saved) } else { String::new() },
        tokens: format!(
            "{} → {}",
            count(record.usage.prompt_tokens()),
            count(record.usage.completion_tokens())
        ),
        latency: latency(record.latency_us),
        outcome: words::outcome(session.taste.lang, record.outcome),
    })
    .into_response()
}

async fn booked(console: &Console, request: RequestId) -> Option<Arc<CallRecord>> {
    let feed = console.parts.gateway.feed();
    // Listens before it looks, so that a call booked in between is not missed.
    let mut receiver = feed.subscribe();
    let known = || feed.recent(RECENT).into_iter().find(|record| record.request == request);
    if let Some(record) = known() {
        return Some(record);
    }
    let waited = async {
        loop {
            match receiver.recv().await {
                Ok(Event::CallFinished(record)) if record.request == request => return Some(record),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    if let Some(record) = known() {
                        return Some(record);
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.ok().flatten()
}
