//! A session stays with its model while that is worth it: always inside a tool loop, else while the warm prompt cache or the
//! disturbance outweighs what another model would save.

use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::plan::{Candidate, RoutePlan};
use crate::quotas::typical_tokens;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    BudgetAction, CallRecord, Dialect, Lang, OWN_TASKS, Posture, Rates, Tier, Usage, in_tool_loop,
};
use nunchi_saving::{
    Outlook, Proposal, RouteJudgement, SessionChoice, SessionReason, SessionState, keep_or_switch,
};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Conversations that are remembered; those that were silent longest go first.
const MOST: usize = 2_000;
/// How long a provider keeps a prompt that is not asked for again.
const CACHE_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// After so long a conversation is as good as new.
const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(2);
/// The shortest prompt that providers cache by themselves, in tokens.
const SHORTEST_CACHED: u64 = 1_024;
/// A conversation is expected to go on for as many turns as it had, but for no more than so many.
const MOST_TURNS: u32 = 20;
/// How sure rules are of their tier: less than the classifier has to be to lower one.
const RULES_CONFIDENCE: f32 = 0.6;

/// How a conversation stands.
#[derive(Clone)]
struct Last {
    tier: Option<Tier>,
    candidate: Candidate,
    at: Timestamp,
    /// Answers so far.
    turns: u32,
    first_prompt: u64,
    usage: Usage,
}

/// Who answered the conversations whose models are ours to choose, and those with tools.
#[derive(Default)]
pub(crate) struct Loyalty(Mutex<HashMap<u64, Last>>);

impl Loyalty {
    fn known(&self) -> MutexGuard<'_, HashMap<u64, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Puts the model that answered the session before first, where it should stay with it. A budget that asks for less wins.
    pub(crate) fn stay(
        &self,
        ask: &Ask,
        plan: RoutePlan,
        posture: &Posture,
        judged: Option<&RouteJudgement>,
    ) -> RoutePlan {
        if !self.is_followed(ask) {
            return plan;
        }
        let known = ask.conversation().and_then(|id| self.loyalty.known().get(&id).cloned());
        let Some(last) = known else { return plan };
        let ours = self.chooses_tier(&ask.request);
        let allowed = plan.candidates.contains(&last.candidate);
        let restricted = posture.action >= Some(BudgetAction::Downgrade);
        if in_tool_loop(&ask.request) {
            // A model or a tier that the caller names is his to change. However long people took to approve a call: it is one loop.
            let same = ours || plan.tier == last.tier;
            let stays = (allowed && same) || (ours && !restricted);
            return if stays { keep(plan, last, "stays with its model in a tool loop") } else { plan };
        }
        let old = ask.started.duration_since(last.at) >= SESSION_LIFE;
        if !ours || old || restricted || !allowed {
            return plan;
        }
        let Some(SessionChoice { switch, reason }) = self.weigh(ask, &plan, &last, judged) else {
            return plan;
        };
        if reason == SessionReason::SameModel {
            return plan;
        }
        let why = reason.message(Lang::En);
        if switch {
            RoutePlan { reason: format!("{}; {why}", plan.reason), ..plan }
        } else {
            keep(plan, last, &why)
        }
    }

    /// Compares the rest of the session on its model with the rest on the one that is proposed.
    fn weigh(
        &self,
        ask: &Ask,
        plan: &RoutePlan,
        last: &Last,
        judged: Option<&RouteJudgement>,
    ) -> Option<SessionChoice> {
        let proposed = plan.candidates.first()?;
        let state = SessionState {
            tier: last.tier?,
            model: last.candidate.full_name(),
            cached_tokens: self.still_cached(last, ask.started),
            in_tool_loop: false,
        };
        let proposal = Proposal {
            tier: plan.tier?,
            model: proposed.full_name(),
            confidence: self.confidence(ask, judged),
        };
        Some(keep_or_switch(
            &state,
            &proposal,
            &self.rates(&last.candidate),
            &self.rates(proposed),
            outlook(ask, last),
        ))
    }

