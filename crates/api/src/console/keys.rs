//! Keys: listed, made (the secret is shown once), rotated, revoked.

use super::Console;
use super::budgets::Done;
use super::figures::{ago, count, day, moment};
use super::layout::{Place, badge, empty, heading, notice, page, token};
use super::session::{Fields, Sent, Session};
use super::sign_in::sentence;
use super::words::Words;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use nunchi_core::{AccessRole, Explain, KeyId, KeyLimits, VirtualKey};
use nunchi_gateway::{KeyError, NewKey, Secret};
use std::str::FromStr;

/// Longest name, in characters.
const MAX_NAME: usize = 100;

/// What stands above the list.
enum Told<'a> {
    Nothing,
    Done(&'a str),
    Wrong(Vec<String>, Fields),
    Made(&'a VirtualKey, &'a Secret),
}

/// `GET /console/keys`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(done): Query<Done>,
) -> Response {
    let told = match done.done.as_deref() {
        Some("revoked") => Told::Done(session.taste.words().revoked_done),
        _ => Told::Nothing,
    };
    render(&console, &session, told).await
}

/// `POST /console/keys`: answers with the page itself, for the secret must never stand in an address.
pub(super) async fn create(State(console): State<Console>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let new = match read(&fields, &console, session.taste.words()) {
        Ok(new) => new,
        Err(problems) => return wrong(&console, &session, problems, fields).await,
    };
    match console.parts.gateway.keys().create(new).await {
        Ok((key, secret)) => render(&console, &session, Told::Made(&key, &secret)).await,
        Err(error) => wrong(&console, &session, vec![error.message(session.taste.lang)], fields).await,
    }
}

/// `POST /console/keys/{id}/rotate`
pub(super) async fn rotate(State(console): State<Console>, Path(id): Path<KeyId>, sent: Sent) -> Response {
    let session = sent.session;
    match console.parts.gateway.keys().rotate(id).await {
        Ok((key, secret)) => render(&console, &session, Told::Made(&key, &secret)).await,
        Err(error) => failed(&console, &session, &error).await,
    }
}

/// `POST /console/keys/{id}/revoke`
pub(super) async fn revoke(State(console): State<Console>, Path(id): Path<KeyId>, sent: Sent) -> Response {
    match console.parts.gateway.keys().revoke(id).await {
        Ok(_) => Redirect::to("/console/keys?done=revoked").into_response(),
        Err(error) => failed(&console, &sent.session, &error).await,
    }
}

async fn failed(console: &Console, session: &Session, error: &KeyError) -> Response {
    wrong(console, session, vec![error.message(session.taste.lang)], Fields::none()).await
}

async fn wrong(console: &Console, session: &Session, problems: Vec<String>, fields: Fields) -> Response {
    let page = render(console, session, Told::Wrong(problems, fields)).await;
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

async fn render(console: &Console, session: &Session, told: Told<'_>) -> Response {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let mut keys = match console.parts.gateway.keys().list().await {
        Ok(keys) => keys,
        Err(KeyError::Storage(error)) => return super::live::failed(console, session, Place::Keys, &error),
        Err(error) => {
            let text = sentence(&error.message(lang));
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                page(&console.frame, session, Place::Keys, &notice(&text, None, true)),
            )
                .into_response();
        }
    };
    // Those that work first, then the newest first.
    keys.sort_by_key(|key| (key.revoked.is_some(), std::cmp::Reverse(key.created)));
    let none = Fields::none();
    let (fields, open) = match &told {
        Told::Wrong(_, fields) => (fields, true),
        _ => (&none, keys.is_empty()),
    };
    let content = html! {
        (heading(words.keys, words.keys_lead, None))
        (told_above(&told, words))
        details.card.add open[open] {
            summary { h2 { (words.add_key) } }
            (form(session, fields))
        }
        section.card.flush {
            @if keys.is_empty() { (empty(words.keys_empty, words.keys_empty_note, None)) } @else { (list(console, session, &keys)) }
        }
    };
    page(&console.frame, session, Place::Keys, &content)
}

