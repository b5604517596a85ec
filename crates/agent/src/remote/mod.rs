//! A call of somebody else's agent is a run of its own: judged, asked about, stored before it acts, recorded and undone like any
//! call of a model. The machine makes the one call of the order and ends; the desk begins such runs and hears their ends.

mod desk;

pub use desk::{CallDesk, CallDeskParts};

use crate::calls::Stage;
use crate::machine::Machine;
use crate::record::cut;
use crate::state::{Phase, RunState};
use nunchi_core::{ContentHash, RunOutcome, RunStatus, call_hash, mask_secrets};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest text of an outcome, in bytes: lists show it, and the step has more.
const MOST_TOLD: usize = 1_000;

/// The one call that a run makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallOrder {
    /// The tool, which must be among the order's.
    pub tool: String,
    /// The arguments, unchecked.
    pub arguments: Value,
    /// Versions of what the caller has seen, by target.
    pub seen: BTreeMap<String, String>,
}

impl CallOrder {
    /// Of tool and exact arguments.
    pub(crate) fn hash(&self) -> ContentHash {
        call_hash(&self.tool, &self.arguments)
    }
}

impl Machine {
    /// Makes the call of the order. Who wants it stands where a model's reason would.
    pub(crate) fn begin_order_call(&mut self, call: CallOrder) {
        self.state.phase = Phase::Act;
        self.state.seen = call.seen;
        let origin = &self.state.order.origin;
        let why = match &origin.client {
            Some(client) => format!("{}: {client}", origin.door.as_str()),
            None => origin.door.as_str().to_owned(),
        };
        self.begin_call_of("call", &why, &call.tool, call.arguments);
    }

    /// All calls are over: the model goes on, or, where the order was one call, the run ends.
    pub(crate) fn calls_ended(&mut self) {
        if self.state.order.call.is_some() {
            self.end_order_call();
        } else {
            self.end_turn();
        }
    }

    fn end_order_call(&mut self) {
        let ended = self.state.calls.first().and_then(|call| match &call.stage {
            Stage::Ended(text, code) => Some((self.state.masks.show(text), code.clone())),
            _ => None,
        });
        let (text, code) = ended.unwrap_or_default();
        let text = cut(&mask_secrets(&text), MOST_TOLD);
        let status = if code.is_none() { RunStatus::Done } else { RunStatus::Failed };
        self.close(status, RunOutcome { text, code, ..RunOutcome::default() });
    }
}

impl RunState {
    /// What the call of the order came to: what its tool answered, or why it did not, for a model; `None` before its end.
    pub(crate) fn call_result(&self) -> Option<Result<String, String>> {
        let outcome = self.outcome.as_ref()?;
        match self.calls.first().map(|call| &call.stage) {
            Some(Stage::Ended(text, None)) => Some(Ok(self.masks.show(text))),
            Some(Stage::Ended(text, Some(_))) => Some(Err(text.clone())),
            _ => Some(Err(outcome.text.clone())),
        }
    }
}
