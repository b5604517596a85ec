//! Tools on files in the owner's folders: read, list, search; write, edit, delete, move, each of which can be taken back.

mod change;
mod content;
mod desk;
mod diff;
mod looking;
mod place;
mod reading;
mod standing;
mod undo_store;
mod undoing;
mod walk;
mod writing;

#[cfg(test)]
mod tests;

pub use desk::FileCaps;
pub use place::FileRoot;

pub(crate) use desk::FileDesk;

use looking::{ListFiles, SearchFiles};
use nunchi_core::Tool;
use reading::ReadFile;
use std::sync::Arc;
use writing::{ChangeFile, Kind};

/// The tools on files.
pub(crate) fn file_tools(desk: &Arc<FileDesk>) -> Vec<Arc<dyn Tool>> {
    let change = |kind| -> Arc<dyn Tool> { Arc::new(ChangeFile { desk: Arc::clone(desk), kind }) };
    vec![
        Arc::new(ReadFile(Arc::clone(desk))),
        Arc::new(ListFiles(Arc::clone(desk))),
        Arc::new(SearchFiles(Arc::clone(desk))),
        change(Kind::Write),
        change(Kind::Edit),
        change(Kind::Delete),
        change(Kind::Move),
    ]
}
