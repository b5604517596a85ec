//! What an attempt may cost at most, and the hold on every budget that it takes before anything is sent.

use crate::ask::Ask;
use crate::attempt::Pursuit;
use crate::gateway::Gateway;
use crate::plan::Candidate;
use crate::prices::free_price;
use crate::tokens;
use nunchi_core::{
    Amount, BudgetAction, BudgetState, CallRecord, Dialect, HoldError, HoldRequest, ModelError,
    ModelErrorKind, ModelPrice, ModelRequest, NanoUsd, PromptBound, ServiceTier, SpendScope, Usage,
    asked_service_tier, most_tool_uses, upper_bound,
};
use std::sync::Arc;
use std::time::Duration;

/// The smallest output cap that is still worth asking for when a budget is nearly spent, in tokens.
const SMALLEST_CAP: u64 = 256;

/// An attempt that holds money.
pub(crate) struct OpenCall {
    pub(crate) record: CallRecord,
    pub(crate) held: NanoUsd,
    pub(crate) price: Arc<ModelPrice>,
    /// What was held for, the service tier that was asked for included.
    pub(crate) worst: Worst,
    pub(crate) since: Duration,
    /// Whether the budget shortened the answer, which then is nobody else's answer.
    pub(crate) shortened: bool,
    /// The tokens that were reported before the answer broke off.
    pub(crate) reported: Option<Usage>,
}

/// The most that an attempt can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worst {
    /// Prompt tokens.
    pub(crate) prompt: u64,
    /// Those among them that only the provider can count.
    pub(crate) uncounted: u64,
    /// Tokens of one answer.
    pub(crate) output: u64,
    /// Answers.
    pub(crate) choices: u32,
    /// Uses of tools at the provider.
    pub(crate) tool_uses: u64,
    /// The service tier that is asked for.
    pub(crate) service_tier: ServiceTier,
}

impl Worst {
    /// The most that a request can take at this price, with answers of at most so many tokens.
    pub(crate) fn of(
        request: &ModelRequest,
        price: &ModelPrice,
        output: u64,
        service_tier: ServiceTier,
    ) -> Self {
        let mut bound = PromptBound::of(request);
        bound.tool_uses = most_tool_uses(price, bound.tool_uses);
        let window = price.context_window;
        Self {
            prompt: bound.within(window, u64::MAX),
            uncounted: bound.uncounted(window),
            output,
            choices: request.choices,
            tool_uses: bound.tool_uses,
            service_tier,
        }
    }

    /// The same with the texts counted, which is worth its time near a limit: other vocabularies than o200k need at most about
    /// twice as many tokens.
    fn counted(self, request: &ModelRequest, price: &ModelPrice) -> Self {
        let text = tokens::count_prompt(request).saturating_mul(2).saturating_add(600);
        let bound = PromptBound { tool_uses: self.tool_uses, ..PromptBound::of(request) };
        Self { prompt: bound.within(price.context_window, text), ..self }
    }

    /// In money.
    pub(crate) fn money(self, price: &ModelPrice) -> NanoUsd {
        let uses = i64::try_from(self.tool_uses).unwrap_or(i64::MAX);
        let fees = price.tool_use.0.saturating_mul(uses);
        let tokens = upper_bound(price, self.prompt, self.output, self.choices, self.service_tier);
        NanoUsd(tokens.0.saturating_add(fees))
    }

    /// What was used by a call of which the provider said nothing, given our own count of its texts: what cannot be counted is
    /// taken to be all that it can be.
    pub(crate) fn unreported(self, texts: u64, output: u64) -> Usage {
        let input = texts.saturating_add(self.uncounted).min(self.prompt);
        Usage { input, output, tool_uses: self.tool_uses, ..Usage::default() }
    }

    /// Whether it is safer to hear an answer to its end, whoever has left, than to guess its prompt: what is uncertain costs more
    /// than what may still be written.
    pub(crate) fn is_worth_hearing(self, price: &ModelPrice) -> bool {
        let unsure = Self { prompt: self.uncounted, output: 0, ..self };
        let rest = Self { prompt: 0, tool_uses: 0, ..self };
        unsure.money(price) > rest.money(price)
    }

    /// In tokens.
    pub(crate) fn tokens(self) -> u64 {
        self.prompt.saturating_add(self.output.saturating_mul(u64::from(self.choices)))
    }
}

impl Pursuit {
    /// What the budgets say of whom is asked now.
    pub(crate) fn states(&self) -> &[BudgetState] {
        self.scoped.as_ref().map_or(&self.posture.states, |scoped| &scoped.states)
    }

    /// Asks the budgets of a candidate's provider and model, which the plan could not know of, what they allow.
    pub(crate) fn allowed(&mut self, candidate: &Candidate, others: bool) -> Result<(), ModelError> {
        let scope = SpendScope::of(&self.ask.context, &candidate.provider, &candidate.model);
        let scoped = self.gateway.parts.ledger.posture(&scope, self.ask.started);
        let action = scoped.action.filter(|action| Some(*action) > self.posture.action);
        let passed_over = match action {
            Some(BudgetAction::LocalOnly) => !self.gateway.parts.providers[candidate.entry].local,
            // Somebody cheaper, or at least somebody else, goes first.
            Some(BudgetAction::Downgrade) => others,
            _ => false,
        };
        self.scoped = (scoped.states.len() > self.posture.states.len()).then_some(scoped);
        if passed_over {
            let what = format!("a budget spares `{}`", candidate.full_name());
            return Err(ModelError::new(ModelErrorKind::NoCandidate, what));
        }
        Ok(())
    }

