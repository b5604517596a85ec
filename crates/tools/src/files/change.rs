//! Changes of files that are whole or not at all, and of which it can be told after a crash whether they happened.
//!
//! A new content is written beside the old one, noted in the journal, and put in its place by one rename: into a free name only if it is
//! still free, onto a file by exchanging the two. What comes out of the exchange is compared with what was read before; if somebody
//! wrote in between, the exchange is taken back, so that nobody's edit is lost.

use super::content::{FileId, Owner, Was, read};
use super::place::{FilePath, Place, TEMPORARY, failed, missing};
use super::undo_store::{Row, UndoStore, UndoStoreError};
use nunchi_core::{ContentHash, ToolError};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// The mode of new files, before the user's mask.
const NEW_MODE: u32 = 0o666;

/// How often something is given back to somebody who keeps saving. Each time needs another save of theirs within microseconds, so
/// that only a program comes this far.
const MOST_EXCHANGES: usize = 10_000;

/// How many files beside one are kept in sight.
const MOST_KEPT: usize = 100;

/// A folder that a change made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MadeFolder {
    pub(super) path: String,
    pub(super) inode: u64,
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The root's real path: the owner may rearrange the roots, and then a spelling means another file.
    pub(super) root: PathBuf,
    pub(super) path: String,
    pub(super) before: Was,
    pub(super) after: Was,
    /// Where it was before, when it was moved; then `before` is what stands there and `after` the same file here.
    pub(super) from: Option<String>,
    /// Folders made for it, the outermost first.
    pub(super) made: Vec<MadeFolder>,
    /// The call that created the file, however often it was changed since; `None` for a file that somebody else created.
    pub(super) origin: Option<String>,
}

/// What the journal knows of a change under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) change: Change,
    temporary: String,
    /// What the call answers if it happened.
    pub(super) outcome: String,
}

/// A new content.
pub(super) struct NewContent<'a> {
    pub(super) bytes: &'a [u8],
    /// `None` for a new file.
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<Owner>,
}

/// What stands under a name. It is held open: a system gives the number of a file that is gone to the next one at once, and then
/// what somebody saved would pass for what we wrote.
#[derive(Debug)]
struct Held {
    id: FileId,
    size: i128,
    _open: Option<OwnedFd>,
}

impl Held {
    fn is_unchanged(&self, other: &Self) -> bool {
        (self.id, self.size) == (other.id, other.size)
    }
}

/// What became of a change that was under way when the process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Happened(String),
    DidNot,
    Unknown,
}

/// Somebody changed the file meanwhile.
pub(super) fn changed(path: &FilePath) -> ToolError {
    let message = format!("`{}` has changed since it was read.", path.spelling);
    ToolError::new("tool.changed", message).hint("Read it again.")
}

/// The undo store failed; nothing was changed.
pub(super) fn store_failed(error: &UndoStoreError) -> ToolError {
    match error {
        UndoStoreError::TooBig(cap) => {
            let message = format!("What is there is over the {cap} bytes that can be kept for an undo.");
            ToolError::new("file.no_undo", message).hint("Leave it, or ask the owner to do it.")
        }
        UndoStoreError::Io(error) => {
            ToolError::new("file.undo_store", format!("What is there could not be kept: {error}."))
        }
        UndoStoreError::Sqlite(error) => {
            ToolError::new("file.undo_store", format!("The change could not be noted: {error}."))
        }
    }
}

/// The name that a call's new content has until it is put in place.
pub(super) fn temporary_name(key: &str) -> String {
    let hash = ContentHash::of(key).to_string();
    format!("{TEMPORARY}{}", &hash[..24])
}

/// Writes the new content beside the old one; tells which file it is.
pub(super) fn write_beside(
    place: &Place,
    path: &FilePath,
    temporary: &str,
    new: &NewContent<'_>,
) -> Result<Was, ToolError> {
    let io = |error: std::io::Error| {
        ToolError::new("file.failed", format!("`{}` could not be written: {error}.", path.spelling))
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(if new.mode.is_some() { 0o600 } else { NEW_MODE });
    let made =
        rustix::fs::openat(&place.folder, temporary, flags, mode).map_err(|error| failed(path, &error))?;
    let mut file = File::from(made);
    file.write_all(new.bytes).map_err(io)?;
    if let Some(owner) = new.owner {
        // Only root may give files away; whoever cannot keeps them as the system lets them.
        let _kept_as_is =
            rustix::fs::fchown(&file, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)));
    }
    if let Some(mode) = new.mode {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|error| failed(path, &error))?;
    }
    file.sync_all().map_err(io)?;
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(path, &error))?;
    let mode = Mode::from_raw_mode(stat.st_mode).as_raw_mode() & 0o7777;
    Ok(Was::File { hash: ContentHash::of(new.bytes), mode, id: FileId::of(&stat) })
}

