//! Which model answers a call of a replay.

use super::texts::Meanings;
use super::words::{ReplayModel, ReplayPolicy};
use crate::conversation::conversation_of;
use crate::route::{ModelWish, RouteModel, choose_tier, fit_tier, model_wish, read_prompt, tier_order};
use crate::sharing::meaning_text;
use nunchi_core::{CallContext, ModelRequest, Tier, TierChoice, human_text, in_tool_loop};
use std::collections::HashMap;

/// A model, and the tier that it was chosen for; none where the caller named the model.
pub(super) type Chosen<'a> = (Option<Tier>, &'a ReplayModel);

/// Who answered the conversations that use tools.
#[derive(Default)]
pub(super) struct Router<'a> {
    loyalty: HashMap<u64, Chosen<'a>>,
}

impl<'a> Router<'a> {
    /// The model of a call; the name that was asked for where none has a price.
    pub(super) fn choose(
        &mut self,
        policy: &'a ReplayPolicy,
        meanings: &Meanings,
        (request, context): (&ModelRequest, &CallContext),
        label: Option<Tier>,
    ) -> Result<Chosen<'a>, String> {
        let wanted = match model_wish(&request.model) {
            Ok(ModelWish::Named(name)) if policy.keep_named => {
                return policy.named.get(name).map(|model| (None, model)).ok_or_else(|| name.to_owned());
            }
            Ok(ModelWish::Auto(wanted)) => wanted,
            _ => None,
        };
        let conversation = conversation_of(request, context);
        if wanted.is_none()
            && in_tool_loop(request)
            && let Some(chosen) = conversation.and_then(|id| self.loyalty.get(&id))
        {
            return Ok(*chosen);
        }
        let known = label.filter(|_| policy.tiers_as_labelled);
        let tier = wanted.or(known).unwrap_or_else(|| tier_of(policy, meanings, request));
        let model = tier_order(tier).into_iter().flat_map(|tier| policy.models(tier)).next();
        let chosen = (Some(tier), model.ok_or_else(|| request.model.clone())?);
        if wanted.is_none()
            && !request.tools.is_empty()
            && let Some(id) = conversation
        {
            self.loyalty.insert(id, chosen);
        }
        Ok(chosen)
    }
}

/// The tier of a request.
pub(super) fn tier_of(policy: &ReplayPolicy, meanings: &Meanings, request: &ModelRequest) -> Tier {
    let human = human_text(request).unwrap_or_default();
    let reading = read_prompt(&human);
    let vector = meanings.get(meaning_text(&reading.text).as_ref());
    let judged =
        RouteModel::shipped().ok().zip(vector).map(|(model, vector)| model.judge(&reading, Some(vector)));
    let choice: TierChoice = choose_tier(&policy.own_rules, &policy.rules, &human, judged.as_ref());
    fit_tier(request, choice).tier
}
