//! Approvals: everything that runs ask, like questions together, and the answers.

use super::super::Console;
use super::super::layout::{Place, empty, heading, marked, notice, page, token};
use super::super::session::{Sent, Session};
use super::questions::question;
use super::{by, failed, grants, services};
use crate::agents::{AgentServices, Grant, Said, Verb, find_question, gone, is_open, is_rule};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use nunchi_agent::AgentError;
use nunchi_core::{Approval, ApprovalId, RunId, RunRecord};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What was just done.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    done: Option<String>,
}

/// `GET /console/approvals`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(done): Query<Done>,
) -> Response {
    let words = session.taste.words();
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let (open, runs) = match gather(&console, agents).await {
        Ok(found) => found,
        Err(error) => return failed(&console, &session, Place::Approvals, &error),
    };
    let granted = match agents.approvals.grants(false).await {
        Ok(granted) => granted,
        Err(error) => return failed(&console, &session, Place::Approvals, &error),
    };
    let told = told(&session, done.done.as_deref());
    let mut batches: Vec<(&str, Vec<&Approval>)> = Vec::new();
    for asked in &open {
        match batches.iter_mut().find(|(batch, _)| *batch == asked.batch) {
            Some((_, list)) => list.push(asked),
            None => batches.push((&asked.batch, vec![asked])),
        }
    }
    let content = html! {
        (heading(words.approvals, words.approvals_lead, None))
        (told)
        div #questions {
        @if !open.is_empty() { p.note.keys-hint { (marked(words.approval_keys)) } }
        @if open.is_empty() { section.card { (empty(words.approvals_empty, words.approvals_empty_note, None)) } }
        @for (batch, list) in &batches {
            section.batch {
                @if list.len() > 1 { (together(&session, batch, list)) }
                @for asked in list { (question(&console, &session, asked, runs.get(&asked.run), "approvals")) }
            }
        }
        }
        (grants::list(&console, &session, &granted))
    };
    page(&console.frame, &session, Place::Approvals, &content)
}

/// What was just done, for people.
pub(super) fn told(session: &Session, done: Option<&str>) -> Markup {
    let words = session.taste.words();
    html! {
        @match done {
            Some("answered") => (notice(words.answered_done, None, false)),
            Some("granted") => (notice(words.granted_done, None, false)),
            Some("revoked") => (notice(words.rule_revoked_done, None, false)),
            Some("late") => (notice(words.answered_late, None, true)),
            _ => {}
        }
    }
}

async fn gather(
    console: &Console,
    agents: &AgentServices,
) -> Result<(Vec<Approval>, BTreeMap<RunId, RunRecord>), AgentError> {
    let now = console.parts.clock.now();
    let mut open = agents.approvals.approvals(None, true).await?;
    open.retain(|asked| is_open(asked, now) && !is_rule(asked));
    open.sort_by_key(|asked| (asked.asked, asked.id));
    let mut runs = BTreeMap::new();
    for asked in &open {
        if let std::collections::btree_map::Entry::Vacant(place) = runs.entry(asked.run)
            && let Some((run, _)) = agents.runs.load(asked.run).await?
        {
            place.insert(run);
        }
    }
    Ok((open, runs))
}

/// One answer for like questions.
fn together(session: &Session, batch: &str, list: &[&Approval]) -> Markup {
    let words = session.taste.words();
    let many = list.len().to_string();
    let plain = list.iter().all(|asked| !matches!(asked.subject, nunchi_core::ApprovalSubject::Question(_)));
    html! {
        form.row.between.together method="post" action="/console/approvals/all" data-ask=(words.answer_all_ask.replace("%d", &many)) {
            (token(session))
            @for asked in list { input type="hidden" name="id" value=(asked.id); }
            p { strong { (words.alike.replace("%d", &many)) } @if !batch.is_empty() { " " code { (batch) } } }
            div.row {
                @if plain { button type="submit" name="answer" value="approve" { (words.approve_all.replace("%d", &many)) } }
                button.danger type="submit" name="answer" value="deny" { (words.deny_all.replace("%d", &many)) }
            }
        }
    }
}

/// `POST /console/approvals/{id}`
pub(super) async fn answer(
    State(console): State<Console>,
    Path(id): Path<ApprovalId>,
    sent: Sent,
) -> Response {
    let Sent { session, fields } = sent;
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let chosen: Vec<_> = fields.all("calls").filter_map(|hash| hash.parse().ok()).collect();
    let mut said = Said {
        reason: some(fields.text("reason")),
        text: some(fields.text("text")),
        ..Said::plain(Verb::Deny)
    };
    match fields.text("answer") {
        "approve" => {
            said.answer = Verb::Approve;
            said.calls = Some(chosen).filter(|calls| !calls.is_empty());
        }
        "grant" => (said.answer, said.grant) = (Verb::Approve, Some(Grant::Offered(true))),
        "reply" if said.text.is_some() => said.answer = Verb::Reply,
        _ => {}
    }
    let granted = said.grant.is_some();
    let back = |done: &str| match fields.text("back").parse::<RunId>() {
        Ok(run) => Redirect::to(&format!("/console/runs/{run}?done={done}")).into_response(),
        Err(_) => Redirect::to(&format!("/console/approvals?done={done}")).into_response(),
    };
    match give(agents, &session, id, &said).await {
        Ok(()) => back(if granted { "granted" } else { "answered" }),
        Err(error) if gone(&error) => back("late"),
        Err(error) => failed(&console, &session, Place::Approvals, &error),
    }
}

async fn give(
    agents: &AgentServices,
    session: &Session,
    id: ApprovalId,
    said: &Said,
) -> Result<(), AgentError> {
    let asked = find_question(agents, &session.principal, id).await?;
    let answer = said.answer(&asked).map_err(|_| AgentError::Answer(nunchi_core::AnswerError::Unfit))?;
    agents.agent.answer(id, answer, &by(session)).await.map(drop)
}

/// `POST /console/approvals/all`
pub(super) async fn answer_all(State(console): State<Console>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let said = Said::plain(if fields.text("answer") == "approve" { Verb::Approve } else { Verb::Deny });
    let mut late = false;
    for id in fields.all("id").filter_map(|id| id.parse().ok()) {
        match give(agents, &session, id, &said).await {
            Ok(()) => {}
            Err(error) if gone(&error) => late = true,
            Err(error) => return failed(&console, &session, Place::Approvals, &error),
        }
    }
    Redirect::to(if late { "/console/approvals?done=late" } else { "/console/approvals?done=answered" })
        .into_response()
}
