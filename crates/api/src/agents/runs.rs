//! `/api/runs`: begun, listed, shown, cancelled, resumed, undone.

use super::AgentServices;
use super::caller::{Caller, label_of, may_begin};
use super::history::of_session;
use super::watch::open_questions;
use super::wire::RunObject;
use crate::admin::{Body, Path, Query, Refused};
use crate::failure::Failure;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use nunchi_agent::{AgentError, RunRequest};
use nunchi_core::{
    AccessRole, Approval, KeyId, Lang, Mode, NanoUsd, Plan, Principal, RunDoor, RunFilter, RunId, RunLog,
    RunOrigin, RunRecord, RunScore, RunStatus, StepRecord, StorageError, UndoOrder, UndoReport,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Runs of a page where nobody says, and at most.
const PAGE: (usize, usize) = (50, 500);
/// Longest goal, in bytes.
const MOST_GOAL: usize = 256 << 10;
/// Steps of a run that are shown at once.
const MOST_STEPS: u32 = 10_000;
/// How long a request waits for a run to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// A run to be begun.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct New {
    pub(crate) goal: String,
    pub(crate) mode: Mode,
    pub(crate) session: Option<String>,
    pub(crate) model: Option<String>,
    /// Most money, in dollars: a decimal as text, or a number.
    pub(crate) money: Option<Value>,
    pub(crate) turns: Option<u32>,
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) output_schema: Option<Value>,
    pub(crate) lang: Option<Lang>,
    /// Whether the answer waits until the run has ended or waits for people.
    pub(crate) wait: bool,
}