fn told_above(told: &Told<'_>, words: &Words) -> Markup {
    html! {
        @match told {
            Told::Nothing => {},
            Told::Done(text) => (notice(text, None, false)),
            Told::Wrong(problems, _) => { @for problem in problems { (notice(&sentence(problem), None, true)) } },
            Told::Made(key, secret) => section.card.secret role="status" {
                h2 { (words.key_made) ": " (key.name) }
                p { (words.key_made_note) }
                div.row {
                    code #secret { (secret.reveal()) }
                    button.primary type="button" data-copy="secret" data-copied=(words.copied) { (words.copy) }
                }
            },
        }
    }
}

fn list(console: &Console, session: &Session, keys: &[VirtualKey]) -> Markup {
    let words = session.taste.words();
    html! {
        table.keys {
            thead { tr {
                th scope="col" { (words.name) } th scope="col" { (words.status) } th scope="col" { (words.limits) }
                th scope="col" { (words.created) } th scope="col" { (words.last_used) } th scope="col" { (words.expires) }
                th scope="col" { span.visually-hidden { (words.actions) } }
            } }
            tbody { @for key in keys { (row(console, session, key)) } }
        }
    }
}

fn row(console: &Console, session: &Session, key: &VirtualKey) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (zone, now) = (&console.parts.time_zone, console.parts.clock.now());
    let expired = key.expires.is_some_and(|at| now >= at);
    html! {
        tr class=[key.revoked.map(|_| "gone")] data-id=(key.id) {
            th.what scope="row" {
                span.name { (key.name) } " "
                @if key.role == AccessRole::Admin { (badge(words.role_admin, "tint")) }
                @if session.principal.key == Some(key.id) { " " (badge(words.own_key, "plain")) }
                span.why { code { (key.prefix) "…" } }
            }
            td data-name=(words.status) {
                @if key.revoked.is_some() { (badge(words.revoked, "dot bad")) }
                @else if expired { (badge(words.expired, "dot warn")) }
                @else { (badge(words.status_active, "dot good")) }
            }
            td data-name=(words.limits) { (limits(key, words)) }
            td data-name=(words.created) title=(moment(key.created, zone)) { (day(key.created, zone)) }
            td data-name=(words.last_used) { (key.last_used.map_or_else(|| words.never.to_owned(), |at| ago(at, now, lang))) }
            td data-name=(words.expires) { (key.expires.map_or_else(|| words.never.to_owned(), |at| last_day(at, console))) }
            td.actions {
                @if key.revoked.is_none() {
                    (action(session, key, "rotate", words.rotate, words.rotate_ask, "quiet"))
                    (action(session, key, "revoke", words.revoke, words.revoke_ask, "quiet danger"))
                }
            }
        }
    }
}

/// The last day a key works: the moment it expires is the first it does not.
fn last_day(expires: Timestamp, console: &Console) -> String {
    let last = expires.checked_sub(1.nanosecond()).unwrap_or(expires);
    day(last, &console.parts.time_zone)
}

fn action(session: &Session, key: &VirtualKey, path: &str, name: &str, ask: &str, kind: &str) -> Markup {
    html! {
        form method="post" action={ "/console/keys/" (key.id) "/" (path) } data-ask=(ask) {
            (token(session))
            button class=(kind) type="submit" aria-label={ (name) ": " (key.name) } { (name) }
        }
    }
}

fn limits(key: &VirtualKey, words: &Words) -> Markup {
    let limits = [
        (words.per_minute, key.limits.requests_per_minute.map(u64::from)),
        (words.tokens_per_minute, key.limits.tokens_per_minute),
        (words.concurrent, key.limits.concurrent.map(u64::from)),
    ];
    let models = key.allowed_models.join(", ");
    html! {
        @if !models.is_empty() { span.limit { (models) } }
        @for (name, limit) in limits { @if let Some(limit) = limit { span.limit { (name) ": " (count(limit)) } } }
        @if models.is_empty() && limits.iter().all(|(_, limit)| limit.is_none()) { (words.no_limits) }
    }
}

