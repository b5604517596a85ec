//! The plan of a request: which candidates are tried, in which order, and why. Pure: health and budgets come in as values.

use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::parts::ProviderEntry;
use nunchi_core::{
    BudgetAction, CallContext, ModelError, ModelErrorKind, ModelPrice, ModelRequest, Posture, Principal,
    Refusal, SpendScope, Tier, TierChoice, dearest, pattern_matches,
};
use nunchi_saving::{ModelWish, RouteJudgement, fit_tier, model_wish, tier_order};
use serde::Serialize;

/// A model that may answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The provider's name.
    pub provider: String,
    /// The model as the provider names it.
    pub model: String,
    /// Whether it runs on the owner's machine.
    pub local: bool,
    #[serde(skip)]
    pub(crate) entry: usize,
}

impl Candidate {
    /// `provider/model`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}

/// The candidates of a request, in order, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoutePlan {
    /// The tier; `None` when the caller named a model.
    pub tier: Option<Tier>,
    /// Why, in short English.
    pub reason: String,
    /// Who is tried, in order.
    pub candidates: Vec<Candidate>,
    /// Who is tried before them, with a check of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cheap_first: Option<Candidate>,
}

/// What is known of a request whose tier is to be chosen.
#[derive(Clone, Copy, Default)]
pub(crate) struct Judgement<'a> {
    /// What the classifier says.
    pub(crate) route: Option<&'a RouteJudgement>,
    /// What a model says that was asked as nobody was sure.
    pub(crate) opinion: Option<&'a TierChoice>,
}

fn wish(model: &str) -> Result<ModelWish<'_>, ModelError> {
    model_wish(model).map_err(|model| {
        ModelError::new(
            ModelErrorKind::UnknownModel,
            format!("`{model}`: the tiers are trivial, standard and complex"),
        )
    })
}

impl Gateway {
    /// Plans a request under the present budgets; nothing is called or spent.
    pub fn explain_route(
        &self,
        request: &ModelRequest,
        context: &CallContext,
    ) -> Result<RoutePlan, ModelError> {
        let ask = self.estimate(request.clone(), context.clone());
        let posture = self.parts.ledger.posture(&SpendScope::of(context, "", ""), ask.started);
        self.plan(&ask, &posture, Judgement::default())
    }

    /// A price that no call of this model name exceeds, wherever it is sent; `None` when some of its candidates have no price.
    pub fn dearest_price(&self, model: &str) -> Option<ModelPrice> {
        let asked = self.settings.aliases.get(model).map_or(model, String::as_str);
        let mut candidates = Vec::new();
        match wish(asked).ok()? {
            // A budget or a cascade may send it to any tier.
            ModelWish::Auto(_) => {
                let routes = self.routes();
                let tiers = [&routes.tiers.trivial, &routes.tiers.standard, &routes.tiers.complex];
                tiers.into_iter().flatten().for_each(|name| self.add_named(&mut candidates, name));
            }
            ModelWish::Named(name) => candidates = self.plan_named(name).ok()?.candidates,
        }
        let prices = candidates.iter().map(|candidate| self.price_of(candidate).ok());
        dearest(prices.map(|price| price.map(|price| ModelPrice::clone(&price))).collect::<Option<Vec<_>>>()?)
    }

    /// Whether the caller leaves the tier to us.
    pub(crate) fn chooses_tier(&self, request: &ModelRequest) -> bool {
        let asked = self.settings.aliases.get(&request.model).unwrap_or(&request.model);
        matches!(wish(asked), Ok(ModelWish::Auto(None)))
    }

    pub(crate) fn plan(
        &self,
        ask: &Ask,
        posture: &Posture,
        judged: Judgement<'_>,
    ) -> Result<RoutePlan, ModelError> {
        let request = &ask.request;
        let asked = self.settings.aliases.get(&request.model).unwrap_or(&request.model);
        let mut plan = match wish(asked)? {
            ModelWish::Auto(tier) => self.plan_tier(ask, tier, posture, judged),
            ModelWish::Named(name) => self.plan_named(name)?,
        };
        plan.candidates.retain(|candidate| may_use(&ask.context.principal, candidate, &request.model));
        if plan.candidates.is_empty() {
            return Err(if ask.context.principal.allowed_models.is_empty() {
                ModelError::new(ModelErrorKind::NoCandidate, "no provider is configured for it")
            } else {
                ModelError::new(ModelErrorKind::ModelNotAllowed, format!("`{}`", request.model))
            });
        }
        self.obey(posture, plan)
    }