/// Notes the change, so that from here on its fate can be told.
pub(super) fn intend(
    store: &UndoStore,
    key: &str,
    change: &Change,
    outcome: &str,
) -> Result<Intent, ToolError> {
    let intent =
        Intent { change: change.clone(), temporary: temporary_name(key), outcome: outcome.to_owned() };
    let text = serde_json::to_string(&intent)
        .map_err(|error| ToolError::new("file.undo_store", error.to_string()))?;
    let placed = change.after.id().map(|id| (id, change.origin.as_deref()));
    store.intend(key, &text, placed).map_err(|error| store_failed(&error))?;
    Ok(intent)
}

/// Puts the new content in place, or removes the old one.
pub(super) fn put(place: &Place, path: &FilePath, intent: &Intent, most: u64) -> Result<(), ToolError> {
    let Place { folder, name } = place;
    let temporary = intent.temporary.as_str();
    match (&intent.change.before, &intent.change.after) {
        (Was::Absent, Was::Absent) => Ok(()),
        (Was::Absent, Was::File { .. }) => {
            match rustix::fs::renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => Err(changed(path)),
                done => done.map_err(|error| failed(path, &error)),
            }
        }
        (Was::File { .. }, Was::File { .. }) => {
            let ours = hold(place, temporary);
            rustix::fs::renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE)
                .map_err(|error| gone_or_failed(path, &error))?;
            if is_at(place, path, temporary, &intent.change.before, most) {
                return remove(place, path, temporary);
            }
            put_back(place, path, temporary, ours)?;
            Err(changed(path))
        }
        (Was::File { .. }, Was::Absent) => {
            rustix::fs::renameat_with(folder, name, folder, temporary, RenameFlags::NOREPLACE)
                .map_err(|error| gone_or_failed(path, &error))?;
            if is_at(place, path, temporary, &intent.change.before, most) {
                return remove(place, path, temporary);
            }
            move_back(place, path, temporary)?;
            Err(changed(path))
        }
    }
}

/// Gives back what came out of the place and was not what had been read. Somebody may save again meanwhile, onto what stands
/// there for a moment: then that is the newest, and it is what must stand there in the end.
fn put_back(
    place: &Place,
    path: &FilePath,
    temporary: &str,
    mut placed: Option<Held>,
) -> Result<(), ToolError> {
    let Place { folder, name } = place;
    for _ in 0..MOST_EXCHANGES {
        let putting = hold(place, temporary);
        match rustix::fs::renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            // They removed it meanwhile, so that there is nothing to give back to.
            Err(Errno::NOENT) => return keep_in_sight(place, path, temporary),
            Err(error) => return Err(failed(path, &error).uncertain()),
        }
        let came_out = hold(place, temporary);
        if came_out.zip(placed).is_some_and(|(found, placed)| found.is_unchanged(&placed)) {
            return remove(place, path, temporary);
        }
        placed = putting;
    }
    keep_in_sight(place, path, temporary)
}

/// Gives back to a name that is free, unless somebody has taken it meanwhile.
fn move_back(place: &Place, path: &FilePath, temporary: &str) -> Result<(), ToolError> {
    let Place { folder, name } = place;
    rustix::fs::renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE)
        .or_else(|_| keep_in_sight(place, path, temporary))
}

/// What cannot be given back gets a name that people see.
fn keep_in_sight(place: &Place, path: &FilePath, temporary: &str) -> Result<(), ToolError> {
    let keep = |number: usize| {
        let kept = match number {
            1 => format!("{}.nunchi-kept", place.name),
            _ => format!("{}.nunchi-kept-{number}", place.name),
        };
        rustix::fs::renameat_with(&place.folder, temporary, &place.folder, &kept, RenameFlags::NOREPLACE)
    };
    let kept = (1..=MOST_KEPT).map(keep).find(|kept| *kept != Err(Errno::EXIST));
    kept.unwrap_or(Err(Errno::EXIST)).map_err(|error| failed(path, &error).uncertain())
}

/// Moves a file to a free name.
pub(super) fn relocate(
    from: &Place,
    to: &Place,
    path: &FilePath,
    before: &FilePath,
) -> Result<(), ToolError> {
    match rustix::fs::renameat_with(&from.folder, &from.name, &to.folder, &to.name, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => Err(ToolError::new("file.exists", format!("`{}` exists.", path.spelling))
            .hint("Choose another name.")),
        Err(Errno::XDEV) => {
            Err(ToolError::new("file.other_device", "The two folders are on different file systems.")
                .hint("Write the text to the new place instead."))
        }
        Err(Errno::NOENT) => Err(missing(before)),
        done => done.map_err(|error| failed(path, &error)),
    }
}

