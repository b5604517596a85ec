//! Carries out changes of files one at a time: once a key, with what was there kept before, and taken back on request.

use super::change::{
    self, Change, Fate, Intent, MadeFolder, NewContent, changed, intend, intent_of, store_failed,
    temporary_name,
};
use super::content::{FileId, Found, Was, read};
use super::place::{FilePath, FileRoot, Place, Roots, failed, missing};
use super::undo_store::UndoStore;
use crate::arguments::{Attempts, lock};
use nunchi_core::{Expect, Label, ToolError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// Limits of the file tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCaps {
    /// Longest file that is edited, removed or moved, in bytes.
    pub file_bytes: u64,
    /// Longest file that is read in parts, in bytes.
    pub read_bytes: u64,
    /// Most bytes kept for undoing.
    pub undo_bytes: u64,
    /// Most bytes read by one search.
    pub search_bytes: u64,
}

impl Default for FileCaps {
    fn default() -> Self {
        let mib = 1024 * 1024;
        Self { file_bytes: 8 * mib, read_bytes: 256 * mib, undo_bytes: 512 * mib, search_bytes: 256 * mib }
    }
}

/// What all file tools share.
pub(crate) struct FileDesk {
    pub(super) roots: Roots,
    pub(super) caps: FileCaps,
    pub(super) attempts: Attempts,
    store: Mutex<UndoStore>,
}

/// What shall stand in a place.
pub(super) enum Wanted {
    /// What stands there.
    AsItIs,
    Nothing,
    /// This; the mode is `None` for that of a new file.
    Content(Vec<u8>, Option<u32>),
}

/// A change that is decided and not yet noted.
struct Draft {
    place: Place,
    current: Option<Found>,
    wanted: Wanted,
    made: Vec<MadeFolder>,
}

/// A change that is noted and not yet made.
pub(super) struct Prepared {
    pub(super) change: Change,
    pub(super) intent: Intent,
    pub(super) place: Place,
    from: Option<(Place, FilePath)>,
    pub(super) path: FilePath,
}

impl FileDesk {
    /// Opens the folders and the store of what is kept for undoing. `closed` are folders that tools never enter.
    pub(crate) fn open(
        roots: Vec<FileRoot>,
        mut closed: Vec<PathBuf>,
        undo_folder: &Path,
        caps: FileCaps,
    ) -> io::Result<Self> {
        let store = UndoStore::open(undo_folder, caps.undo_bytes)
            .map_err(|error| io::Error::other(store_failed(&error).message))?;
        closed.push(undo_folder.to_owned());
        let roots = Roots::open(roots, closed)?;
        Ok(Self { roots, caps, attempts: Attempts::default(), store: Mutex::new(store) })
    }

