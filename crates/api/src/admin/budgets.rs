//! Budgets: listed, set by name, removed.

use super::guard::{Admin, Refused};
use super::read::{Body, Path};
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use nunchi_core::{Amount, Budget, BudgetId, BudgetScope, BudgetState, BudgetWindow, NanoUsd, Threshold};
use serde::{Deserialize, Serialize};

/// A budget and where it stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    budget: Budget,
    state: BudgetState,
}

/// A budget to be set: a new one, or the one of the same name.
#[derive(Debug, Deserialize)]
pub(crate) struct NewBudget {
    name: String,
    #[serde(flatten)]
    scope: BudgetScope,
    window: BudgetWindow,
    limit: Amount,
    thresholds: Vec<Threshold>,
}

/// `GET /api/budgets`
pub(crate) async fn list(
    admin: Admin,
    State(state): State<ApiState>,
) -> Result<Json<Vec<Standing>>, Refused> {
    let now = state.parts.clock.now();
    let budgets = admin.services.budgets.budgets(now).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(budgets.into_iter().map(|(budget, state)| Standing { budget, state }).collect()))
}

/// `PUT /api/budgets`
pub(crate) async fn put(
    admin: Admin,
    State(state): State<ApiState>,
    Body(new): Body<NewBudget>,
) -> Result<Json<Budget>, Refused> {
    if new.name.trim().is_empty() {
        return Err(admin.invalid("name", "a budget needs a name"));
    }
    if new.limit == Amount::Money(NanoUsd::MAX)
        || matches!(new.limit, Amount::Money(money) if money < NanoUsd::ZERO)
    {
        return Err(admin.invalid("limit", "a limit is neither negative nor beyond all money"));
    }
    if new.thresholds.iter().any(|threshold| !(1..=100).contains(&threshold.percent)) {
        return Err(admin.invalid("thresholds", "a threshold is 1 to 100 per cent"));
    }
    let services = &admin.services;
    let present =
        services.budgets.budgets(state.parts.clock.now()).await.map_err(|error| admin.storage(&error))?;
    let same = present.into_iter().find(|(budget, _)| budget.name == new.name).map(|(budget, _)| budget.id);
    let mut thresholds = new.thresholds;
    thresholds.sort_by_key(|threshold| threshold.percent);
    let budget = Budget {
        id: same.unwrap_or_else(|| BudgetId(state.parts.ids.new_id())),
        name: new.name,
        scope: new.scope,
        window: new.window,
        limit: new.limit,
        thresholds,
        enabled: true,
    };
    services.budgets.put_budget(budget.clone()).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(budget))
}

/// `DELETE /api/budgets/{id}`
pub(crate) async fn remove(admin: Admin, Path(id): Path<BudgetId>) -> Result<Json<BudgetId>, Refused> {
    admin.services.budgets.remove_budget(id).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(id))
}
