//! `POST /v1/messages/count_tokens`.

use super::messages::Messages;
use crate::answer::{admit, request_id};
use crate::failure::{Failure, Shape};
use crate::problem::Problem;
use crate::state::ApiState;
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Counts the tokens of a prompt without asking a model.
pub(crate) async fn count_tokens(State(state): State<ApiState>, request: Request) -> Response {
    let id = request_id(&request);
    let lang = state.lang(request.headers());
    let asked = match admit::<Messages>(&state, request, id, lang).await {
        Ok((asked, (), ..)) => asked,
        Err(failure) => return failure.response(Shape::Anthropic, Some(id)),
    };
    // Tokenising a long prompt takes milliseconds, the first use of a vocabulary more.
    let counted = tokio::task::spawn_blocking(move || state.parts.catalog.count_tokens(&asked)).await;
    match counted {
        Ok(tokens) => Json(json!({"input_tokens": tokens})).into_response(),
        Err(_) => Failure::of_problem(&Problem::Internal, lang).response(Shape::Anthropic, Some(id)),
    }
}
