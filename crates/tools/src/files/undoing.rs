//! Takes changes of files back: exactly, or not at all where somebody has changed the file since.

use super::change::{Change, changed};
use super::content::{Found, Was};
use super::desk::{FileDesk, Wanted};
use super::standing::{Undoable, World};
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
    let mut world = World::now(desk, store);
    for record in &order.taken_back {
        // Records of other tools are of another form.
        if let Ok(earlier) = Change::deserialize(record) {
            world.assume(&earlier)?;
        }
    }
    let undoable = match world.judge(change)? {
        Ok(undoable) => undoable,
        Err(why) => return Ok(conflict(why)),
    };
    if order.dry_run {
        return Ok(Undone { summary: undoable.summary, ..Undone::default() });
    }
    let taken = match &change.from {
        Some(from) => move_back(desk, store, order, change, from, undoable),
        None => put_back(desk, store, order, change, undoable),
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

fn put_back(
    desk: &FileDesk,
    store: &UndoStore,
    order: &UndoCall,
    change: &Change,
    Undoable { path, standing, summary }: Undoable,
) -> Result<Undone, ToolError> {
    let wanted = match &change.before {
        Was::Absent => Wanted::Nothing,
        Was::File { hash, mode, .. } => {
            let Some(bytes) = store.content(*hash).map_err(|error| super::change::store_failed(&error))?
            else {
                return Ok(conflict(format!("What stood in `{}` is no longer kept.", change.path)));
            };
            // A mode that somebody set since stays.
            let now = standing.was.mode();
            let mode = if now.is_some() && now != change.after.mode() { now } else { Some(*mode) };
            Wanted::Content(bytes, mode)
        }
    };
    let decide = |again: Option<&Found>| {
        let same = again.and_then(|found| found.was.id()) == standing.was.id();
        if same { Ok(wanted) } else { Err(changed(&path)) }
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
    let Some(prepared) = desk.prepare(store, &order.key, (&path, Some(change)), decide, outcome)? else {
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
    from: &str,
    Undoable { path, summary, .. }: Undoable,
) -> Result<Undone, ToolError> {
    let back = desk.writable(from)?;
    let outcome = |undoing: &Change| {
        let touched = Touched { target: change.path.clone(), version: None };
        let redo = json_of(undoing);
        let undone = Undone { summary, conflicts: Vec::new(), redo, touched: vec![touched] };
        serde_json::to_string(&undone).unwrap_or_default()
    };
    let prepared = desk.prepare_move(store, &order.key, (&path, &back), outcome)?;
    desk.commit(store, &order.key, &prepared)?;
    desk.remove_folders(&change.made);
    undone_of(&prepared.intent.outcome)
}

fn undone_of(outcome: &str) -> Result<Undone, ToolError> {
    serde_json::from_str(outcome)
        .map_err(|error| ToolError::new("undo.record", error.to_string()).uncertain())
}
