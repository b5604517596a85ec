//! `POST /v1/responses`.
//!
//! Nothing is stored here, so `previous_response_id`, `conversation`, `prompt` and item references are errors, unless
//! the model asked for by name is served by an upstream of this very dialect: then they go there as they came, and the
//! conversation is that upstream's. `auto` never does that, as the next turn might be answered elsewhere.

mod echo;
mod items;
mod output;
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

/// Answers a response request.
pub(crate) async fn responses(State(state): State<ApiState>, request: Request) -> Response {
    answer::<Responses>(state, request).await
}

/// OpenAI's responses.
pub(crate) struct Responses;

impl Inbound for Responses {
    const DIALECT: Dialect = Dialect::OpenAiResponses;
    const SHAPE: Shape = Shape::OpenAi;
    type Echo = echo::Echo;
    type Writer = stream::ResponseStream;

    fn translate(
        state: &ApiState,
        _: &HeaderMap,
        body: Bytes,
    ) -> Result<(ModelRequest, echo::Echo), Problem> {
        translate::translate(body, &|model| {
            let cards = state.parts.catalog.cards();
            let mut named = cards.iter().filter(|card| {
                card.model == model
                    || model.strip_prefix(card.provider.as_str()).and_then(|rest| rest.strip_prefix('/'))
                        == Some(card.model.as_str())
            });
            named.next().is_some_and(|card| card.dialect == Dialect::OpenAiResponses)
        })
    }

    fn writer(head: Head, echo: echo::Echo) -> stream::ResponseStream {
        stream::ResponseStream::new(head, echo)
    }

    fn whole(head: &Head, echo: &echo::Echo, reply: &ReplyBody) -> Vec<u8> {
        render::whole(head, echo, reply)
    }

    fn is_whole(raw: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Peek<'a> {
            #[serde(borrow)]
            object: Option<Cow<'a, str>>,
        }
        serde_json::from_slice::<Peek<'_>>(raw).is_ok_and(|peek| peek.object.as_deref() == Some("response"))
    }
}
