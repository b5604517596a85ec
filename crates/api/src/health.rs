//! `/healthz`, `/readyz` and `/metrics`: for those who run the server; no key is asked.

use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::json;

/// Tells that the process lives.
pub(crate) async fn healthz() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// Tells whether requests should come here, and which check says no.
pub(crate) async fn readyz(State(state): State<ApiState>) -> Response {
    let checks = (state.parts.ready)().await;
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "not ready" };
    (status, Json(json!({"status": word, "checks": checks}))).into_response()
}

/// The metrics in the Prometheus text format.
pub(crate) async fn metrics(State(state): State<ApiState>) -> Response {
    let page = (state.parts.metrics)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}
