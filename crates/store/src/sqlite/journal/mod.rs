//! The journal before the database: a hold or a settle is acknowledged once it is appended here, and reaches the database later,
//! with hundreds of others in one transaction.
//!
//! The database keeps a [`Marker`]: up to where it holds what the journal holds. It is written in the same transaction as the
//! rows, so each entry reaches the database once. A journal belongs to one opening of one database, told by the epoch that
//! both keep: a copy that is put in the database's place never takes entries of another.

mod frame;
mod segment;

pub(super) use frame::{Entry, Frame, Held, SettleDraft, Settled};
use nunchi_core::StorageError;
pub(super) use segment::{Position, Segment};
use segment::{entries, epoch_of, failed, path_of, segments};
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::str::FromStr;
use uuid::Uuid;

/// Up to where a database holds what its journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) epoch: Uuid,
    pub(super) position: Position,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { segment, offset } = self.position;
        write!(f, "{} {segment} {offset}", self.epoch)
    }
}

impl FromStr for Marker {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        let read = || {
            let mut words = text.split(' ');
            let epoch = words.next()?.parse().ok()?;
            let position =
                Position { segment: words.next()?.parse().ok()?, offset: words.next()?.parse().ok()? };
            words.next().is_none().then_some(Self { epoch, position })
        };
        read().ok_or_else(|| StorageError::Damaged(format!("the journal's marker: {text}")))
    }
}

impl Marker {
    /// The same journal, up to another place.
    pub(super) const fn at(self, position: Position) -> Self {
        Self { epoch: self.epoch, position }
    }
}

/// What a journal holds that its database does not.
pub(super) struct Missing {
    pub(super) entries: Vec<Entry>,
    /// Up to where that goes.
    pub(super) marker: Marker,
}

/// Begins a journal of a new epoch behind all that are there.
pub(super) fn begin(database: &Path) -> Result<(Segment, Marker), StorageError> {
    let last = segments(database).map_err(failed)?.last().map_or(0, |(number, _)| *number);
    let marker = Marker { epoch: Uuid::now_v7(), position: Position::start_of(last + 1) };
    Ok((Segment::create(database, marker.epoch, last + 1)?, marker))
}

/// Makes the segment behind the present one.
pub(super) fn next(database: &Path, present: Marker) -> Result<Segment, StorageError> {
    Segment::create(database, present.epoch, present.position.segment + 1)
}

/// Reads what the database does not hold yet; `None` when a segment in between is gone, as the process that writes the journal
/// has moved on meanwhile.
pub(super) fn missing(database: &Path, marker: Marker) -> Result<Option<Missing>, StorageError> {
    let mut missing = Missing { entries: Vec::new(), marker };
    let mut expected = marker.position.segment;
    for (number, path) in segments(database).map_err(failed)? {
        if number < marker.position.segment {
            continue;
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if epoch_of(&bytes) != Some(marker.epoch) {
            continue;
        }
        if number != expected {
            return Ok(None);
        }
        let start =
            if number == marker.position.segment { marker.position } else { Position::start_of(number) };
        let (entries, offset) = entries(&bytes, start.offset)?;
        missing.entries.extend(entries);
        missing.marker = marker.at(Position { segment: number, offset });
        let cut = bytes.len() as u64 - offset.min(bytes.len() as u64);
        if cut > 0 {
            tracing::warn!(path = %path.display(), bytes = cut, "the journal ends in an entry that was never acknowledged");
        }
        expected = number + 1;
    }
    Ok(Some(missing))
}

/// Removes all segments of `epoch`: the database holds them whole. One of another epoch that holds entries is set aside instead:
/// it belongs to a database that was replaced.
pub(super) fn clear(database: &Path, epoch: Option<Uuid>) -> Result<(), StorageError> {
    for (number, path) in segments(database).map_err(failed)? {
        let bytes = std::fs::read(&path).map_err(failed)?;
        let foreign = epoch_of(&bytes).is_some_and(|other| Some(other) != epoch);
        if foreign && !entries(&bytes, Position::start_of(number).offset)?.0.is_empty() {
            let mut aside = path.clone().into_os_string();
            aside.push(".unclaimed");
            tracing::warn!(path = %path.display(), "a journal of another ledger was set aside");
            std::fs::rename(&path, aside).map_err(failed)?;
        } else {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// Lets the journal follow its database to another name.
pub(super) fn follow(database: &Path, to: &Path) -> Result<(), StorageError> {
    for (number, path) in segments(database).map_err(failed)? {
        std::fs::rename(path, path_of(to, number)).map_err(failed)?;
    }
    Ok(())
}

/// Removes a segment that the database holds whole.
pub(super) fn remove(database: &Path, segment: u64) -> Result<(), StorageError> {
    std::fs::remove_file(path_of(database, segment)).map_err(failed)
}
