//! What providers say is left of their rate limits: a candidate that has used its limit up goes behind the others until then.

use crate::gateway::Gateway;
use crate::plan::{Candidate, RoutePlan};
use nunchi_core::Quota;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A limit that does not say when it is reset is believed for so long.
const USUAL_RESET: Duration = Duration::from_secs(60);

struct Left {
    requests: Option<u64>,
    tokens: Option<u64>,
    /// Monotonic time from which on nothing is known any more.
    until: Duration,
}

/// What is left, by provider and model.
#[derive(Default)]
pub(crate) struct Quotas(Mutex<HashMap<(String, String), Left>>);

impl Quotas {
    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what an answer said.
    pub(crate) fn note(&self, candidate: &Candidate, quota: Quota, now: Duration) {
        let until = now + quota.resets_in.unwrap_or(USUAL_RESET);
        let left = Left { requests: quota.requests, tokens: quota.tokens, until };
        let mut known = self.known();
        match known.get_mut(&(candidate.provider.clone(), candidate.model.clone())) {
            Some(before) => *before = left,
            None => drop(known.insert((candidate.provider.clone(), candidate.model.clone()), left)),
        }
    }

    /// A call is about to be made: what is left gets less before its answer says so.
    pub(crate) fn take(&self, candidate: &Candidate, tokens: u64) {
        let mut known = self.known();
        if known.is_empty() {
            return;
        }
        if let Some(left) = known.get_mut(&(candidate.provider.clone(), candidate.model.clone())) {
            left.requests = left.requests.map(|requests| requests.saturating_sub(1));
            left.tokens = left.tokens.map(|left| left.saturating_sub(tokens));
        }
    }

    /// Whether a call of so many tokens would be refused.
    fn is_spent(&self, candidate: &Candidate, tokens: u64, now: Duration) -> bool {
        let known = self.known();
        let left = known.get(&(candidate.provider.clone(), candidate.model.clone()));
        left.is_some_and(|left| {
            now < left.until && (left.requests == Some(0) || left.tokens.is_some_and(|left| left < tokens))
        })
    }
}

impl Gateway {
    /// Puts candidates that have used up their rate limits behind the others; with none left, the order stays.
    pub(crate) fn spare_quotas(&self, mut plan: RoutePlan, prompt_bound: u64) -> RoutePlan {
        if plan.candidates.len() < 2 || self.quotas.known().is_empty() {
            return plan;
        }
        let now = self.parts.clock.monotonic();
        let tokens = typical_tokens(prompt_bound);
        let spent = |candidate: &Candidate| self.quotas.is_spent(candidate, tokens, now);
        let (behind, mut first): (Vec<_>, Vec<_>) = plan.candidates.iter().cloned().partition(spent);
        if behind.is_empty() || first.is_empty() {
            return plan;
        }
        for candidate in &behind {
            let said = format!("; {} has used up its rate limit", candidate.full_name());
            plan.reason.push_str(&said);
        }
        first.extend(behind);
        plan.candidates = first;
        plan
    }
}

/// Tokens as a provider will count them, from the bound that keeps budgets safe: about four bytes each.
pub(crate) const fn typical_tokens(prompt_bound: u64) -> u64 {
    prompt_bound / 4
}
