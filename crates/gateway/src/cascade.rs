//! A cheap model first, a check, the planned model only if the check fails. The caller hears nothing before the check.

use crate::ask::Ask;
use crate::attempt::{Begun, Pursuit};
use crate::gateway::Gateway;
use crate::own_calls::OwnQuestion;
use crate::plan::{Candidate, RoutePlan, may_use};
use crate::quotas::typical_tokens;
use futures_util::StreamExt;
use nunchi_core::{
    BudgetAction, Choice, FeedbackSource, Frame, Lang, NanoUsd, Part, Posture, Rating, ResponseFormat,
    ServiceTier, Tier, Usage, assemble_reply, cost, in_tool_loop,
};
use nunchi_saving::{
    CascadeCosts, CascadeOdds, CascadePolicy, CascadeVerdict, CheckResults, RouteJudgement, forecast_cascade,
    verify_answer,
};
use std::time::Duration;

/// How a cheap answer is checked, besides the schema where one is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CascadeCheck {
    /// No cascade.
    #[default]
    Off,
    /// Only answers that a schema can check.
    Schema,
    /// A second answer of the cheap model must agree.
    Agreement,
    /// This model, as `provider/model`, judges.
    Judge(String),
}

/// Tokens of an answer that a forecast reckons with.
const TYPICAL_OUTPUT: u64 = 400;
/// Where nothing is known of a question: how often a cheap and a dear model are right.
const USUAL_ODDS: (f32, f32) = (0.65, 0.82);
/// How often a check passes a right and a wrong answer.
const CHECKS: (f32, f32) = (0.9, 0.35);
/// The share of the planned model's quality that a cascade has to keep.
const LEAST_QUALITY: f32 = 0.95;
/// Answers longer than this are not held back for a check, in bytes.
const LARGEST_HELD: usize = 1 << 20;
/// The longest wait for a check.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest text shown to a judge, in characters of each part.
const SHOWN: usize = 12_000;

const JUDGE: &str = "You check answers. Reply with one whole number from 0 to 10 and nothing else: 10 if the answer is right, \
    complete and does what was asked, 0 if it is wrong or misses the point.";

impl Gateway {
    /// The cheap model to try first, if a cascade is wanted, safe and likely to pay.
    pub(crate) fn cheap_first(
        &self,
        ask: &Ask,
        plan: &RoutePlan,
        posture: &Posture,
        judged: Option<&RouteJudgement>,
    ) -> Option<Candidate> {
        let request = &ask.request;
        let shaped = !matches!(request.format, ResponseFormat::Text);
        match self.settings.cascade {
            CascadeCheck::Off => return None,
            CascadeCheck::Schema if !shaped => return None,
            _ => {}
        }
        let tier = plan.tier.filter(|tier| *tier > Tier::Trivial && self.chooses_tier(request))?;
        let alone = request.tools.is_empty() && !in_tool_loop(request) && request.choices == 1;
        if !alone || posture.action >= Some(BudgetAction::Downgrade) {
            return None;
        }
        let strong = plan.candidates.first()?;
        let mut cheap = Vec::new();
        for name in self.routes().tiers.of(tier.lower()) {
            self.add_named(&mut cheap, name);
        }
        let cheap = cheap
            .into_iter()
            .find(|found| found != strong && may_use(&ask.context.principal, found, &request.model))?;
        self.pays(ask, &cheap, strong, judged).then_some(cheap)
    }

