//! Runs the sentence encoder on a thread of its own, for async callers.

use super::sentence::{Embeddings, SentenceEncoder};
use crate::error::LocalError;
use crate::weights::WeightStore;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

struct Job {
    texts: Vec<String>,
    answer: oneshot::Sender<Result<Embeddings, LocalError>>,
}

/// A handle on the encoder's thread; clones share it. The thread ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct EncoderEngine {
    jobs: SyncSender<Job>,
}

impl EncoderEngine {
    /// Starts the thread. Weights are loaded with the first request. At most `queue` requests wait.
    pub fn start(
        weights: impl Into<String>,
        queue: usize,
        store: Arc<WeightStore>,
    ) -> Result<(Self, JoinHandle<()>), LocalError> {
        let (jobs, waiting) = sync_channel(queue.max(1));
        let weights = weights.into();
        let thread = std::thread::Builder::new()
            .name("nunchi-encoder".to_owned())
            .spawn(move || run(&waiting, &weights, &store))
            .map_err(|e| LocalError::System(e.to_string()))?;
        Ok((Self { jobs }, thread))
    }

    /// Embeds texts; all or none. [`LocalError::Overloaded`] at once when the queue is full.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, LocalError> {
        let (answer, vectors) = oneshot::channel();
        self.jobs.try_send(Job { texts, answer }).map_err(|error| match error {
            TrySendError::Full(_) => LocalError::Overloaded,
            TrySendError::Disconnected(_) => LocalError::Stopped,
        })?;
        vectors.await.unwrap_or(Err(LocalError::Stopped))
    }
}

fn run(waiting: &Receiver<Job>, weights: &str, store: &WeightStore) {
    let mut encoder = None;
    while let Ok(job) = waiting.recv() {
        if job.answer.is_closed() {
            continue;
        }
        let outcome = match encoder.take().map_or_else(|| SentenceEncoder::load(store, weights), Ok) {
            Ok(loaded) => encoder.insert(loaded).embed(&job.texts),
            Err(error) => Err(error),
        };
        // Nobody may be there any more to take it.
        drop(job.answer.send(outcome));
    }
    tracing::debug!("the encoder has ended");
}
