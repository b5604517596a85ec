//! One configured provider: a dialect, an address and credentials behind core's ports.

mod config;
mod respond;
mod stream;

pub use config::{ProviderConfig, ProviderDeps, ProviderKind};
pub(crate) use respond::whole_frame;

use crate::batch::BatchApi;
use crate::codec::{Codec, Encoded};
use crate::config_error::ConfigError;
use crate::transport::{Body, Transport, quota, retry_after};
use bytes::Bytes;
use config::Base;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use nunchi_core::{
    BatchModel, BoxFuture, CallContext, Clock, Dialect, EmbedReply, EmbedRequest, Embedder, Model, ModelCard,
    ModelError, ModelErrorKind, ModelList, ModelRequest, Note, Reply, ReplyInfo,
};
use std::sync::Arc;
use std::time::Duration;

/// The largest reply that is read whole.
pub(crate) const WHOLE_LIMIT: usize = 64 * 1024 * 1024;

/// How much of an error reply is read.
const ERROR_LIMIT: usize = 64 * 1024;

/// How long the body of an error reply is waited for; its status has said the most already.
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

/// A provider that answers requests, makes vectors and lists its models.
pub struct Provider {
    name: Arc<str>,
    kind: ProviderKind,
    codec: Box<dyn Codec>,
    batch_api: Option<BatchApi>,
    base: Base,
    /// Headers of every request, credentials included.
    headers: HeaderMap,
    transport: Transport,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Provider {
    /// Checks the configuration; connects to nothing.
    ///
    /// # Errors
    /// When the URL, a header or the credential cannot be used, or TLS does not start.
    pub fn new(config: ProviderConfig, deps: ProviderDeps) -> Result<Self, ConfigError> {
        let codec = config.kind.codec();
        let base = Base::new(&config.base_url)?;
        let headers = config.headers(&*codec, &base)?;
        let batch_api = config.batch_api();
        let transport = Transport::new(base.uri(), config.timeouts, &deps.tls, deps.spawn)?;
        let name = Arc::from(config.name);
        Ok(Self { name, kind: config.kind, codec, batch_api, base, headers, transport, clock: deps.clock })
    }

    /// The name it was configured with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it speaks, as configured.
    pub fn kind(&self) -> ProviderKind {
        self.kind
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> Dialect {
        self.codec.dialect()
    }

    /// Its Batch API, if it has one.
    pub fn batch(self: &Arc<Self>) -> Option<Arc<dyn BatchModel>> {
        Some(self.batch_api?.open(Arc::clone(self)))
    }

    pub(crate) fn codec(&self) -> &dyn Codec {
        &*self.codec
    }

    async fn answer(&self, request: &ModelRequest) -> Result<Reply, ModelError> {
        let encoded = self.codec.encode(request)?;
        let (message, notes) = self.post(encoded)?;
        let (head, body) = self.exchange(message).await?.into_parts();
        let stream = respond::read(&*self.codec, request, &self.name, &head, body).await?;
        Ok(Reply { info: self.info(&request.model, &head.headers, notes), stream })
    }

    async fn vectors(&self, request: &EmbedRequest) -> Result<EmbedReply, ModelError> {
        let (message, notes) = self.post(self.codec.encode_embed(request)?)?;
        let (head, body) = self.exchange(message).await?.into_parts();
        let (vectors, usage) = self.codec.decode_embed(&body.whole(WHOLE_LIMIT).await?)?;
        if vectors.len() != request.inputs.len() {
            return Err(crate::shared::garbage(format!(
                "{} vectors for {} texts",
                vectors.len(),
                request.inputs.len()
            )));
        }
        Ok(EmbedReply { vectors, usage, info: self.info(&request.model, &head.headers, notes) })
    }

    async fn list(&self) -> Result<Vec<ModelCard>, ModelError> {
        let Some(path) = self.codec.models_path() else { return Ok(Vec::new()) };
        let message = self.bare(Method::GET, path)?;
        let body = self.exchange(message).await?.into_body().whole(WHOLE_LIMIT).await?;
        let card = |model: String| ModelCard {
            provider: self.name.to_string(),
            dialect: self.codec.dialect(),
            local: self.kind == ProviderKind::Ollama && self.base.is_this_machine(),
            embedding: looks_like_embedding(&model),
            context_window: None,
            model,
        };
        Ok(self.codec.decode_models(&body)?.into_iter().map(card).collect())
    }

    /// A request without a body.
    pub(crate) fn bare(&self, method: Method, path: &str) -> Result<Request<Bytes>, ModelError> {
        let mut message = Request::new(Bytes::new());
        *message.method_mut() = method;
        *message.uri_mut() = self.base.join(path)?;
        *message.headers_mut() = self.headers.clone();
        message.headers_mut().remove(header::CONTENT_TYPE);
        Ok(message)
    }

    fn post(&self, encoded: Encoded) -> Result<(Request<Bytes>, Vec<Note>), ModelError> {
        let mut message = Request::new(encoded.body);
        *message.method_mut() = Method::POST;
        *message.uri_mut() = self.base.join(&encoded.path)?;
        *message.headers_mut() = self.headers.clone();
        message.headers_mut().extend(encoded.headers);
        Ok((message, encoded.notes))
    }

    /// Sends a request; a reply with an error status becomes an error.
    pub(crate) async fn exchange(&self, message: Request<Bytes>) -> Result<Response<Body>, ModelError> {
        let response = self.transport.send(message).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = tokio::time::timeout(ERROR_PATIENCE, body.up_to(ERROR_LIMIT)).await.unwrap_or_default();
        Err(self.refused(status, &head.headers, &body))
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ModelError {
        if !status.is_client_error() && !status.is_server_error() {
            let target = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
            let mut error =
                crate::shared::garbage(format!("HTTP {status} to {target}; redirects are not followed"));
            error.status = Some(status.as_u16());
            return error;
        }
        let mut error = self.codec.error(status, headers, body);
        error.status = Some(status.as_u16());
        if error.retry_after.is_none() {
            error.retry_after = retry_after(status, headers, self.clock.now());
        }
        error
    }

    fn info(&self, model: &str, headers: &HeaderMap, notes: Vec<Note>) -> ReplyInfo {
        let upstream_id = ["x-request-id", "request-id"].iter().find_map(|name| headers.get(*name));
        ReplyInfo {
            provider: self.name.to_string(),
            model: model.to_owned(),
            upstream_id: upstream_id.and_then(|id| id.to_str().ok()).map(str::to_owned),
            notes,
            quota: quota(headers, self.clock.now()),
            ..ReplyInfo::default()
        }
    }

    pub(crate) fn blame(&self, error: ModelError) -> ModelError {
        error.from_provider(&*self.name)
    }
}

/// Lists do not say what a model makes; its name does.
fn looks_like_embedding(model: &str) -> bool {
    let name = model.to_ascii_lowercase();
    ["embed", "bge-", "e5-", "minilm", "gte-"].iter().any(|word| name.contains(word))
}

impl Model for Provider {
    fn call(&self, request: ModelRequest, _context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        Box::pin(async move { self.answer(&request).await.map_err(|error| self.blame(error)) })
    }
}

impl Embedder for Provider {
    fn embed(
        &self,
        request: EmbedRequest,
        _context: CallContext,
    ) -> BoxFuture<'_, Result<EmbedReply, ModelError>> {
        Box::pin(async move { self.vectors(&request).await.map_err(|error| self.blame(error)) })
    }
}

impl ModelList for Provider {
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelCard>, ModelError>> {
        Box::pin(async move { self.list().await.map_err(|error| self.blame(error)) })
    }
}

/// A URL that cannot be written, as a model name in a path may cause.
fn bad_path(path: &str) -> ModelError {
    ModelError::new(ModelErrorKind::InvalidRequest, format!("no URL can be made of the path {path}"))
}

/// The JSON media type.
fn json_type() -> HeaderValue {
    HeaderValue::from_static("application/json")
}
