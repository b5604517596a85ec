//! `/api/sessions`: conversations, their runs, and what was said in them.

use super::AgentServices;
use super::caller::Caller;
use super::runs::{Which, listed};
use super::wire::RunObject;
use crate::admin::{Path, Query, Refused};
use axum::Json;
use jiff::Timestamp;
use nunchi_agent::AgentError;
use nunchi_core::{NanoUsd, Principal, RunId, RunRecord, RunStatus, StorageError};
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

impl From<&Conversation> for SessionObject {
    fn from(one: &Conversation) -> Self {
        Self {
            id: one.id.clone(),
            title: one.title().chars().take(120).collect(),
            runs: one.runs.iter().map(|run| run.id).collect(),
            status: one.status(),
            created: one.runs.last().map_or_else(|| one.updated(), |run| run.created),
            updated: one.updated(),
            total_tokens: one.tokens(),
            total_cost_usd: one.cost().to_string(),
        }
    }
}

/// A conversation: runs of one session.
pub(crate) struct Conversation {
    id: String,
    /// The newest first; never empty.
    runs: Vec<RunRecord>,
}

impl Conversation {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn runs(&self) -> &[RunRecord] {
        &self.runs
    }

    /// What was asked last.
    pub(crate) fn title(&self) -> &str {
        self.runs.first().map_or("", |run| &run.user_input)
    }

    /// Where its last run stands.
    pub(crate) fn status(&self) -> RunStatus {
        self.runs.first().map_or_else(RunStatus::default, |run| run.status)
    }

    /// When something happened in it last.
    pub(crate) fn updated(&self) -> Timestamp {
        self.runs.iter().map(|run| run.updated).max().unwrap_or_default()
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.runs.iter().map(|run| run.totals.usage.total_tokens()).sum()
    }

    pub(crate) fn cost(&self) -> NanoUsd {
        self.runs.iter().map(|run| run.totals.cost).sum()
    }
}

/// The conversations that somebody may see, the one that went on last first.
///
/// # Errors
/// When runs cannot be read.
pub(crate) async fn conversations(
    services: &AgentServices,
    principal: &Principal,
    most: usize,
) -> Result<Vec<Conversation>, AgentError> {
    let mut found: Vec<Conversation> = Vec::new();
    for run in runs(services, principal, None).await? {
        let Some(id) = run.session.clone() else { continue };
        match found.iter_mut().find(|known| known.id == id) {
            Some(known) => known.runs.push(run),
            None => found.push(Conversation { id, runs: vec![run] }),
        }
    }
    found.truncate(most.clamp(1, MOST_RUNS));
    Ok(found)
}

/// One conversation; `None` when there is none that they may see.
///
/// # Errors
/// When runs cannot be read.
pub(crate) async fn conversation(
    services: &AgentServices,
    principal: &Principal,
    id: &str,
) -> Result<Option<Conversation>, AgentError> {
    let runs = runs(services, principal, Some(id.to_owned())).await?;
    Ok((!runs.is_empty()).then(|| Conversation { id: id.to_owned(), runs }))
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

async fn runs(
    services: &AgentServices,
    principal: &Principal,
    session: Option<String>,
) -> Result<Vec<RunRecord>, AgentError> {
    let which = Which { session, limit: Some(MOST_RUNS), ..Which::default() };
    listed(services, principal, which).await.map(|(runs, _)| runs)
}

/// `GET /api/sessions`
pub(crate) async fn list(
    caller: Caller,
    Query(most): Query<Most>,
) -> Result<Json<Vec<SessionObject>>, Refused> {
    let found = conversations(&caller.services, &caller.principal, most.limit.unwrap_or(50)).await;
    let found = found.map_err(|error| caller.agent(&error))?;
    Ok(Json(found.iter().map(SessionObject::from).collect()))
}

/// `GET /api/sessions/{id}`
pub(crate) async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<SessionDetail>, Refused> {
    let found = conversation(&caller.services, &caller.principal, &id).await;
    let Some(found) = found.map_err(|error| caller.agent(&error))? else {
        return Err(caller.storage(&StorageError::NotFound(format!("session {id}"))));
    };
    let about = SessionObject::from(&found);
    let details = found.runs.iter().map(RunObject::from).collect();
    let messages = found.runs.into_iter().rev().flat_map(turns).collect();
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
