//! Background tasks on tokio, remembered by name.

use nunchi_core::{BoxFuture, Spawn, TaskName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// How many tasks of a name were started, and how many still run.
type Counts = Arc<Mutex<BTreeMap<TaskName, (usize, usize)>>>;

/// Starts tasks on the current tokio runtime; dropping it cancels those that still run.
#[derive(Debug, Default)]
pub struct TokioSpawn {
    tasks: Mutex<JoinSet<()>>,
    counts: Counts,
}

impl TokioSpawn {
    /// Without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tasks of this name were started.
    pub fn started(&self, name: TaskName) -> usize {
        lock(&self.counts).get(&name).map_or(0, |counts| counts.0)
    }

    /// How many tasks of this name still run.
    pub fn running(&self, name: TaskName) -> usize {
        lock(&self.counts).get(&name).map_or(0, |counts| counts.1)
    }

    /// The names of all tasks that were started.
    pub fn names(&self) -> Vec<TaskName> {
        lock(&self.counts).keys().copied().collect()
    }

    /// Waits until every task has ended, also those started meanwhile.
    ///
    /// # Panics
    /// When a task panicked.
    pub async fn finish(&self) {
        loop {
            let mut tasks = std::mem::take(&mut *lock(&self.tasks));
            if tasks.is_empty() {
                return;
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("a background task panicked");
            }
        }
    }

    /// Cancels every task and waits for their ends.
    pub async fn cancel(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }
}

impl Spawn for TokioSpawn {
    fn spawn(&self, name: TaskName, future: BoxFuture<'static, ()>) {
        let running = Running::start(name, Arc::clone(&self.counts));
        let task = async move {
            future.await;
            drop(running);
        };
        let mut tasks = lock(&self.tasks);
        // Ended tasks are taken out here, so that long tests do not collect them; a panic stays loud.
        while let Some(ended) = tasks.try_join_next() {
            ended.expect("a background task panicked");
        }
        tasks.spawn(task);
    }
}

/// Counts a task as running until it is dropped, by its end or by a cancel.
struct Running(TaskName, Counts);

impl Running {
    fn start(name: TaskName, counts: Counts) -> Self {
        let mut all = lock(&counts);
        let (started, running) = all.entry(name).or_default();
        *started += 1;
        *running += 1;
        drop(all);
        Self(name, counts)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((_, running)) = lock(&self.1).get_mut(&self.0) {
            *running -= 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
