//! Tools that change files: write, edit, delete and move, each with a preview, an undo and a fate.

use super::change::{Change, Fate};
use super::content::{Found, bytes_of, editable, is_crlf, text_of, to_crlf};
use super::desk::{FileDesk, Wanted, as_expected};
use super::diff::{counts, unified};
use super::place::{FilePath, missing};
use super::undo_store::UndoStore;
use super::undoing;
use crate::arguments::{Attempt, arguments, blocking};
use nunchi_core::{
    BoxFuture, Deed, EffectClass, Preview, Tool, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec,
    Touched, UndoCall, Undone,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;

/// Which change a tool makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Edit,
    Delete,
    Move,
}

/// A tool that changes files.
pub(super) struct ChangeFile {
    pub(super) desk: Arc<FileDesk>,
    pub(super) kind: Kind,
}

#[derive(Deserialize)]
struct WriteArguments {
    path: String,
    text: String,
}

#[derive(Deserialize)]
struct EditArguments {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct DeleteArguments {
    path: String,
}

#[derive(Deserialize)]
struct MoveArguments {
    from: String,
    to: String,
}

/// A change as it was asked for.
enum Order {
    Write(FilePath, String),
    Edit(FilePath, EditArguments),
    Delete(FilePath),
    Move(FilePath, FilePath),
}

impl Order {
    fn of(desk: &FileDesk, kind: Kind, call: &ToolCall) -> Result<Self, ToolError> {
        Ok(match kind {
            Kind::Write => {
                let WriteArguments { path, text } = arguments(call)?;
                Self::Write(desk.writable(&path)?, text)
            }
            Kind::Edit => {
                let edit: EditArguments = arguments(call)?;
                Self::Edit(desk.writable(&edit.path)?, edit)
            }
            Kind::Delete => Self::Delete(desk.writable(&arguments::<DeleteArguments>(call)?.path)?),
            Kind::Move => {
                let MoveArguments { from, to } = arguments(call)?;
                Self::Move(desk.writable(&from)?, desk.writable(&to)?)
            }
        })
    }

    /// What shall stand there, given what does.
    fn wanted(&self, desk: &FileDesk, found: Option<&Found>) -> Result<Wanted, ToolError> {
        let bytes = match self {
            Self::Write(path, text) => written(path, text, found)?,
            Self::Edit(path, edit) => edited(path, edit, found.ok_or_else(|| missing(path))?)?,
            Self::Delete(path) => {
                found.ok_or_else(|| missing(path))?;
                return Ok(Wanted::Nothing);
            }
            Self::Move(..) => return Ok(Wanted::AsItIs),
        };
        if bytes.len() as u64 > desk.caps.file_bytes {
            let message = format!("The file would be over {} bytes.", desk.caps.file_bytes);
            return Err(ToolError::new("file.too_big", message).hint("Write it in several files."));
        }
        if found.is_some_and(|found| found.bytes == bytes) {
            return Ok(Wanted::AsItIs);
        }
        Ok(Wanted::Content(bytes, found.and_then(|found| found.was.mode())))
    }
}

/// The bytes of a text, with the line ends and the mark of what it replaces.
fn written(path: &FilePath, text: &str, found: Option<&Found>) -> Result<Vec<u8>, ToolError> {
    let Some(found) = found else { return Ok(text.as_bytes().to_vec()) };
    let (old, bom) = editable(path, &found.bytes)?;
    let text = if is_crlf(&old) { to_crlf(text) } else { text.to_owned() };
    Ok(bytes_of(text.strip_prefix('\u{FEFF}').unwrap_or(&text), bom))
}

fn edited(path: &FilePath, edit: &EditArguments, found: &Found) -> Result<Vec<u8>, ToolError> {
    let (text, bom) = editable(path, &found.bytes)?;
    if edit.old.is_empty() || edit.old == edit.new {
        let error = ToolError::new("edit.nothing", "`old` is empty or the same as `new`.");
        return Err(error.hint("Use write_file for a new file."));
    }
    // What was read had plain line ends.
    let crlf = (to_crlf(&edit.old), to_crlf(&edit.new));
    let (old, new) = match text.matches(&edit.old).count() {
        0 => (crlf.0.as_str(), crlf.1.as_str()),
        _ if is_crlf(&text) => (edit.old.as_str(), crlf.1.as_str()),
        _ => (edit.old.as_str(), edit.new.as_str()),
    };
    match text.matches(old).count() {
        0 => Err(not_found(path, &text, &edit.old)),
        count if count > 1 && !edit.all => {
            let message = format!("`old` stands {count} times in `{}`.", path.spelling);
            Err(ToolError::new("edit.not_unique", message)
                .hint("Take more lines around it, or set `all` to change every one."))
        }
        _ => Ok(bytes_of(&text.replace(old, new), bom)),
    }
}

fn not_found(path: &FilePath, text: &str, old: &str) -> ToolError {
    let error = ToolError::new("edit.not_found", format!("`old` does not stand in `{}`.", path.spelling));
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = squeezed(old.lines().find(|line| !line.trim().is_empty()).unwrap_or_default());
    let like = text.lines().position(|line| !first.is_empty() && squeezed(line) == first);
    match like {
        Some(at) => error.hint(format!("Line {} is the same but for white space; read it again.", at + 1)),
        None => error.hint("Copy it exactly from what read_file gives."),
    }
}

impl ChangeFile {
    fn make(
        desk: &FileDesk,
        kind: Kind,
        call: &ToolCall,
        attempt: &Attempt,
    ) -> Result<ToolOutput, ToolError> {
        let order = Order::of(desk, kind, call)?;
        let store = desk.store();
        attempt.may_begin()?;
        match desk.earlier(&store, &call.key)? {
            Some(outcome) => output_of(&outcome),
            None => Self::make_now(desk, &store, &order, call),
        }
    }

