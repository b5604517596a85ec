//! Collects what could not be said to an upstream, each thing once.

use crate::shared::{note, rest_notes};
use nunchi_core::{ModelRequest, Note};

/// The notes of one request.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    /// Begins with a note for every field of the caller's body that core has no word for.
    pub(crate) fn of_rest(request: &ModelRequest) -> Self {
        Self(rest_notes(request))
    }

    /// As [`Notes::of_rest`], without the fields that `said` says are written after all.
    pub(crate) fn of_rest_but(request: &ModelRequest, said: impl Fn(&str) -> bool) -> Self {
        let Self(mut notes) = Self::of_rest(request);
        notes.retain(|note| !said(&note.field));
        Self(notes)
    }

    /// Adds a note unless the same was said of the field before.
    pub(crate) fn add(&mut self, field: impl Into<String>, what: impl Into<String>) {
        let note = note(field, what);
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// All notes in the order they came.
    pub(crate) fn into_list(self) -> Vec<Note> {
        self.0
    }
}
