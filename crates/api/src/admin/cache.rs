//! The answer cache: listed, shown, cleared.

use super::guard::{Admin, Refused};
use super::read::{Body, Path, Query};
use crate::ApiState;
use crate::failure::Failure;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nunchi_core::{CacheEntry, CacheFilter, CacheKey, CallContext, Principal, RequestId, StorageError};
use nunchi_gateway::{
    CacheFigures, Calibration, CalibrationError, PromptCacheReport, QuestionPair, SharingReport,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which entries, as query parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EntryQuery {
    model: Option<String>,
    before: Option<Timestamp>,
    limit: Option<u32>,
}

impl EntryQuery {
    fn filter(self) -> CacheFilter {
        CacheFilter { model: self.model, before: self.before, expired_at: None, limit: self.limit }
    }
}

/// An entry with its key.
#[derive(Debug, Serialize)]
pub(crate) struct Keyed {
    key: CacheKey,
    #[serde(flatten)]
    entry: CacheEntry,
    /// Bytes of the stored reply before compression; only when one entry is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

/// How many entries went.
#[derive(Debug, Serialize)]
pub(crate) struct Removed {
    removed: u64,
}

/// `GET /api/cache`
pub(crate) async fn list(admin: Admin, Query(query): Query<EntryQuery>) -> Result<Json<Vec<Keyed>>, Refused> {
    let filter = CacheFilter { limit: Some(query.limit.unwrap_or(50).min(10_000)), ..query.filter() };
    let entries = admin.services.gateway.cache().list(filter).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(entries.into_iter().map(|(key, entry)| Keyed { key, entry, bytes: None }).collect()))
}

/// `GET /api/cache/stats`
pub(crate) async fn stats(admin: Admin) -> Result<Json<CacheFigures>, Refused> {
    admin.services.gateway.cache().stats().await.map(Json).map_err(|error| admin.storage(&error))
}

/// Two questions.
#[derive(Debug, Deserialize)]
pub(crate) struct Pair {
    a: String,
    b: String,
}

/// What becomes of them.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    #[serde(flatten)]
    report: SharingReport,
    /// The report for people, in the caller's language.
    text: String,
}

/// `POST /api/cache/explain`
pub(crate) async fn explain(
    admin: Admin,
    State(state): State<ApiState>,
    Body(pair): Body<Pair>,
) -> Result<Json<Explained>, Refused> {
    let context = CallContext::new(RequestId(state.parts.ids.new_id()), Arc::new(Principal::owner()));
    let report = admin.services.gateway.cache().explain(&pair.a, &pair.b, &context).await;
    let report = report.ok_or_else(|| {
        admin.storage(&StorageError::NotFound(
            admin.lang.pick("the embedded sentence encoder", "내장 문장 인코더").to_owned(),
        ))
    })?;
    Ok(Json(Explained { text: report.explain(admin.lang), report }))
}

/// Pairs to measure on; none means what audits found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pairs {
    pairs: Vec<QuestionPair>,
    apply: bool,
}

/// `POST /api/cache/calibrate`
pub(crate) async fn calibrate(admin: Admin, Body(body): Body<Pairs>) -> Result<Json<Calibration>, Refused> {
    let found = admin.services.gateway.calibrate(&body.pairs, body.apply).await;
    found.map(Json).map_err(|error| uncalibrated(&admin, &error))
}

/// `DELETE /api/cache/calibrate`
pub(crate) async fn uncalibrate(admin: Admin) -> Result<Json<Removed>, Refused> {
    let done = admin.services.gateway.forget_calibration().await;
    done.map(|()| Json(Removed { removed: 1 })).map_err(|error| uncalibrated(&admin, &error))
}

fn uncalibrated(admin: &Admin, error: &CalibrationError) -> Refused {
    match error {
        CalibrationError::Storage(error) => admin.storage(error),
        CalibrationError::NoEncoder => Refused::of(Failure::new(503, error, admin.lang)),
        CalibrationError::TooFew(_) => Refused::of(Failure::new(409, error, admin.lang)),
    }
}

/// `GET /api/cache/doctor`
pub(crate) async fn doctor(admin: Admin) -> Json<Vec<PromptCacheReport>> {
    Json(admin.services.gateway.prompt_cache_report())
}

/// `GET /api/cache/{key}`
pub(crate) async fn show(admin: Admin, Path(key): Path<String>) -> Result<Json<Keyed>, Refused> {
    let key = read_key(&admin, &key)?;
    let found = admin.services.gateway.cache().get(key).await.map_err(|error| admin.storage(&error))?;
    let entry = found.ok_or_else(|| admin.storage(&StorageError::NotFound(format!("cache entry {key}"))))?;
    let bytes = Some(entry.frames.len());
    Ok(Json(Keyed { key, entry, bytes }))
}

/// `DELETE /api/cache/{key}`
pub(crate) async fn remove(admin: Admin, Path(key): Path<String>) -> Result<Json<Removed>, Refused> {
    let key = read_key(&admin, &key)?;
    let removed = admin.services.gateway.cache().remove(key).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(Removed { removed: u64::from(removed) }))
}

/// `DELETE /api/cache`
pub(crate) async fn clear(admin: Admin, Query(query): Query<EntryQuery>) -> Result<Json<Removed>, Refused> {
    let removed =
        admin.services.gateway.cache().clear(query.filter()).await.map_err(|error| admin.storage(&error))?;
    Ok(Json(Removed { removed }))
}

fn read_key(admin: &Admin, text: &str) -> Result<CacheKey, Refused> {
    text.parse()
        .map_err(|text| admin.invalid("key", format!("`{text}` is no cache key: 64 hexadecimal digits")))
}
