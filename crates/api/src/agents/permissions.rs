//! `/api/permissions`: the rules in force, new ones, and which rule would decide a call.

use super::caller::Caller;
use crate::admin::{Body, Refused};
use axum::Json;
use jiff::SignedDuration;
use nunchi_agent::AgentError;
use nunchi_core::{
    Answer, Approval, ApprovalId, ApprovalState, ApprovalSubject, PermissionDecision, PermissionRule, RunId,
    decide_permission, offer_grant,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The rules in force.
#[derive(Serialize)]
pub(crate) struct Rules {
    rules: Vec<PermissionRule>,
}

async fn rules(caller: &Caller) -> Result<Vec<PermissionRule>, Refused> {
    caller.services.approvals.rules().await.map_err(|error| caller.storage(&error))
}

/// `GET /api/permissions`
pub(crate) async fn list(caller: Caller) -> Result<Json<Rules>, Refused> {
    let caller = caller.admin()?;
    Ok(Json(Rules { rules: rules(&caller).await? }))
}

/// `POST /api/permissions`: a rule for good. It is written down as a question that was asked and answered at once, so that the
/// record says who made it and when.
pub(crate) async fn put(caller: Caller, Body(rule): Body<PermissionRule>) -> Result<Json<Rules>, Refused> {
    let caller = caller.admin()?;
    for (field, text) in [("name", &rule.name), ("tool", &rule.tool)] {
        if text.trim().is_empty() || text.chars().count() > 200 {
            return Err(caller.invalid(field, "1 to 200 characters"));
        }
    }
    if rules(&caller).await?.iter().any(|known| known.name == rule.name && *known != rule) {
        return Err(caller.invalid("name", "another rule has this name"));
    }
    let (state, store) = (&caller.state, &caller.services.approvals);
    let now = state.parts.clock.now();
    let question = Approval {
        id: ApprovalId(state.parts.ids.new_id()),
        run: RunId(uuid::Uuid::nil()),
        session: None,
        subject: ApprovalSubject::Calls(Vec::new()),
        batch: String::new(),
        asked: now,
        expires: now.checked_add(SignedDuration::from_mins(1)).unwrap_or(now),
        state: ApprovalState::Open,
    };
    let id = question.id;
    let write = async {
        store.ask(question).await?;
        store.answer(id, Answer::ApproveAndGrant(rule), caller.by(), now).await??;
        Ok::<_, AgentError>(())
    };
    write.await.map_err(|error| caller.agent(&error))?;
    Ok(Json(Rules { rules: rules(&caller).await? }))
}

/// A call to be judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    tool: String,
    #[serde(default)]
    arguments: Value,
    /// What the owner has said.
    #[serde(default)]
    owner_texts: Vec<String>,
    /// Whether somebody else's text is in the conversation.
    #[serde(default)]
    stranger: bool,
}

/// What would be decided, and by what.
#[derive(Serialize)]
pub(crate) struct Judged {
    #[serde(flatten)]
    decision: PermissionDecision,
    /// The decision as a sentence.
    explained: String,
    /// The rule that would allow such calls.
    grant: PermissionRule,
}

/// `POST /api/permissions/explain`
pub(crate) async fn explain(caller: Caller, Body(call): Body<Call>) -> Result<Json<Judged>, Refused> {
    let caller = caller.admin()?;
    let Some(tool) = caller.services.desk.tools().find(&call.tool) else {
        return Err(caller.invalid("tool", format!("there is no tool \"{}\"", call.tool)));
    };
    let spec = tool.spec();
    let rules = rules(&caller).await?;
    let decision = decide_permission(&rules, &spec, &call.arguments, &call.owner_texts, call.stranger);
    let explained = decision.explain(caller.lang);
    Ok(Json(Judged { decision, explained, grant: offer_grant(&spec, &call.arguments) }))
}
