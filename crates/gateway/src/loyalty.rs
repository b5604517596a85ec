//! An agent's tool loop stays with the model that began it.

use crate::call::Ask;
use crate::conversation::identity;
use crate::gateway::Gateway;
use crate::plan::{Candidate, RoutePlan};
use jiff::Timestamp;
use nunchi_core::{BudgetAction, Posture, Tier, in_tool_loop};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Conversations that are remembered; those that were silent longest go first.
const MOST: usize = 2_000;

/// Who answered last.
#[derive(Clone)]
struct Last {
    tier: Option<Tier>,
    candidate: Candidate,
    at: Timestamp,
}

/// Who answered the conversations that use tools.
#[derive(Default)]
pub(crate) struct Loyalty(Mutex<HashMap<u64, Last>>);

impl Loyalty {
    fn known(&self) -> MutexGuard<'_, HashMap<u64, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Inside a tool loop the model that began it comes first, unless a budget asks for less.
    pub(crate) fn stay(&self, ask: &Ask, mut plan: RoutePlan, posture: &Posture) -> RoutePlan {
        if !self.chooses_tier(&ask.request) || !in_tool_loop(&ask.request) {
            return plan;
        }
        let known = identity(ask).and_then(|(id, _)| self.loyalty.known().get(&id).cloned());
        let Some(last) = known else { return plan };
        let place = plan.candidates.iter().position(|candidate| *candidate == last.candidate);
        let restricted = posture.action >= Some(BudgetAction::Downgrade);
        match place {
            Some(0) => return plan,
            Some(at) => {
                plan.candidates.remove(at);
            }
            None if restricted => return plan,
            None => {}
        }
        plan.candidates.insert(0, last.candidate);
        plan.tier = last.tier;
        plan.reason.push_str("; stays with its model in a tool loop");
        plan
    }

    /// Notes who answers a conversation that uses tools.
    pub(crate) fn note_answering(&self, ask: &Ask, tier: Option<Tier>, candidate: &Candidate) {
        if ask.request.tools.is_empty() || !self.chooses_tier(&ask.request) {
            return;
        }
        let Some((id, _)) = identity(ask) else { return };
        let mut known = self.loyalty.known();
        if known.len() >= MOST && !known.contains_key(&id) {
            let mut silent: Vec<(Timestamp, u64)> = known.iter().map(|(id, last)| (last.at, *id)).collect();
            silent.sort_unstable();
            silent.into_iter().take(MOST / 8).for_each(|(_, id)| {
                known.remove(&id);
            });
        }
        known.insert(id, Last { tier, candidate: candidate.clone(), at: self.parts.clock.now() });
    }
}
