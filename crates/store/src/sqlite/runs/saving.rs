//! Changes of runs on their way to the disk: those that wait at the same time go there together.

use super::super::connection::failure;
use super::super::writer::Writer;
use super::{text, write};
use bytes::Bytes;
use nunchi_core::{KeyId, Mode, RunChange, RunDoor, RunId, RunStatus, StorageError};
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// zstd's level: a state is written with every event of its run.
const LEVEL: i32 = 1;
/// Shorter states are not packed.
const PACK_FROM: usize = 4 << 10;
/// The first byte of a packed state; a plain one begins with a brace.
const PACKED: u8 = 0;

/// A change as it is written.
pub(super) struct Written {
    pub(super) id: RunId,
    pub(super) parent: Option<RunId>,
    pub(super) owner: Option<KeyId>,
    pub(super) mode: Mode,
    pub(super) door: RunDoor,
    pub(super) session: Option<String>,
    pub(super) status: RunStatus,
    pub(super) created: i64,
    pub(super) wake_at: Option<i64>,
    pub(super) version: i64,
    pub(super) body: String,
    pub(super) state: Vec<u8>,
    pub(super) steps: Vec<(u32, String)>,
}

/// A change that waits, and who waits for it.
type Waiting = (Written, oneshot::Sender<Result<(), StorageError>>);

/// Changes that wait for the writer.
#[derive(Clone, Default)]
pub(in crate::sqlite) struct SaveQueue(Arc<Mutex<Vec<Waiting>>>);

impl SaveQueue {
    /// Writes a change and returns once it survives a loss of power. The first that waits brings the others along.
    pub(super) async fn save(&self, writer: &Writer, change: Written) -> Result<(), StorageError> {
        let (told, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.lock();
            waiting.push((change, told));
            waiting.len() == 1
        };
        if first {
            let queue = self.clone();
            let work = writer.work(move |connection| {
                let waiting = std::mem::take(&mut *queue.lock());
                write_together(connection, waiting);
                Ok(())
            });
            if let Err(error) = work.await {
                // The writer has not looked at them and never will.
                self.lock().clear();
                return Err(error);
            }
        }
        answer.await.map_err(|_| StorageError::Closed)?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes changes in one transaction; one that does not fit leaves the others alone.
fn write_together(connection: &mut Connection, waiting: Vec<Waiting>) {
    let written = (|| {
        let mut transaction = connection.transaction().map_err(failure)?;
        let mut verdicts = Vec::with_capacity(waiting.len());
        for (change, _) in &waiting {
            let point = transaction.savepoint().map_err(failure)?;
            let verdict = write(&point, change);
            if verdict.is_ok() {
                point.commit().map_err(failure)?;
            }
            verdicts.push(verdict);
        }
        transaction.commit().map_err(failure)?;
        Ok::<_, StorageError>(verdicts)
    })();
    match written {
        Ok(verdicts) => {
            for ((_, told), verdict) in waiting.into_iter().zip(verdicts) {
                let _left = told.send(verdict);
            }
        }
        Err(error) => {
            for (_, told) in waiting {
                let _left = told.send(Err(error.clone()));
            }
        }
    }
}

/// A change in the form in which it is written.
pub(super) fn packed(change: &RunChange) -> Result<Written, StorageError> {
    let record = &change.record;
    let steps = change.steps.iter().map(|step| Ok((step.number, text(step)?)));
    Ok(Written {
        id: record.id,
        parent: record.parent,
        owner: record.owner,
        mode: record.mode,
        door: record.origin.door,
        session: record.session.clone(),
        status: record.status,
        created: record.created.as_microsecond(),
        wake_at: record.wake_at.map(|at| at.as_microsecond()),
        version: i64::try_from(record.version).map_err(|error| StorageError::Other(error.to_string()))?,
        body: text(record)?,
        state: pack(&change.state)?,
        steps: steps.collect::<Result<_, StorageError>>()?,
    })
}

fn pack(state: &[u8]) -> Result<Vec<u8>, StorageError> {
    if state.len() < PACK_FROM {
        return Ok(state.to_vec());
    }
    let mut out = vec![PACKED];
    zstd::stream::copy_encode(state, &mut out, LEVEL)
        .map_err(|error| StorageError::Other(error.to_string()))?;
    Ok(out)
}

/// A state as the machine gave it.
pub(super) fn unpacked(stored: &[u8]) -> Result<Bytes, StorageError> {
    match stored.split_first() {
        Some((&PACKED, rest)) => {
            let plain =
                zstd::decode_all(rest).map_err(|error| StorageError::Damaged(format!("a run: {error}")))?;
            Ok(plain.into())
        }
        _ => Ok(Bytes::copy_from_slice(stored)),
    }
}
