//! One run: where it stands, what it waits for, its answer, its plan, its steps.

use super::super::Console;
use super::super::figures::{ago, count, latency, local, moment, usd};
use super::super::layout::{Place, badge, encoded, tile, titled, token, visible};
use super::super::session::{Sent, Session};
use super::approvals::told;
use super::dag::dag;
use super::flow::flow;
use super::list::title;
use super::names;
use super::questions::{pretty, question};
use super::scores;
use super::standing::undone;
use super::steps::{Waterfall, waterfall};
use super::{by, failed, services};
use crate::agents::{AgentServices, is_open, open_questions, run_steps};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use nunchi_agent::{AgentError, Progress, Workflow};
use nunchi_core::{
    Approval, Plan, RunFilter, RunId, RunOutcome, RunRecord, RunScore, RunStatus, StepRecord, StorageError,
};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a page waits for a run to stop.
const PATIENCE: Duration = Duration::from_secs(5);
/// Sub-agents that are looked through for undone steps.
const MOST_BELOW: usize = 50;

/// Everything a run's page shows.
pub(super) struct Found {
    pub(super) run: RunRecord,
    pub(super) plan: Option<Plan>,
    pub(super) steps: Vec<StepRecord>,
    /// Its sub-agents, in the order in which they began.
    pub(super) below: Vec<RunRecord>,
    pub(super) open: Vec<Approval>,
    /// The numbers of its steps that were taken back.
    pub(super) undone: BTreeSet<u32>,
    /// Sub-agents of which a step was taken back.
    pub(super) undone_below: BTreeSet<RunId>,
    flow: Option<(Workflow, Progress)>,
    scores: Vec<RunScore>,
}

/// Reads it.
pub(super) async fn gather(
    console: &Console,
    agents: &AgentServices,
    id: RunId,
) -> Result<Found, AgentError> {
    let Some((run, state)) = agents.agent.stored(id).await? else {
        return Err(StorageError::NotFound(format!("run {id}")).into());
    };
    let steps = run_steps(agents, id).await?;
    let mut below = agents.runs.runs(RunFilter { parent: Some(id), ..RunFilter::default() }).await?;
    below.reverse();
    let now = console.parts.clock.now();
    let mut open = open_questions(agents, &run).await?;
    open.retain(|asked| is_open(asked, now) && !run.status.is_final());
    let flow = state.order().workflow.as_ref().map(|order| {
        let workflow = order.workflow.clone();
        let progress = state.workflow_progress().cloned().unwrap_or_else(|| Progress::new(&workflow));
        (workflow, progress)
    });
    let undone_below = undone_below(agents, &run, &below).await?;
    let scores = agents.scores.scores_of(id).await?;
    let (plan, undone) = (state.plan().cloned(), undone(&steps));
    Ok(Found { run, plan, steps, below, open, undone, undone_below, flow, scores })
}

/// The sub-agents of an ended run of which a step was taken back: before the end there is no undo.
async fn undone_below(
    agents: &AgentServices,
    run: &RunRecord,
    below: &[RunRecord],
) -> Result<BTreeSet<RunId>, StorageError> {
    let mut found = BTreeSet::new();
    let acted = |run: &&RunRecord| run.totals.tool_calls > 0;
    for sub_agent in below.iter().filter(|_| run.status.is_final()).filter(acted).take(MOST_BELOW) {
        if !undone(&run_steps(agents, sub_agent.id).await?).is_empty() {
            found.insert(sub_agent.id);
        }
    }
    Ok(found)
}

/// What was just done.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    done: Option<String>,
}

/// `GET /console/runs/{id}`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
    Query(done): Query<Done>,
) -> Response {
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let Ok(id) = id.parse::<RunId>() else {
        let error = StorageError::NotFound(format!("run {}", title(&id, 60)));
        return failed(&console, &session, Place::Runs, &error);
    };
    let parts = async {
        let found = gather(&console, agents, id).await?;
        let parts = parts(&console, &session, &found).await?;
        Ok::<_, AgentError>((found, parts))
    };
    let (found, parts) = match parts.await {
        Ok(found) => found,
        Err(error) => return failed(&console, &session, Place::Runs, &error),
    };
    let content = html! {
        (told(&session, done.done.as_deref()))
        div #run data-run=(id) data-events={ "/console/runs/" (id) "/events" } data-over[found.run.status.is_final()] { (parts) }
    };
    let title = title(&found.run.user_input, 60);
    titled(&console.frame, &session, (Place::Runs, &title), &content)
}

/// The parts of the page that change while the run goes on.
pub(super) async fn parts(console: &Console, session: &Session, found: &Found) -> Result<Markup, AgentError> {
    let words = session.taste.words();
    let water = Waterfall::of(console, &found.run, &found.steps, &found.below).await?;
    let run = &found.run;
    Ok(html! {
        div data-part="head" { (head(console, session, run)) }
        div data-part="tiles" { (tiles(console, session, run)) }
        div.questions data-part="questions" {
            @for asked in &found.open { (question(console, session, asked, None, &run.id.to_string())) }
        }
        div data-part="answer" {
            @match &run.outcome {
                Some(outcome) => (answer(session, run, outcome)),
                None => { section.card.answer-card.live-text hidden { h2 { (words.answer) } div.text data-live-text {} } }
            }
        }
        div data-part="plan" {
            @if let Some(plan) = &found.plan {
                section.card { h2 { (words.plan) } (dag(session, plan, found)) }
            }
            @if let Some((workflow, progress)) = &found.flow {
                section.card { h2 { (words.workflow) } (flow(session, workflow, progress, found)) }
            }
        }
        div data-part="scores" { (scores::card(console, session, run, &found.scores)) }
        div data-part="steps" {
            section.card.flush.steps-card {
                div.row.between.card-head { h2 { (words.steps) } ul.legend.kinds {
                    @for (class, name) in [("model", words.model), ("tool", words.tool), ("delegated", words.sub_agent), ("asked", words.people)] { li class=(class) { (name) } }
                } }
                (waterfall(console, session, &water))
            }
        }
    })
}

