//! A judge over a scripted model: what it is asked, what it costs, what counts, what is kept.

use crate::support::says;
use nunchi_agent::{Judge, JudgeCase, JudgeError, JudgeParts, JudgeWish, RunFacts, RunOrder, RunState};
use nunchi_core::{
    CacheDirective, Explain, Lang, ModelError, ModelErrorKind, NanoUsd, Principal, ReplyEvent,
    ResponseFormat, Role, RunId, RunOutcome, RunRecord, RunStatus, ScoreName, ScoreStore, StopReason, Usage,
};
use nunchi_testkit::{ManualClock, MemoryScores, ScriptedModel, ScriptedReply, SequentialIds};
use serde_json::{Value, json};
use std::sync::Arc;

struct Bench {
    judge: Judge,
    model: ScriptedModel,
    scores: Arc<MemoryScores>,
}

fn bench(replies: impl IntoIterator<Item = ScriptedReply>) -> Bench {
    let (model, scores) = (ScriptedModel::new(replies), Arc::new(MemoryScores::default()));
    let judge = Judge::new(JudgeParts {
        model: Arc::new(model.clone()),
        usual: "auto:standard".into(),
        scores: scores.clone(),
        clock: Arc::new(ManualClock::at("2026-01-01T12:00:00Z")),
        ids: Arc::new(SequentialIds::new()),
    });
    Bench { judge, model, scores }
}

fn wish() -> JudgeWish {
    JudgeWish { principal: Arc::new(Principal::owner()), model: None, lang: Lang::En, rules_only: false }
}

fn verdict(relevancy: f64) -> Value {
    json!({
        "claims": [{"claim": "It is 5", "evidence": "the rent is 5", "verdict": "supported"}],
        "relevancy": {"reasoning": "it answers", "score": relevancy},
        "toxicity": {"reasoning": "kind", "score": 0},
    })
}

/// A reply with a price.
fn priced(text: &str) -> ScriptedReply {
    ScriptedReply::events([
        ReplyEvent::Start { id: "r".into(), model: "m".into() },
        ReplyEvent::Text(text.to_owned()),
        ReplyEvent::Usage { usage: Usage::default(), reported_cost: Some(NanoUsd(500)), service_tier: None },
        ReplyEvent::End(StopReason::EndTurn),
    ])
}

fn pair() -> JudgeCase {
    JudgeCase::pair("What is the rent?", "It is 5.", vec!["The rent is 5.".into()], None)
}

#[tokio::test]
async fn a_judge_is_asked_as_our_own_work() {
    let bench = bench([says(&verdict(0.9).to_string())]);
    let judgement = bench.judge.judge(&pair(), &wish()).await.unwrap();
    let values: Vec<_> =
        judgement.scores.iter().map(|score| (score.name, score.value.as_thousandths())).collect();
    use ScoreName::{Hallucination, Relevancy, Toxicity};
    assert_eq!(values, [(Relevancy, 900), (Hallucination, 0), (Toxicity, 0)]);
    assert_eq!(judgement.judge.as_deref(), Some("scripted/scripted-1"));
    let (request, context) = bench.model.requests().remove(0);
    assert_eq!(request.model, "auto:standard");
    assert_eq!((context.phase.as_deref(), context.task.as_deref()), (Some("judge"), Some("nunchi/eval")));
    assert_eq!(context.cache, CacheDirective::NoStore);
    assert!(matches!(request.format, ResponseFormat::JsonSchema(ref format) if format.strict == Some(true)));
}

#[tokio::test]
async fn one_correction_is_asked_for() {
    let bench = bench([priced("Perfect, a 10!"), priced(&verdict(0.5).to_string())]);
    let named = JudgeWish { model: Some("up/other".into()), ..wish() };
    let judgement = bench.judge.judge(&pair(), &named).await.unwrap();
    assert_eq!((judgement.cost, judgement.scores.len()), (NanoUsd(1_000), 3));
    let (request, _) = bench.model.requests().remove(1);
    assert_eq!(request.model, "up/other");
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
    assert!(request.messages[3].plain_text().contains("not usable: it holds no JSON"));
}

