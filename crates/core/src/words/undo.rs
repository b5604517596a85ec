//! What an undo of a run's steps did.

use serde::{Deserialize, Serialize};

/// How the undo of one step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoStatus {
    /// All of it was taken back, or would be.
    Undone,
    /// Some of it was left alone, as its conflicts say.
    Partly,
    /// Nothing was taken back, as its conflicts say.
    Conflict,
    /// Nothing takes it back; a person must act, where that matters.
    Impossible,
    /// It was taken back before.
    Already,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoneStep {
    /// The step's number.
    pub number: u32,
    /// The tool.
    pub tool: String,
    /// How it went.
    pub status: UndoStatus,
    /// What was put back, for a person.
    pub summary: String,
    /// What was left alone, each with its reason.
    pub conflicts: Vec<String>,
}

/// What became of the steps that were to be undone, the last step first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoReport {
    /// Whether nothing was changed, because only a look was asked for.
    pub dry_run: bool,
    /// The steps that had changed something.
    pub steps: Vec<UndoneStep>,
}
