//! The tier of a request: the owner's rules, then the classifier where it is sure, then the built-in rules.

use super::model::RouteJudgement;
use nunchi_core::{ModelRequest, Part, Tier, TierChoice, TierRules};

/// What the caller's model name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelWish<'a> {
    /// The model is left to us, perhaps within a tier.
    Auto(Option<Tier>),
    /// This model.
    Named(&'a str),
}

/// Reads a model name; the whole name where it asks for a tier that there is not.
pub fn model_wish(model: &str) -> Result<ModelWish<'_>, &str> {
    match model.split_once(':') {
        None if model == "auto" || model.is_empty() => Ok(ModelWish::Auto(None)),
        Some(("auto", tier)) => tier.parse().map(|tier| ModelWish::Auto(Some(tier))).map_err(|_| model),
        _ => Ok(ModelWish::Named(model)),
    }
}

/// What the owner's rules, or a classifier that is sure, say.
pub fn sure_tier(own_rules: &TierRules, human: &str, judged: Option<&RouteJudgement>) -> Option<TierChoice> {
    if let Some(choice) = own_rules.matching(human) {
        return Some(choice);
    }
    let verdict = judged.and_then(|judged| judged.tier)?;
    let percent = verdict.confidence() * 100.0;
    Some(TierChoice { tier: verdict.tier?, reason: format!("classifier, {percent:.0} % sure") })
}

/// The tier of a human text, and why.
pub fn choose_tier(
    own_rules: &TierRules,
    built_in: &TierRules,
    human: &str,
    judged: Option<&RouteJudgement>,
) -> TierChoice {
    sure_tier(own_rules, human, judged).unwrap_or_else(|| built_in.choose(human))
}

/// A choice that fits the request: what holds tools or media is more than a trivial model can do.
pub fn fit_tier(request: &ModelRequest, mut choice: TierChoice) -> TierChoice {
    if choice.tier == Tier::Trivial && needs_more_than_text(request) {
        choice.tier = Tier::Standard;
        choice.reason.push_str("; tools or media");
    }
    choice
}

/// The tiers whose candidates are tried for a tier, in order.
pub const fn tier_order(tier: Tier) -> [Tier; 3] {
    match tier {
        Tier::Trivial => [Tier::Trivial, Tier::Standard, Tier::Complex],
        Tier::Standard => [Tier::Standard, Tier::Complex, Tier::Trivial],
        Tier::Complex => [Tier::Complex, Tier::Standard, Tier::Trivial],
    }
}

fn needs_more_than_text(request: &ModelRequest) -> bool {
    let media = |part: &Part| matches!(part, Part::Media(_));
    !request.tools.is_empty() || request.messages.iter().flat_map(|message| &message.parts).any(media)
}