#[tokio::test]
async fn twice_nonsense_is_no_judgement() {
    let bench = bench([says("10/10"), says(&verdict(7.0).to_string()), says("never asked for")]);
    let error = bench.judge.judge(&pair(), &wish()).await.unwrap_err();
    assert!(
        matches!(&error, JudgeError::Unusable { problem, .. } if problem.contains("relevancy is 7")),
        "{error}"
    );
    assert_eq!((error.code(), bench.model.calls()), ("judge.unusable", 2));
    assert!(error.message(Lang::Ko).contains("판정") && error.hint(Lang::En).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_silent_judge_is_not_waited_for() {
    let bench = bench([ScriptedReply::hang()]);
    let error = bench.judge.judge(&pair(), &wish()).await.unwrap_err();
    assert_eq!(error.code(), "judge.timed_out");
}

#[tokio::test]
async fn a_refusing_budget_is_told_as_it_is() {
    let refusal = ModelError::new(ModelErrorKind::NoPrice, "no price");
    let bench = bench([ScriptedReply::error(refusal.clone())]);
    let error = bench.judge.judge(&pair(), &wish()).await.unwrap_err();
    assert_eq!((error.code(), bench.model.calls()), (refusal.code(), 1));
}

#[tokio::test]
async fn what_was_expected_is_compared() {
    let mut said = verdict(1.0);
    said["correctness"] = json!({"reasoning": "5 is not 6", "score": 0.0});
    let bench = bench([says(&said.to_string())]);
    let case = JudgeCase { expected: Some("6".into()), ..pair() };
    let judgement = bench.judge.judge(&case, &wish()).await.unwrap();
    assert_eq!(judgement.score(ScoreName::Correctness).unwrap().value.as_thousandths(), 0);
}

fn facts(status: RunStatus, answer: &str) -> RunFacts {
    let at = "2026-01-01T11:00:00Z".parse().unwrap();
    let mut order = RunOrder::new(RunId(SequentialIds::nth(7)), "What is the rent?");
    order.context = "The rent is 5.".into();
    let state = RunState::new(order, at);
    let outcome = RunOutcome { text: answer.into(), ..RunOutcome::default() };
    let outcome = status.is_final().then_some(outcome);
    let record = RunRecord { status, outcome, ..state.record() };
    RunFacts::new(record, &state, Vec::new(), Vec::new())
}

#[tokio::test]
async fn a_run_keeps_what_was_made_of_it() {
    let bench = bench([says(&verdict(0.9).to_string())]);
    let facts = facts(RunStatus::Done, "It is 5.");
    let score = bench.judge.judge_run(&facts, &wish()).await.unwrap();
    let names: Vec<_> = score.judgement.scores.iter().map(|score| score.name).collect();
    use ScoreName::{Cost, Efficiency, Hallucination, Relevancy, Safety, Toxicity};
    assert_eq!(names, [Relevancy, Hallucination, Toxicity, Efficiency, Safety, Cost]);
    let (request, context) = bench.model.requests().remove(0);
    assert!(request.messages[1].plain_text().contains("The rent is 5."), "what it was told is a source");
    assert_eq!(context.run, Some(facts.run.id));
    assert_eq!(bench.scores.scores_of(facts.run.id).await.unwrap(), [score]);
}

#[tokio::test]
async fn rules_and_empty_answers_ask_nobody() {
    let bench = bench([]);
    let rules = JudgeWish { rules_only: true, ..wish() };
    for (facts, wish) in
        [(facts(RunStatus::Done, "It is 5."), &rules), (facts(RunStatus::Failed, " "), &wish())]
    {
        let score = bench.judge.judge_run(&facts, wish).await.unwrap();
        assert_eq!((score.judgement.judge, score.judgement.cost), (None, NanoUsd::ZERO));
        assert_eq!(score.judgement.scores.len(), 3);
    }
    assert_eq!(bench.model.calls(), 0);
    let error = bench.judge.judge_run(&facts(RunStatus::Parked, ""), &wish()).await.unwrap_err();
    assert_eq!(error.code(), "judge.unfinished");
}
