//! How changes of memory are taken back: a record names what to do, and doing it gives the record that undoes it.

use super::refused;
use nunchi_core::{Fact, FactId, FactState, Memory, MemoryError, ToolError, UndoCall, Undone};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// What takes a change back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Back {
    /// Takes a fact out, and brings back those whose place it took.
    Forget { id: FactId, instead: Vec<FactId> },
    /// Brings a fact back.
    Restore { id: FactId, instead: Vec<FactId> },
}

impl Back {
    /// As the record of a call; `None` cannot happen, and would mean that there is no way back.
    pub(super) fn record(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }
}

/// Takes back what a record tells, unless somebody has changed it since.
pub(super) async fn undo(memory: &dyn Memory, order: UndoCall) -> Result<Undone, ToolError> {
    let back: Back = serde_json::from_value(order.record).map_err(|error| {
        ToolError::new("memory.undo_record", format!("The record cannot be read: {error}"))
    })?;
    let (id, instead, wanted) = match &back {
        Back::Forget { id, instead } => (*id, instead, FactState::Active),
        Back::Restore { id, instead } => (*id, instead, FactState::Forgotten),
    };
    let fact = match memory.fact(id).await {
        Ok(fact) => fact,
        Err(MemoryError::Unknown(_)) => return Ok(left_alone(format!("fact {id} was erased for good"))),
        Err(error) => return Err(refused(&error)),
    };
    let state = assumed(memory, &order.taken_back).await?.remove(&id).unwrap_or(fact.state);
    if state != wanted {
        return Ok(left_alone(format!("fact {id} is {} now", state.as_str())));
    }
    let summary = summary(&back, &fact);
    if order.dry_run {
        return Ok(Undone { summary, ..Undone::default() });
    }
    let failed = |error: MemoryError| refused(&error);
    let redo = match &back {
        Back::Forget { .. } => {
            memory.forget(id).await.map_err(failed)?;
            for old in instead {
                // One that was erased meanwhile stays erased.
                match memory.restore(*old).await {
                    Ok(_) | Err(MemoryError::Unknown(_)) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            Back::Restore { id, instead: instead.clone() }
        }
        Back::Restore { .. } => {
            memory.restore(id).await.map_err(failed)?;
            Back::Forget { id, instead: instead.clone() }
        }
    };
    Ok(Undone { summary, redo: redo.record(), ..Undone::default() })
}

/// The states of facts once these records have been taken back.
async fn assumed(memory: &dyn Memory, records: &[Value]) -> Result<HashMap<FactId, FactState>, ToolError> {
    let mut states = HashMap::new();
    for back in records.iter().filter_map(|record| Back::deserialize(record).ok()) {
        let (id, instead, from, to, others) = match back {
            Back::Forget { id, instead } => {
                (id, instead, FactState::Active, FactState::Forgotten, FactState::Active)
            }
            Back::Restore { id, instead } => {
                (id, instead, FactState::Forgotten, FactState::Active, FactState::Superseded)
            }
        };
        let state = match states.get(&id) {
            Some(state) => *state,
            None => match memory.fact(id).await {
                Ok(fact) => fact.state,
                Err(MemoryError::Unknown(_)) => continue,
                Err(error) => return Err(refused(&error)),
            },
        };
        if state == from {
            states.insert(id, to);
            states.extend(instead.into_iter().map(|old| (old, others)));
        }
    }
    Ok(states)
}

fn left_alone(why: String) -> Undone {
    Undone { summary: "nothing was changed".into(), conflicts: vec![why], ..Undone::default() }
}

fn summary(back: &Back, fact: &Fact) -> String {
    let text = &fact.text;
    match back {
        Back::Forget { instead, .. } if instead.is_empty() => format!("forgotten again: {text}"),
        Back::Forget { instead, .. } => {
            format!("forgotten again: {text}; {} facts hold again in its place", instead.len())
        }
        Back::Restore { .. } => format!("remembered again: {text}"),
    }
}