    /// Reserves the worst case of one attempt; returns the request as it will be sent.
    pub(crate) async fn hold(&mut self, candidate: &Candidate) -> Result<ModelRequest, ModelError> {
        let price = self.gateway.price_of(candidate)?;
        let service_tier = self.gateway.service_tier_of(candidate, &self.ask.request, &price)?;
        let (outgoing, prefix) = self.outgoing(candidate, &price);
        self.prefix = prefix;
        let (worst, shortened) = self.terms(&price, &outgoing, service_tier);
        let mut open = self
            .gateway
            .hold_call(&self.ask, candidate, worst, |record| {
                record.tier = self.plan.tier;
                record.reason.clone_from(&self.plan.reason);
                record.cache = self.verdict;
            })
            .await?;
        open.shortened = shortened;
        self.open = Some(open);
        self.cap = self.cap.max(worst.output);
        let mut request = outgoing;
        request.max_output_tokens = Some(worst.output);
        Ok(request)
    }

    /// The most that the attempt can take, and whether a tight budget shortened its answer.
    fn terms(&self, price: &ModelPrice, outgoing: &ModelRequest, service_tier: ServiceTier) -> (Worst, bool) {
        let request = &self.ask.request;
        let ceiling = price.max_output.unwrap_or(u64::MAX);
        let cap = request.max_output_tokens.unwrap_or(self.gateway.settings.default_max_output.min(ceiling));
        let cap = cap.saturating_sub(self.rounds.usage.completion_tokens()).max(1);
        let worst = Worst::of(outgoing, price, cap, service_tier);
        let left = self.states().iter().filter(|state| matches!(state.limit, Amount::Money(_)));
        let Some(left) = left.map(BudgetState::remaining_units).min() else { return (worst, false) };
        if worst.money(price).0 <= left {
            return (worst, false);
        }
        let mut worst = worst.counted(outgoing, price);
        while request.max_output_tokens.is_none()
            && worst.output > SMALLEST_CAP
            && worst.money(price).0 > left
        {
            worst.output = (worst.output / 2).max(SMALLEST_CAP);
        }
        (worst, worst.output < cap)
    }
}

impl Gateway {
    /// Reserves the worst case of a call; durable when this returns.
    pub(crate) async fn hold_call(
        &self,
        ask: &Ask,
        candidate: &Candidate,
        worst: Worst,
        describe: impl FnOnce(&mut CallRecord),
    ) -> Result<OpenCall, ModelError> {
        let price = self.price_of(candidate)?;
        let held = worst.money(&price);
        let mut record = self.blank_record(ask, &candidate.provider, &candidate.model);
        describe(&mut record);
        let request = HoldRequest {
            call: record.id,
            scope: SpendScope::of(&ask.context, &candidate.provider, &candidate.model),
            money: held,
            tokens: worst.tokens(),
            at: self.parts.clock.now(),
            patience: self.settings.hold_patience,
            if_lost: Box::new(record.clone()),
            outlives: ask.job.is_some(),
        };
        self.parts.ledger.hold(request).await.map_err(|error| match error {
            HoldError::Refused(refusal) => {
                let name = format!("\"{}\"", refusal.state.name);
                ModelError::new(ModelErrorKind::BudgetRefused(refusal), name)
            }
            HoldError::Storage(error) => ModelError::new(ModelErrorKind::Storage, error.to_string()),
        })?;
        let since = self.parts.clock.monotonic();
        Ok(OpenCall { record, held, price, worst, since, shortened: false, reported: None })
    }

    /// The service tier that a request asks a candidate for: the standard one of those that the field does not reach.
    ///
    /// # Errors
    /// [`ModelErrorKind::NoPrice`] for a dearer tier without a price: what it costs could not be limited.
    fn service_tier_of(
        &self,
        candidate: &Candidate,
        request: &ModelRequest,
        price: &ModelPrice,
    ) -> Result<ServiceTier, ModelError> {
        let entry = &self.parts.providers[candidate.entry];
        let has_field = |dialect| matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
        let origin = request.origin.as_ref().map(|origin| origin.dialect);
        if entry.local || !has_field(entry.dialect) || !origin.is_some_and(has_field) {
            return Ok(ServiceTier::Standard);
        }
        let tier = asked_service_tier(request);
        if tier == ServiceTier::Priority && price.priority.is_none() {
            let what = format!(
                "`{}` has no price for `service_tier` \"priority\"; leave `service_tier` out to call it",
                candidate.full_name()
            );
            return Err(ModelError::new(ModelErrorKind::NoPrice, what));
        }
        Ok(tier)
    }

    pub(crate) fn price_of(&self, candidate: &Candidate) -> Result<Arc<ModelPrice>, ModelError> {
        let entry = &self.parts.providers[candidate.entry];
        match self.prices.get(&entry.price_from, &candidate.model) {
            Some(price) => Ok(price),
            None if entry.local => Ok(Arc::new(free_price(&candidate.provider, &candidate.model))),
            None => Err(ModelError::new(ModelErrorKind::NoPrice, format!("`{}`", candidate.full_name()))),
        }
    }
}
