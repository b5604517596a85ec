//! The thread that owns the chat model, and the bounded queue in front of it.

use super::model::{ChatModel, Flow, Listener};
use super::words::{ChatEvent, ChatRequest};
use crate::error::LocalError;
use crate::weights::WeightStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How the chat engine runs.
#[derive(Clone, Debug)]
pub struct ChatConfig {
    /// Which weights (an id of the catalog).
    pub weights: String,
    /// Requests that may wait; one more is refused.
    pub queue: usize,
    /// Most tokens of prompt and answer together; memory for keys and values grows with those in use.
    pub context: usize,
    /// Threads that compute, the engine's own included.
    pub threads: usize,
    /// Weights are dropped from memory after this time without a request; `None` keeps them.
    pub idle_unload: Option<Duration>,
}

impl ChatConfig {
    /// The defaults: 16 waiting, 8,192 tokens, one thread a core but at most four, unload after 15 minutes.
    pub fn new(weights: impl Into<String>) -> Self {
        Self {
            weights: weights.into(),
            queue: 16,
            context: 8_192,
            threads: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            idle_unload: Some(Duration::from_secs(15 * 60)),
        }
    }
}

/// Events of one answer. Dropping it cancels the answer.
#[derive(Debug)]
pub struct ChatStream {
    events: UnboundedReceiver<Result<ChatEvent, LocalError>>,
}

impl ChatStream {
    /// The next event; `None` after the last one. An engine that ended early is an error.
    pub async fn next(&mut self) -> Option<Result<ChatEvent, LocalError>> {
        self.events.recv().await
    }

    /// The next event, for callers without an async runtime.
    pub fn next_blocking(&mut self) -> Option<Result<ChatEvent, LocalError>> {
        self.events.blocking_recv()
    }
}

#[derive(Debug)]
struct Job {
    request: ChatRequest,
    events: Sender,
}

type Sender = UnboundedSender<Result<ChatEvent, LocalError>>;

/// A handle on the engine; clones share it. The thread ends when the last handle is dropped or on [`ChatEngine::close`].
#[derive(Clone, Debug)]
pub struct ChatEngine {
    /// `None` only wakes the thread, so that it sees `closing`.
    jobs: SyncSender<Option<Job>>,
    closing: Arc<AtomicBool>,
}

impl ChatEngine {
    /// Starts the engine's thread. Weights are loaded with the first request. The thread's handle tells when it has ended.
    pub fn start(config: ChatConfig, store: Arc<WeightStore>) -> Result<(Self, JoinHandle<()>), LocalError> {
        let (jobs, queue) = sync_channel(config.queue.max(1));
        let closing = Arc::new(AtomicBool::new(false));
        let worker = Worker { config, store, closing: Arc::clone(&closing), model: None, pool: None };
        let thread = std::thread::Builder::new()
            .name("nunchi-chat".to_owned())
            .spawn(move || worker.run(&queue))
            .map_err(|e| LocalError::System(e.to_string()))?;
        Ok((Self { jobs, closing }, thread))
    }

    /// Queues a request; never waits. [`LocalError::Overloaded`] when the queue is full.
    pub fn submit(&self, request: ChatRequest) -> Result<ChatStream, LocalError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(LocalError::Stopped);
        }
        // Unbounded, so that a slow reader never holds up the model; the context bounds it.
        let (events, receiver) = unbounded_channel();
        match self.jobs.try_send(Some(Job { request, events })) {
            Ok(()) => Ok(ChatStream { events: receiver }),
            Err(TrySendError::Full(_)) => Err(LocalError::Overloaded),
            Err(TrySendError::Disconnected(_)) => Err(LocalError::Stopped),
        }
    }

    /// Ends the answer under way, refuses those that wait and ends the thread.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        // A full queue needs no waking.
        drop(self.jobs.try_send(None));
    }
}

struct Worker {
    config: ChatConfig,
    store: Arc<WeightStore>,
    closing: Arc<AtomicBool>,
    model: Option<ChatModel>,
    pool: Option<rayon::ThreadPool>,
}

/// Sends events on and notices when the receiver is gone or the engine closes.
struct Channel<'a> {
    events: &'a Sender,
    closing: &'a AtomicBool,
}

impl Listener for Channel<'_> {
    fn event(&mut self, event: ChatEvent) -> Flow {
        if self.events.send(Ok(event)).is_err() { Flow::Cancelled } else { self.check() }
    }

    fn check(&mut self) -> Flow {
        let over = self.events.is_closed() || self.closing.load(Ordering::Relaxed);
        if over { Flow::Cancelled } else { Flow::Continue }
    }
}

impl Worker {
    fn run(mut self, queue: &Receiver<Option<Job>>) {
        while let Some(job) = self.next(queue) {
            let outcome = if job.events.is_closed() { Ok(Flow::Continue) } else { self.serve(&job) };
            let last = match outcome {
                Err(error) => error,
                Ok(Flow::Cancelled) => LocalError::Stopped,
                Ok(Flow::Continue) => continue,
            };
            // Nobody may be there to hear it.
            drop(job.events.send(Err(last)));
        }
        for job in queue.try_iter().flatten() {
            drop(job.events.send(Err(LocalError::Stopped)));
        }
        tracing::debug!("the chat engine has ended");
    }

    /// The next request; `None` when there will be none. Drops the weights when none comes for long.
    fn next(&mut self, queue: &Receiver<Option<Job>>) -> Option<Job> {
        if self.closing.load(Ordering::Relaxed) {
            return None;
        }
        if let (Some(idle), true) = (self.config.idle_unload, self.model.is_some()) {
            match queue.recv_timeout(idle) {
                Ok(job) => return job,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    tracing::info!(weights = self.config.weights, "unloading the idle chat model");
                    (self.model, self.pool) = (None, None);
                }
            }
        }
        queue.recv().ok().flatten()
    }

    fn serve(&mut self, job: &Job) -> Result<Flow, LocalError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(LocalError::Stopped);
        }
        let mut model = match self.model.take() {
            Some(model) => model,
            None => self.load()?,
        };
        let mut channel = Channel { events: &job.events, closing: &self.closing };
        // Inside the pool, so that all parallel parts of the pass share its threads and none else.
        let outcome = match &self.pool {
            Some(pool) => pool.install(|| model.answer(&job.request, &mut channel)),
            None => model.answer(&job.request, &mut channel),
        };
        self.model = Some(model);
        outcome
    }

    fn load(&mut self) -> Result<ChatModel, LocalError> {
        let path = self.store.verified_file(&self.config.weights)?;
        let threads = self.config.threads.max(1);
        if threads > 1 && self.pool.is_none() {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("nunchi-chat-{index}"))
                .build()
                .map_err(|e| LocalError::System(e.to_string()))?;
            self.pool = Some(pool);
        }
        ChatModel::load(&path, self.config.context, threads)
    }
}
