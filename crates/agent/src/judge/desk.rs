//! Asks a model to judge, once more when its reply cannot be used, and keeps what was made of runs.

use super::case::{JudgeCase, RunFacts};
use super::error::JudgeError;
use super::prompt::{ShownCase, again, request};
use super::reply::scores;
use super::rules::rule_scores;
use futures_util::StreamExt;
use nunchi_core::{
    CacheDirective, CallContext, Clock, Ids, Judgement, Lang, Message, Model, ModelError, ModelRequest,
    NanoUsd, OWN_TASKS, Principal, RequestId, Role, RunId, RunScore, Score, ScoreStore, assemble_reply,
};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for one reply.
const PATIENCE: Duration = Duration::from_secs(180);
/// Replies that are asked for: the second is a correction.
const MOST_REPLIES: u32 = 2;
/// What judging is, for the ledger: the product's own work, no caller's.
const PURPOSE: &str = "eval";

/// What a judge is made of.
#[derive(Clone)]
pub struct JudgeParts {
    /// Who is asked: anything that answers.
    pub model: Arc<dyn Model>,
    /// The model that is asked for where nobody names one.
    pub usual: String,
    /// Where what was made of runs is kept.
    pub scores: Arc<dyn ScoreStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// How something is to be judged.
#[derive(Clone, Debug)]
pub struct JudgeWish {
    /// Who pays.
    pub principal: Arc<Principal>,
    /// The model to ask; `None`: the usual one.
    pub model: Option<String>,
    /// The language of the reasons.
    pub lang: Lang,
    /// Whether only rules judge: no model is asked and nothing is spent.
    pub rules_only: bool,
}

/// Judges answers and runs.
pub struct Judge {
    parts: JudgeParts,
}

/// What a model said, under which name, at which price.
struct Said {
    model: String,
    text: String,
    cost: NanoUsd,
}

impl Judge {
    /// A judge of these parts.
    pub fn new(parts: JudgeParts) -> Self {
        Self { parts }
    }

    /// Judges an answer.
    ///
    /// # Errors
    /// When the model fails, or twice gives no judgement.
    pub async fn judge(&self, case: &JudgeCase, wish: &JudgeWish) -> Result<Judgement, JudgeError> {
        self.judge_of(case, wish, None).await
    }

    /// Judges a run that has ended, by rules and, unless they suffice, by a model; and keeps it.
    ///
    /// # Errors
    /// When the run has not ended, the model fails or twice gives no judgement, or scores cannot be stored.
    pub async fn judge_run(&self, facts: &RunFacts, wish: &JudgeWish) -> Result<RunScore, JudgeError> {
        let run = facts.run.id;
        if !facts.run.status.is_final() {
            return Err(JudgeError::Unfinished(run));
        }
        let case = facts.case();
        let mut judgement = if wish.rules_only || case.answer.trim().is_empty() {
            self.nothing(ShownCase::of(&case).withheld)
        } else {
            self.judge_of(&case, wish, Some(run)).await?
        };
        judgement.scores.extend(rule_scores(facts, wish.lang));
        let score = RunScore { run, judgement };
        self.parts.scores.put_score(score.clone()).await?;
        Ok(score)
    }

    fn nothing(&self, withheld: u32) -> Judgement {
        let at = self.parts.clock.now();
        Judgement { at, judge: None, cost: NanoUsd::ZERO, scores: Vec::new(), withheld }
    }

    async fn judge_of(
        &self,
        case: &JudgeCase,
        wish: &JudgeWish,
        run: Option<RunId>,
    ) -> Result<Judgement, JudgeError> {
        let shown = ShownCase::of(case);
        if wish.rules_only {
            return Ok(self.nothing(shown.withheld));
        }
        let name = wish.model.as_deref().unwrap_or(&self.parts.usual);
        let mut request = request(&shown, name, wish.lang);
        let (mut cost, mut left) = (NanoUsd::ZERO, MOST_REPLIES);
        loop {
            let said = self.ask(request.clone(), wish, run).await?;
            (cost, left) = (cost + said.cost, left - 1);
            match scores(&said.text, &shown, &case.unfounded, wish.lang) {
                Ok(scores) => return Ok(self.judgement(said.model, cost, scores, shown.withheld)),
                Err(problem) if left == 0 => {
                    return Err(JudgeError::Unusable { judge: said.model, problem });
                }
                Err(problem) => {
                    if !said.text.trim().is_empty() {
                        request.messages.push(Message::text(Role::Assistant, said.text));
                    }
                    request.messages.push(Message::text(Role::User, again(&problem)));
                }
            }
        }
    }

    fn judgement(&self, judge: String, cost: NanoUsd, scores: Vec<Score>, withheld: u32) -> Judgement {
        Judgement { at: self.parts.clock.now(), judge: Some(judge), cost, scores, withheld }
    }

    /// One reply, metered like every call. Judging twice is two judgements, so no stored answer serves.
    async fn ask(
        &self,
        request: ModelRequest,
        wish: &JudgeWish,
        run: Option<RunId>,
    ) -> Result<Said, JudgeError> {
        let id = RequestId(self.parts.ids.new_id());
        let mut context = CallContext::new(id, Arc::clone(&wish.principal));
        context.run = run;
        context.phase = Some(Arc::from("judge"));
        context.task = Some(Arc::from(format!("{OWN_TASKS}{PURPOSE}")));
        context.cache = CacheDirective::NoStore;
        let name = request.model.clone();
        let answer = async {
            let reply = self.parts.model.call(request, context).await?;
            let (info, mut stream) = (reply.info, reply.stream);
            let mut events = Vec::new();
            while let Some(frame) = stream.next().await {
                events.extend(frame?.events);
            }
            Ok::<_, ModelError>((info, assemble_reply(&events)))
        };
        let Ok(answered) = tokio::time::timeout(PATIENCE, answer).await else {
            return Err(JudgeError::TimedOut(name));
        };
        let (info, body) = answered.map_err(Box::new)?;
        let booked = body.summary.as_ref().map(|summary| summary.cost).or(body.reported_cost);
        let parts = body.choices.into_iter().next().map(|choice| choice.parts).unwrap_or_default();
        Ok(Said {
            model: format!("{}/{}", info.provider, info.model),
            text: Message { role: Role::Assistant, parts, name: None }.plain_text(),
            cost: booked.unwrap_or_default(),
        })
    }
}
