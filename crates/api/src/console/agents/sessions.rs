//! Sessions: conversations, what was said in each, and the runs that did the work.

use super::super::Console;
use super::super::figures::{ago, count, local, moment, short_count, usd};
use super::super::layout::{Place, badge, empty, encoded, heading, page, tile, titled, visible};
use super::super::session::Session;
use super::list::title;
use super::{failed, names, services};
use crate::agents::{Conversation, conversation, conversations};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use nunchi_core::StorageError;
use serde::Deserialize;

/// Conversations on the page.
const ROWS: usize = 100;
/// Longest message that is shown, in characters.
const MOST_TEXT: usize = 20_000;

/// Which one, if one is wanted. Ids are chosen by clients, so they stand in the query and not in the path.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    id: Option<String>,
}

/// `GET /console/sessions`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Response {
    let words = session.taste.words();
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let place = Place::Sessions;
    if let Some(id) = &asked.id {
        return match conversation(agents, &session.principal, id).await {
            Ok(Some(found)) => {
                let name = title(found.title(), 60);
                titled(&console.frame, &session, (place, &name), &one(&console, &session, &found))
            }
            Ok(None) => failed(&console, &session, place, &StorageError::NotFound(format!("session {id}"))),
            Err(error) => failed(&console, &session, place, &error),
        };
    }
    let found = match conversations(agents, &session.principal, ROWS).await {
        Ok(found) => found,
        Err(error) => return failed(&console, &session, place, &error),
    };
    let content = html! {
        (heading(words.sessions, words.sessions_lead, None))
        section.card.flush {
            @if found.is_empty() { (empty(words.sessions_empty, words.sessions_empty_note, None)) }
            @else { (list(&console, &session, &found)) }
        }
    };
    page(&console.frame, &session, place, &content)
}

fn list(console: &Console, session: &Session, found: &[Conversation]) -> Markup {
    let (lang, words, zone) = (session.taste.lang, session.taste.words(), &console.parts.time_zone);
    let now = console.parts.clock.now();
    html! {
        table.runs.sessions {
            thead { tr {
                th scope="col" { (words.last_said) }
                th scope="col" { (words.status) }
                th scope="col" { (words.session) }
                th.number scope="col" { (words.runs) }
                th.number scope="col" { (words.tokens) }
                th.number scope="col" { (words.cost) }
            } }
            tbody { @for one in found {
                tr {
                    th.what scope="row" {
                        a.name href={ "/console/sessions?id=" (encoded(one.id())) } { (title(one.title(), 90)) }
                        span.why title=(moment(one.updated(), zone)) { (ago(one.updated(), now, lang)) }
                    }
                    td.state { (badge(names::status(lang, one.status()), names::status_kind(one.status()))) }
                    td.mode data-name=(words.session) { (title(one.id(), 28)) }
                    td.number.steps data-name=(words.runs) { (count(one.runs().len() as u64)) }
                    td.number.tokens data-name=(words.tokens) { (short_count(one.tokens())) }
                    td.number.cost data-name=(words.cost) { (usd(one.cost())) }
                }
            } }
        }
    }
}

fn one(console: &Console, session: &Session, found: &Conversation) -> Markup {
    let (lang, words, zone) = (session.taste.lang, session.taste.words(), &console.parts.time_zone);
    let now = console.parts.clock.now();
    let runs = found.runs().len() as u64;
    html! {
        div.heading {
            div.run-title {
                p.crumb { a href="/console/sessions" { (words.sessions) } }
                h1 { (title(found.title(), 140)) }
                p.lead {
                    (badge(names::status(lang, found.status()), names::status_kind(found.status()))) " "
                    (words.session) " " code { (visible(found.id())) } " · "
                    span title=(moment(found.updated(), zone)) { (ago(found.updated(), now, lang)) }
                }
            }
        }
        dl.tiles {
            (tile(words.runs, &count(runs), "", ""))
            (tile(words.tokens, &short_count(found.tokens()), "", ""))
            (tile(words.cost, &usd(found.cost()), &local(found.cost(), &console.parts.currency), ""))
        }
        section.card.talk aria-label=(words.messages) {
            // The oldest run first, as it was said.
            @for run in found.runs().iter().rev() {
                div.said.you { span.visually-hidden { (words.you) } div.text { (cut(&run.user_input)) } }
                div.said.answer {
                    span.visually-hidden { (words.answer) }
                    @if let Some(outcome) = &run.outcome { div.text { (cut(&outcome.text)) } }
                    div.facts {
                        (badge(names::status(lang, run.status), names::status_kind(run.status)))
                        a href={ "/console/runs/" (run.id) } { (words.open_run) }
                        span { (count(u64::from(run.totals.steps))) " " (words.steps.to_lowercase()) }
                        span { (usd(run.totals.cost)) }
                        span title=(moment(run.created, zone)) { (ago(run.created, now, lang)) }
                    }
                }
            }
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", visible(&text[..end])),
        None => visible(text).into_owned(),
    }
}
