//! Builds providers and reads their replies.

use futures_util::StreamExt;
use nunchi_core::{
    Frame, Message, Model, ModelError, ModelRequest, Reply, ReplyBody, ReplyEvent, Role, assemble_reply,
};
use nunchi_providers::{Provider, ProviderConfig, ProviderDeps, ProviderKind, Secret, Timeouts, Tls};
use nunchi_testkit::{TokioClock, TokioSpawn, Upstream, owner_context};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn deps() -> ProviderDeps {
    ProviderDeps { clock: Arc::new(TokioClock::start()), spawn: Arc::new(TokioSpawn::new()), tls: Tls::new() }
}

pub(crate) fn config(kind: ProviderKind, base_url: String) -> ProviderConfig {
    ProviderConfig { base_url, secret: Some(Secret::new("sk-test")), ..ProviderConfig::new("up", kind) }
}

pub(crate) fn provider(kind: ProviderKind, upstream: &Upstream) -> Provider {
    Provider::new(config(kind, upstream.base_url()), deps()).unwrap()
}

/// A provider that waits a fifth of a second at most.
pub(crate) fn hasty(kind: ProviderKind, upstream: &Upstream) -> Provider {
    let short = Duration::from_millis(200);
    let timeouts = Timeouts { connect: short, first_byte: short, between_bytes: short };
    Provider::new(ProviderConfig { timeouts, ..config(kind, upstream.base_url()) }, deps()).unwrap()
}

pub(crate) fn ask(text: &str, stream: bool) -> ModelRequest {
    let messages = vec![Message::text(Role::User, text)];
    ModelRequest { stream, ..ModelRequest::new("gpt-5-mini", messages) }
}

pub(crate) async fn call(provider: &Provider, request: ModelRequest) -> Result<Reply, ModelError> {
    provider.call(request, owner_context()).await
}

/// What came of a reply.
pub(crate) struct Got {
    pub(crate) frames: Vec<Frame>,
    pub(crate) error: Option<ModelError>,
}

impl Got {
    pub(crate) fn events(&self) -> Vec<&ReplyEvent> {
        self.frames.iter().flat_map(|frame| &frame.events).collect()
    }

    pub(crate) fn body(&self) -> ReplyBody {
        assemble_reply(self.events())
    }

    pub(crate) fn text(&self) -> String {
        self.body().choices[0].parts.iter().filter_map(nunchi_core::Part::as_text).collect()
    }
}

pub(crate) async fn drain(reply: Reply) -> Got {
    let mut stream = reply.stream;
    let mut got = Got { frames: Vec::new(), error: None };
    while let Some(item) = stream.next().await {
        assert!(got.error.is_none(), "an item after an error");
        match item {
            Ok(frame) => got.frames.push(frame),
            Err(error) => got.error = Some(error),
        }
    }
    got
}

pub(crate) async fn answer(provider: &Provider, request: ModelRequest) -> Got {
    drain(call(provider, request).await.expect("a reply")).await
}
