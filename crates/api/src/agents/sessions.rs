//! `/api/sessions`: conversations, their runs, and what was said in them.

use super::caller::Caller;
use super::runs::{Which, listed};
use super::wire::RunObject;
use crate::admin::{Path, Query, Refused};
use axum::Json;
use jiff::Timestamp;
use nunchi_core::{NanoUsd, RunId, RunRecord, RunStatus, StorageError};
use serde::{Deserialize, Serialize};

/// Runs that are looked through for conversations.
const MOST_RUNS: usize = 500;

/// How many conversations.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Most {
    limit: Option<usize>,
}

/// A conversation in a list.
#[derive(Serialize)]
pub(crate) struct SessionObject {
    id: String,
    /// What was asked last.
    title: String,
    runs: Vec<RunId>,
    /// Where its last run stands.
    status: RunStatus,
    created: Timestamp,
    updated: Timestamp,
    total_tokens: u64,
    total_cost_usd: String,
}

impl SessionObject {
    /// Of a conversation's runs, the newest first.
    fn of(id: String, runs: &[RunRecord]) -> Option<Self> {
        let (newest, oldest) = (runs.first()?, runs.last()?);
        Some(Self {
            id,
            title: newest.user_input.chars().take(120).collect(),
            runs: runs.iter().map(|run| run.id).collect(),
            status: newest.status,
            created: oldest.created,
            updated: runs.iter().map(|run| run.updated).max().unwrap_or(newest.updated),
            total_tokens: runs.iter().map(|run| run.totals.usage.total_tokens()).sum(),
            total_cost_usd: runs.iter().map(|run| run.totals.cost).sum::<NanoUsd>().to_string(),
        })
    }
}

/// Something said in a conversation.
#[derive(Serialize)]
pub(crate) struct Turn {
    role: &'static str,
    text: String,
    at: Timestamp,
    run: RunId,
}

/// A conversation.
#[derive(Serialize)]
pub(crate) struct SessionDetail {
    #[serde(flatten)]
    about: SessionObject,
    messages: Vec<Turn>,
    details: Vec<RunObject>,
}

async fn runs(caller: &Caller, session: Option<String>) -> Result<Vec<RunRecord>, Refused> {
    let which = Which { session, limit: Some(MOST_RUNS), ..Which::default() };
    let found = listed(&caller.services, &caller.principal, which).await;
    found.map(|(runs, _)| runs).map_err(|error| caller.agent(&error))
}

/// `GET /api/sessions`
pub(crate) async fn list(
    caller: Caller,
    Query(most): Query<Most>,
) -> Result<Json<Vec<SessionObject>>, Refused> {
    let mut sessions: Vec<(String, Vec<RunRecord>)> = Vec::new();
    for run in runs(&caller, None).await? {
        let Some(id) = run.session.clone() else { continue };
        match sessions.iter_mut().find(|(known, _)| *known == id) {
            Some((_, runs)) => runs.push(run),
            None => sessions.push((id, vec![run])),
        }
    }
    sessions.truncate(most.limit.unwrap_or(50).clamp(1, MOST_RUNS));
    Ok(Json(sessions.into_iter().filter_map(|(id, runs)| SessionObject::of(id, &runs)).collect()))
}

/// `GET /api/sessions/{id}`
pub(crate) async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<SessionDetail>, Refused> {
    let runs = runs(&caller, Some(id.clone())).await?;
    let Some(about) = SessionObject::of(id.clone(), &runs) else {
        return Err(caller.storage(&StorageError::NotFound(format!("session {id}"))));
    };
    let details = runs.iter().map(RunObject::from).collect();
    let messages = runs.into_iter().rev().flat_map(turns).collect();
    Ok(Json(SessionDetail { about, messages, details }))
}

fn turns(run: RunRecord) -> Vec<Turn> {
    let asked = Turn { role: "user", text: run.user_input, at: run.created, run: run.id };
    let answer = run.outcome.map(|outcome| Turn {
        role: "assistant",
        text: outcome.text,
        at: run.updated,
        run: run.id,
    });
    std::iter::once(asked).chain(answer).collect()
}