    fn make_now(
        desk: &FileDesk,
        store: &UndoStore,
        order: &Order,
        call: &ToolCall,
    ) -> Result<ToolOutput, ToolError> {
        let prepared = match order {
            Order::Move(from, to) => {
                let outcome = |change: &Change| outcome(&moved(from, to, change));
                Some(desk.prepare_move(store, &call.key, (from, to), outcome)?)
            }
            Order::Write(path, _) | Order::Edit(path, _) | Order::Delete(path) => {
                let told = RefCell::new(String::new());
                let decide = |found: Option<&Found>| {
                    as_expected(path, call.expect.as_ref(), found)?;
                    let wanted = order.wanted(desk, found)?;
                    *told.borrow_mut() = tell(path, found, &wanted);
                    Ok(wanted)
                };
                let outcome = |change: &Change| outcome(&changed(path, &told.borrow(), change));
                desk.prepare(store, &call.key, (path, None), decide, outcome)?
            }
        };
        let Some(prepared) = prepared else {
            let version = order.target(desk)?;
            let text = format!("`{}` was already so; nothing was changed.", version.target);
            return Ok(ToolOutput { touched: vec![version], ..ToolOutput::text(text) });
        };
        desk.commit(store, &call.key, &prepared)?;
        output_of(&prepared.intent.outcome)
    }

    fn preview_now(desk: &FileDesk, kind: Kind, call: &ToolCall) -> Result<Preview, ToolError> {
        let order = Order::of(desk, kind, call)?;
        let text = |bytes: &[u8]| text_of(bytes).map_or_else(|| "(no text)\n".to_owned(), |(text, _)| text);
        if let Order::Move(from, to) = &order {
            let found = desk.now(from)?.ok_or_else(|| missing(from))?;
            if desk.now(to)?.is_some() {
                let message = format!("`{}` exists.", to.spelling);
                return Err(ToolError::new("file.exists", message).hint("Choose another name."));
            }
            let diff = format!("{} → {}", from.spelling, to.spelling);
            return Ok(Preview { current: found.was.version(), diff });
        }
        let path = order.path();
        let found = desk.now(path)?;
        let current = found.as_ref().and_then(|found| found.was.version());
        let before = found.as_ref().map(|found| text(&found.bytes)).unwrap_or_default();
        // What was never read is refused for that, whether or not the edit would fit.
        if as_expected(path, call.expect.as_ref(), found.as_ref()).is_err() {
            return Ok(Preview { current, diff: String::new() });
        }
        let after = match order.wanted(desk, found.as_ref())? {
            Wanted::AsItIs => before.clone(),
            Wanted::Nothing => String::new(),
            Wanted::Content(bytes, _) => text(&bytes),
        };
        Ok(Preview { current, diff: unified(&path.spelling, &before, &after) })
    }

    fn fate_now(desk: &FileDesk, kind: Kind, call: &ToolCall) -> ToolFate {
        let key = call.key.as_str();
        desk.attempts.forbid(key);
        let store = desk.store();
        let fate = desk.fate(&store, key);
        // What was written beside the file before the journal knew of it goes now.
        if let (Ok(Fate::DidNot), Ok(order)) = (&fate, Order::of(desk, kind, call)) {
            desk.clear(order.path(), key);
        }
        match fate {
            Ok(Fate::Happened(outcome)) => output_of(&outcome).map_or(ToolFate::Unknown, ToolFate::Happened),
            Ok(Fate::DidNot) => ToolFate::DidNot,
            Ok(Fate::Unknown) | Err(_) => ToolFate::Unknown,
        }
    }
}

impl Order {
    fn path(&self) -> &FilePath {
        match self {
            Self::Write(path, _) | Self::Edit(path, _) | Self::Delete(path) | Self::Move(_, path) => path,
        }
    }

