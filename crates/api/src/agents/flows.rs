//! `/api/flows`: a workflow's file is carried out, or only told what it would do.

use super::caller::{Caller, label_of, may_begin};
use super::runs;
use crate::admin::{Body, Refused};
use crate::failure::Failure;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use nunchi_agent::{AgentError, RunRequest, WorkflowRefused, WorkflowRequest};
use nunchi_core::StorageError;
use serde::Deserialize;
use serde_json::{Value, json};

/// A workflow to be carried out.
#[derive(Debug, Deserialize)]
pub(crate) struct New {
    #[serde(flatten)]
    workflow: WorkflowRequest,
    session: Option<String>,
    /// Most money, in dollars: a decimal as text, or a number.
    money: Option<Value>,
    /// Only tell what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Whether the answer waits until the run has ended or waits for people.
    #[serde(default)]
    wait: bool,
}

/// `POST /api/flows`
pub(crate) async fn create(caller: Caller, Body(new): Body<New>) -> Result<Response, Refused> {
    may_begin(&caller.principal).map_err(|error| Refused::of(Failure::of_model(&error, caller.lang)))?;
    let services = &caller.services;
    let wrong = |error: WorkflowRefused| Refused::of(Failure::new(400, &error, caller.lang));
    let workflow = new.workflow.order(&services.desk.tools().specs()).map_err(wrong)?;
    let mut request = RunRequest::new(workflow.goal());
    request.session = new.session;
    request.principal = Some(caller.principal.clone());
    request.asked_by = label_of(&caller.principal);
    let money = new.money.map(|money| runs::dollars(&money)).transpose();
    request.money = money.map_err(|(field, detail)| caller.invalid(field, detail))?;
    let stored = |error: StorageError| caller.agent(&AgentError::Storage(error));
    let mut order = services.desk.workflow(workflow, request).await.map_err(stored)?;
    if new.dry_run {
        order.rules = services.approvals.rules().await.map_err(stored)?;
        let name = order.goal.clone();
        return Ok(Json(json!({ "goal": name, "nodes": order.rehearsed() })).into_response());
    }
    let id = services.agent.start(order).await.map_err(|error| caller.agent(&error))?;
    if new.wait {
        services.agent.wait(id).await.map_err(|error| caller.agent(&error))?;
    }
    let body = runs::detail(&caller, id).await?;
    Ok((StatusCode::CREATED, [("x-nunchi-run", id.to_string())], body).into_response())
}
