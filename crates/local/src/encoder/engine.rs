//! Runs the sentence encoder on a thread of its own, for async callers.

use super::sentence::{Embeddings, SentenceEncoder};
use crate::error::LocalError;
use crate::weights::WeightStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

#[derive(Debug)]
struct Job {
    texts: Vec<String>,
    answer: oneshot::Sender<Result<Embeddings, LocalError>>,
}

/// A handle on the encoder's thread; clones share it. The thread ends when the last handle is dropped or on
/// [`EncoderEngine::close`].
#[derive(Clone, Debug)]
pub struct EncoderEngine {
    /// `None` only wakes the thread, so that it sees `closing`.
    jobs: SyncSender<Option<Job>>,
    closing: Arc<AtomicBool>,
}

impl EncoderEngine {
    /// Starts the thread. Weights are loaded with the first request. At most `queue` requests wait.
    pub fn start(
        weights: impl Into<String>,
        queue: usize,
        store: Arc<WeightStore>,
    ) -> Result<(Self, JoinHandle<()>), LocalError> {
        let (jobs, waiting) = sync_channel(queue.max(1));
        let (weights, closing) = (weights.into(), Arc::new(AtomicBool::new(false)));
        let close = Arc::clone(&closing);
        let thread = std::thread::Builder::new()
            .name("nunchi-encoder".to_owned())
            .spawn(move || run(&waiting, &weights, &store, &close))
            .map_err(|e| LocalError::System(e.to_string()))?;
        Ok((Self { jobs, closing }, thread))
    }

    /// Embeds texts; all or none. [`LocalError::Overloaded`] at once when the queue is full.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, LocalError> {
        let (answer, vectors) = oneshot::channel();
        self.jobs.try_send(Some(Job { texts, answer })).map_err(|error| match error {
            TrySendError::Full(_) => LocalError::Overloaded,
            TrySendError::Disconnected(_) => LocalError::Stopped,
        })?;
        vectors.await.unwrap_or(Err(LocalError::Stopped))
    }

    /// Ends the thread after the request under way; those that wait fail with [`LocalError::Stopped`].
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        // A full queue needs no waking.
        drop(self.jobs.try_send(None));
    }
}

fn run(waiting: &Receiver<Option<Job>>, weights: &str, store: &WeightStore, closing: &AtomicBool) {
    let mut encoder = None;
    while let Ok(Some(job)) = waiting.recv() {
        if closing.load(Ordering::Relaxed) {
            break;
        }
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
