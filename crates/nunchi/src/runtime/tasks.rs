//! Starts the named background tasks and ends them in order: the one place where a task is spawned.

use nunchi_core::{BoxFuture, Spawn, TaskName};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All tasks of the process.
pub(crate) struct Tasks {
    runtime: Handle,
    groups: Mutex<HashMap<TaskName, TaskTracker>>,
    stop: CancellationToken,
    end: CancellationToken,
}

impl Tasks {
    /// Tasks on the current runtime.
    pub(crate) fn new() -> Self {
        Self {
            runtime: Handle::current(),
            groups: Mutex::default(),
            stop: CancellationToken::new(),
            end: CancellationToken::new(),
        }
    }

    /// Is cancelled when the process shuts down.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends the connections that are still open; their calls settle for what was streamed.
    pub(crate) fn end_connections(&self) {
        self.end.cancel();
    }

    /// Waits until every task of a name has ended, at most so long; tells whether all have.
    pub(crate) async fn finish(&self, name: TaskName, patience: Duration) -> bool {
        let group = self.group(name);
        group.close();
        tokio::time::timeout(patience, group.wait()).await.is_ok()
    }

    fn group(&self, name: TaskName) -> TaskTracker {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone()
    }
}

impl Spawn for Tasks {
    fn spawn(&self, name: TaskName, future: BoxFuture<'static, ()>) {
        let stop = if carries_streams(name) { self.end.clone() } else { self.stop.clone() };
        let group = self.group(name);
        if ends_by_itself(name) {
            group.spawn_on(future, &self.runtime);
        } else {
            let cancellable = async move {
                tokio::select! {
                    () = future => {}
                    () = stop.cancelled() => {}
                }
            };
            group.spawn_on(cancellable, &self.runtime);
        }
    }
}

/// Whether streams that may still end run over a task: it stays until the connections are ended.
fn carries_streams(name: TaskName) -> bool {
    matches!(name, TaskName::HttpServer | TaskName::UpstreamConnection)
}

/// Whether a task must run to its own end; the others are dropped at shutdown.
fn ends_by_itself(name: TaskName) -> bool {
    matches!(name, TaskName::Call | TaskName::LedgerWriter | TaskName::CacheWriter)
}
