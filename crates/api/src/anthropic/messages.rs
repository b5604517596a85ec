//! `POST /v1/messages`.

use super::{render, stream, translate};
use crate::answer::{Head, Inbound, answer, request_id};
use crate::failure::Shape;
use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use nunchi_core::{Dialect, ModelRequest, ReplyBody};
use serde::Deserialize;
use std::borrow::Cow;

/// Answers a message.
pub(crate) async fn messages(State(state): State<ApiState>, request: Request) -> Response {
    let id = request_id(&request);
    let mut response = answer::<Messages>(state, request).await;
    // Anthropic's SDKs read the id of a request from this header.
    if let Ok(value) = HeaderValue::try_from(format!("req_{id}")) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

/// Puts a body into our words.
pub(crate) fn read(body: Bytes) -> Result<ModelRequest, Problem> {
    translate::translate(&HeaderMap::new(), body)
}

/// Anthropic's messages.
pub(crate) struct Messages;

impl Inbound for Messages {
    const DIALECT: Dialect = Dialect::Anthropic;
    const SHAPE: Shape = Shape::Anthropic;
    type Echo = ();
    type Writer = stream::MessageStream;

    fn translate(_: &ApiState, headers: &HeaderMap, body: Bytes) -> Result<(ModelRequest, ()), Problem> {
        Ok((translate::translate(headers, body)?, ()))
    }

    fn writer(head: Head, (): ()) -> stream::MessageStream {
        stream::MessageStream::new(head)
    }

    fn whole(head: &Head, (): &(), reply: &ReplyBody) -> Vec<u8> {
        render::whole(head, reply)
    }

    fn is_whole(raw: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Peek<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<Cow<'a, str>>,
        }
        serde_json::from_slice::<Peek<'_>>(raw).is_ok_and(|peek| peek.kind.as_deref() == Some("message"))
    }
}