/// What is wrong with a run to be begun: the field, and why.
type Wrong = (&'static str, String);

/// The request of a new run on somebody's behalf.
///
/// # Errors
/// When a field makes no sense.
pub(crate) fn request(new: New, principal: &Arc<Principal>) -> Result<RunRequest, Wrong> {
    let goal = new.goal.trim();
    if goal.is_empty() {
        return Err(("goal", "say what is to be done".into()));
    }
    if goal.len() > MOST_GOAL {
        return Err(("goal", format!("longer than {MOST_GOAL} bytes")));
    }
    if new.turns == Some(0) {
        return Err(("turns", "a run needs at least one".into()));
    }
    let session = new.session.filter(|session| !session.trim().is_empty());
    if session.as_ref().is_some_and(|session| session.len() > 256 || session.chars().any(char::is_control)) {
        return Err(("session", "at most 256 bytes without control characters".into()));
    }
    let mut request = RunRequest::new(goal);
    request.mode = new.mode;
    request.session = session;
    request.principal = Some(Arc::clone(principal));
    request.asked_by = label_of(principal);
    request.lang = new.lang;
    request.model = new.model.filter(|model| !model.trim().is_empty());
    request.money = new.money.map(|money| dollars(&money)).transpose()?;
    request.turns = new.turns;
    request.tools = new.tools;
    request.output_schema = new.output_schema;
    Ok(request)
}

pub(super) fn dollars(money: &Value) -> Result<NanoUsd, Wrong> {
    let text = match money {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let parsed = text.parse::<NanoUsd>().map_err(|error| ("money", error.to_string()))?;
    if parsed <= NanoUsd::ZERO {
        return Err(("money", "it must be above 0 dollars".into()));
    }
    Ok(parsed)
}

/// Begins a run of a request, with what was said before in its conversation.
///
/// # Errors
/// When it cannot be stored.
pub(crate) async fn begin(services: &AgentServices, mut request: RunRequest) -> Result<RunId, AgentError> {
    let mut earlier = None;
    if let (Some(session), Some(principal), true) =
        (request.session.clone(), request.principal.clone(), request.history.is_empty())
    {
        let mut found = of_session(services, &principal, &session).await?;
        request.history = std::mem::take(&mut found.turns);
        earlier = Some(found);
    }
    let stranger = request.asked_by != nunchi_core::Label::Owner;
    let mut order = services.desk.order(request).await?;
    if let Some(earlier) = earlier {
        earlier.label(&mut order);
    }
    if stranger {
        // What another key's holder said before is no more the owner's than what they say now.
        order.owner_texts.clear();
    }
    services.agent.start(order).await
}

/// `POST /api/runs`
pub(crate) async fn create(caller: Caller, Body(new): Body<New>) -> Result<Response, Refused> {
    may_begin(&caller.principal).map_err(|error| Refused::of(Failure::of_model(&error, caller.lang)))?;
    let wait = new.wait;
    let request = request(new, &caller.principal).map_err(|(field, detail)| caller.invalid(field, detail))?;
    let id = begin(&caller.services, request).await.map_err(|error| caller.agent(&error))?;
    if wait {
        caller.services.agent.wait(id).await.map_err(|error| caller.agent(&error))?;
    }
    let body = detail(&caller, id).await?;
    Ok((StatusCode::CREATED, [("x-nunchi-run", id.to_string())], body).into_response())
}

/// Which runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    pub(crate) status: Option<RunStatus>,
    pub(crate) mode: Option<Mode>,
    pub(crate) session: Option<String>,
    pub(crate) parent: Option<RunId>,
    /// Only those of this key; who does not administer sees only their own anyway.
    pub(crate) owner: Option<KeyId>,
    /// Only those that came through this door.
    pub(crate) origin: Option<RunDoor>,
    /// Only those ordered then or later.
    pub(crate) since: Option<Timestamp>,
    /// Only runs whose goal holds this text.
    pub(crate) q: Option<String>,
    /// Whether sub-agents are listed beside the runs that began them.
    pub(crate) sub_agents: bool,
    /// Behind this run: the next page.
    pub(crate) after: Option<RunId>,
    pub(crate) limit: Option<usize>,
}

/// The runs that somebody may see, the newest first, and where the next page begins.
///
/// # Errors
/// When runs cannot be read.
pub(crate) async fn listed(
    services: &AgentServices,
    principal: &Principal,
    which: Which,
) -> Result<(Vec<RunRecord>, Option<RunId>), AgentError> {
    let most = which.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
    let owner = match (principal.role, principal.key) {
        (AccessRole::Admin, _) => which.owner,
        (AccessRole::Caller, None) => return Ok((Vec::new(), None)),
        (AccessRole::Caller, own) => own,
    };
    let filter = RunFilter {
        status: which.status,
        session: which.session,
        parent: which.parent,
        owner,
        mode: which.mode,
        door: which.origin,
        since: which.since,
        top: !which.sub_agents && which.parent.is_none(),
        text: which.q.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
        after: which.after,
        // One more tells whether there is a next page.
        limit: u32::try_from(most + 1).ok(),
        ..RunFilter::default()
    };
    let mut page = services.runs.runs(filter).await?;
    let more = page.len() > most;
    page.truncate(most);
    let next = page.last().filter(|_| more).map(|run| run.id);
    Ok((page, next))
}

/// A page of runs.
#[derive(Serialize)]
pub(crate) struct Listed {
    runs: Vec<RunObject>,
    /// What `after` is for the next page.
    next: Option<RunId>,
}

/// `GET /api/runs`
pub(crate) async fn list(caller: Caller, Query(which): Query<Which>) -> Result<Json<Listed>, Refused> {
    let found = listed(&caller.services, &caller.principal, which).await;
    let (runs, next) = found.map_err(|error| caller.agent(&error))?;
    Ok(Json(Listed { runs: runs.iter().map(RunObject::from).collect(), next }))
}

/// A run with all that belongs to it.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    log: RunLog<'a>,
    owner: Option<KeyId>,
    origin: &'a RunOrigin,
    plan: Option<&'a Plan>,
    approvals: &'a [Approval],
    sub_agents: Vec<RunObject>,
    /// What was made of it, the newest judgement first.
    scores: Vec<RunScore>,
}

