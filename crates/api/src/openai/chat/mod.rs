//! `POST /v1/chat/completions`.

mod render;
mod stream;
mod translate;
mod wire;

use crate::answer::{Head, Inbound, answer};
use crate::failure::Shape;
use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use nunchi_core::{Dialect, ModelRequest, ReplyBody};
use serde::Deserialize;
use std::borrow::Cow;

/// Answers a chat completion.
pub(crate) async fn completions(State(state): State<ApiState>, request: Request) -> Response {
    answer::<Chat>(state, request).await
}

/// Puts a body into our words.
pub(crate) fn read(body: Bytes) -> Result<ModelRequest, Problem> {
    Ok(translate::translate(body)?.0)
}

/// OpenAI's chat completions.
pub(crate) struct Chat;

/// What the answer depends on beside the model's words.
pub(crate) struct Echo {
    /// Whether a stream ends with the token counts.
    pub(crate) include_usage: bool,
}

impl Inbound for Chat {
    const DIALECT: Dialect = Dialect::OpenAiChat;
    const SHAPE: Shape = Shape::OpenAi;
    type Echo = Echo;
    type Writer = stream::ChatStream;

    fn translate(_: &ApiState, _: &HeaderMap, body: Bytes) -> Result<(ModelRequest, Echo), Problem> {
        translate::translate(body)
    }

    fn writer(head: Head, echo: Echo) -> stream::ChatStream {
        stream::ChatStream::new(head, echo.include_usage)
    }

    fn whole(head: &Head, _: &Echo, reply: &ReplyBody) -> Vec<u8> {
        render::whole(head, reply)
    }

    fn is_whole(raw: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Peek<'a> {
            #[serde(borrow)]
            object: Option<Cow<'a, str>>,
        }
        serde_json::from_slice::<Peek<'_>>(raw)
            .is_ok_and(|peek| peek.object.as_deref() == Some("chat.completion"))
    }
}