    fn target(&self, desk: &FileDesk) -> Result<Touched, ToolError> {
        let path = self.path();
        let version = desk.now(path)?.and_then(|found| found.was.version());
        Ok(Touched { target: path.spelling.clone(), version })
    }
}

fn outcome(output: &ToolOutput) -> String {
    serde_json::to_string(output).unwrap_or_default()
}

fn output_of(outcome: &str) -> Result<ToolOutput, ToolError> {
    serde_json::from_str(outcome).map_err(|error| {
        ToolError::new("file.undo_store", format!("The journal cannot be read: {error}.")).uncertain()
    })
}

fn changed(path: &FilePath, told: &str, change: &Change) -> ToolOutput {
    let touched = Touched { target: path.spelling.clone(), version: change.after.version() };
    ToolOutput { touched: vec![touched], undo: json_of(change), ..ToolOutput::text(told) }
}

/// What was not read under the old name counts as unread under the new one.
fn moved(from: &FilePath, to: &FilePath, change: &Change) -> ToolOutput {
    let text = format!("Moved `{}` to `{}`.", from.spelling, to.spelling);
    let gone = Touched { target: from.spelling.clone(), version: None };
    ToolOutput { touched: vec![gone], undo: json_of(change), ..ToolOutput::text(text) }
}

pub(super) fn json_of(change: &Change) -> Option<Value> {
    serde_json::to_value(change).ok()
}

fn tell(path: &FilePath, found: Option<&Found>, wanted: &Wanted) -> String {
    let name = &path.spelling;
    let text = |bytes: &[u8]| text_of(bytes).map(|(text, _)| text).unwrap_or_default();
    match (found, wanted) {
        (None, Wanted::Content(bytes, _)) => {
            format!("Created `{name}` with {} lines.", text(bytes).lines().count())
        }
        (Some(found), Wanted::Content(bytes, _)) => {
            let (came, went) = counts(&text(&found.bytes), &text(bytes));
            format!("Changed `{name}`: {came} lines added, {went} removed.")
        }
        (_, Wanted::Nothing) => format!("Deleted `{name}`; it can be brought back by an undo."),
        (_, Wanted::AsItIs) => String::new(),
    }
}

impl Tool for ChangeFile {
    fn spec(&self) -> ToolSpec {
        let text = json!({"type": "string"});
        let (name, description, properties, deed) = match self.kind {
            Kind::Write => (
                "write_file",
                "Create a file or replace one you have read. Prefer edit_file for changes.",
                json!({"path": text, "text": text}),
                Deed::Write,
            ),
            Kind::Edit => (
                "edit_file",
                "Replace exact text in a file you have read. `old` must stand there once.",
                json!({"path": text, "old": text, "new": text, "all": {"type": "boolean", "description": "Replace every one."}}),
                Deed::Write,
            ),
            Kind::Delete => {
                ("delete_file", "Delete a file you have read.", json!({"path": text}), Deed::Delete)
            }
            Kind::Move => (
                "move_file",
                "Move or rename a file to a free name.",
                json!({"from": text, "to": text}),
                Deed::Write,
            ),
        };
        let required: Vec<_> = properties
            .as_object()
            .map(|all| all.keys().filter(|name| *name != "all").cloned().collect())
            .unwrap_or_default();
        let schema = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        let moves = self.kind == Kind::Move;
        let guarded = if moves { vec!["from".into(), "to".into()] } else { vec!["path".into()] };
        ToolSpec {
            effect: EffectClass::Reversible,
            guarded,
            target: (!moves).then(|| "path".to_owned()),
            previews: true,
            deeds: vec![deed],
            ..ToolSpec::new(name, description, schema)
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let (desk, kind) = (Arc::clone(&self.desk), self.kind);
        // Known before the work stands in a queue, so that it can be given up there.
        let attempt = desk.attempts.begin(&call.key);
        Box::pin(blocking(move || {
            let made = Self::make(&desk, kind, &call, &attempt);
            desk.attempts.end(&call.key, &attempt);
            made
        }))
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        let (desk, kind) = (Arc::clone(&self.desk), self.kind);
        Box::pin(blocking(move || Self::preview_now(&desk, kind, &call)))
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        let desk = Arc::clone(&self.desk);
        let attempt = desk.attempts.begin(&order.key);
        Box::pin(blocking(move || {
            let undone = undoing::undo(&desk, &order, &attempt);
            desk.attempts.end(&order.key, &attempt);
            undone
        }))
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        let desk = Arc::clone(&self.desk);
        let kind = self.kind;
        let looked = blocking(move || Ok(Self::fate_now(&desk, kind, &call)));
        Box::pin(async move { looked.await.unwrap_or(ToolFate::Unknown) })
    }
}
