//! Opens the durable state of a home folder.

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use nunchi_core::{
    ApprovalStore, BudgetStore, CacheStore, Clock, FeedbackStore, FileStore, JobStore, KeyStore, Ledger,
    LedgerReader, MemoryStore, MessageStore, Notifier, OriginalStore, QuestionStore, RunStore, ScoreStore,
    Spawn,
};
use nunchi_store::{CacheOptions, LedgerOptions, RedisCache, SqliteCache, SqliteLedger, SqliteMemory};
use std::sync::Arc;

pub(crate) use nunchi_store::HomeLock;

/// The durable state, by port.
pub(crate) struct Storage {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) reader: Arc<dyn LedgerReader>,
    pub(crate) budgets: Arc<dyn BudgetStore>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) feedback: Arc<dyn FeedbackStore>,
    pub(crate) cache: Arc<dyn CacheStore>,
    /// Questions beside the answers, where the cache keeps them.
    pub(crate) questions: Option<Arc<dyn QuestionStore>>,
    pub(crate) jobs: Arc<dyn JobStore>,
    pub(crate) files: Arc<dyn FileStore>,
    /// Originals of what was sent shortened: on this machine, also where answers are kept elsewhere.
    pub(crate) originals: Arc<dyn OriginalStore>,
    pub(crate) runs: Arc<dyn RunStore>,
    pub(crate) approvals: Arc<dyn ApprovalStore>,
    /// What was made of runs.
    pub(crate) scores: Arc<dyn ScoreStore>,
    /// Tells the owner things.
    pub(crate) notifier: Arc<dyn Notifier>,
    /// What the owner was told.
    pub(crate) messages: Arc<dyn MessageStore>,
    /// What is remembered across conversations.
    pub(crate) memory: Arc<dyn MemoryStore>,
    database: SqliteLedger,
}

impl Storage {
    /// Waits until everything is written; whoever else holds a port must have let go.
    pub(crate) async fn close(self) {
        let Self {
            database,
            ledger,
            reader,
            budgets,
            keys,
            feedback,
            cache,
            questions,
            jobs,
            files,
            originals,
            runs,
            approvals,
            scores,
            notifier,
            messages,
            memory,
        } = self;
        drop((ledger, reader, budgets, keys, feedback, cache, questions, jobs, files, originals));
        drop((runs, approvals, scores, memory, notifier, messages));
        database.close().await;
    }
}

/// Opens the ledger and the cache; tells of calls that a crash left open.
pub(crate) async fn open_storage(
    home: &Home,
    config: &Config,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
) -> Result<Storage, Failure> {
    let encryption_key = if config.encrypt_cache { Some(*home.cache_key()?) } else { None };
    let (ledger_path, cache_path) = (home.file("nunchi.db"), home.file("cache.db"));
    let ledger_options = LedgerOptions { time_zone: config.time_zone.clone(), clock, spawn, encryption_key };
    let cache_options = CacheOptions { cap_bytes: config.cache_cap, encryption_key };
    let redis: Option<Arc<dyn CacheStore>> = match &config.redis_url {
        Some(url) => Some(Arc::new(RedisCache::open(url.reveal(), cache_options.clone())?)),
        None => None,
    };
    let opened = tokio::task::spawn_blocking(move || {
        let (ledger, report) = SqliteLedger::open(&ledger_path, ledger_options)?;
        let own = Arc::new(SqliteCache::open(&cache_path, cache_options)?);
        let originals = own.clone() as Arc<dyn OriginalStore>;
        let cache = match redis {
            Some(redis) => (redis, None, originals),
            None => (own.clone() as Arc<dyn CacheStore>, Some(own as Arc<dyn QuestionStore>), originals),
        };
        let memory = SqliteMemory::open(&ledger)?;
        Ok::<_, nunchi_core::StorageError>((ledger, report, cache, memory))
    });
    let (database, report, (cache, questions, originals), memory) =
        opened.await.map_err(|error| Failure::system("the store", error))??;
    if report.crashed_holds > 0 {
        tracing::warn!(calls = report.crashed_holds, cost = %report.crashed_cost, "calls of a crash were booked as estimated");
    }
    if memory.mend().await? {
        tracing::info!("the index of memory's words was made anew");
    }
    let shared = Arc::new(database.clone());
    Ok(Storage {
        ledger: shared.clone(),
        reader: shared.clone(),
        budgets: shared.clone(),
        keys: shared.clone(),
        feedback: shared.clone(),
        jobs: shared.clone(),
        files: shared.clone(),
        runs: shared.clone(),
        approvals: shared.clone(),
        scores: shared.clone(),
        notifier: shared.clone(),
        messages: shared,
        cache,
        questions,
        originals,
        memory: Arc::new(memory),
        database,
    })
}
