//! A model that says what it is told to, and short ways to ask for it over HTTP.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use nunchi_api::{ApiParts, ApiSettings, ApiState, Authenticate, Catalog, KeyRefused, ReadyCheck, router};
use nunchi_core::{
    AccessRole, BoxFuture, CallContext, CallId, CallSummary, Citation, Clock, Dialect, EmbedReply,
    EmbedRequest, Embedder, Frame, Ids, KeyId, Model, ModelCard, ModelError, ModelRequest, NanoUsd, Outcome,
    Principal, RawFrame, Reply, ReplyEvent, ReplyInfo, ReplyStream, StopReason, StorageError, Usage,
};
use nunchi_gateway::KeyError;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt;
use uuid::Uuid;

/// The answer to one call.
pub(crate) type Answer = Box<dyn Fn() -> Result<Reply, ModelError> + Send + Sync>;

/// Remembers what it was asked, and answers from the script.
pub(crate) struct Scripted {
    answer: Answer,
    pub(crate) asked: Mutex<Vec<(ModelRequest, CallContext)>>,
    pub(crate) embedded: Mutex<Vec<EmbedRequest>>,
}

impl Model for Scripted {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        self.asked.lock().unwrap().push((request, context));
        let reply = (self.answer)();
        Box::pin(async move { reply })
    }
}

impl Embedder for Scripted {
    fn embed(&self, request: EmbedRequest, _: CallContext) -> BoxFuture<'_, Result<EmbedReply, ModelError>> {
        let vectors = request.inputs.iter().map(|text| vec![text.len() as f32, 0.5]).collect();
        self.embedded.lock().unwrap().push(request);
        let usage = Usage { input: 7, ..Usage::default() };
        Box::pin(async move { Ok(EmbedReply { vectors, usage, info: info() }) })
    }
}

pub(crate) struct Keys;

impl Authenticate for Keys {
    fn authenticate(&self, secret: &str) -> Result<Arc<Principal>, KeyRefused> {
        let key = Some(KeyId(Uuid::from_u128(7)));
        match secret {
            "nk-good" => Ok(Arc::new(Principal { key, ..Principal::owner() })),
            "nk-few" => {
                let allowed_models = Arc::from(["openai/*".to_owned(), "auto".to_owned()]);
                Ok(Arc::new(Principal { key, allowed_models, ..Principal::owner() }))
            }
            "nk-caller" | "nk-other" => {
                let key = Some(KeyId(Uuid::from_u128(secret.len() as u128)));
                Ok(Arc::new(Principal { key, role: AccessRole::Caller, ..Principal::owner() }))
            }
            "" => Err(Box::new(KeyError::Missing)),
            "nk-revoked" => Err(Box::new(KeyError::Revoked)),
            "nk-expired" => Err(Box::new(KeyError::Expired)),
            "nk-broken" => Err(Box::new(KeyError::Storage(StorageError::DiskFull))),
            _ => Err(Box::new(KeyError::Unknown)),
        }
    }
}

pub(crate) struct Cards;

impl Catalog for Cards {
    fn cards(&self) -> Vec<ModelCard> {
        let card = |provider: &str, model: &str, dialect| ModelCard {
            provider: provider.into(),
            model: model.into(),
            dialect,
            local: false,
            embedding: false,
            context_window: None,
        };
        vec![
            card("openai", "gpt-5", Dialect::OpenAiResponses),
            card("anthropic", "claude", Dialect::Anthropic),
            card("or", "meta/llama", Dialect::OpenAiChat),
        ]
    }

    fn count_tokens(&self, request: &ModelRequest) -> u64 {
        request.messages.iter().map(|message| message.plain_text().len() as u64).sum()
    }
}

struct Fixed(AtomicU64);

impl Ids for Fixed {
    fn new_id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_763_700_000).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A router with a scripted model behind it.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) model: Arc<Scripted>,
}

impl World {
    pub(crate) fn new(answer: impl Fn() -> Result<Reply, ModelError> + Send + Sync + 'static) -> Self {
        Self::with(ApiSettings::default(), answer)
    }

    pub(crate) fn with(
        settings: ApiSettings,
        answer: impl Fn() -> Result<Reply, ModelError> + Send + Sync + 'static,
    ) -> Self {
        let model = Arc::new(Scripted {
            answer: Box::new(answer),
            asked: Mutex::default(),
            embedded: Mutex::default(),
        });
        let fixed = Arc::new(Fixed(AtomicU64::new(1)));
        let checks = || vec![ReadyCheck { name: "ledger".into(), ok: false, detail: "locked".into() }];
        let state = ApiState::new(ApiParts {
            model: model.clone(),
            embedder: model.clone(),
            keys: Arc::new(Keys),
            catalog: Arc::new(Cards),
            ids: fixed.clone(),
            clock: fixed,
            admin: None,
            batches: None,
            agents: None,
            metrics: Arc::new(|| "nunchi_calls_total 3\n".into()),
            ready: Arc::new(move || Box::pin(async move { checks() })),
            settings,
        });
        Self { router: router(state), model }
    }