/// Removes our own new content, and nothing else that may have got its name.
pub(super) fn discard(place: &Place, temporary: &str, after: &Was) {
    if after.id().is_some() && id_at(place, temporary) == after.id() {
        // What is left behind is found by its name and harmless.
        let _left = rustix::fs::unlinkat(&place.folder, temporary, AtFlags::empty());
    }
}

/// Removes what an earlier attempt of the same call left: its name is made of the call's key, and no journal row knows it.
pub(super) fn clear(place: &Place, temporary: &str) {
    let _not_there = rustix::fs::unlinkat(&place.folder, temporary, AtFlags::empty());
}

/// Makes a rename outlast a power loss.
pub(super) fn sync_folder(folder: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fsync(folder)
}

/// What became of a change that is noted and not known to be over. What it left half done is finished or put back.
pub(super) fn fate(place: &Place, from: Option<&Place>, path: &FilePath, intent: &Intent, most: u64) -> Fate {
    let change = &intent.change;
    let here = id_at(place, &place.name);
    let is = |found: Option<FileId>, was: &Was| {
        found.zip(was.id()).is_some_and(|(found, id)| found.same_file(&id))
    };
    let happened = || Fate::Happened(intent.outcome.clone());
    if let Some(from) = from {
        return match (is(here, &change.after), is(id_at(from, &from.name), &change.before)) {
            (true, _) => happened(),
            (false, true) => Fate::DidNot,
            (false, false) => Fate::Unknown,
        };
    }
    let is_ours = |name: &str| is_file(place, path, name, &change.after, most);
    match (id_at(place, &intent.temporary), &change.after) {
        (Some(_), _) if is_ours(&intent.temporary) => {
            discard(place, &intent.temporary, &change.after);
            Fate::DidNot
        }
        (Some(_), _) => finish(place, path, intent, most),
        (None, Was::File { .. }) if is(here, &change.after) => happened(),
        (None, Was::Absent) if is(here, &change.before) => Fate::DidNot,
        (None, Was::Absent) if here.is_none() => happened(),
        (None, _) => Fate::Unknown,
    }
}

/// What was taken out still stands beside: if it is what had been read, the change stands; else it is given back, if what stands
/// there is still ours.
fn finish(place: &Place, path: &FilePath, intent: &Intent, most: u64) -> Fate {
    let temporary = intent.temporary.as_str();
    if is_at(place, path, temporary, &intent.change.before, most) {
        return match remove(place, path, temporary) {
            Ok(()) => Fate::Happened(intent.outcome.clone()),
            Err(_) => Fate::Unknown,
        };
    }
    let given_back = match hold(place, &place.name) {
        None => move_back(place, path, temporary),
        ours if is_file(place, path, &place.name, &intent.change.after, most) => {
            put_back(place, path, temporary, ours)
        }
        Some(_) => keep_in_sight(place, path, temporary),
    };
    given_back.map_or(Fate::Unknown, |()| Fate::DidNot)
}

/// The intent of a row.
pub(super) fn intent_of(row: &Row) -> Option<Intent> {
    serde_json::from_str(&row.intent).ok()
}

/// Holds what stands under a name; `None` when nothing does.
fn hold(place: &Place, name: &str) -> Option<Held> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = rustix::fs::openat(&place.folder, name, flags, Mode::empty()).ok();
    let stat = match &open {
        Some(open) => rustix::fs::fstat(open),
        None => rustix::fs::statat(&place.folder, name, AtFlags::SYMLINK_NOFOLLOW),
    };
    let stat = stat.ok()?;
    Some(Held { id: FileId::of(&stat), size: stat.st_size.into(), _open: open })
}

fn found_at(place: &Place, path: &FilePath, name: &str, most: u64) -> Option<Was> {
    let there = Place { folder: place.folder.try_clone().ok()?, name: name.to_owned() };
    Some(read(&there, path, most).ok().flatten()?.was)
}

/// Whether the same words stand there.
fn is_at(place: &Place, path: &FilePath, name: &str, was: &Was, most: u64) -> bool {
    found_at(place, path, name, most).is_some_and(|found| found.hash() == was.hash())
}

/// Whether the very file stands there, unchanged.
fn is_file(place: &Place, path: &FilePath, name: &str, was: &Was, most: u64) -> bool {
    found_at(place, path, name, most)
        .is_some_and(|found| (found.id(), found.hash()) == (was.id(), was.hash()))
}

fn id_at(place: &Place, name: &str) -> Option<FileId> {
    let stat = rustix::fs::statat(&place.folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileId::of(&stat))
}

fn remove(place: &Place, path: &FilePath, name: &str) -> Result<(), ToolError> {
    rustix::fs::unlinkat(&place.folder, name, AtFlags::empty())
        .map_err(|error| failed(path, &error).uncertain())
}

fn gone_or_failed(path: &FilePath, error: &Errno) -> ToolError {
    if *error == Errno::NOENT { changed(path) } else { failed(path, error) }
}