    /// Applies what the budgets ask for.
    fn obey(&self, posture: &Posture, mut plan: RoutePlan) -> Result<RoutePlan, ModelError> {
        let Some(action) = posture.action else { return Ok(plan) };
        if action >= BudgetAction::LocalOnly {
            plan.candidates.retain(|candidate| candidate.local && action == BudgetAction::LocalOnly);
            if plan.candidates.is_empty() {
                return Err(refused_by(posture));
            }
            plan.reason.push_str("; budget: local only");
        }
        Ok(plan)
    }

    fn plan_tier(
        &self,
        ask: &Ask,
        wanted: Option<Tier>,
        posture: &Posture,
        judged: Judgement<'_>,
    ) -> RoutePlan {
        let choice = match wanted {
            Some(tier) => TierChoice { tier, reason: "the caller chose the tier".to_owned() },
            None => {
                let human = ask.human().unwrap_or_default();
                fit_tier(&ask.request, self.choose_tier(human, judged.route, judged.opinion))
            }
        };
        let TierChoice { mut tier, mut reason } = choice;
        if posture.action == Some(BudgetAction::Downgrade) {
            tier = tier.lower();
            reason.push_str("; budget: one tier lower");
        }
        let mut candidates = Vec::new();
        let routes = self.routes();
        for name in tier_order(tier).into_iter().flat_map(|tier| routes.tiers.of(tier)) {
            self.add_named(&mut candidates, name);
        }
        if candidates.is_empty() {
            // Nothing configured: whatever runs on this machine.
            for (index, entry) in self.parts.providers.iter().enumerate().filter(|(_, entry)| entry.local) {
                candidates.extend(routes.models[index].first().map(|model| candidate(index, entry, model)));
            }
        }
        RoutePlan { tier: Some(tier), reason, candidates, cheap_first: None }
    }

    fn plan_named(&self, name: &str) -> Result<RoutePlan, ModelError> {
        let mut candidates = Vec::new();
        self.add_named(&mut candidates, name);
        if candidates.is_empty() {
            return Err(ModelError::new(ModelErrorKind::UnknownModel, format!("`{name}`")));
        }
        let full_names: Vec<_> = candidates.iter().map(Candidate::full_name).collect();
        for full_name in &full_names {
            for fallback in self.settings.fallbacks.get(full_name).into_iter().flatten() {
                self.add_named(&mut candidates, fallback);
            }
        }
        Ok(RoutePlan {
            tier: None,
            reason: "the caller chose the model".into(),
            candidates,
            cheap_first: None,
        })
    }

    /// Adds every provider that has the model: by `provider/model`, by its list of models, or by its price.
    pub(crate) fn add_named(&self, candidates: &mut Vec<Candidate>, name: &str) {
        let mut add = |new: Candidate| {
            if !candidates.contains(&new) {
                candidates.push(new);
            }
        };
        let mut found = false;
        if let Some((provider, model)) = name.split_once('/') {
            for (index, entry) in
                self.parts.providers.iter().enumerate().filter(|(_, entry)| entry.name == provider)
            {
                found = true;
                add(candidate(index, entry, model));
            }
        }
        if found {
            return;
        }
        let routes = self.routes();
        for (index, entry) in self.parts.providers.iter().enumerate() {
            let known = &routes.models[index];
            let listed = known.iter().any(|model| model == name);
            let priced = || known.is_empty() && self.prices.get(&entry.price_from, name).is_some();
            if listed || priced() {
                add(candidate(index, entry, name));
            }
        }
    }
}

/// Whether a key may use a candidate: by its full name, its model, or the name the caller used.
pub(crate) fn may_use(principal: &Principal, candidate: &Candidate, asked: &str) -> bool {
    let full_name = candidate.full_name();
    principal.allowed_models.is_empty()
        || principal.allowed_models.iter().any(|pattern| {
            pattern_matches(pattern, &full_name)
                || pattern_matches(pattern, &candidate.model)
                || pattern == asked
        })
}

fn candidate(index: usize, entry: &ProviderEntry, model: &str) -> Candidate {
    Candidate { provider: entry.name.clone(), model: model.to_owned(), local: entry.local, entry: index }
}

/// The error of a budget whose threshold forbids the call.
pub(crate) fn refused_by(posture: &Posture) -> ModelError {
    let Some(state) = posture.because.clone() else {
        return ModelError::new(ModelErrorKind::NoCandidate, "a budget forbids it");
    };
    let name = state.name.clone();
    let refusal = Refusal { needed: 0, busy: false, state };
    ModelError::new(ModelErrorKind::BudgetRefused(Box::new(refusal)), format!("\"{name}\""))
}
