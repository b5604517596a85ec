//! Time, ids and background tasks.

use jiff::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use uuid::Uuid;

/// A future that can be stored and sent.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time of day; may jump either way.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// Makes ids.
pub trait Ids: Send + Sync {
    /// A new UUIDv7.
    fn new_id(&self) -> Uuid;
}

/// Every background task there is. A task that is not listed cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskName {
    /// Serves HTTP until shutdown; then lets replies under way end.
    HttpServer,
    /// One model call. On cancel it settles for what was streamed; it ends with its reply.
    Call,
    /// Moves the bytes of one pooled TLS connection to an upstream; safe to cancel once no reply runs on it.
    UpstreamConnection,
    /// Writes the ledger in group commits; drains its queue on shutdown.
    LedgerWriter,
    /// Settles holds whose calls were dropped without a word.
    HoldReaper,
    /// Drops expired cache entries and keeps the cache under its cap; safe to cancel.
    CacheSweeper,
    /// Writes cache entries behind the reply; drains its queue on shutdown.
    CacheWriter,
    /// Reads the stored questions into memory at the start; safe to cancel.
    QuestionIndex,
    /// Reads a list of tools by meaning; safe to cancel.
    ToolIndex,
    /// Keeps what was sent shortened; safe to cancel, the next call of the session keeps it again.
    OriginalWriter,
    /// Reads the owner's price source anew; safe to cancel.
    PriceRefresh,
    /// One run of an agent. Safe to cancel at any point: its state is stored before its effects run.
    AgentRun,
    /// Tells the time to runs whose questions expire; safe to cancel.
    AgentClock,
    /// Waits for the run of an MCP client's call, also when the client leaves; safe to cancel, the run goes on at the next start.
    McpCall,
    /// Tells MCP clients what has changed of what is offered; safe to cancel.
    McpNotices,
    /// Learns from runs that ended; safe to cancel.
    MemoryKeeper,
    /// Looks for Ollama and lists providers' models; safe to cancel.
    ModelDiscovery,
    /// Fetches the embedded models' weights; safe to cancel, a later fetch goes on.
    WeightFetch,
    /// Writes when keys were last used; safe to cancel.
    KeyUse,
    /// Takes a changed certificate of the server up; safe to cancel.
    CertificateRenewal,
    /// Folds what was measured into the metrics' buckets; safe to cancel.
    MetricsUpkeep,
    /// Collects calls that can wait; safe to cancel, the next start goes on.
    BatchDesk,
    /// One batch at a provider, from its submission to its answers; safe to cancel, the next start goes on.
    ProviderBatch,
    /// One call that could wait and is now answered by a plain call; safe to cancel, the next start goes on.
    JobCall,
    /// Waits for a signal to stop.
    Signals,
}

impl TaskName {
    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpServer => "http_server",
            Self::Call => "call",
            Self::UpstreamConnection => "upstream_connection",
            Self::LedgerWriter => "ledger_writer",
            Self::HoldReaper => "hold_reaper",
            Self::CacheSweeper => "cache_sweeper",
            Self::CacheWriter => "cache_writer",
            Self::QuestionIndex => "question_index",
            Self::ToolIndex => "tool_index",
            Self::OriginalWriter => "original_writer",
            Self::PriceRefresh => "price_refresh",
            Self::AgentRun => "agent_run",
            Self::AgentClock => "agent_clock",
            Self::MemoryKeeper => "memory_keeper",
            Self::McpCall => "mcp_call",
            Self::McpNotices => "mcp_notices",
            Self::ModelDiscovery => "model_discovery",
            Self::WeightFetch => "weight_fetch",
            Self::KeyUse => "key_use",
            Self::CertificateRenewal => "certificate_renewal",
            Self::MetricsUpkeep => "metrics_upkeep",
            Self::BatchDesk => "batch_desk",
            Self::ProviderBatch => "provider_batch",
            Self::JobCall => "job_call",
            Self::Signals => "signals",
        }
    }
}

/// Starts background tasks.
pub trait Spawn: Send + Sync {
    /// Starts `future`; it is awaited or cancelled at shutdown as its name says.
    fn spawn(&self, name: TaskName, future: BoxFuture<'static, ()>);
}