    /// Waits for the change under way. Whoever holds the store is the only one to change files.
    pub(super) fn store(&self) -> MutexGuard<'_, UndoStore> {
        lock(&self.store)
    }

    /// The label of what a file says, when it is worse than a tool's.
    pub(super) fn label(&self, path: &FilePath) -> Option<Label> {
        Some(self.roots.root(path).label).filter(|label| *label > Label::Tool)
    }

    /// Understands the path of a file that is to be changed.
    pub(super) fn writable(&self, text: &str) -> Result<FilePath, ToolError> {
        let path = self.roots.parse(text)?;
        if self.roots.root(&path).writable {
            return Ok(path);
        }
        let message = format!("`{}` is in a folder that is read only.", path.spelling);
        Err(ToolError::new("file.read_only", message).hint("Write to another folder."))
    }

    /// What stands in a place now; nothing when its folder is missing, too.
    pub(super) fn now(&self, path: &FilePath) -> Result<Option<Found>, ToolError> {
        match self.roots.place(path) {
            Ok(place) => read(&place, path, self.caps.file_bytes),
            Err(error) if error.code == "file.missing" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps what is there, writes what shall be there beside it, and notes the change with what its call will answer.
    /// `decide` says what shall be there; `None` when everything is as it shall be. `taken_back` is the change that this one
    /// takes back: what it removed is again whose it was.
    pub(super) fn prepare(
        &self,
        store: &UndoStore,
        key: &str,
        (path, taken_back): (&FilePath, Option<&Change>),
        decide: impl FnOnce(Option<&Found>) -> Result<Wanted, ToolError>,
        outcome: impl FnOnce(&Change) -> String,
    ) -> Result<Option<Prepared>, ToolError> {
        let current = self.now(path)?;
        let wanted = decide(current.as_ref())?;
        let mut made = matches!(wanted, Wanted::Content(..)).then(Vec::new);
        if matches!(wanted, Wanted::AsItIs) {
            return Ok(None);
        }
        let place = self.roots.place_making(path, &mut made)?;
        let made = self.with_inodes(&made.unwrap_or_default());
        let origin = match (&current, taken_back) {
            (Some(found), _) => found.was.id().map_or(Ok(None), |id| store.origin(id)),
            (None, Some(change)) => Ok(change.origin.clone()),
            (None, None) => Ok(Some(key.to_owned())),
        };
        let draft = Draft { place, current, wanted, made: made.clone() };
        let prepared = origin
            .map_err(|error| store_failed(&error))
            .and_then(|origin| self.note(store, key, path, draft, origin, outcome));
        if prepared.is_err() {
            self.remove_folders(&made);
        }
        prepared.map(Some)
    }

    fn note(
        &self,
        store: &UndoStore,
        key: &str,
        path: &FilePath,
        draft: Draft,
        origin: Option<String>,
        outcome: impl FnOnce(&Change) -> String,
    ) -> Result<Prepared, ToolError> {
        let Draft { place, current, wanted, made } = draft;
        if let Some(found) = &current {
            store.keep(&found.bytes).map_err(|error| store_failed(&error))?;
        }
        let temporary = temporary_name(key);
        change::clear(&place, &temporary);
        let after = match wanted {
            Wanted::AsItIs | Wanted::Nothing => Was::Absent,
            Wanted::Content(bytes, mode) => {
                let owner = current.as_ref().map(|found| found.owner);
                let new = NewContent { bytes: &bytes, mode, owner };
                change::write_beside(&place, path, &temporary, &new)?
            }
        };
        let change = Change {
            root: self.roots.root(path).path.clone(),
            path: path.spelling.clone(),
            before: current.map_or(Was::Absent, |found| found.was),
            after,
            from: None,
            made,
            origin,
        };
        let noted = intend(store, key, &change, &outcome(&change));
        let intent = noted.inspect_err(|_| change::discard(&place, &temporary, &after))?;
        Ok(Prepared { change, intent, place, from: None, path: path.clone() })
    }

    /// Notes a move.
    pub(super) fn prepare_move(
        &self,
        store: &UndoStore,
        key: &str,
        (from, to): (&FilePath, &FilePath),
        outcome: impl FnOnce(&Change) -> String,
    ) -> Result<Prepared, ToolError> {
        let source = self.roots.place(from)?;
        let found = read(&source, from, self.caps.file_bytes)?.ok_or_else(|| missing(from))?;
        let mut made = Some(Vec::new());
        let place = self.roots.place_making(to, &mut made)?;
        let made = self.with_inodes(&made.unwrap_or_default());
        let change = Change {
            root: self.roots.root(to).path.clone(),
            path: to.spelling.clone(),
            before: found.was,
            after: found.was,
            from: Some(from.spelling.clone()),
            made,
            origin: found.was.id().and_then(|id| store.origin(id).ok().flatten()),
        };
        let intent = intend(store, key, &change, &outcome(&change))?;
        Ok(Prepared { change, intent, place, from: Some((source, from.clone())), path: to.clone() })
    }

    /// Makes a change that was noted.
    pub(super) fn commit(&self, store: &UndoStore, key: &str, prepared: &Prepared) -> Result<(), ToolError> {
        let Prepared { change, intent, place, from, path } = prepared;
        let made = match from {
            Some((source, before)) => change::relocate(source, place, path, before),
            None => change::put(place, path, intent, self.caps.file_bytes),
        };
        match made {
            Ok(()) => {}
            Err(error) if error.uncertain => return Err(error),
            Err(error) => {
                store.forget(key).map_err(|error| store_failed(&error).uncertain())?;
                change::discard(place, &temporary_name(key), &change.after);
                self.remove_folders(&change.made);
                return Err(error);
            }
        }
        let synced = change::sync_folder(&place.folder)
            .and_then(|()| from.as_ref().map_or(Ok(()), |(source, _)| change::sync_folder(&source.folder)));
        synced.map_err(|error| failed(path, &error).uncertain())?;
        store.done(key, &intent.outcome).map_err(|error| store_failed(&error).uncertain())
    }

    /// What a call of this key answered, if it was made before; a change left half done is finished or put back first.
    pub(super) fn earlier(&self, store: &UndoStore, key: &str) -> Result<Option<String>, ToolError> {
        match self.fate(store, key)? {
            Fate::Happened(outcome) => Ok(Some(outcome)),
            Fate::DidNot => Ok(None),
            Fate::Unknown => {
                let message = "The call was cut short before, and it cannot be told whether it happened.";
                Err(ToolError::new("file.unknown_fate", message).hint("Look at the file.").uncertain())
            }
        }
    }

    /// Removes what a call that did not happen wrote beside its file.
    pub(super) fn clear(&self, path: &FilePath, key: &str) {
        if let Ok(place) = self.roots.place(path) {
            change::clear(&place, &temporary_name(key));
        }
    }

    /// What became of a call.
    pub(super) fn fate(&self, store: &UndoStore, key: &str) -> Result<Fate, ToolError> {
        let Some(row) = store.row(key).map_err(|error| store_failed(&error).uncertain())? else {
            return Ok(Fate::DidNot);
        };
        if let Some(outcome) = row.outcome {
            return Ok(Fate::Happened(outcome));
        }
        let Some(intent) = intent_of(&row) else { return Ok(Fate::Unknown) };
        let place = |spelling: &str| {
            let path = self.roots.parse(spelling).ok()?;
            Some((self.roots.place(&path).ok()?, path))
        };
        let Some((here, path)) = place(&intent.change.path) else { return Ok(Fate::Unknown) };
        let from = intent.change.from.as_deref().and_then(place).map(|(place, _)| place);
        if intent.change.from.is_some() && from.is_none() {
            return Ok(Fate::Unknown);
        }
        let fate = change::fate(&here, from.as_ref(), &path, &intent, self.caps.file_bytes);
        let noted = match &fate {
            Fate::Happened(outcome) => store.done(key, outcome),
            Fate::DidNot => {
                self.remove_folders(&intent.change.made);
                store.forget(key)
            }
            Fate::Unknown => Ok(()),
        };
        noted.map_err(|error| store_failed(&error).uncertain())?;
        Ok(fate)
    }

    fn with_inodes(&self, made: &[FilePath]) -> Vec<MadeFolder> {
        let inode = |path: &FilePath| {
            let stat = rustix::fs::fstat(self.roots.folder(path).ok()?).ok()?;
            Some(MadeFolder { path: path.spelling.clone(), inode: FileId::of(&stat).inode })
        };
        made.iter().filter_map(inode).collect()
    }

    /// Removes folders that a change made, as far as they are empty and still the same.
    pub(super) fn remove_folders(&self, made: &[MadeFolder]) {
        for folder in made.iter().rev() {
            let Ok(path) = self.roots.parse(&folder.path) else { return };
            let same = self
                .roots
                .folder(&path)
                .ok()
                .and_then(|opened| rustix::fs::fstat(opened).ok())
                .is_some_and(|stat| FileId::of(&stat).inode == folder.inode);
            let Ok(place) = self.roots.place(&path) else { return };
            // A folder that somebody put something in stays.
            if !same
                || rustix::fs::unlinkat(&place.folder, &place.name, rustix::fs::AtFlags::REMOVEDIR).is_err()
            {
                return;
            }
        }
    }
}

/// Whether what stands there is what the caller expects.
pub(super) fn as_expected(
    path: &FilePath,
    expect: Option<&Expect>,
    found: Option<&Found>,
) -> Result<(), ToolError> {
    match (expect, found) {
        (None, _) | (Some(Expect::Absent), None) => Ok(()),
        (Some(Expect::Absent), Some(_)) => {
            let message = format!("`{}` exists and was not read in this run.", path.spelling);
            Err(ToolError::new("tool.unread", message).hint("Read it first."))
        }
        (Some(Expect::Version(_)), None) => Err(changed(path)),
        (Some(Expect::Version(version)), Some(found)) => {
            if found.was.version().as_ref() == Some(version) {
                Ok(())
            } else {
                Err(changed(path))
            }
        }
    }
}
