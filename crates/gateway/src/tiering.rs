//! Which tier a request needs: the owner's rules, then the classifier where it is sure, then the built-in rules, then a model.

use crate::ask::Ask;
use crate::cache::Asked;
use crate::encoder_error::no_encoder;
use crate::gateway::Gateway;
use crate::own_calls::OwnQuestion;
use crate::plan::{Judgement, RoutePlan};
use jiff::Timestamp;
use nunchi_core::{
    CallContext, Lang, Message, ModelError, ModelRequest, Principal, RequestId, Role, SpendScope, Tier,
    TierChoice,
};
use nunchi_saving::{IntentSource, RouteJudgement, read_prompt, sure_tier};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The longest wait for a model's word on a tier.
const TIER_PATIENCE: Duration = Duration::from_secs(10);
/// The longest text shown to it, in characters.
const LONGEST_ASKED: usize = 2_000;

const NAME_THE_TIER: &str = "You sort requests by how capable a model they need. Reply with one word and nothing else: trivial \
    (greetings, thanks, one-line facts), standard (everyday writing, questions, small edits) or complex (reasoning in \
    several steps, code, analysis, planning). Do not answer the request itself.";

/// One stage of routing and what it said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteStage {
    /// `your rules`, `classifier`, `built-in rules`, `local model`, `intent`, `difficulty`: the same in every language.
    pub stage: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// Its answer, if it had one.
    pub answer: Option<String>,
    /// How sure it is, 0 to 1.
    pub confidence: Option<f32>,
    /// Why.
    pub reason: String,
}

/// How a text would be routed, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteReport {
    /// The plan.
    #[serde(flatten)]
    pub plan: RoutePlan,
    /// What each stage said.
    pub stages: Vec<RouteStage>,
    /// When the classifier was fitted to feedback; `None` for the one that ships.
    pub trained: Option<Timestamp>,
}

impl Gateway {
    /// What the embedded classifier makes of a request whose tier is to be chosen; `None` where it cannot be asked.
    pub(crate) async fn judge(&self, ask: &Ask, asked: Option<&Asked>) -> Option<RouteJudgement> {
        if !self.chooses_tier(&ask.request) {
            return None;
        }
        let human = ask.human()?;
        self.judge_text(human, asked, &ask.context).await
    }

    async fn judge_text(
        &self,
        human: &str,
        asked: Option<&Asked>,
        context: &CallContext,
    ) -> Option<RouteJudgement> {
        let semantic = self.cache.semantic.as_ref()?;
        let model = self.learned.model()?;
        let reading = read_prompt(human);
        // The vector of the question serves if the question is what is read.
        let known = asked.filter(|asked| asked.text.trim() == reading.text.trim());
        let vector = match known {
            Some(asked) => asked.vector().unpack(),
            None => semantic.embed(&reading.text, context).await?.unpack(),
        };
        Some(model.judge(&reading, Some(&vector)))
    }

    /// What is said of a request whose tier is ours to choose, the surest first; a model is asked only where nobody is sure.
    pub(crate) async fn tier_opinion(
        &self,
        ask: &Ask,
        judged: Option<&RouteJudgement>,
    ) -> Option<TierChoice> {
        let model = self.settings.tier_model.as_deref()?;
        let human = ask.human().filter(|_| self.chooses_tier(&ask.request))?;
        if sure_tier(&self.settings.own_rules, human, judged).is_some()
            || self.settings.rules.matching(human).is_some()
        {
            return None;
        }
        self.ask_tier(model, human, &ask.context).await
    }

    async fn ask_tier(&self, model: &str, human: &str, context: &CallContext) -> Option<TierChoice> {
        let question = OwnQuestion {
            task: "classify",
            model,
            system: NAME_THE_TIER,
            text: human.chars().take(LONGEST_ASKED).collect(),
            cap: 8,
            patience: TIER_PATIENCE,
        };
        let said = self.ask_own(question, context).await?.to_lowercase();
        let tiers = [Tier::Trivial, Tier::Standard, Tier::Complex];
        let mut named = tiers.into_iter().filter(|tier| said.contains(tier.as_str()));
        // An answer that names none, or several, is no answer.
        match (named.next(), named.next()) {
            (Some(tier), None) => Some(TierChoice { tier, reason: format!("{model} says so") }),
            _ => None,
        }
    }

    /// The tier of a human text, and why. `opinion` is a model's, for what nobody is sure of.
    pub(crate) fn choose_tier(
        &self,
        human: &str,
        judged: Option<&RouteJudgement>,
        opinion: Option<&TierChoice>,
    ) -> TierChoice {
        sure_tier(&self.settings.own_rules, human, judged)
            .or_else(|| self.settings.rules.matching(human))
            .or_else(|| opinion.cloned())
            .unwrap_or_else(|| self.settings.rules.choose(human))
    }