fn form(session: &Session, fields: &Fields) -> Markup {
    let words = session.taste.words();
    let number = |name: &'static str, label: &str| {
        html! { label { span { (label) } input name=(name) inputmode="numeric" pattern="[0-9]*" value=(fields.text(name)) autocomplete="off"; } }
    };
    let role = |value: &str, name: &str, note: &str, chosen: bool| {
        html! { label.choice { input type="radio" name="role" value=(value) checked[chosen]; span { b { (name) } small { (note) } } } }
    };
    let admin = fields.text("role") == "admin";
    html! {
        form.grid method="post" action="/console/keys" {
            (token(session))
            label.span-2 { span { (words.name) }
                input name="name" required maxlength=(MAX_NAME) value=(fields.text("name")) autocomplete="off";
                small { (words.key_name_note) } }
            fieldset.span-2.choices {
                legend { (words.role) }
                (role("caller", words.role_caller, words.role_caller_note, !admin))
                (role("admin", words.role_admin, words.admin_note, admin))
            }
            label.span-2 { span { (words.allowed_models) }
                input name="models" value=(fields.text("models")) placeholder=(words.all_models) autocomplete="off";
                small { (words.allowed_models_note) } }
            (number("requests_per_minute", words.per_minute))
            (number("tokens_per_minute", words.tokens_per_minute))
            (number("concurrent", words.concurrent))
            label { span { (words.expires) } input type="date" name="expires" value=(fields.text("expires")); small { (words.expires_note) } }
            div.row.span-2 { button.primary type="submit" { (words.create) } }
        }
    }
}

fn read(fields: &Fields, console: &Console, words: &Words) -> Result<NewKey, Vec<String>> {
    let name = fields.text("name");
    let sound_name = !name.is_empty() && name.chars().count() <= MAX_NAME;
    let limits = (
        whole::<u32>(fields.text("requests_per_minute")),
        whole::<u64>(fields.text("tokens_per_minute")),
        whole::<u32>(fields.text("concurrent")),
    );
    match (limits, expires(fields.text("expires"), console)) {
        ((Ok(requests_per_minute), Ok(tokens_per_minute), Ok(concurrent)), Ok(expires)) if sound_name => {
            Ok(NewKey {
                name: name.to_owned(),
                user: None,
                role: if fields.text("role") == "admin" { AccessRole::Admin } else { AccessRole::Caller },
                allowed_models: fields
                    .text("models")
                    .split(',')
                    .map(|pattern| pattern.trim().to_owned())
                    .filter(|pattern| !pattern.is_empty())
                    .collect(),
                limits: KeyLimits { requests_per_minute, tokens_per_minute, concurrent },
                expires,
            })
        }
        (limits, expires) => {
            let numbers = limits.0.is_err() || limits.1.is_err() || limits.2.is_err();
            let all = [
                (!sound_name, words.invalid_name),
                (numbers, words.invalid_number),
                (expires.is_err(), words.invalid_expires),
            ];
            Err(all.into_iter().filter(|(wrong, _)| *wrong).map(|(_, text)| text.to_owned()).collect())
        }
    }
}

/// A whole number above zero, or nothing.
fn whole<T: FromStr + PartialEq + Default>(text: &str) -> Result<Option<T>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().ok().filter(|number| *number != T::default()).map(Some).ok_or(())
}

/// The moment after the last day.
fn expires(text: &str, console: &Console) -> Result<Option<Timestamp>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let next = text.parse::<Date>().ok().and_then(|last| last.checked_add(1.day()).ok());
    let midnight = next.and_then(|next| next.to_zoned(console.parts.time_zone.clone()).ok());
    midnight.map(|midnight| Some(midnight.timestamp())).ok_or(())
}
