//! What stands in places, or would stand there once changes have been taken back: an undo and a look at it judge by the same rules.

use super::change::{Change, store_failed};
use super::content::Was;
use super::desk::FileDesk;
use super::place::FilePath;
use super::undo_store::UndoStore;
use nunchi_core::ToolError;
use std::collections::HashMap;

/// What stands in a place.
#[derive(Clone)]
pub(super) struct Standing {
    pub(super) was: Was,
    /// The call that created it; `None` for what somebody else created.
    origin: Option<String>,
}

/// A change that can be taken back.
pub(super) struct Undoable {
    pub(super) path: FilePath,
    /// What stands there before that.
    pub(super) standing: Standing,
    /// For a person: what it puts back.
    pub(super) summary: String,
}

/// The folders as they are, but for places where changes are taken as taken back.
pub(super) struct World<'a> {
    desk: &'a FileDesk,
    store: &'a UndoStore,
    assumed: HashMap<String, Standing>,
}

impl<'a> World<'a> {
    /// As it is now.
    pub(super) fn now(desk: &'a FileDesk, store: &'a UndoStore) -> Self {
        Self { desk, store, assumed: HashMap::new() }
    }

    /// Takes a change as taken back, if it can be.
    pub(super) fn assume(&mut self, change: &Change) -> Result<(), ToolError> {
        let Ok(Undoable { standing, .. }) = self.judge(change)? else { return Ok(()) };
        let back = match &change.from {
            Some(from) => {
                self.assumed.insert(from.clone(), standing);
                Standing { was: Was::Absent, origin: None }
            }
            None => {
                let origin =
                    if standing.was == Was::Absent { change.origin.clone() } else { standing.origin };
                Standing { was: change.before, origin }
            }
        };
        self.assumed.insert(change.path.clone(), back);
        Ok(())
    }

    /// Whether a change can be taken back; the error inside says why not.
    pub(super) fn judge(&self, change: &Change) -> Result<Result<Undoable, String>, ToolError> {
        let spelling = &change.path;
        let Some(path) = self.known(change) else {
            return Ok(Err(format!("`{spelling}` is not in the folders that tools may use now.")));
        };
        if change.from.is_none() && change.made.is_empty() && self.is_folder_gone(&path) {
            return Ok(Err(format!("The folder of `{spelling}` is gone.")));
        }
        let standing = self.standing(&path)?;
        if let Some(why) = changed_since(change, &standing.was) {
            return Ok(Err(why));
        }
        let summary = match (&change.from, &change.before, &change.after) {
            (Some(from), ..) => {
                let back = self.desk.writable(from)?;
                if self.standing(&back)?.was != Was::Absent {
                    return Ok(Err(format!("`{from}` exists again; it was left as it is.")));
                }
                format!("`{spelling}` is `{from}` again.")
            }
            // One that somebody made just like it is theirs.
            (None, Was::Absent, _) if standing.origin.is_none() || standing.origin != change.origin => {
                return Ok(Err(format!("`{spelling}` was made anew since; it was left as it is.")));
            }
            (None, Was::Absent, _) => format!("`{spelling}`, which had been created, was removed."),
            (None, _, Was::Absent) => format!("`{spelling}`, which had been removed, is back."),
            (None, ..) => format!("`{spelling}` is as it was before."),
        };
        if let (None, Some(hash)) = (&change.from, change.before.hash())
            && self.store.content(hash).map_err(|error| store_failed(&error))?.is_none()
        {
            return Ok(Err(format!("What stood in `{spelling}` is no longer kept.")));
        }
        Ok(Ok(Undoable { path, standing, summary }))
    }

    /// The path, if it still means the same file and may be written.
    fn known(&self, change: &Change) -> Option<FilePath> {
        let path = self.desk.writable(&change.path).ok()?;
        (self.desk.roots.root(&path).path == change.root).then_some(path)
    }

    fn is_folder_gone(&self, path: &FilePath) -> bool {
        !self.assumed.contains_key(&path.spelling)
            && self.desk.roots.place(path).is_err_and(|error| error.code == "file.missing")
    }

    fn standing(&self, path: &FilePath) -> Result<Standing, ToolError> {
        if let Some(assumed) = self.assumed.get(&path.spelling) {
            return Ok(assumed.clone());
        }
        let was = self.desk.now(path)?.map_or(Was::Absent, |found| found.was);
        let origin = match was.id() {
            Some(id) => self.store.origin(id).map_err(|error| store_failed(&error))?,
            None => None,
        };
        Ok(Standing { was, origin })
    }
}

/// Why a change cannot be taken back any more.
fn changed_since(change: &Change, now: &Was) -> Option<String> {
    let path = &change.path;
    match (&change.after, now) {
        (Was::Absent, Was::Absent) => None,
        (Was::Absent, Was::File { .. }) => Some(format!("`{path}` exists again; it was left as it is.")),
        (Was::File { .. }, Was::Absent) => Some(format!("`{path}` is gone.")),
        (Was::File { hash, .. }, _) if now.hash() != Some(*hash) => {
            Some(format!("`{path}` has changed since; it was left as it is."))
        }
        _ => None,
    }
}
