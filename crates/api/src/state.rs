//! What the HTTP surface is built from, shared by every handler.

use crate::agents::AgentServices;
use crate::batches::BatchServices;
use crate::skill_card::SkillShelf;
use jiff::Timestamp;
use nunchi_core::{
    BoxFuture, BudgetStore, Clock, Embedder, Explain, Ids, Lang, LedgerReader, Memory, Model, ModelCard,
    ModelRequest, Principal, RequestId,
};
use nunchi_gateway::Gateway;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Why a key is not accepted: any error that explains itself.
pub type KeyRefused = Box<dyn Explain + Send + Sync>;

/// Turns a secret into whose it is.
pub trait Authenticate: Send + Sync {
    /// Whose secret this is; called with an empty one when none was sent.
    ///
    /// # Errors
    /// Codes that begin with `key.` answer 401, all others 503.
    fn authenticate(&self, secret: &str) -> Result<Arc<Principal>, KeyRefused>;
}

/// Knows the models behind the door.
pub trait Catalog: Send + Sync {
    /// What can be asked for.
    fn cards(&self) -> Vec<ModelCard>;
    /// Prompt tokens of a request; may take milliseconds of computing.
    fn count_tokens(&self, request: &ModelRequest) -> u64;
}

/// One thing that must work before requests should come here.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReadyCheck {
    /// What is checked (`ledger`, `providers`).
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What is wrong, or a figure worth knowing.
    pub detail: String,
}

/// Runs all readiness checks.
pub type ReadyProbe = Arc<dyn Fn() -> BoxFuture<'static, Vec<ReadyCheck>> + Send + Sync>;

/// Renders the metrics page in the Prometheus text format.
pub type MetricsPage = Arc<dyn Fn() -> String + Send + Sync>;

/// Settings of the HTTP surface, resolved.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Largest body read, in bytes.
    pub max_body_bytes: usize,
    /// Longest silence while a body is read.
    pub body_patience: Duration,
    /// Silence after which a stream sends a comment, so that proxies keep the connection.
    pub keep_alive: Duration,
    /// Origins whose pages may call, as `https://host[:port]`; empty means none, `*` means all.
    pub cors_origins: Vec<String>,
    /// The language of messages when the caller asks for none.
    pub lang: Lang,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            body_patience: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            cors_origins: Vec::new(),
            lang: Lang::En,
        }
    }
}

/// What `/api/*` and the console look into and change; without it they answer 404.
#[derive(Clone)]
pub struct AdminServices {
    /// Keys, cache, prices, health, the feed of events.
    pub gateway: Arc<Gateway>,
    /// What was booked.
    pub ledger: Arc<dyn LedgerReader>,
    /// Budgets.
    pub budgets: Arc<dyn BudgetStore>,
    /// What is remembered.
    pub memory: Arc<dyn Memory>,
    /// Skills.
    pub skills: Arc<dyn SkillShelf>,
}

/// Everything the HTTP surface needs.
pub struct ApiParts {
    /// Answers chats: the gateway.
    pub model: Arc<dyn Model>,
    /// Makes vectors: the gateway.
    pub embedder: Arc<dyn Embedder>,
    /// Recognises keys.
    pub keys: Arc<dyn Authenticate>,
    /// Knows the models.
    pub catalog: Arc<dyn Catalog>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Services of the administration.
    pub admin: Option<AdminServices>,
    /// Files, batches and jobs.
    pub batches: Option<BatchServices>,
    /// Runs of agents.
    pub agents: Option<AgentServices>,
    /// The metrics page.
    pub metrics: MetricsPage,
    /// Readiness checks.
    pub ready: ReadyProbe,
    /// Settings.
    pub settings: ApiSettings,
}

/// The parts, shared; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// The parts, and what is fixed at the start.
pub struct Shared {
    /// The parts.
    pub parts: ApiParts,
    /// When the server began.
    pub started: Timestamp,
}

impl ApiState {
    /// Shares the parts.
    pub fn new(parts: ApiParts) -> Self {
        let started = parts.clock.now();
        Self(Arc::new(Shared { parts, started }))
    }

    /// A new request id.
    pub(crate) fn new_request(&self) -> RequestId {
        RequestId(self.parts.ids.new_id())
    }

    /// The language a caller reads.
    pub(crate) fn lang(&self, headers: &http::HeaderMap) -> Lang {
        let asked = headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        asked
            .filter(|tag| !tag.trim_start().starts_with('*'))
            .map_or(self.parts.settings.lang, Lang::from_tag)
    }
}

impl Deref for ApiState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState").field("settings", &self.parts.settings).finish_non_exhaustive()
    }
}
