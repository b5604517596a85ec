//! What would be shortened of a recorded request.

use super::guard::{Admin, Refused};
use super::read::Body;
use crate::answer::Inbound;
use crate::anthropic::messages::Messages;
use crate::failure::Failure;
use crate::openai::chat::Chat;
use crate::openai::responses::Responses;
use crate::problem::Problem;
use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;
use nunchi_core::{CallContext, CompressMode, ModelRequest, Principal, RequestId};
use nunchi_gateway::CompressionReport;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A request body as some client sent it, in any of our dialects.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    request: Box<RawValue>,
    mode: Option<CompressMode>,
}

/// `POST /api/compress/explain`
pub(crate) async fn explain(
    admin: Admin,
    State(state): State<ApiState>,
    Body(body): Body<Recorded>,
) -> Result<Json<CompressionReport>, Refused> {
    let read = read(&state, Bytes::from(body.request.get().to_owned()));
    let request = read.map_err(|problem| Refused::of(Failure::of_problem(&problem, admin.lang)))?;
    let gateway = &admin.services.gateway;
    let id: RequestId = state.new_request();
    let context = CallContext::new(id, Arc::new(Principal::owner()));
    let report = gateway.explain_compression(request, context, body.mode.unwrap_or(CompressMode::Auto)).await;
    report.map(Json).map_err(|error| admin.refused(&error))
}

/// Reads a body by what only its dialect has: responses have an `input`, Anthropic a `system` on top or blocks for tools.
fn read(state: &ApiState, body: Bytes) -> Result<ModelRequest, Problem> {
    #[derive(Default, Deserialize)]
    struct Peek<'a> {
        #[serde(borrow, default)]
        input: Option<&'a RawValue>,
        #[serde(borrow, default)]
        system: Option<&'a RawValue>,
        #[serde(borrow, default)]
        messages: Option<&'a RawValue>,
    }
    // What cannot be read is told by the dialect that it is taken for.
    let peek: Peek<'_> = serde_json::from_slice(&body).unwrap_or_default();
    let (input, system) = (peek.input.is_some(), peek.system.is_some());
    let blocks = peek.messages.is_some_and(|messages| {
        ["\"tool_result\"", "\"tool_use\""].iter().any(|kind| messages.get().contains(kind))
    });
    let headers = HeaderMap::new();
    Ok(if input {
        Responses::translate(state, &headers, body)?.0
    } else if system || blocks {
        Messages::translate(state, &headers, body)?.0
    } else {
        Chat::translate(state, &headers, body)?.0
    })
}
