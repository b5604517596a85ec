//! Policies that need no thought, beside which any other must be seen: over the same calls, without any cache.

use super::report::{ReplayFloor, WrongAmong};
use super::routing::tier_of;
use super::walk::{Outcome, ReplayInput, draw, right_at};
use super::words::{ReplayBody, ReplayCall, ReplayModel};
use nunchi_core::{NanoUsd, ServiceTier, Tier, Usage, human_text, plain_cost};
use std::collections::HashMap;

const TIERS: [Tier; 3] = [Tier::Trivial, Tier::Standard, Tier::Complex];

/// A call as the floors see it.
struct Plain<'a> {
    call: &'a ReplayCall,
    at: usize,
    usage: Usage,
    baseline: NanoUsd,
    /// The tier that the policy chooses for it.
    tier: Option<Tier>,
    /// Characters of the human text.
    length: usize,
}

/// All floors, the dearest first by kind.
pub(super) fn floors(input: &ReplayInput<'_>, outcomes: &[Option<Outcome>]) -> Vec<ReplayFloor> {
    let calls: Vec<Plain<'_>> = plain(input, outcomes);
    let first = |tier: Tier| input.policy.models(tier).first();
    let all = || TIERS.iter().filter_map(|tier| first(*tier));
    let cheap = all().filter(|model| !model.local).min_by_key(|model| spent_on(&calls, model));
    let local = TIERS.iter().flat_map(|tier| input.policy.models(*tier)).find(|model| model.local);
    let mut floors = vec![floor("always premium", &calls, |_| Some((Tier::Complex, None)))];
    if let Some(model) = cheap {
        floors.push(floor("always cheap", &calls, |_| Some((Tier::Standard, Some(model)))));
    }
    if let Some(model) = local {
        floors.push(floor("all local", &calls, |_| Some((Tier::Trivial, Some(model)))));
    }
    let with_model = |tier: Tier| Some((tier, Some(first(tier)?)));
    let shares = shares(&calls);
    if all().count() > 0 {
        floors.push(floor("random", &calls, |call| with_model(by_share(draw(call.at, 2), shares))));
        let quantiles = quantiles(&calls);
        floors.push(floor("prompt length", &calls, |call| {
            with_model(by_share(*quantiles.get(&call.at)?, shares))
        }));
        floors.push(floor("tiers alone", &calls, |call| with_model(call.tier?)));
    }
    floors
}

fn plain<'a>(input: &ReplayInput<'a>, outcomes: &[Option<Outcome>]) -> Vec<Plain<'a>> {
    let known = input.calls.iter().zip(outcomes).enumerate();
    known
        .filter_map(|(at, (call, outcome))| {
            let outcome = outcome.as_ref()?;
            let (tier, length) = match &call.body {
                ReplayBody::Asked(asked) => {
                    let human = human_text(&asked.0).unwrap_or_default();
                    (Some(tier_of(input.policy, input.meanings, &asked.0)), human.chars().count())
                }
                ReplayBody::Booked(_) => (outcome.tier, usize::try_from(outcome.came).unwrap_or(usize::MAX)),
            };
            let usage = Usage { input: outcome.came, output: call.output_tokens, ..Usage::default() };
            Some(Plain { call, at, usage, baseline: outcome.baseline, tier, length })
        })
        .collect()
}

/// A floor by what each call gets: a tier, and its model or the baseline's; calls that get nothing cost what the baseline does.
fn floor<'a>(
    name: &'static str,
    calls: &[Plain<'_>],
    give: impl Fn(&Plain<'_>) -> Option<(Tier, Option<&'a ReplayModel>)>,
) -> ReplayFloor {
    let (mut spent, mut under_routed, mut answers) =
        (NanoUsd::ZERO, WrongAmong::default(), WrongAmong::default());
    for call in calls {
        let (tier, model) = give(call).unwrap_or((Tier::Complex, None));
        spent +=
            model.map_or(call.baseline, |model| plain_cost(&model.price, &call.usage, ServiceTier::Standard));
        if let Some(needed) = call.call.label.tier {
            under_routed.count(tier < needed);
        }
        if let Some(right) = right_at(call.call, tier) {
            answers.count(!right);
        }
    }
    ReplayFloor { name, spent, under_routed, answers }
}

fn spent_on(calls: &[Plain<'_>], model: &ReplayModel) -> NanoUsd {
    calls.iter().map(|call| plain_cost(&model.price, &call.usage, ServiceTier::Standard)).sum()
}

/// The shares of trivial and of trivial and standard calls, as the policy chooses.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
fn shares(calls: &[Plain<'_>]) -> (f64, f64) {
    let share = |most: Tier| {
        let below = calls.iter().filter(|call| call.tier.is_some_and(|tier| tier <= most)).count();
        below as f64 / calls.len().max(1) as f64
    };
    (share(Tier::Trivial), share(Tier::Standard))
}

fn by_share(even: f64, (trivial, standard): (f64, f64)) -> Tier {
    match even {
        even if even < trivial => Tier::Trivial,
        even if even < standard => Tier::Standard,
        _ => Tier::Complex,
    }
}

/// Where each call stands from the shortest human text (0) to the longest (1), by its place in the workload.
fn quantiles(calls: &[Plain<'_>]) -> HashMap<usize, f64> {
    let mut order: Vec<(usize, usize)> = calls.iter().map(|call| (call.length, call.at)).collect();
    order.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    let share = |rank: usize| rank as f64 / calls.len() as f64;
    order.into_iter().enumerate().map(|(rank, (_, at))| (at, share(rank))).collect()
}