    fn pays(
        &self,
        ask: &Ask,
        cheap: &Candidate,
        strong: &Candidate,
        judged: Option<&RouteJudgement>,
    ) -> bool {
        let usage =
            Usage { input: typical_tokens(ask.prompt_bound), output: TYPICAL_OUTPUT, ..Usage::default() };
        let price = |candidate: &Candidate| {
            self.price_of(candidate).ok().map(|price| cost(&price, &usage, ServiceTier::Standard))
        };
        let Some((first, dear)) = price(cheap).zip(price(strong)) else { return false };
        let check = match &self.settings.cascade {
            CascadeCheck::Agreement => first,
            CascadeCheck::Judge(model) => self.named(model).and_then(|judge| price(&judge)).unwrap_or(dear),
            CascadeCheck::Off | CascadeCheck::Schema => NanoUsd::ZERO,
        };
        let known = judged.and_then(|judged| judged.difficulty);
        let (cheap_right, strong_right) =
            known.map_or(USUAL_ODDS, |found| (found.weak_right, found.strong_right));
        let (passes_right, passes_wrong) = CHECKS;
        let odds = CascadeOdds { cheap_right, strong_right, passes_right, passes_wrong };
        let costs = CascadeCosts { cheap: first, check, strong: dear };
        forecast_cascade(costs, odds).pays(odds, LEAST_QUALITY)
    }

    fn named(&self, name: &str) -> Option<Candidate> {
        let mut found = Vec::new();
        self.add_named(&mut found, name);
        found.into_iter().next()
    }

    /// Checks a cheap answer.
    async fn check(&self, ask: &Ask, cheap: &Candidate, answer: &Choice) -> CascadeVerdict {
        let text = text_of(answer);
        let schema = fits_schema(&ask.request.format, &text);
        let mut results = CheckResults { schema, ..CheckResults::default() };
        // What breaks its schema needs no second opinion.
        if schema != Some(false) {
            match &self.settings.cascade {
                CascadeCheck::Agreement => results.agreement = self.agreement(ask, cheap, &text).await,
                CascadeCheck::Judge(model) => results.judge = self.judge_answer(ask, model, &text).await,
                CascadeCheck::Off | CascadeCheck::Schema => {}
            }
        }
        verify_answer(results, CascadePolicy::default())
    }

    /// How far a second answer of the same model says the same, 0 to 1; `None` when there is none.
    async fn agreement(&self, ask: &Ask, cheap: &Candidate, text: &str) -> Option<f32> {
        let mut request = ask.request.clone();
        request.model = cheap.full_name();
        // A second sample at the same temperature 0 would be the same.
        request.sampling.temperature = Some(request.sampling.temperature.unwrap_or(1.0).max(0.7));
        let mut context = ask.context.clone();
        context.cache = nunchi_core::CacheDirective::NoStore;
        let second = tokio::time::timeout(PATIENCE, self.answer_own("judge", request, &context)).await;
        let second = second.ok()?.inspect_err(|error| tracing::info!(%error, "no second answer")).ok()?;
        if second.trim() == text.trim() {
            return Some(1.0);
        }
        self.cache.semantic.as_ref()?.agreement(text, &second, &ask.context).await
    }

    /// The judge's score, 0 to 1.
    async fn judge_answer(&self, ask: &Ask, model: &str, text: &str) -> Option<f32> {
        let question = ask.human()?;
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        let said = self.ask_own(
            OwnQuestion {
                task: "judge",
                model,
                system: JUDGE,
                text: format!("Question:\n{}\n\nAnswer:\n{}", shown(question), shown(text)),
                cap: 8,
                patience: PATIENCE,
            },
            &ask.context,
        );
        score(&said.await?)
    }
}

impl Pursuit {
    /// Tries the cheap model; its answer is given only if it passes the check. What it cost is booked either way.
    pub(crate) async fn begin_cheap(&mut self, cheap: &Candidate) -> Option<Begun> {
        let planned = self.plan.tier;
        self.plan.tier = planned.map(Tier::lower);
        let begun = self.try_cheap(cheap).await;
        if begun.is_none() {
            self.plan.tier = planned;
        }
        begun
    }