/// All steps of a run that are shown at once.
///
/// # Errors
/// When they cannot be read.
pub(crate) async fn steps(services: &AgentServices, run: RunId) -> Result<Vec<StepRecord>, StorageError> {
    services.runs.steps(run, 0, MOST_STEPS).await
}

pub(super) async fn detail(caller: &Caller, id: RunId) -> Result<Response, Refused> {
    let (record, state) = caller.run(id).await?;
    let services = &caller.services;
    let read = async {
        let steps = steps(services, id).await?;
        let approvals = open_questions(services, &record).await?;
        let below = RunFilter { parent: Some(id), ..RunFilter::default() };
        let scores = services.scores.scores_of(id).await?;
        Ok::<_, AgentError>((steps, approvals, services.runs.runs(below).await?, scores))
    };
    let (steps, approvals, below, scores) = read.await.map_err(|error| caller.agent(&error))?;
    let sub_agents = below.iter().rev().map(RunObject::from).collect();
    let log = RunLog::new(&record, &steps);
    let (owner, origin, plan) = (record.owner, &record.origin, state.plan());
    Ok(Json(Detail { log, owner, origin, plan, approvals: &approvals, sub_agents, scores }).into_response())
}

/// `GET /api/runs/{id}`
pub(crate) async fn show(caller: Caller, Path(id): Path<RunId>) -> Result<Response, Refused> {
    detail(&caller, id).await
}

/// `POST /api/runs/{id}/cancel`
pub(crate) async fn cancel(caller: Caller, Path(id): Path<RunId>) -> Result<Json<RunObject>, Refused> {
    caller.run(id).await?;
    let agent = &caller.services.agent;
    agent.cancel(id, &caller.by()).await.map_err(|error| caller.agent(&error))?;
    settled(&caller, id).await
}

/// Where a run goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Resume {
    /// The node of an ended workflow at which a new run goes on.
    from: Option<String>,
}

/// `POST /api/runs/{id}/resume`
pub(crate) async fn resume(
    caller: Caller,
    Path(id): Path<RunId>,
    Body(wish): Body<Resume>,
) -> Result<Json<RunObject>, Refused> {
    caller.run(id).await?;
    if let Some(node) = wish.from {
        let next = caller.services.agent.resume_at(id, &node).await;
        let (record, _) = caller.run(next.map_err(|error| caller.agent(&error))?).await?;
        return Ok(Json(RunObject::from(&record)));
    }
    caller.services.agent.resume(id).await.map_err(|error| caller.agent(&error))?;
    let (record, _) = caller.run(id).await?;
    Ok(Json(RunObject::from(&record)))
}

/// The run once it has stopped; as it is when that takes long.
async fn settled(caller: &Caller, id: RunId) -> Result<Json<RunObject>, Refused> {
    match tokio::time::timeout(STOP_PATIENCE, caller.services.agent.wait(id)).await {
        Ok(Ok(record)) => Ok(Json(RunObject::from(&record))),
        Ok(Err(error)) => Err(caller.agent(&error)),
        Err(_) => Ok(Json(RunObject::from(&caller.run(id).await?.0))),
    }
}

/// What is to be taken back.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Undo {
    step: Option<u32>,
    dry_run: bool,
    redo: bool,
}

/// `POST /api/runs/{id}/undo`
pub(crate) async fn undo(
    caller: Caller,
    Path(id): Path<RunId>,
    Body(wish): Body<Undo>,
) -> Result<Json<UndoReport>, Refused> {
    caller.run(id).await?;
    let Undo { step, dry_run, redo } = wish;
    let order = UndoOrder { run: id, step, dry_run, redo, by: caller.by() };
    caller.services.undo.undo(order).await.map(Json).map_err(|error| caller.undo(error.as_ref()))
}
