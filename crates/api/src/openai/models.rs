//! `GET /v1/models` and `GET /v1/models/{id}`, in OpenAI's shape or, for clients that send `anthropic-version`, Anthropic's.

use crate::agents;
use crate::answer::request_id;
use crate::door;
use crate::failure::{Failure, Shape};
use crate::problem::Problem;
use crate::state::ApiState;
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use nunchi_core::{Principal, pattern_matches};
use serde::Deserialize;
use serde_json::{Value, json};

/// What can always be asked for.
const AUTO: [&str; 4] = ["auto", "auto:trivial", "auto:standard", "auto:complex"];
/// Length of a page where Anthropic's clients say nothing.
const PAGE: usize = 1_000;

/// A model as listed.
struct Listed {
    id: String,
    owner: String,
}

/// Which page of the list, in Anthropic's words.
#[derive(Debug, Default, Deserialize)]
struct Page {
    limit: Option<usize>,
    after_id: Option<String>,
    before_id: Option<String>,
}

/// Lists the models that the key may call.
pub(crate) async fn list(State(state): State<ApiState>, request: Request) -> Response {
    let shape = shape(request.headers());
    let page = match Query::<Page>::try_from_uri(request.uri()) {
        Ok(Query(page)) => page,
        Err(error) => {
            let problem = Problem::invalid("limit", error.to_string());
            let failure = Failure::of_problem(&problem, state.lang(request.headers()));
            return failure.response(shape, Some(request_id(&request)));
        }
    };
    let models = match listed(&state, &request) {
        Ok(models) => models,
        Err(failure) => return failure.response(shape, Some(request_id(&request))),
    };
    let created = state.started.as_second();
    match shape {
        Shape::OpenAi => {
            let data: Vec<Value> = models.iter().map(|model| open_ai(model, created)).collect();
            Json(json!({"object": "list", "data": data})).into_response()
        }
        Shape::Anthropic => Json(anthropic_page(&models, &page, &state.started.to_string())).into_response(),
    }
}

/// Shows one model. Ids hold slashes, so the rest of the address is the id.
pub(crate) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let shape = shape(request.headers());
    let fail = |failure: Failure| failure.response(shape, Some(request_id(&request)));
    let models = match listed(&state, &request) {
        Ok(models) => models,
        Err(failure) => return fail(failure),
    };
    let bare = |model: &Listed| model.id.split_once('/').is_some_and(|(_, name)| name == id);
    let found =
        models.iter().find(|model| model.id == id).or_else(|| models.iter().find(|model| bare(model)));
    match (found, shape) {
        (Some(model), Shape::OpenAi) => Json(open_ai(model, state.started.as_second())).into_response(),
        (Some(model), Shape::Anthropic) => Json(anthropic(model, &state.started.to_string())).into_response(),
        (None, _) => {
            fail(Failure::of_problem(&Problem::NoModel { model: id }, state.lang(request.headers())))
        }
    }
}

fn shape(headers: &HeaderMap) -> Shape {
    if headers.contains_key("anthropic-version") { Shape::Anthropic } else { Shape::OpenAi }
}

fn listed(state: &ApiState, request: &Request) -> Result<Vec<Listed>, Failure> {
    let lang = state.lang(request.headers());
    let principal = door::principal(state, request.headers(), lang)?;
    let agents = if state.parts.agents.is_some() { &agents::MODELS[..] } else { &[] };
    let own = AUTO.iter().chain(agents);
    let auto = own.map(|id| Listed { id: (*id).to_owned(), owner: "nunchi".to_owned() });
    let cards = state.parts.catalog.cards().into_iter();
    let cards =
        cards.map(|card| Listed { id: format!("{}/{}", card.provider, card.model), owner: card.provider });
    let mut models: Vec<Listed> = auto.chain(cards).filter(|model| allowed(&principal, &model.id)).collect();
    models.dedup_by(|a, b| a.id == b.id);
    Ok(models)
}

/// Whether the key's patterns name the model, with or without its provider.
fn allowed(principal: &Principal, id: &str) -> bool {
    let name = id.split_once('/').map_or(id, |(_, name)| name);
    let fits = |pattern: &String| pattern_matches(pattern, id) || pattern_matches(pattern, name);
    principal.allowed_models.is_empty() || principal.allowed_models.iter().any(fits)
}

fn open_ai(model: &Listed, created: i64) -> Value {
    json!({"id": model.id, "object": "model", "created": created, "owned_by": model.owner})
}

fn anthropic(model: &Listed, created: &str) -> Value {
    json!({"type": "model", "id": model.id, "display_name": model.id, "created_at": created})
}

fn anthropic_page(models: &[Listed], page: &Page, created: &str) -> Value {
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let position = |id: &String| models.iter().position(|model| model.id == *id);
    let from = page.after_id.as_ref().and_then(position).map_or(0, |at| at + 1);
    let to = page.before_id.as_ref().and_then(position).unwrap_or(models.len()).max(from);
    let (start, end) = if page.before_id.is_some() {
        (to.saturating_sub(limit).max(from), to)
    } else {
        (from, to.min(from + limit))
    };
    let shown = &models[start..end];
    let more = if page.before_id.is_some() { start > from } else { end < to };
    json!({
        "data": shown.iter().map(|model| anthropic(model, created)).collect::<Vec<_>>(),
        "has_more": more,
        "first_id": shown.first().map(|model| &model.id),
        "last_id": shown.last().map(|model| &model.id),
    })
}
