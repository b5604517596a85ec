//! Budgets: where each stands, and forms to add, change and remove them.

use super::Console;
use super::budget_form::{self, known_scopes, limit_text};
use super::charts::bar;
use super::figures::{count, local, moment, resets_in, usd};
use super::layout::{Place, badge, empty, heading, notice, page, token};
use super::live::failed;
use super::session::{Fields, Sent, Session};
use super::words;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use nunchi_core::{
    Amount, Budget, BudgetId, BudgetScope, BudgetState, Explain, KeyId, NanoUsd, StorageError, VirtualKey,
};
use serde::Deserialize;

/// What was just done.
#[derive(Deserialize)]
pub(super) struct Done {
    pub(super) done: Option<String>,
}

/// A form that was sent back: of which budget (a new one when empty), and why.
struct Wrong {
    id: String,
    fields: Fields,
    problems: Vec<String>,
}

/// `GET /console/budgets`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(done): Query<Done>,
) -> Response {
    let words = session.taste.words();
    let told = match done.done.as_deref() {
        Some("saved") => Some(words.saved_done),
        Some("removed") => Some(words.removed),
        _ => None,
    };
    render(&console, &session, told, None).await
}

/// `POST /console/budgets`
pub(super) async fn put(State(console): State<Console>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let (standing, keys) = match gather(&console).await {
        Ok(found) => found,
        Err(error) => return failed(&console, &session, Place::Budgets, &error),
    };
    let present: Vec<Budget> = standing.into_iter().map(|(budget, _)| budget).collect();
    let new_id = BudgetId(console.parts.ids.new_id());
    let problems = match budget_form::read(&fields, &present, &keys, new_id, session.taste.lang) {
        Ok(budget) => match console.parts.budgets.put_budget(budget).await {
            Ok(()) => return Redirect::to("/console/budgets?done=saved").into_response(),
            Err(error) => vec![error.message(session.taste.lang)],
        },
        Err(problems) => problems,
    };
    let wrong = Wrong { id: fields.text("id").to_owned(), fields, problems };
    (StatusCode::UNPROCESSABLE_ENTITY, render(&console, &session, None, Some(wrong)).await).into_response()
}

/// `POST /console/budgets/{id}/remove`
pub(super) async fn remove(State(console): State<Console>, Path(id): Path<BudgetId>, sent: Sent) -> Response {
    match console.parts.budgets.remove_budget(id).await {
        // Someone else was quicker: it is gone either way.
        Ok(()) | Err(StorageError::NotFound(_)) => {
            Redirect::to("/console/budgets?done=removed").into_response()
        }
        Err(error) => failed(&console, &sent.session, Place::Budgets, &error),
    }
}

type Standing = Vec<(Budget, BudgetState)>;

async fn gather(console: &Console) -> Result<(Standing, Vec<VirtualKey>), StorageError> {
    let standing = console.parts.budgets.budgets(console.parts.clock.now()).await?;
    // Without the keys' names their ids are shown; that is no reason to show no budget.
    let keys = console.parts.gateway.keys().list().await.unwrap_or_default();
    Ok((standing, keys))
}

async fn render(console: &Console, session: &Session, told: Option<&str>, wrong: Option<Wrong>) -> Response {
    let words = session.taste.words();
    let (standing, keys) = match gather(console).await {
        Ok(found) => found,
        Err(error) => return failed(console, session, Place::Budgets, &error),
    };
    let wrong_of = |id: &str| wrong.as_ref().filter(|wrong| wrong.id == id);
    let fresh = wrong_of("");
    let usual = budget_form::usual();
    let content = html! {
        (heading(words.budgets, words.budgets_lead, None))
        @if let Some(told) = told { (notice(told, None, false)) }
        @if standing.is_empty() { section.card { (empty(words.budgets_empty, words.budgets_empty_note, None)) } }
        div.cards {
            @for (budget, state) in &standing {
                (card(console, session, budget, state, &keys, wrong_of(&budget.id.to_string())))
            }
        }
        details.card.add open[fresh.is_some() || standing.is_empty()] {
            summary { h2 { (words.add_budget) } }
            @if let Some(wrong) = fresh { (problems(&wrong.problems)) }
            (budget_form::form(session, fresh.map_or(&usual, |wrong| &wrong.fields), ""))
        }
        (known_scopes(&keys, &console.parts.gateway.cards()))
    };
    page(&console.frame, session, Place::Budgets, &content)
}

