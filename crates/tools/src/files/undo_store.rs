//! What stood where tools wrote, kept before they wrote; and the journal that tells after a crash what became of a call.
//!
//! A folder: `blobs/<sha256>` holds contents, `journal.db` holds one row a call, written through to the disk before the file is
//! touched and completed after. Contents are dropped, those not used for longest first, when they are over the cap.

use super::content::FileId;
use nunchi_core::ContentHash;
use rusqlite::{Connection, OptionalExtension, params};
use rustix::fs::{Mode, OFlags};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rows of calls that are kept; far more than any run makes.
const MOST_ROWS: i64 = 100_000;

/// A journal's row.
pub(super) struct Row {
    /// What was intended, before the file was touched.
    pub(super) intent: String,
    /// What came of it, once it is over.
    pub(super) outcome: Option<String>,
}

/// The store. Whoever holds it is the only one to change files.
pub(super) struct UndoStore {
    folder: PathBuf,
    journal: Connection,
    /// Most bytes of contents.
    cap: u64,
}

/// Why the store failed.
#[derive(Debug)]
pub(super) enum UndoStoreError {
    Io(io::Error),
    Sqlite(rusqlite::Error),
    /// The content alone is over the cap.
    TooBig(u64),
}

impl From<io::Error> for UndoStoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rusqlite::Error> for UndoStoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<rustix::io::Errno> for UndoStoreError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl UndoStore {
    /// Opens the store in a folder, which only its owner may read: it holds what files held.
    pub(super) fn open(folder: &Path, cap: u64) -> Result<Self, UndoStoreError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("blobs"))?;
        let journal = Connection::open(folder.join("journal.db"))?;
        journal.busy_timeout(Duration::from_secs(10))?;
        journal.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS calls (
                 key TEXT PRIMARY KEY, intent TEXT NOT NULL, outcome TEXT, number INTEGER NOT NULL,
                 placed TEXT, origin TEXT) STRICT;
             CREATE INDEX IF NOT EXISTS calls_by_placed ON calls (placed);
             CREATE INDEX IF NOT EXISTS calls_by_number ON calls (number);
             CREATE TABLE IF NOT EXISTS blobs (
                 hash TEXT PRIMARY KEY, size INTEGER NOT NULL, used INTEGER NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS blobs_by_use ON blobs (used);",
        )?;
        Ok(Self { folder: folder.to_owned(), journal, cap })
    }

    /// Keeps a content; it is on the disk when this returns.
    pub(super) fn keep(&self, bytes: &[u8]) -> Result<ContentHash, UndoStoreError> {
        let size = bytes.len() as u64;
        if size > self.cap {
            return Err(UndoStoreError::TooBig(self.cap));
        }
        let hash = ContentHash::of(bytes);
        let name = hash.to_string();
        let place = self.folder.join("blobs").join(&name);
        if self.content(hash)?.is_none() {
            let temporary = place.with_extension("tmp");
            let mut file = create_private(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &place)?;
            std::fs::File::open(self.folder.join("blobs"))?.sync_all()?;
        }
        self.journal.execute(
            "INSERT INTO blobs VALUES (?1, ?2, (SELECT coalesce(max(used), 0) + 1 FROM blobs))
             ON CONFLICT (hash) DO UPDATE SET used = excluded.used",
            params![name, i64::try_from(size).unwrap_or(i64::MAX)],
        )?;
        self.make_room(&name)?;
        Ok(hash)
    }

    /// Drops what is over the cap, never the content just kept.
    fn make_room(&self, keep: &str) -> Result<(), UndoStoreError> {
        loop {
            let total: i64 =
                self.journal.query_row("SELECT coalesce(sum(size), 0) FROM blobs", [], |row| row.get(0))?;
            if u64::try_from(total).unwrap_or(0) <= self.cap {
                return Ok(());
            }
            let oldest: Option<String> = self
                .journal
                .query_row("SELECT hash FROM blobs WHERE hash <> ?1 ORDER BY used LIMIT 1", [keep], |row| {
                    row.get(0)
                })
                .optional()?;
            let Some(oldest) = oldest else { return Ok(()) };
            match std::fs::remove_file(self.folder.join("blobs").join(&oldest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => self.journal.execute("DELETE FROM blobs WHERE hash = ?1", [oldest])?,
            };
        }
    }

    /// A content; `None` when it is no longer kept, or damaged.
    pub(super) fn content(&self, hash: ContentHash) -> Result<Option<Vec<u8>>, UndoStoreError> {
        let mut bytes = Vec::new();
        match std::fs::File::open(self.folder.join("blobs").join(hash.to_string())) {
            Ok(file) => file.take(self.cap.saturating_add(1)).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok((ContentHash::of(&bytes) == hash).then_some(bytes))
    }

    /// The row of a call.
    pub(super) fn row(&self, key: &str) -> Result<Option<Row>, UndoStoreError> {
        let row = self.journal.query_row("SELECT intent, outcome FROM calls WHERE key = ?1", [key], |row| {
            Ok(Row { intent: row.get(0)?, outcome: row.get(1)? })
        });
        Ok(row.optional()?)
    }

    /// Notes what a call is about to do; with a file that it puts in place, and the call that created that. It is on the disk
    /// when this returns, with all that was noted before. Nothing else needs to be at once: what became of a call can be
    /// told by its files, and a content without a row is only not counted.
    pub(super) fn intend(
        &self,
        key: &str,
        intent: &str,
        placed: Option<(FileId, Option<&str>)>,
    ) -> Result<(), UndoStoreError> {
        self.journal.pragma_update(None, "synchronous", "FULL")?;
        let (id, origin) = placed.map_or((None, None), |(id, origin)| (Some(written(id)), origin));
        self.journal.execute(
            "INSERT INTO calls VALUES (?1, ?2, NULL, (SELECT coalesce(max(number), 0) + 1 FROM calls), ?3, ?4)",
            params![key, intent, id, origin],
        )?;
        self.journal.pragma_update(None, "synchronous", "NORMAL")?;
        self.journal.execute(
            "DELETE FROM calls WHERE outcome IS NOT NULL AND number <= (SELECT max(number) FROM calls) - ?1",
            [MOST_ROWS],
        )?;
        Ok(())
    }

    /// The call that created a file; `None` when somebody else did, or has written it since.
    pub(super) fn origin(&self, id: FileId) -> Result<Option<String>, UndoStoreError> {
        let origin = self.journal.query_row(
            "SELECT origin FROM calls WHERE placed = ?1 ORDER BY number DESC LIMIT 1",
            [written(id)],
            |row| row.get(0),
        );
        Ok(origin.optional()?.flatten())
    }

    /// Notes that a call is over.
    pub(super) fn done(&self, key: &str, outcome: &str) -> Result<(), UndoStoreError> {
        self.journal.execute("UPDATE calls SET outcome = ?2 WHERE key = ?1", [key, outcome])?;
        Ok(())
    }

    /// Notes that a call did not happen.
    pub(super) fn forget(&self, key: &str) -> Result<(), UndoStoreError> {
        self.journal.execute("DELETE FROM calls WHERE key = ?1", [key])?;
        Ok(())
    }
}

fn written(id: FileId) -> String {
    format!("{}:{}:{}", id.device, id.inode, id.changed_ns)
}

fn create_private(path: &Path) -> io::Result<std::fs::File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(std::fs::File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_kept_up_to_the_cap() {
        let folder = tempfile::tempdir().unwrap();
        let store = UndoStore::open(folder.path(), 10).unwrap();
        let first = store.keep(b"12345").unwrap();
        let second = store.keep(b"abcde").unwrap();
        assert_eq!(store.keep(b"12345").unwrap(), first);
        let third = store.keep(b"ABCD").unwrap();
        let kept = |hash| store.content(hash).unwrap().is_some();
        assert_eq!((kept(first), kept(second), kept(third)), (true, false, true));
        assert!(matches!(store.keep(&[0; 11]), Err(UndoStoreError::TooBig(10))));
        assert_eq!(store.content(third).unwrap().unwrap(), b"ABCD");
    }

    #[test]
    fn a_damaged_content_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = UndoStore::open(folder.path(), 100).unwrap();
        let hash = store.keep(b"right").unwrap();
        std::fs::write(folder.path().join("blobs").join(hash.to_string()), b"wrong").unwrap();
        assert!(store.content(hash).unwrap().is_none());
    }

    #[test]
    fn rows_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let store = UndoStore::open(folder.path(), 100).unwrap();
        store.intend("a", "{}", None).unwrap();
        assert!(store.intend("a", "{}", None).is_err());
        let id = FileId { device: 1, inode: 2, changed_ns: 3 };
        store.intend("b", "{}", Some((id, Some("a")))).unwrap();
        assert_eq!(store.origin(id).unwrap().as_deref(), Some("a"));
        assert_eq!(store.origin(FileId { changed_ns: 4, ..id }).unwrap(), None);
        drop(store);
        let store = UndoStore::open(folder.path(), 100).unwrap();
        assert!(store.row("a").unwrap().unwrap().outcome.is_none());
        store.done("a", "x").unwrap();
        assert_eq!(store.row("a").unwrap().unwrap().outcome.as_deref(), Some("x"));
        store.forget("a").unwrap();
        assert!(store.row("a").unwrap().is_none());
    }
}