    /// A model that answers these frames.
    pub(crate) fn frames(frames: Vec<Frame>) -> Self {
        Self::new(move || Ok(reply(frames.clone().into_iter().map(Ok).collect())))
    }

    /// A model that fails.
    pub(crate) fn failing(error: ModelError) -> Self {
        Self::new(move || Err(error.clone()))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Got {
        self.send(post(path, body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(Request::get(path).header("x-api-key", "nk-good").body(Body::empty()).unwrap()).await
    }

    /// The last request as the model saw it.
    pub(crate) fn asked(&self) -> (ModelRequest, CallContext) {
        self.model.asked.lock().unwrap().pop().expect("the model was asked")
    }
}

/// A response, read whole.
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The payloads of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.text().lines().filter_map(|line| line.strip_prefix("data: "));
        lines.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("authorization", "Bearer nk-good").body(body.into()).unwrap()
}

pub(crate) fn info() -> ReplyInfo {
    ReplyInfo { provider: "openai".into(), model: "gpt-5".into(), ..ReplyInfo::default() }
}

pub(crate) fn reply(frames: Vec<Result<Frame, ModelError>>) -> Reply {
    let stream: ReplyStream = stream::iter(frames).boxed();
    Reply { info: info(), stream }
}

/// A frame with an upstream's own bytes.
pub(crate) fn raw(dialect: Dialect, event: Option<&str>, data: &str, events: Vec<ReplyEvent>) -> Frame {
    let data = Bytes::from(data.to_owned());
    Frame { events, raw: Some(RawFrame { dialect, event: event.map(str::to_owned), data }) }
}

pub(crate) fn start() -> ReplyEvent {
    ReplyEvent::Start { id: "up-1".into(), model: "gpt-5-2026".into() }
}

pub(crate) fn counts() -> Usage {
    Usage {
        input: 10,
        cache_read: 5,
        cache_write_5m: 2,
        cache_write_1h: 1,
        output: 7,
        reasoning: 3,
        tool_uses: 0,
    }
}

pub(crate) fn usage() -> ReplyEvent {
    ReplyEvent::Usage { usage: counts(), reported_cost: None, service_tier: None }
}

pub(crate) fn settled() -> ReplyEvent {
    ReplyEvent::Settled(Arc::new(CallSummary {
        call: CallId(Uuid::from_u128(9)),
        outcome: Outcome::Ok,
        usage: counts(),
        usage_estimated: false,
        cost: NanoUsd(1_234_500),
        saved: NanoUsd(0),
    }))
}

/// A plain answer.
pub(crate) fn hello() -> Vec<Frame> {
    vec![
        Frame::of(vec![start()]),
        Frame::of(vec![ReplyEvent::Text("Hel".into())]),
        Frame::of(vec![ReplyEvent::Text("lo".into())]),
        Frame::of(vec![ReplyEvent::End(StopReason::EndTurn), usage()]),
        Frame::of(vec![settled()]),
    ]
}

/// One event of every kind, with two tool calls that take turns.
pub(crate) fn everything() -> Vec<Frame> {
    let arguments = |index, delta: &str| ReplyEvent::ToolArguments { index, delta: delta.into() };
    let source = Citation {
        url: "https://a.example/1".into(),
        title: Some("One".into()),
        quote: Some("so it is".into()),
        date: Some("2026-01-02".into()),
    };
    let events = [
        start(),
        ReplyEvent::Thinking("Let me ".into()),
        ReplyEvent::Thinking("see.".into()),
        ReplyEvent::ThinkingSignature("sig==".into()),
        ReplyEvent::RedactedThinking("hidden".into()),
        ReplyEvent::Text("안녕 \"you\"\n".into()),
        ReplyEvent::Citation(source),
        ReplyEvent::Text("bye".into()),
        ReplyEvent::ToolCall { index: 0, id: "call_a".into(), name: "weather".into() },
        arguments(0, "{\"city\":"),
        ReplyEvent::ToolCall { index: 1, id: "call_b".into(), name: "time".into() },
        arguments(1, "{\"zone\":1.50}"),
        arguments(0, "\"서울\"}"),
        ReplyEvent::ToolSignature { index: 0, signature: "gsig".into() },
        ReplyEvent::End(StopReason::ToolUse),
        usage(),
        settled(),
    ];
    events.into_iter().map(|event| Frame::of(vec![event])).collect()
}
