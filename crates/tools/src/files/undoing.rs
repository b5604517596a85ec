//! Takes changes of files back: exactly, or not at all where somebody has changed the file since.

use super::change::{Change, changed};
use super::content::{Found, Was};
use super::desk::{FileDesk, Wanted};
use super::place::FilePath;
use super::undo_store::UndoStore;
use super::writing::json_of;
use crate::arguments::Attempt;
use nunchi_core::{ToolError, Touched, UndoCall, Undone};
use serde::Deserialize;

/// Takes a change back.
pub(super) fn undo(desk: &FileDesk, order: &UndoCall, attempt: &Attempt) -> Result<Undone, ToolError> {
    let change = Change::deserialize(&order.record)
        .map_err(|error| ToolError::new("undo.record", format!("The record cannot be read: {error}.")))?;
    let store = desk.store();
    attempt.may_begin()?;
    undo_now(desk, &store, order, &change)
}

fn undo_now(
    desk: &FileDesk,
    store: &UndoStore,
    order: &UndoCall,
    change: &Change,
) -> Result<Undone, ToolError> {
    if let Some(outcome) = desk.earlier(store, &order.key)? {
        return serde_json::from_str(&outcome)
            .map_err(|error| ToolError::new("undo.record", error.to_string()).uncertain());
    }
    let Some(path) = known(desk, change) else {
        return Ok(conflict(format!("`{}` is not in the folders that tools may use now.", change.path)));
    };
    let taken = match &change.from {
        Some(from) => move_back(desk, store, order, change, (&path, from)),
        None => put_back(desk, store, order, change, &path),
    };
    match taken {
        // Somebody was faster: theirs stays.
        Err(error) if !error.uncertain && matches!(error.code.as_str(), "tool.changed" | "file.exists") => {
            Ok(conflict(format!("`{}` has changed since; it was left as it is.", change.path)))
        }
        taken => taken,
    }
}

fn conflict(why: String) -> Undone {
    Undone { conflicts: vec![why], ..Undone::default() }
}

/// The path, if it still means the same file and may be written.
fn known(desk: &FileDesk, change: &Change) -> Option<FilePath> {
    let path = desk.writable(&change.path).ok()?;
    (desk.roots.root(&path).path == change.root).then_some(path)
}

fn put_back(
    desk: &FileDesk,
    store: &UndoStore,
    order: &UndoCall,
    change: &Change,
    path: &FilePath,
) -> Result<Undone, ToolError> {
    let found = match desk.roots.place(path) {
        Err(error) if error.code == "file.missing" && change.made.is_empty() => {
            return Ok(conflict(format!("The folder of `{}` is gone.", change.path)));
        }
        _ => desk.now(path)?,
    };
    if let Some(why) = changed_since(change, found.as_ref()) {
        return Ok(conflict(why));
    }
    if change.before == Was::Absent && !made_by(store, change, found.as_ref())? {
        return Ok(conflict(format!("`{}` was made anew since; it was left as it is.", change.path)));
    }
    let wanted = match &change.before {
        Was::Absent => Wanted::Nothing,
        Was::File { hash, mode, .. } => {
            let Some(bytes) = store.content(*hash).map_err(|error| super::change::store_failed(&error))?
            else {
                return Ok(conflict(format!("What stood in `{}` is no longer kept.", change.path)));
            };
            // A mode that somebody set since stays.
            let now = found.as_ref().and_then(|found| found.was.mode());
            let mode = if now.is_some() && now != change.after.mode() { now } else { Some(*mode) };
            Wanted::Content(bytes, mode)
        }
    };
    let summary = match (&change.before, &change.after) {
        (Was::Absent, _) => format!("`{}`, which had been created, was removed.", change.path),
        (_, Was::Absent) => format!("`{}`, which had been removed, is back.", change.path),
        _ => format!("`{}` is as it was before.", change.path),
    };
    if order.dry_run {
        return Ok(Undone { summary, ..Undone::default() });
    }
    let decide = |again: Option<&Found>| {
        let same = again.and_then(|found| found.was.id()) == found.as_ref().and_then(|found| found.was.id());
        if same { Ok(wanted) } else { Err(changed(path)) }
    };
    let outcome = |undoing: &Change| {
        let mut redo = undoing.clone();
        if undoing.after == Was::Absent {
            // Taking this back makes these folders again.
            redo.made.clone_from(&change.made);
        }
        let touched = Touched { target: change.path.clone(), version: undoing.after.version() };
        let undone = Undone { summary, conflicts: Vec::new(), redo: json_of(&redo), touched: vec![touched] };
        serde_json::to_string(&undone).unwrap_or_default()
    };
    let Some(prepared) = desk.prepare(store, &order.key, (path, Some(change)), decide, outcome)? else {
        return Ok(Undone {
            summary: format!("`{}` was already as it was.", change.path),
            ..Undone::default()
        });
    };
    desk.commit(store, &order.key, &prepared)?;
    if prepared.change.after == Was::Absent {
        desk.remove_folders(&change.made);
    }
    undone_of(&prepared.intent.outcome)
}

fn move_back(
    desk: &FileDesk,
    store: &UndoStore,
    order: &UndoCall,
    change: &Change,
    (path, from): (&FilePath, &str),
) -> Result<Undone, ToolError> {
    let back = desk.writable(from)?;
    let Some(found) = desk.now(path)? else {
        return Ok(conflict(format!("`{}` is gone.", change.path)));
    };
    if let Some(why) = changed_since(change, Some(&found)) {
        return Ok(conflict(why));
    }
    if desk.now(&back)?.is_some() {
        return Ok(conflict(format!("`{from}` exists again; it was left as it is.")));
    }
    let summary = format!("`{}` is `{from}` again.", change.path);
    if order.dry_run {
        return Ok(Undone { summary, ..Undone::default() });
    }
    let outcome = |undoing: &Change| {
        let touched = Touched { target: change.path.clone(), version: None };
        let redo = json_of(undoing);
        let undone = Undone { summary, conflicts: Vec::new(), redo, touched: vec![touched] };
        serde_json::to_string(&undone).unwrap_or_default()
    };
    let prepared = desk.prepare_move(store, &order.key, (path, &back), outcome)?;
    desk.commit(store, &order.key, &prepared)?;
    desk.remove_folders(&change.made);
    undone_of(&prepared.intent.outcome)
}

fn undone_of(outcome: &str) -> Result<Undone, ToolError> {
    serde_json::from_str(outcome)
        .map_err(|error| ToolError::new("undo.record", error.to_string()).uncertain())
}

/// Whether the file is the one that the change created. One that somebody made just like it is theirs.
fn made_by(store: &UndoStore, change: &Change, found: Option<&Found>) -> Result<bool, ToolError> {
    let Some(id) = found.and_then(|found| found.was.id()) else { return Ok(false) };
    let origin = store.origin(id).map_err(|error| super::change::store_failed(&error))?;
    Ok(origin.is_some() && origin == change.origin)
}

/// Why a change cannot be taken back any more.
fn changed_since(change: &Change, found: Option<&Found>) -> Option<String> {
    let path = &change.path;
    match (&change.after, found) {
        (Was::Absent, None) => None,
        (Was::Absent, Some(_)) => Some(format!("`{path}` exists again; it was left as it is.")),
        (Was::File { .. }, None) => Some(format!("`{path}` is gone.")),
        (Was::File { hash, .. }, Some(found)) if found.was.hash() != Some(*hash) => {
            Some(format!("`{path}` has changed since; it was left as it is."))
        }
        _ => None,
    }
}
