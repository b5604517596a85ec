//! Pages of agents: runs, one run, what waits for an answer, how runs went.

mod activity;
mod approvals;
mod dag;
mod flow;
mod grants;
mod list;
mod live;
mod names;
mod questions;
mod run;
mod scores;
mod sessions;
mod standing;
mod steps;
mod undo;

use super::Console;
use super::layout::{Place, heading, notice, page};
use super::session::Session;
use super::sign_in::sentence;
use crate::agents::AgentServices;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use maud::html;
use nunchi_core::Explain;

/// The forms of these pages, and the pages.
pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/console/runs", get(list::show).post(list::begin))
        .route("/console/runs/events", get(live::list))
        .route("/console/runs/{id}", get(run::show))
        .route("/console/runs/{id}/events", get(live::one))
        .route("/console/runs/{id}/cancel", post(run::cancel))
        .route("/console/runs/{id}/resume", post(run::resume))
        .route("/console/runs/{id}/judge", post(scores::judge))
        .route("/console/runs/{id}/undo", post(undo::undo))
        .route("/console/approvals", get(approvals::show))
        .route("/console/approvals/all", post(approvals::answer_all))
        .route("/console/approvals/{id}", post(approvals::answer))
        .route("/console/sessions", get(sessions::show))
        .route("/console/permissions/{id}/revoke", post(grants::revoke))
        .route("/console/activity", get(activity::show))
}

/// The services; these pages exist only with them.
fn services(console: &Console) -> Result<&AgentServices, Response> {
    console.parts.agents.as_ref().ok_or_else(|| StatusCode::NOT_FOUND.into_response())
}

/// By whom something was done, for the record.
fn by(session: &Session) -> String {
    format!("{} (console)", session.principal.name)
}

/// A page that could not be put together, or an action that did not work.
fn failed(console: &Console, session: &Session, place: Place, error: &dyn Explain) -> Response {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let content = html! {
        (heading(words.failed_title, "", None))
        (notice(&sentence(&error.message(lang)), error.hint(lang).as_deref(), true))
        p { a.button href=(place.path()) { (words.back) } }
    };
    let status = match error.code() {
        "storage.not_found" => StatusCode::NOT_FOUND,
        code if code.starts_with("storage.") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    (status, page(&console.frame, session, place, &content)).into_response()
}
