//! How things stand: what `top`, `doctor` and the models page show.

use super::guard::{Admin, Refused};
use crate::state::{ApiState, ReadyCheck};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nunchi_core::{BudgetState, CallRecord, ModelCard};
use nunchi_gateway::{CacheFigures, CandidateHealth};
use serde::Serialize;
use std::sync::Arc;

/// How things stand.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    started: Timestamp,
    now: Timestamp,
    checks: Vec<ReadyCheck>,
    budgets: Vec<BudgetState>,
    cache: CacheFigures,
    /// Candidates that had trouble.
    health: Vec<CandidateHealth>,
    /// The last calls since the server began, the newest first.
    recent: Vec<Arc<CallRecord>>,
}

/// The models that can be asked for, and the tiers they serve.
#[derive(Debug, Serialize)]
pub(crate) struct Models {
    models: Vec<ModelCard>,
    trivial: Vec<String>,
    standard: Vec<String>,
    complex: Vec<String>,
}

/// `GET /api/overview`
pub(crate) async fn overview(admin: Admin, State(state): State<ApiState>) -> Result<Json<Overview>, Refused> {
    let now = state.parts.clock.now();
    let services = &admin.services;
    let budgets = services.budgets.budgets(now).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(Overview {
        started: state.started,
        now,
        checks: (state.parts.ready)().await,
        budgets: budgets.into_iter().map(|(_, state)| state).collect(),
        cache: services.gateway.cache().stats().await.map_err(|error| admin.storage(&error))?,
        health: services.gateway.health(),
        recent: services.gateway.feed().recent(50),
    }))
}

/// `GET /api/models`
pub(crate) async fn models(admin: Admin) -> Json<Models> {
    let gateway = &admin.services.gateway;
    let tiers = gateway.tiers();
    Json(Models {
        models: gateway.cards(),
        trivial: tiers.trivial,
        standard: tiers.standard,
        complex: tiers.complex,
    })
}
