//! The routes, and what surrounds every one of them: request ids, panics caught, CORS, 404 and 405 in shape.

use crate::failure::{Failure, Shape};
use crate::headers::name_request;
use crate::problem::Problem;
use crate::state::ApiState;
use crate::{admin, agents, anthropic, batches, health, openai, openapi};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// Our headers that scripts of other origins may read.
const EXPOSED: [&str; 19] = [
    "request-id",
    "retry-after",
    "x-nunchi-budget",
    "x-nunchi-budget-limit",
    "x-nunchi-budget-remaining",
    "x-nunchi-budget-resets",
    "x-nunchi-budget-unit",
    "x-nunchi-budget-used-percent",
    "x-nunchi-cache",
    "x-nunchi-context",
    "x-nunchi-cost-usd",
    "x-nunchi-model",
    "x-nunchi-notes",
    "x-nunchi-reason",
    "x-nunchi-request-id",
    "x-nunchi-run",
    "x-nunchi-saved-usd",
    "x-nunchi-tier",
    "x-request-id",
];

/// All routes.
pub fn router(state: ApiState) -> Router {
    let router = dialects()
        .merge(admin::routes())
        .merge(agents::routes())
        .merge(batches::routes())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(state.clone(), surround));
    match cors(&state.parts.settings.cors_origins) {
        Some(cors) => router.layer(cors).with_state(state),
        None => router.with_state(state),
    }
}

/// The routes of the dialects, and those for whoever runs the server.
fn dialects() -> Router<ApiState> {
    Router::new()
        .route("/v1/chat/completions", post(openai::chat::completions))
        .route("/v1/responses", post(openai::responses::responses))
        .route("/v1/messages", post(anthropic::messages::messages))
        .route("/v1/embeddings", post(openai::embeddings::embeddings))
        .route("/v1/models", get(openai::models::list))
        .route("/v1/models/{*id}", get(openai::models::show))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens::count_tokens))
        .route("/openapi.json", get(openapi::openapi))
}

/// Lets pages of the listed origins call; without a list no page may.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        [all] if all == "*" => AllowOrigin::any(),
        list => AllowOrigin::list(list.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED.map(HeaderName::from_static))
            .max_age(Duration::from_secs(600)),
    )
}

/// Gives the request its id, counts it, and turns a panic into an answer.
async fn surround(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let id = state.new_request();
    request.extensions_mut().insert(id);
    let callers = request.headers().get("x-request-id").cloned();
    let shape = Shape::of_path(request.uri().path());
    let lang = state.lang(request.headers());
    // The route's pattern, never the address itself: labels must stay few.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(request = %id, "a handler panicked");
            Failure::of_problem(&Problem::Internal, lang).response(shape, Some(id))
        }
    };
    let status = response.status();
    tracing::debug!(request = %id, route, status = status.as_u16(), "answered");
    let labels = [("route", route), ("status", status.as_str().to_owned())];
    metrics::counter!("nunchi_http_requests_total", &labels).increment(1);
    name_request(response.headers_mut(), id, callers);
    response
}

async fn no_route(State(state): State<ApiState>, request: Request) -> Response {
    refuse(&state, &request, &Problem::NoRoute { path: request.uri().path().to_owned() })
}

async fn no_method(State(state): State<ApiState>, request: Request) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    refuse(&state, &request, &Problem::NoMethod { method, path })
}

fn refuse(state: &ApiState, request: &Request, problem: &Problem) -> Response {
    let failure = Failure::of_problem(problem, state.lang(request.headers()));
    failure.response(Shape::of_path(request.uri().path()), Some(crate::answer::request_id(request)))
}
