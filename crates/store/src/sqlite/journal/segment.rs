//! One file of the journal: what is appended to it, and what is read from it again.

use super::frame::{self, Entry, Frame};
use nunchi_core::StorageError;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"NUNCHIJ1";
/// Magic and epoch.
const HEADER: u64 = 24;
/// How a segment's file name goes on after the database's.
const SUFFIX: &str = ".journal-";

/// A place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sqlite) struct Position {
    pub(in crate::sqlite) segment: u64,
    /// In bytes from the segment's start.
    pub(in crate::sqlite) offset: u64,
}

impl Position {
    /// Where a segment's first entry stands.
    pub(super) const fn start_of(segment: u64) -> Self {
        Self { segment, offset: HEADER }
    }
}

/// The segment that is written to.
pub(in crate::sqlite) struct Segment {
    file: File,
    end: Position,
    /// Whether a write was cut short and is still to be taken back.
    torn: bool,
}

impl Segment {
    /// Makes the file; one that is there is an error, so nothing is written over.
    pub(super) fn create(database: &Path, epoch: Uuid, segment: u64) -> Result<Self, StorageError> {
        let path = path_of(database, segment);
        let mut file = OpenOptions::new().append(true).create_new(true).open(path).map_err(failed)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(epoch.as_bytes());
        file.write_all(&header).map_err(failed)?;
        Ok(Self { file, end: Position::start_of(segment), torn: false })
    }

    /// Appends an entry: it survives the end of the process, though not a loss of power.
    ///
    /// # Errors
    /// Then the file is as it was.
    pub(in crate::sqlite) fn append(&mut self, frame: &Frame) -> Result<(), StorageError> {
        if self.torn {
            self.file.set_len(self.end.offset).map_err(failed)?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(frame.bytes()) {
            self.torn = self.file.set_len(self.end.offset).is_err();
            return Err(failed(error));
        }
        self.end.offset += frame.bytes().len() as u64;
        Ok(())
    }

    /// Behind the last entry.
    pub(in crate::sqlite) const fn end(&self) -> Position {
        self.end
    }
}

/// All segments of a database with their numbers, in order.
pub(super) fn segments(database: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let (Some(folder), Some(name)) = (database.parent(), database.file_name()) else { return Ok(Vec::new()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let prefix = format!("{}{SUFFIX}", name.to_string_lossy());
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(number) = name.strip_prefix(&prefix).and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn path_of(database: &Path, segment: u64) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(format!("{SUFFIX}{segment}"));
    path.into()
}

/// The epoch of a segment; `None` when its header is not whole, so nothing was acknowledged in it.
pub(super) fn epoch_of(bytes: &[u8]) -> Option<Uuid> {
    let rest = bytes.strip_prefix(MAGIC)?;
    rest.first_chunk().map(|epoch| Uuid::from_bytes(*epoch))
}

/// The entries from `offset` on, and where they end.
pub(super) fn entries(bytes: &[u8], offset: u64) -> Result<(Vec<Entry>, u64), StorageError> {
    let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut entries = Vec::new();
    while let Some((entry, length)) = frame::first(bytes.get(at..).unwrap_or_default())? {
        entries.push(entry);
        at += length;
    }
    Ok((entries, at as u64))
}

/// The file system's error in our words.
pub(super) fn failed(error: io::Error) -> StorageError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StorageError::DiskFull,
        _ => StorageError::Other(error.to_string()),
    }
}