    /// How a text would be routed, told in a language; nothing is called or spent, but for the model that names tiers where one is
    /// configured.
    pub async fn explain_route_of(&self, text: &str, lang: Lang) -> Result<RouteReport, ModelError> {
        let request = ModelRequest::new("auto", vec![Message::text(Role::User, text)]);
        let id = RequestId(self.parts.ids.new_id());
        let context = CallContext::new(id, Arc::new(Principal::owner()));
        if let Some(semantic) = &self.cache.semantic {
            semantic.ready(&context).await;
        }
        let judged = self.judge_text(text, None, &context).await;
        let posture = self.parts.ledger.posture(&SpendScope::of(&context, "", ""), self.parts.clock.now());
        let ask = self.estimate(request, context);
        let opinion = self.tier_opinion(&ask, judged.as_ref()).await;
        let judgement = Judgement { route: judged.as_ref(), opinion: opinion.as_ref() };
        let mut plan = self.plan(&ask, &posture, judgement)?;
        plan.cheap_first = self.cheap_first(&ask, &plan, &posture, judged.as_ref());
        let mut stages = vec![
            rules_stage(("your rules", "내 규칙"), self.settings.own_rules.matching(text), lang),
            classifier_stage(judged.as_ref(), lang),
            rules_stage(("built-in rules", "내장 규칙"), self.settings.rules.matching(text), lang),
        ];
        stages.extend(
            opinion.as_ref().map(|opinion| opinion_stage(opinion, self.settings.tier_model.as_deref(), lang)),
        );
        stages.extend(judged.as_ref().map(|judged| intent_stage(judged, lang)));
        stages.extend(judged.as_ref().and_then(|judged| difficulty_stage(judged, lang)));
        Ok(RouteReport { plan, stages, trained: self.learned.since() })
    }
}

/// A stage that said nothing yet; `names` are its English and its Korean one.
fn stage(names: (&'static str, &'static str), lang: Lang) -> RouteStage {
    let title = lang.pick(names.0, names.1);
    RouteStage { stage: names.0, title, answer: None, confidence: None, reason: String::new() }
}

fn rules_stage(names: (&'static str, &'static str), choice: Option<TierChoice>, lang: Lang) -> RouteStage {
    let nothing = || lang.pick("no rule matched", "맞는 규칙이 없습니다").to_owned();
    RouteStage {
        answer: choice.as_ref().map(|choice| choice.tier.as_str().to_owned()),
        reason: choice.map_or_else(nothing, |choice| choice.reason),
        ..stage(names, lang)
    }
}

fn opinion_stage(opinion: &TierChoice, model: Option<&str>, lang: Lang) -> RouteStage {
    let model = model.unwrap_or_default();
    RouteStage {
        answer: Some(opinion.tier.as_str().to_owned()),
        reason: lang.pick(format!("{model} says so"), format!("{model}의 판단입니다")),
        ..stage(("local model", "작은 모델"), lang)
    }
}

fn classifier_stage(judged: Option<&RouteJudgement>, lang: Lang) -> RouteStage {
    let said = stage(("classifier", "분류기"), lang);
    let Some(verdict) = judged.and_then(|judged| judged.tier) else {
        return RouteStage { reason: no_encoder(lang), ..said };
    };
    let [trivial, standard, complex] = verdict.shares.map(|share| share * 100.0);
    let shares = format!("trivial {trivial:.0} %, standard {standard:.0} %, complex {complex:.0} %");
    let unsure = if verdict.tier.is_none() { lang.pick("unsure: ", "불확실: ") } else { "" };
    RouteStage {
        answer: verdict.tier.map(|tier: Tier| tier.as_str().to_owned()),
        confidence: Some(verdict.confidence()),
        reason: format!("{unsure}{shares}"),
        ..said
    }
}

fn intent_stage(judged: &RouteJudgement, lang: Lang) -> RouteStage {
    let reason = match judged.intent.source {
        IntentSource::Pattern => lang.pick("words of the text", "글에 나온 낱말"),
        IntentSource::Classifier => {
            lang.pick("the classifier over the sentence vector", "문장 벡터로 판단한 분류기")
        }
        IntentSource::Default => lang.pick("nothing was sure", "확실한 것이 없었습니다"),
    };
    RouteStage {
        answer: Some(judged.intent.intent.as_str().to_owned()),
        confidence: Some(judged.intent.confidence),
        reason: reason.to_owned(),
        ..stage(("intent", "의도"), lang)
    }
}

fn difficulty_stage(judged: &RouteJudgement, lang: Lang) -> Option<RouteStage> {
    let found = judged.difficulty?;
    let (weak, strong) = (found.weak_right * 100.0, found.strong_right * 100.0);
    Some(RouteStage {
        answer: Some(format!("{:.0} %", found.rank * 100.0)),
        reason: lang.pick(
            format!("a weak model is right with {weak:.0} %, a strong one with {strong:.0} %"),
            format!("약한 모델은 {weak:.0} %, 강한 모델은 {strong:.0} % 확률로 맞힙니다"),
        ),
        ..stage(("difficulty", "난이도"), lang)
    })
}
