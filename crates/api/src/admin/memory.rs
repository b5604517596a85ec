//! What is remembered: listed, searched, changed, taken out, exported. The owner sees everything, history and vetoes as well.

use super::guard::{Admin, Refused};
use super::read::{Body, Path, Query};
use crate::failure::Failure;
use axum::Json;
use axum::body::Body as Bytes;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header;
use nunchi_core::{
    Fact, FactFilter, FactId, FactKind, FactState, FactWish, Label, MemoryError, MemoryFigures, RankedFact,
    Remembered,
};
use serde::{Deserialize, Serialize};

/// Most facts of one answer.
const MOST: u32 = 1_000;
/// Facts that an export reads at once.
const PAGE: u32 = 500;

/// Which facts, as query parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FactsQuery {
    kind: Option<FactKind>,
    state: Option<FactState>,
    label: Option<Label>,
    session: Option<String>,
    before: Option<FactId>,
    limit: Option<u32>,
}

/// What to look for, as query parameters.
#[derive(Debug, Deserialize)]
pub(crate) struct SearchQuery {
    q: String,
    kind: Option<FactKind>,
    limit: Option<u32>,
}

/// A fact that the owner adds.
#[derive(Debug, Deserialize)]
pub(crate) struct NewFact {
    text: String,
    topic: Option<String>,
}

/// Other words for a fact.
#[derive(Debug, Deserialize)]
pub(crate) struct OtherWords {
    text: String,
}

/// Whether a fact is erased at once.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Erasing {
    erase: bool,
}

/// What was erased.
#[derive(Debug, Serialize)]
pub(crate) struct Erased {
    erased: FactId,
}

/// `GET /api/memory`
pub(crate) async fn list(admin: Admin, Query(query): Query<FactsQuery>) -> Result<Json<Vec<Fact>>, Refused> {
    let FactsQuery { kind, state, label, session, before, limit } = query;
    let limit = Some(limit.unwrap_or(50).min(MOST));
    let filter = FactFilter { kind, state, label, session, before, limit, topic: None };
    admin.services.memory.facts(filter).await.map(Json).map_err(|error| refused(&admin, &error))
}

/// `POST /api/memory`
pub(crate) async fn add(admin: Admin, Body(new): Body<NewFact>) -> Result<Json<Remembered>, Refused> {
    let wish = FactWish {
        text: new.text,
        topic: new.topic,
        label: Some(Label::Owner),
        importance: Fact::LASTING,
        ..FactWish::default()
    };
    admin.services.memory.remember(wish).await.map(Json).map_err(|error| refused(&admin, &error))
}

/// `GET /api/memory/search`
pub(crate) async fn search(
    admin: Admin,
    Query(query): Query<SearchQuery>,
) -> Result<Json<Vec<RankedFact>>, Refused> {
    let limit = query.limit.unwrap_or(10).min(MOST);
    let found = admin.services.memory.search(&query.q, query.kind, limit).await;
    found.map(Json).map_err(|error| refused(&admin, &error))
}

/// `GET /api/memory/stats`
pub(crate) async fn stats(admin: Admin) -> Result<Json<MemoryFigures>, Refused> {
    admin.services.memory.figures().await.map(Json).map_err(|error| refused(&admin, &error))
}

/// `GET /api/memory/export`: everything there is, one JSON object a line.
pub(crate) async fn export(admin: Admin) -> Response {
    let memory = admin.services.memory;
    let pages = stream::unfold(Some(None), move |before: Option<Option<FactId>>| {
        let memory = memory.clone();
        async move {
            let filter = FactFilter { before: before?, limit: Some(PAGE), ..FactFilter::default() };
            match memory.facts(filter).await {
                Ok(facts) => {
                    let next = facts.last().map(|fact| Some(fact.id))?;
                    Some((lines(&facts), Some(next)))
                }
                // The caller sees an answer that breaks off, not a short one that looks whole.
                Err(error) => Some((Err(std::io::Error::other(error.to_string())), None)),
            }
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Bytes::from_stream(pages)).into_response()
}

fn lines(facts: &[Fact]) -> Result<String, std::io::Error> {
    let mut lines = String::new();
    for fact in facts {
        lines.push_str(&serde_json::to_string(fact)?);
        lines.push('\n');
    }
    Ok(lines)
}

/// `GET /api/memory/{id}`
pub(crate) async fn show(admin: Admin, Path(id): Path<FactId>) -> Result<Json<Fact>, Refused> {
    admin.services.memory.fact(id).await.map(Json).map_err(|error| refused(&admin, &error))
}

/// `PUT /api/memory/{id}`: from then on it is the owner's word.
pub(crate) async fn edit(
    admin: Admin,
    Path(id): Path<FactId>,
    Body(words): Body<OtherWords>,
) -> Result<Json<Fact>, Refused> {
    let edited = admin.services.memory.edit(id, words.text, Label::Owner).await;
    edited.map(Json).map_err(|error| refused(&admin, &error))
}

/// `DELETE /api/memory/{id}`: taken out; with `?erase=true` erased for good.
pub(crate) async fn remove(
    admin: Admin,
    Path(id): Path<FactId>,
    Query(query): Query<Erasing>,
) -> Result<Response, Refused> {
    let memory = &admin.services.memory;
    if query.erase {
        let erased = memory.erase(id).await;
        return erased
            .map(|()| Json(Erased { erased: id }).into_response())
            .map_err(|error| refused(&admin, &error));
    }
    memory.forget(id).await.map(|fact| Json(fact).into_response()).map_err(|error| refused(&admin, &error))
}

/// `POST /api/memory/{id}/veto`
pub(crate) async fn veto(admin: Admin, Path(id): Path<FactId>) -> Result<Json<Fact>, Refused> {
    admin.services.memory.veto(id).await.map(Json).map_err(|error| refused(&admin, &error))
}

/// `POST /api/memory/{id}/restore`
pub(crate) async fn restore(admin: Admin, Path(id): Path<FactId>) -> Result<Json<Fact>, Refused> {
    admin.services.memory.restore(id).await.map(Json).map_err(|error| refused(&admin, &error))
}

fn refused(admin: &Admin, error: &MemoryError) -> Refused {
    let status = match error {
        MemoryError::Storage(error) => return admin.storage(error),
        MemoryError::Unknown(_) => 404,
        MemoryError::Vetoed(_) | MemoryError::Outranked(_) => 409,
        MemoryError::Secret | MemoryError::NotWorth(_) => 422,
    };
    Refused::of(Failure::new(status, error, admin.lang))
}