fn head(console: &Console, session: &Session, run: &RunRecord) -> Markup {
    let (lang, words, zone) = (session.taste.lang, session.taste.words(), &console.parts.time_zone);
    let now = console.parts.clock.now();
    let wrote = run.totals.tool_calls > 0 && run.status != RunStatus::Running;
    html! {
        div.heading {
            div.run-title {
                p.crumb { a href="/console/runs" { (words.runs) }
                    @if let Some(parent) = run.parent { " / " a href={ "/console/runs/" (parent) } { (words.run_above) } } }
                h1 { (title(&run.user_input, 140)) }
                p.lead {
                    (badge(names::status(lang, run.status), names::status_kind(run.status))) " "
                    (names::mode(lang, run.mode)) " · "
                    span title=(moment(run.created, zone)) { (ago(run.created, now, lang)) }
                    @if let Some(from) = names::stranger(&run.origin) { " · " (visible(&from)) }
                    @if let Some(session) = &run.session { " · " (words.session) " " a href={ "/console/sessions?id=" (encoded(session)) } { (visible(session)) } }
                    @if let Some(reason) = &run.reason { " · " (names::reason(lang, reason)) }
                }
            }
            div.row {
                @if !run.status.is_final() {
                    (action(session, run, ("cancel", words.stop_run, "danger"), Some(words.stop_run_ask)))
                    @if run.status == RunStatus::Running { (action(session, run, ("resume", words.resume_run, ""), None)) }
                }
                @if wrote { (action(session, run, ("undo", words.undo_run, ""), None)) }
            }
        }
        @if run.user_input.trim().chars().count() > 140 || run.user_input.trim().contains('\n') {
            details.whole { summary { (words.whole_goal) } pre { (visible(&run.user_input)) } }
        }
    }
}

fn action(
    session: &Session,
    run: &RunRecord,
    (path, name, kind): (&str, &str, &str),
    ask: Option<&str>,
) -> Markup {
    html! {
        form method="post" action={ "/console/runs/" (run.id) "/" (path) } data-ask=[ask] {
            (token(session))
            button class=(kind) type="submit" { (name) }
        }
    }
}

fn tiles(console: &Console, session: &Session, run: &RunRecord) -> Markup {
    let words = session.taste.words();
    let totals = &run.totals;
    let turns = format!("{} {}", count(u64::from(totals.turns)), words.model_turns);
    let calls = format!("{} {}", count(u64::from(totals.tool_calls)), words.tool_calls);
    let tokens =
        format!("{} → {}", count(totals.usage.prompt_tokens()), count(totals.usage.completion_tokens()));
    html! {
        dl.tiles {
            (tile(words.cost, &usd(totals.cost), &local(totals.cost, &console.parts.currency), ""))
            (tile(words.steps, &count(u64::from(totals.steps)), &format!("{turns} · {calls}"), ""))
            (tile(words.tokens, &count(totals.usage.total_tokens()), &tokens, ""))
            (tile(words.time_at_work, &latency(totals.latency_us), words.time_at_work_note, ""))
        }
    }
}

fn answer(session: &Session, run: &RunRecord, outcome: &RunOutcome) -> Markup {
    let words = session.taste.words();
    let head = if run.status == RunStatus::Done { words.answer } else { words.why_it_ended };
    html! {
        section.card.answer-card {
            div.row.between { h2 { (head) } @if let Some(code) = &outcome.code { code { (code) } } }
            div.text { (visible(&outcome.text)) }
            @if let Some(output) = &outcome.output { details.table { summary { (words.as_json) } pre { (pretty(&output.to_string())) } } }
            (lines(words.not_reached, &outcome.unmet, true))
            (lines(words.no_receipt, &outcome.unbacked, true))
            (lines(words.unknown_fate, &outcome.uncertain, true))
            (lines(words.sources, &outcome.sources, false))
        }
    }
}

fn lines(name: &str, lines: &[String], bad: bool) -> Markup {
    html! {
        @if !lines.is_empty() {
            div.lines class=[bad.then_some("warn")] {
                h3 { (name) }
                ul { @for line in lines { li { @if safe_link(line) { a href=(line) rel="noreferrer" { (visible(line)) } } @else { (visible(line)) } } } }
            }
        }
    }
}

/// Whether a source may become a link: nothing but the web's own schemes.
fn safe_link(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// `POST /console/runs/{id}/cancel`
pub(super) async fn cancel(State(console): State<Console>, Path(id): Path<RunId>, sent: Sent) -> Response {
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    if let Err(error) = agents.agent.cancel(id, &by(&sent.session)).await {
        return failed(&console, &sent.session, Place::Runs, &error);
    }
    // The page shows the end at once where that is quick; else it comes by itself.
    drop(tokio::time::timeout(PATIENCE, agents.agent.wait(id)).await);
    Redirect::to(&format!("/console/runs/{id}")).into_response()
}

/// `POST /console/runs/{id}/resume`
pub(super) async fn resume(State(console): State<Console>, Path(id): Path<RunId>, sent: Sent) -> Response {
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    match agents.agent.resume(id).await {
        Ok(()) => Redirect::to(&format!("/console/runs/{id}")).into_response(),
        Err(error) => failed(&console, &sent.session, Place::Runs, &error),
    }
}
