//! `/api/approvals`: what runs ask people, and the answers, one by one or many at once.

use super::answering::{Grant, Said, Verb, find, is_open, is_rule, may_answer};
use super::caller::Caller;
use crate::admin::{Body, Path, Query, Refused};
use axum::Json;
use nunchi_core::{Approval, ApprovalId, ApprovalSubject, Lang, RunId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most questions answered at once.
const MOST_AT_ONCE: usize = 500;
/// Most questions of a list.
const MOST_LISTED: usize = 1_000;

/// Which questions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    run: Option<RunId>,
    /// Also those that were answered or have expired.
    all: bool,
    batch: Option<String>,
}

/// A question, and why it is asked.
#[derive(Serialize)]
pub(crate) struct Question {
    #[serde(flatten)]
    approval: Approval,
    /// One sentence for each call.
    explained: Vec<String>,
}

impl Question {
    fn of(approval: Approval, lang: Lang) -> Self {
        let explained = match &approval.subject {
            ApprovalSubject::Calls(calls) => {
                calls.iter().map(|call| format!("{}: {}", call.tool, call.decision.explain(lang))).collect()
            }
            _ => Vec::new(),
        };
        Self { approval, explained }
    }
}

/// The questions that a caller may see, the newest first.
async fn seen(caller: &Caller, which: &Which) -> Result<Vec<Approval>, Refused> {
    let found = caller.services.approvals.approvals(which.run, !which.all).await;
    let mut found = found.map_err(|error| caller.storage(&error))?;
    let now = caller.state.parts.clock.now();
    found.retain(|approval| {
        !is_rule(approval)
            && (which.all || is_open(approval, now))
            && which.batch.as_ref().is_none_or(|batch| approval.batch == *batch)
    });
    found.sort_by_key(|approval| std::cmp::Reverse((approval.asked, approval.id)));
    let mut known: BTreeMap<RunId, bool> = BTreeMap::new();
    let mut own = Vec::new();
    for approval in found {
        let mine = match known.get(&approval.run) {
            Some(mine) => *mine,
            None => caller.sees(approval.run).await?,
        };
        known.insert(approval.run, mine);
        if mine && own.len() < MOST_LISTED {
            own.push(approval);
        }
    }
    Ok(own)
}

/// `GET /api/approvals`
pub(crate) async fn list(caller: Caller, Query(which): Query<Which>) -> Result<Json<Vec<Question>>, Refused> {
    let found = seen(&caller, &which).await?;
    Ok(Json(found.into_iter().map(|approval| Question::of(approval, caller.lang)).collect()))
}

/// `GET /api/approvals/{id}`
pub(crate) async fn show(caller: Caller, Path(id): Path<ApprovalId>) -> Result<Json<Question>, Refused> {
    let found = find(&caller.services, &caller.principal, id).await.map_err(|error| caller.agent(&error))?;
    Ok(Json(Question::of(found, caller.lang)))
}

async fn give(caller: &Caller, id: ApprovalId, said: &Said) -> Result<Approval, Refused> {
    let found = find(&caller.services, &caller.principal, id).await.map_err(|error| caller.agent(&error))?;
    let answer = said.answer(&found).map_err(|(field, detail)| caller.invalid(field, detail))?;
    if !may_answer(&caller.principal, &found, &answer) {
        return Err(Refused::not_admin(caller.lang));
    }
    caller.services.agent.answer(id, answer, &caller.by()).await.map_err(|error| caller.agent(&error))
}

/// `POST /api/approvals/{id}`
pub(crate) async fn answer(
    caller: Caller,
    Path(id): Path<ApprovalId>,
    Body(said): Body<Said>,
) -> Result<Json<Question>, Refused> {
    let answered = give(&caller, id, &said).await?;
    Ok(Json(Question::of(answered, caller.lang)))
}

/// One answer to many questions: to those of these ids, or to all open ones of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    #[serde(default)]
    ids: Vec<ApprovalId>,
    #[serde(default)]
    batch: Option<String>,
    answer: Verb,
    #[serde(default)]
    grant: Option<Grant>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    text: Option<String>,
}

/// What came of one answer of many.
#[derive(Serialize)]
pub(crate) struct Came {
    id: ApprovalId,
    ok: bool,
    code: Option<&'static str>,
    message: Option<String>,
}

/// `POST /api/approvals`
pub(crate) async fn answer_many(caller: Caller, Body(many): Body<Many>) -> Result<Json<Vec<Came>>, Refused> {
    let mut ids = many.ids;
    if let Some(batch) = many.batch {
        let which = Which { batch: Some(batch), ..Which::default() };
        ids.extend(seen(&caller, &which).await?.into_iter().map(|approval| approval.id));
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() || ids.len() > MOST_AT_ONCE {
        return Err(caller.invalid("ids", format!("name 1 to {MOST_AT_ONCE} questions, or their batch")));
    }
    let said =
        Said { answer: many.answer, calls: None, grant: many.grant, reason: many.reason, text: many.text };
    let mut came = Vec::new();
    for id in ids {
        came.push(match give(&caller, id, &said).await {
            Ok(_) => Came { id, ok: true, code: None, message: None },
            Err(refused) => {
                let failure = refused.failure();
                Came { id, ok: false, code: Some(failure.code), message: Some(failure.message.clone()) }
            }
        });
    }
    Ok(Json(came))
}
