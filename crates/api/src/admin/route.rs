//! How a text would be routed.

use super::guard::{Admin, Refused};
use super::read::Body;
use axum::Json;
use nunchi_gateway::RouteReport;
use serde::Deserialize;

/// A text.
#[derive(Debug, Deserialize)]
pub(crate) struct Text {
    text: String,
}

/// `POST /api/route/explain`
pub(crate) async fn explain(admin: Admin, Body(body): Body<Text>) -> Result<Json<RouteReport>, Refused> {
    let report = admin.services.gateway.explain_route_of(&body.text).await;
    report.map(Json).map_err(|error| admin.refused(&error))
}
