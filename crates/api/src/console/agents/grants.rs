//! What the owner has granted for good, below what waits for an answer; each rule can be taken back.

use super::super::Console;
use super::super::figures::{ago, moment};
use super::super::layout::{Place, token};
use super::super::session::{Sent, Session};
use super::{by, failed, services};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use nunchi_core::GrantedRule;

/// The rules that were granted, the newest first; nothing where there are none.
pub(super) fn list(console: &Console, session: &Session, granted: &[GrantedRule]) -> Markup {
    let words = session.taste.words();
    html! {
        @if !granted.is_empty() {
            section.card.flush #granted {
                h2 { (words.rules_granted) }
                table.grants {
                    thead { tr {
                        th scope="col" { (words.rule) } th scope="col" { (words.granted_by) } th scope="col" { (words.granted_for) }
                        th scope="col" { span.visually-hidden { (words.actions) } }
                    } }
                    tbody { @for rule in granted.iter().rev() { (row(console, session, rule)) } }
                }
            }
        }
    }
}

fn row(console: &Console, session: &Session, granted: &GrantedRule) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (zone, now) = (&console.parts.time_zone, console.parts.clock.now());
    let rule = &granted.rule;
    html! {
        tr data-id=(granted.id) {
            th.what scope="row" {
                span.name { (rule.name) }
                span.why { code { (rule.tool) @for (name, pattern) in &rule.arguments { " " (name) "=" (pattern) } } }
            }
            td data-name=(words.granted_by) title=(moment(granted.at, zone)) { (granted.by) " · " (ago(granted.at, now, lang)) }
            td data-name=(words.granted_for) {
                @if let Some(run) = granted.run { a href={ "/console/runs/" (run) } { (words.show_run) } }
            }
            td.actions {
                form method="post" action={ "/console/permissions/" (granted.id) "/revoke" } data-ask=(words.rule_revoke_ask) {
                    (token(session))
                    button.quiet.danger type="submit" aria-label={ (words.revoke) ": " (rule.name) } { (words.revoke) }
                }
            }
        }
    }
}

/// `POST /console/permissions/{id}/revoke`
pub(super) async fn revoke(State(console): State<Console>, Path(id): Path<u64>, sent: Sent) -> Response {
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    match agents.agent.revoke(id, &by(&sent.session)).await {
        Ok(_) => Redirect::to("/console/approvals?done=revoked").into_response(),
        Err(error) => failed(&console, &sent.session, Place::Approvals, &error),
    }
}
