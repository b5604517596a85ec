//! Signing in with an admin key, and out again.

use super::Console;
use super::layout::{self, bare, marked, notice};
use super::session::{Sent, Taste, from_here, read, sign_in_cookie, sign_out_cookie};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use maud::{Markup, html};
use nunchi_core::{AccessRole, Explain, RateState, admit_rate};
use nunchi_gateway::KeyError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failed tries to sign in within a minute, by everybody together.
const FAILURES_PER_MINUTE: u64 = 20;

/// How often signing in failed of late.
#[derive(Default)]
pub(super) struct Failures(Mutex<RateState>);

impl Failures {
    /// Whether a try is admitted, or how long to wait for the next.
    fn admit(&self, now: Duration) -> Result<(), Duration> {
        let mut state = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        admit_rate(&mut state, now, FAILURES_PER_MINUTE, 1)
    }

    fn count(&self, now: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of tries that were admitted at the same moment some are too many; the next one waits for them.
        let _too_many = admit_rate(&mut state, now, FAILURES_PER_MINUTE, 1);
    }
}

/// `GET /console/sign-in`
pub(super) async fn show(State(console): State<Console>, taste: Taste) -> Response {
    form(&console, taste, None)
}

/// `POST /console/sign-in`
pub(super) async fn enter(State(console): State<Console>, taste: Taste, request: Request) -> Response {
    let words = taste.words();
    if !from_here(request.headers()) {
        return layout::refused(taste, words.sign_in_origin);
    }
    if let Err(wait) = console.failures.admit(console.parts.clock.monotonic()) {
        let told = notice(words.sign_in_often, None, true);
        let seconds = wait.as_secs().max(1).to_string();
        let page = form(&console, taste, Some(&told));
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], page).into_response();
    }
    let headers = request.headers().clone();
    let fields = match read(request, &console).await {
        Ok(fields) => fields,
        Err(response) => return response,
    };
    let secret = fields.text("key");
    let found = console.parts.gateway.keys().authenticate(secret);
    let cookie = sign_in_cookie(secret, &headers);
    match (found, cookie) {
        (Ok(principal), Some(cookie)) if principal.role == AccessRole::Admin => {
            // Always the same place: an address from outside would be an open door for phishing.
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        (Ok(_), Some(_)) => {
            let told = notice(words.not_admin, Some(words.not_admin_hint), true);
            (StatusCode::FORBIDDEN, form(&console, taste, Some(&told))).into_response()
        }
        (found, _) => {
            console.failures.count(console.parts.clock.monotonic());
            let error = found.err().unwrap_or(KeyError::Unknown);
            let hint = error.hint(taste.lang).filter(|_| error != KeyError::Missing);
            let told = notice(&sentence(&error.message(taste.lang)), hint.as_deref(), true);
            (StatusCode::UNAUTHORIZED, form(&console, taste, Some(&told))).into_response()
        }
    }
}

/// `POST /console/sign-out`
pub(super) async fn leave(_sent: Sent) -> Response {
    ([(header::SET_COOKIE, sign_out_cookie())], Redirect::to("/console/sign-in")).into_response()
}

/// A message as a sentence of its own.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn form(console: &Console, taste: Taste, told: Option<&Markup>) -> Response {
    let words = taste.words();
    let content = html! {
        div.card.sign-in {
            h1 { (words.sign_in) }
            p.lead { (marked(words.sign_in_lead)) }
            @if let Some(told) = told { (told) }
            form method="post" action="/console/sign-in" {
                div.field {
                    label for="key" { (words.sign_in_label) }
                    input #key type="password" name="key" required autofocus autocomplete="current-password"
                        autocapitalize="off" spellcheck="false" placeholder="nk-…" aria-describedby="key-lost";
                }
                button.primary type="submit" { (words.sign_in) }
                p.note #key-lost { (marked(words.sign_in_lost)) }
            }
        }
    };
    bare(&console.frame, taste, words.sign_in, &content)
}