fn problems(problems: &[String]) -> Markup {
    html! { @for problem in problems { (notice(&super::sign_in::sentence(problem), None, true)) } }
}

fn card(
    console: &Console,
    session: &Session,
    budget: &Budget,
    state: &BudgetState,
    keys: &[VirtualKey],
    wrong: Option<&Wrong>,
) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let id = budget.id.to_string();
    let written = Fields::shown(budget_form::shown(budget));
    html! {
        article.card.budget {
            div.row.between {
                div {
                    h2 { (budget.name) }
                    p.note { (scope_text(session, &budget.scope, keys)) " · " (words::window(lang, budget.window)) }
                }
                span.badge class=(kind(state)) { (state.percent()) "%" }
            }
            (standing(console, session, budget, state))
            ul.thresholds {
                @for threshold in &budget.thresholds {
                    li class=[(state.percent() >= u64::from(threshold.percent)).then_some("reached")] {
                        b { (threshold.percent) "%" } " " (words::action(lang, threshold.action))
                    }
                }
                @if !budget.enabled { li { (badge(words.stop, "warn")) } }
            }
            details.edit open[wrong.is_some()] {
                summary.button { (words.change) }
                @if let Some(wrong) = wrong { (problems(&wrong.problems)) }
                (budget_form::form(session, wrong.map_or(&written, |wrong| &wrong.fields), &id))
            }
            form.remove method="post" action={ "/console/budgets/" (id) "/remove" } data-ask=(words.remove_budget_ask) {
                (token(session))
                button.quiet.danger type="submit" { (words.remove) }
            }
        }
    }
}

/// The bar, and the figures that belong to it.
fn standing(console: &Console, session: &Session, budget: &Budget, state: &BudgetState) -> Markup {
    let (lang, words, currency) = (session.taste.lang, session.taste.words(), &console.parts.currency);
    let now = console.parts.clock.now();
    let shown = |units: i64| match budget.limit {
        Amount::Money(_) => usd(NanoUsd(units)),
        Amount::Tokens(_) => count(u64::try_from(units).unwrap_or(0)),
    };
    let in_currency = |units: i64| match budget.limit {
        Amount::Money(_) => local(NanoUsd(units), currency),
        Amount::Tokens(_) => words.tokens.to_lowercase(),
    };
    let marks: Vec<u8> = budget.thresholds.iter().map(|threshold| threshold.percent).collect();
    let label = format!("{}: {}%", budget.name, state.percent());
    html! {
        div.figures {
            p { strong { (shown(state.spent)) } span { " / " (shown(state.limit_units())) } }
            p.note { (in_currency(state.spent)) }
        }
        (bar(&label, state.spent, state.limit_units(), &marks, kind(state)))
        dl.facts {
            div { dt { (words.remaining) } dd { (shown(state.remaining_units())) } }
            @if state.held > 0 { div { dt { (words.held) } dd { (shown(state.held)) } } }
            div {
                dt.visually-hidden { (words.window) }
                @match state.resets {
                    Some(at) => dd title=(moment(at, &console.parts.time_zone)) { (resets_in(at, now, lang)) },
                    None => dd { (words.never_resets) },
                }
            }
        }
    }
}

fn kind(state: &BudgetState) -> &'static str {
    match state.percent() {
        0..75 => "good",
        75..90 => "warn",
        _ => "bad",
    }
}

fn scope_text(session: &Session, scope: &BudgetScope, keys: &[VirtualKey]) -> String {
    let (kind, of) = limit_text(scope);
    let name = budget_form::scope_name(session.taste.lang, kind);
    let key = |id: &KeyId| keys.iter().find(|key| key.id == *id).map(|key| key.name.clone());
    match scope {
        BudgetScope::Everything => name.to_owned(),
        BudgetScope::Key(id) => format!("{name}: {}", key(id).unwrap_or(of)),
        _ => format!("{name}: {of}"),
    }
}
