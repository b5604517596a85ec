//! What was booked: rows, totals, notices.

use super::guard::{Admin, Refused};
use super::read::Query;
use axum::Json;
use jiff::Timestamp;
use nunchi_core::{BudgetNotice, CallFilter, CallRecord, Grouping, KeyId, Outcome, Savings, Total};
use serde::{Deserialize, Serialize};

/// Which rows, as query parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RowQuery {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    provider: Option<String>,
    model: Option<String>,
    session: Option<String>,
    key: Option<KeyId>,
    outcome: Option<Outcome>,
    limit: Option<u32>,
    by: Option<Grouping>,
}

impl RowQuery {
    fn filter(self) -> CallFilter {
        CallFilter {
            since: self.since,
            until: self.until,
            provider: self.provider,
            model: self.model,
            session: self.session,
            key: self.key,
            outcome: self.outcome,
            limit: self.limit,
        }
    }
}

/// Totals by group, and over everything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stats {
    by: Grouping,
    groups: Vec<Total>,
    total: Total,
}

/// `GET /api/calls`
pub(crate) async fn calls(
    admin: Admin,
    Query(query): Query<RowQuery>,
) -> Result<Json<Vec<CallRecord>>, Refused> {
    let filter = CallFilter { limit: Some(query.limit.unwrap_or(100).min(10_000)), ..query.filter() };
    admin.services.ledger.calls(filter).await.map(Json).map_err(|error| admin.storage(&error))
}

/// `GET /api/stats`
pub(crate) async fn stats(admin: Admin, Query(query): Query<RowQuery>) -> Result<Json<Stats>, Refused> {
    let by = query.by.unwrap_or(Grouping::Model);
    let filter = query.filter();
    let ledger = &admin.services.ledger;
    let groups = ledger.totals(filter.clone(), by).await.map_err(|error| admin.storage(&error))?;
    let all = ledger.totals(filter, Grouping::All).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(Stats { by, groups, total: all.into_iter().next().unwrap_or_default() }))
}

/// `GET /api/savings`
pub(crate) async fn savings(admin: Admin, Query(query): Query<RowQuery>) -> Result<Json<Savings>, Refused> {
    let saved = admin.services.ledger.savings(query.filter()).await;
    saved.map(Json).map_err(|error| admin.storage(&error))
}

/// `GET /api/notices`
pub(crate) async fn notices(
    admin: Admin,
    Query(query): Query<RowQuery>,
) -> Result<Json<Vec<BudgetNotice>>, Refused> {
    let limit = query.limit.unwrap_or(50).min(1_000);
    admin.services.ledger.notices(limit).await.map(Json).map_err(|error| admin.storage(&error))
}