    async fn try_cheap(&mut self, cheap: &Candidate) -> Option<Begun> {
        let mut begun = self.try_candidate(cheap, true).await.ok()?;
        let mut held = begun.opening.iter().map(weight).sum::<usize>();
        while let Some(next) = begun.stream.next().await {
            let frame = match next {
                Ok(frame) => frame,
                Err(error) => {
                    self.fail(cheap, &error).await;
                    return None;
                }
            };
            held += weight(&frame);
            begun.opening.push(frame);
            if held > LARGEST_HELD {
                // Too long to be held back: it is given unchecked.
                self.plan.reason.push_str("; cascade: too long to check");
                return Some(begun);
            }
        }
        let body = assemble_reply(begun.opening.iter().flat_map(|frame| &frame.events));
        let answer = body.choices.first().cloned().unwrap_or_default();
        let gateway = std::sync::Arc::clone(&self.gateway);
        let verdict = gateway.check(&self.ask, cheap, &answer).await;
        let said = format!("; cascade: {}: {}", cheap.full_name(), verdict.message(Lang::En));
        self.plan.reason.push_str(&said);
        if let Some(served) = begun.info.served.as_mut().map(std::sync::Arc::make_mut) {
            served.reason.clone_from(&self.plan.reason);
        }
        if let Some(open) = self.open.as_mut() {
            open.record.reason.clone_from(&self.plan.reason);
        }
        if verdict != CascadeVerdict::Unchecked {
            let rating = if verdict.escalates() { Rating::Bad } else { Rating::Good };
            gateway.observe(&self.ask, self.ask.context.request, rating, FeedbackSource::Check).await;
        }
        if verdict.escalates() {
            self.settle_rejected(&begun.opening).await;
            return None;
        }
        Some(begun)
    }
}

/// The text of a choice.
pub(crate) fn text_of(choice: &Choice) -> String {
    choice.parts.iter().filter_map(Part::as_text).collect()
}

fn weight(frame: &Frame) -> usize {
    frame.raw.as_ref().map_or(64, |raw| raw.data.len()) + 64 * frame.events.len()
}

/// Whether an answer has the form asked for; `None` when none is.
fn fits_schema(format: &ResponseFormat, text: &str) -> Option<bool> {
    let parsed = || serde_json::from_str::<serde_json::Value>(text.trim()).ok();
    match format {
        ResponseFormat::Text => None,
        ResponseFormat::JsonObject => Some(parsed().is_some_and(|value| value.is_object())),
        ResponseFormat::JsonSchema(wanted) => {
            let Some(value) = parsed() else { return Some(false) };
            let schema = serde_json::from_str(wanted.schema.get()).ok()?;
            Some(jsonschema::validator_for(&schema).ok()?.is_valid(&value))
        }
    }
}

/// A judge's number from 0 to 10 as a share; `None` when there is none.
fn score(said: &str) -> Option<f32> {
    let digits: String =
        said.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse::<u8>().ok().filter(|score| *score <= 10).map(|score| f32::from(score) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::JsonSchemaFormat;

    #[test]
    fn scores_are_read() {
        for (said, expected) in [
            ("7", Some(0.7)),
            ("Score: 10/10", Some(1.0)),
            ("0", Some(0.0)),
            ("11", None),
            ("good", None),
            ("9999", None),
            ("점수: 8점", Some(0.8)),
        ] {
            assert_eq!(score(said), expected, "{said}");
        }
    }

    #[test]
    fn forms_are_checked() {
        let schema = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
        let wanted = ResponseFormat::JsonSchema(JsonSchemaFormat {
            name: "n".into(),
            description: None,
            schema: schema(r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}"#),
            strict: None,
        });
        assert_eq!(fits_schema(&wanted, r#" {"n": 4} "#), Some(true));
        assert_eq!(fits_schema(&wanted, r#"{"n": "four"}"#), Some(false));
        assert_eq!(fits_schema(&wanted, "n is four"), Some(false));
        assert_eq!(fits_schema(&ResponseFormat::JsonObject, "[1]"), Some(false));
        assert_eq!(fits_schema(&ResponseFormat::Text, "{}"), None);
    }
}
