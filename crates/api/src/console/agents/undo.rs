//! Undo: first what it would do, then, once that was seen, the undo; and the way back.

use super::super::Console;
use super::super::layout::{Place, badge, heading, notice, page, token};
use super::super::session::{Sent, Session};
use super::names;
use super::{by, failed, services};
use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use nunchi_core::{RunId, UndoOrder, UndoReport, UndoStatus};

/// `POST /console/runs/{id}/undo`: without `sure` only a look.
pub(super) async fn undo(State(console): State<Console>, Path(id): Path<RunId>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let step = fields.text("step").parse().ok();
    let (redo, sure) = (fields.text("redo") == "yes", fields.text("sure") == "yes");
    let order = UndoOrder { run: id, step, dry_run: !sure, redo, by: by(&session) };
    match agents.undo.undo(order).await {
        Ok(report) => {
            page(&console.frame, &session, Place::Runs, &shown(&session, (id, step), redo, &report))
        }
        Err(error) => failed(&console, &session, Place::Runs, error.as_ref()),
    }
}

fn shown(session: &Session, (run, step): (RunId, Option<u32>), redo: bool, report: &UndoReport) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let works =
        report.steps.iter().any(|step| matches!(step.status, UndoStatus::Undone | UndoStatus::Partly));
    let (title, lead) = match (report.dry_run, redo) {
        (true, false) => (words.undo_look, words.undo_look_note),
        (true, true) => (words.redo_look, words.undo_look_note),
        (false, false) => (words.undo_done, words.undo_done_note),
        (false, true) => (words.redo_done, words.undo_done_note),
    };
    html! {
        (heading(title, lead, None))
        @if report.steps.is_empty() { (notice(words.undo_nothing, None, false)) }
        ol.undone {
            @for step in &report.steps {
                @let (name, kind) = names::undo(lang, step.status);
                li.card {
                    div.row { span.n { (step.number) } code.tool { (step.tool) } (badge(name, kind)) }
                    @if !step.summary.is_empty() { p { (step.summary) } }
                    @if !step.conflicts.is_empty() { div.lines.warn { h3 { (words.left_alone) } ul { @for conflict in &step.conflicts { li { (conflict) } } } } }
                }
            }
        }
        div.row {
            @if report.dry_run && works { (again(session, (run, step), redo, true, (if redo { words.redo_now } else { words.undo_now }, "primary"))) }
            @if !report.dry_run && !redo && works { (again(session, (run, step), true, false, (words.redo_look, ""))) }
            a.button href={ "/console/runs/" (run) } { (words.back_to_run) }
        }
    }
}

fn again(
    session: &Session,
    (run, step): (RunId, Option<u32>),
    redo: bool,
    sure: bool,
    (name, kind): (&str, &str),
) -> Markup {
    html! {
        form method="post" action={ "/console/runs/" (run) "/undo" } {
            (token(session))
            @if let Some(step) = step { input type="hidden" name="step" value=(step); }
            @if redo { input type="hidden" name="redo" value="yes"; }
            @if sure { input type="hidden" name="sure" value="yes"; }
            button class=(kind) type="submit" { (name) }
        }
    }
}
