//! Taking back what runs did.

use super::runtime::BoxFuture;
use crate::explain::Explain;
use crate::words::{RunId, UndoReport};

/// Which steps to take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoOrder {
    /// The run.
    pub run: RunId,
    /// One step of it; `None`: all steps that changed something, the last one first, those of sub-agents included.
    pub step: Option<u32>,
    /// Only tell what would happen.
    pub dry_run: bool,
    /// Take back the undo instead.
    pub redo: bool,
    /// Who asks, and where.
    pub by: String,
}

/// Why steps cannot be taken back: any error that explains itself.
pub type UndoRefused = Box<dyn Explain + Send + Sync>;

/// Takes back what runs did.
pub trait UndoRuns: Send + Sync {
    /// Takes steps back and tells of each what became of it. A run must have ended or be parked.
    fn undo(&self, order: UndoOrder) -> BoxFuture<'_, Result<UndoReport, UndoRefused>>;
}