    /// Prompt tokens that the provider still holds: what it said it has, or all where it keeps long prompts by itself.
    fn still_cached(&self, last: &Last, now: Timestamp) -> u64 {
        if now.duration_since(last.at) >= CACHE_LIFE {
            return 0;
        }
        let dialect = self.parts.providers.get(last.candidate.entry).map(|entry| entry.dialect);
        let by_itself =
            matches!(dialect, Some(Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini));
        let prompt = last.usage.prompt_tokens();
        if by_itself && prompt >= SHORTEST_CACHED { prompt } else { prompt - last.usage.input }
    }

    fn rates(&self, candidate: &Candidate) -> Rates {
        self.price_of(candidate).map(|price| price.rates).unwrap_or_default()
    }

    fn confidence(&self, ask: &Ask, judged: Option<&RouteJudgement>) -> f32 {
        let human = ask.human().unwrap_or_default();
        if self.settings.own_rules.matching(human).is_some() {
            return 1.0;
        }
        let verdict = judged.and_then(|judged| judged.tier).filter(|verdict| verdict.tier.is_some());
        verdict.map_or(RULES_CONFIDENCE, |verdict| verdict.confidence())
    }

    /// Whether it matters who answers: the model is ours to choose, or a tool loop may follow. Our own calls begin no conversation.
    fn is_followed(&self, ask: &Ask) -> bool {
        let own = ask.context.task.as_deref().is_some_and(|task| task.starts_with(OWN_TASKS));
        !own && (!ask.request.tools.is_empty() || self.chooses_tier(&ask.request))
    }

    /// Notes who answers a conversation, as soon as that is known.
    pub(crate) fn note_answering(&self, ask: &Ask, tier: Option<Tier>, candidate: &Candidate) {
        if !self.is_followed(ask) {
            return;
        }
        let Some(id) = ask.conversation() else { return };
        let at = self.parts.clock.now();
        let mut known = self.loyalty.known();
        if let Some(last) = known.get_mut(&id) {
            let usage = if last.candidate == *candidate { last.usage } else { Usage::default() };
            *last = Last { tier, candidate: candidate.clone(), at, usage, ..last.clone() };
            return;
        }
        make_room(&mut known);
        let (candidate, usage) = (candidate.clone(), Usage::default());
        known.insert(id, Last { tier, candidate, at, turns: 0, first_prompt: 0, usage });
    }

    /// Notes what an answer used.
    pub(crate) fn note_answered(&self, ask: &Ask, record: &CallRecord) {
        if !self.is_followed(ask) {
            return;
        }
        let Some(id) = ask.conversation() else { return };
        if let Some(last) = self.loyalty.known().get_mut(&id) {
            last.turns += 1;
            last.usage = record.usage;
            if last.first_prompt == 0 {
                last.first_prompt = record.usage.prompt_tokens();
            }
        }
    }
}

fn keep(mut plan: RoutePlan, last: Last, why: &str) -> RoutePlan {
    match plan.candidates.iter().position(|candidate| *candidate == last.candidate) {
        Some(0) => return plan,
        Some(at) => drop(plan.candidates.remove(at)),
        None => {}
    }
    plan.candidates.insert(0, last.candidate);
    plan.tier = plan.tier.and(last.tier.or(plan.tier));
    plan.reason = format!("{}; {why}", plan.reason);
    plan
}

fn outlook(ask: &Ask, last: &Last) -> Outlook {
    let (prompt, output) = (last.usage.prompt_tokens(), last.usage.completion_tokens());
    let grown = prompt.saturating_sub(last.first_prompt) / u64::from(last.turns.saturating_sub(1).max(1));
    Outlook {
        turns: last.turns.clamp(1, MOST_TURNS),
        prompt_tokens: typical_tokens(ask.prompt_bound).max(prompt),
        added_tokens: grown.max(output),
        output_tokens: output,
    }
}

fn make_room(known: &mut HashMap<u64, Last>) {
    if known.len() < MOST {
        return;
    }
    let mut silent: Vec<(Timestamp, u64)> = known.iter().map(|(id, last)| (last.at, *id)).collect();
    silent.sort_unstable();
    for (_, id) in silent.into_iter().take(MOST / 8) {
        known.remove(&id);
    }
}
