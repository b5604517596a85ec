//! Judging: runs and pairs of question and answer are scored, and what was made of runs is shown.

use super::AgentServices;
use super::caller::Caller;
use super::runs::steps;
use crate::admin::{Body, Path, Refused};
use crate::failure::Failure;
use axum::Json;
use axum::response::{IntoResponse, Response};
use nunchi_agent::{JudgeCase, JudgeError, JudgeWish, RunFacts, RunState};
use nunchi_core::{Lang, RunId, RunRecord, RunScore, StorageError};
use serde::Deserialize;
use std::sync::Arc;

/// Most sources of one answer.
const MOST_SOURCES: usize = 256;

/// What is to be judged: a run, or a question with its answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    run: Option<RunId>,
    question: Option<String>,
    answer: Option<String>,
    sources: Vec<String>,
    expected: Option<String>,
    /// The judge; the usual one if left out.
    model: Option<String>,
    /// The language of the reasons; the caller's if left out.
    lang: Option<Lang>,
    /// Whether only rules judge, for nothing.
    rules_only: bool,
}

/// `POST /api/eval`: at the caller's cost.
pub(crate) async fn eval(caller: Caller, Body(wanted): Body<Wanted>) -> Result<Response, Refused> {
    let wish = JudgeWish {
        principal: Arc::clone(&caller.principal),
        model: wanted.model.filter(|model| !model.trim().is_empty()),
        lang: wanted.lang.unwrap_or(caller.lang),
        rules_only: wanted.rules_only,
    };
    let judge = Arc::clone(&caller.services.judge);
    let is_pair = wanted.question.is_some() || wanted.answer.is_some();
    match (wanted.run, wanted.question, wanted.answer) {
        (Some(run), None, None) => {
            let (record, state) = caller.run(run).await?;
            let facts = run_facts(&caller.services, record, &state).await;
            let facts = facts.map_err(|error| caller.storage(&error))?;
            let score = judge.judge_run(&facts, &wish).await.map_err(|error| refused(&caller, &error))?;
            Ok(Json(score).into_response())
        }
        (None, Some(question), Some(answer)) => {
            if wanted.sources.len() > MOST_SOURCES {
                return Err(caller.invalid("sources", format!("at most {MOST_SOURCES}")));
            }
            let case = JudgeCase::pair(question, answer, wanted.sources, wanted.expected);
            let judgement = judge.judge(&case, &wish).await.map_err(|error| refused(&caller, &error))?;
            Ok(Json(judgement).into_response())
        }
        (Some(_), ..) if is_pair => Err(caller.invalid("run", "a run has its own question and answer")),
        _ => Err(caller.invalid("run", "name a run, or give a question and its answer")),
    }
}

/// What is known of a run, for judging it.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn run_facts(
    services: &AgentServices,
    record: RunRecord,
    state: &RunState,
) -> Result<RunFacts, StorageError> {
    let approvals = services.approvals.approvals(Some(record.id), false).await?;
    let steps = steps(services, record.id).await?;
    Ok(RunFacts::new(record, state, steps, approvals))
}

/// `GET /api/runs/{id}/scores`
pub(crate) async fn scores(caller: Caller, Path(id): Path<RunId>) -> Result<Json<Vec<RunScore>>, Refused> {
    caller.run(id).await?;
    caller.services.scores.scores_of(id).await.map(Json).map_err(|error| caller.storage(&error))
}

fn refused(caller: &Caller, error: &JudgeError) -> Refused {
    let status = match error {
        JudgeError::Model(error) => return Refused::of(Failure::of_model(error, caller.lang)),
        JudgeError::Storage(error) => return caller.storage(error),
        JudgeError::Unusable { .. } => 502,
        JudgeError::TimedOut(_) => 504,
        JudgeError::Unfinished(_) => 409,
    };
    Refused::of(Failure::new(status, error, caller.lang))
}
