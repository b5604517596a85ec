//! Which tier a request needs: the owner's rules, then the classifier where it is sure, then the built-in rules.

use crate::cache::Asked;
use crate::call::Ask;
use crate::gateway::Gateway;
use crate::plan::RoutePlan;
use nunchi_core::{
    CallContext, Message, ModelError, ModelRequest, Principal, RequestId, Role, SpendScope, Tier, TierChoice,
    human_text,
};
use nunchi_saving::{IntentSource, RouteJudgement, RouteModel, choose_tier, read_prompt};
use serde::Serialize;
use std::sync::Arc;

/// One stage of routing and what it said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteStage {
    /// `your rules`, `classifier`, `built-in rules`, `intent`, `difficulty`.
    pub stage: &'static str,
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
}

impl Gateway {
    /// What the embedded classifier makes of a request whose tier is to be chosen; `None` where it cannot be asked.
    pub(crate) async fn judge(&self, ask: &Ask, asked: Option<&Asked>) -> Option<RouteJudgement> {
        if !self.chooses_tier(&ask.request) {
            return None;
        }
        let human = human_text(&ask.request)?;
        self.judge_text(&human, asked, &ask.context).await
    }

    async fn judge_text(
        &self,
        human: &str,
        asked: Option<&Asked>,
        context: &CallContext,
    ) -> Option<RouteJudgement> {
        let semantic = self.cache.semantic.as_ref()?;
        let model = RouteModel::shipped().ok()?;
        let reading = read_prompt(human);
        // The vector of the question serves if the question is what is read.
        let known = asked.filter(|asked| asked.text.trim() == reading.text.trim());
        let vector = match known {
            Some(asked) => asked.vector().unpack(),
            None => semantic.embed(&reading.text, context).await?.unpack(),
        };
        Some(model.judge(&reading, Some(&vector)))
    }

    /// The tier of a human text, and why.
    pub(crate) fn choose_tier(&self, human: &str, judged: Option<&RouteJudgement>) -> TierChoice {
        choose_tier(&self.settings.own_rules, &self.settings.rules, human, judged)
    }

    /// How a text would be routed; nothing is called or spent.
    pub async fn explain_route_of(&self, text: &str) -> Result<RouteReport, ModelError> {
        let request = ModelRequest::new("auto", vec![Message::text(Role::User, text)]);
        let id = RequestId(self.parts.ids.new_id());
        let context = CallContext::new(id, Arc::new(Principal::owner()));
        let judged = self.judge_text(text, None, &context).await;
        let posture = self.parts.ledger.posture(&SpendScope::of(&context, "", ""), self.parts.clock.now());
        let plan = self.plan(&request, &context, &posture, judged.as_ref())?;
        let mut stages = vec![
            rules_stage("your rules", self.settings.own_rules.matching(text)),
            classifier_stage(judged.as_ref()),
            rules_stage("built-in rules", self.settings.rules.matching(text)),
        ];
        stages.extend(judged.as_ref().map(intent_stage));
        stages.extend(judged.as_ref().and_then(difficulty_stage));
        Ok(RouteReport { plan, stages })
    }
}

fn rules_stage(stage: &'static str, choice: Option<TierChoice>) -> RouteStage {
    RouteStage {
        stage,
        answer: choice.as_ref().map(|choice| choice.tier.as_str().to_owned()),
        confidence: None,
        reason: choice.map_or_else(|| "no rule matched".to_owned(), |choice| choice.reason),
    }
}

fn classifier_stage(judged: Option<&RouteJudgement>) -> RouteStage {
    let Some(verdict) = judged.and_then(|judged| judged.tier) else {
        let reason = "the embedded sentence encoder cannot be asked".to_owned();
        return RouteStage { stage: "classifier", answer: None, confidence: None, reason };
    };
    let [trivial, standard, complex] = verdict.shares.map(|share| share * 100.0);
    let shares = format!("trivial {trivial:.0} %, standard {standard:.0} %, complex {complex:.0} %");
    let unsure = if verdict.tier.is_none() { "unsure: " } else { "" };
    RouteStage {
        stage: "classifier",
        answer: verdict.tier.map(|tier: Tier| tier.as_str().to_owned()),
        confidence: Some(verdict.confidence()),
        reason: format!("{unsure}{shares}"),
    }
}

fn intent_stage(judged: &RouteJudgement) -> RouteStage {
    let reason = match judged.intent.source {
        IntentSource::Pattern => "words of the text",
        IntentSource::Classifier => "the classifier over the sentence vector",
        IntentSource::Default => "nothing was sure",
    };
    RouteStage {
        stage: "intent",
        answer: Some(judged.intent.intent.as_str().to_owned()),
        confidence: Some(judged.intent.confidence),
        reason: reason.to_owned(),
    }
}

fn difficulty_stage(judged: &RouteJudgement) -> Option<RouteStage> {
    let found = judged.difficulty?;
    let (weak, strong) = (found.weak_right * 100.0, found.strong_right * 100.0);
    Some(RouteStage {
        stage: "difficulty",
        answer: Some(format!("{:.0} %", found.rank * 100.0)),
        confidence: None,
        reason: format!("a weak model is right with {weak:.0} %, a strong one with {strong:.0} %"),
    })
}
