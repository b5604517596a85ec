//! Folds the write-ahead log into the database beside the writer, so that no call waits while the disk catches up.

use super::connection::{connect_to_fold, failure};
use nunchi_core::StorageError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A log of this size is folded in, in bytes.
const FOLD_AT: u64 = 16 << 20;
/// A log that has outrun the folding so far is folded in by the writer itself, in bytes.
const STOP_AT: u64 = 128 << 20;
/// What is left of a log that was folded in, in bytes: the file shrinks to it, so that its size tells what is not folded in.
pub(super) const KEPT: i64 = 8 << 20;
/// Commits between two looks at the log's size.
const LOOK_EVERY: u32 = 64;

/// The writer's side. The thread ends when this is dropped.
pub(super) struct Checkpointer {
    due: SyncSender<()>,
    log: PathBuf,
    commits: u32,
}

impl Checkpointer {
    /// Starts the thread for the database at `path`.
    pub(super) fn start(path: &Path) -> Result<Self, StorageError> {
        let connection = connect_to_fold(path)?;
        let (due, dues) = sync_channel(1);
        std::thread::Builder::new()
            .name("ledger-checkpoint".into())
            .spawn(move || fold_when_due(&connection, &dues))
            .map_err(|error| StorageError::Other(error.to_string()))?;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Ok(Self { due, log: log.into(), commits: 0 })
    }

    /// Called behind every commit.
    pub(super) fn committed(&mut self, writer: &Connection) {
        self.commits = self.commits.wrapping_add(1);
        if !self.commits.is_multiple_of(LOOK_EVERY) {
            return;
        }
        let size = std::fs::metadata(&self.log).map_or(0, |about| about.len());
        if size >= STOP_AT {
            report(checkpoint(writer, "RESTART"));
        } else if size >= FOLD_AT {
            // When one is under way, the next look comes soon enough.
            let _under_way = self.due.try_send(());
        }
    }
}

fn fold_when_due(connection: &Connection, dues: &Receiver<()>) {
    while dues.recv().is_ok() {
        report(checkpoint(connection, "PASSIVE"));
    }
}

/// Folds the log in; what cannot be folded now is folded in later.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> Result<(), StorageError> {
    connection.pragma_update_and_check(None, "wal_checkpoint", mode, |_| Ok(())).map_err(failure)
}

fn report(outcome: Result<(), StorageError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "the ledger's log cannot be folded in");
    }
}
