//! What was made of a run: scores with their reasons, and the buttons that have it judged.

use super::super::Console;
use super::super::charts::bar;
use super::super::figures::{ago, moment, usd};
use super::super::layout::{Place, badge, token};
use super::super::session::{Sent, Session};
use super::{failed, names, services};
use crate::agents::run_facts;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use nunchi_agent::JudgeWish;
use nunchi_core::{RunId, RunRecord, RunScore, Score, ScoreName, ScoreValue, StorageError};
use std::sync::Arc;

/// The newest score of each name, in the order in which they are shown, each with the judgement it is from.
fn newest(scores: &[RunScore]) -> Vec<(&Score, &RunScore)> {
    let of = |name| scores.iter().find_map(|one| Some((one.judgement.score(name)?, one)));
    ScoreName::ALL.into_iter().filter_map(of).collect()
}

/// How good a run was all in all: the mean of its newest scores; `None` when it was not judged.
pub(super) fn overall(scores: &[RunScore]) -> Option<ScoreValue> {
    ScoreValue::mean(newest(scores).into_iter().map(|(score, _)| score.goodness()))
}

/// The class of how good something is.
const fn kind(goodness: ScoreValue) -> &'static str {
    match goodness.as_thousandths() {
        800.. => "good",
        500..800 => "warn",
        _ => "bad",
    }
}

/// Two decimals, as scores are spoken of.
fn short(value: ScoreValue) -> String {
    let hundredths = (value.as_thousandths() + 5) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A score in a list.
pub(super) fn mark(value: Option<ScoreValue>) -> Markup {
    html! { @match value { Some(value) => (badge(&short(value), kind(value))), None => { span.note { "–" } } } }
}

/// The card on a run's page; nothing before the run has ended.
pub(super) fn card(console: &Console, session: &Session, run: &RunRecord, scores: &[RunScore]) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (now, zone) = (console.parts.clock.now(), &console.parts.time_zone);
    if !run.status.is_final() {
        return html! {};
    }
    html! {
        section.card #scores {
            div.row.between {
                h2 { (words.scores) " " @if let Some(overall) = overall(scores) { (mark(Some(overall))) } }
                form.row method="post" action={ "/console/runs/" (run.id) "/judge" } {
                    (token(session))
                    button type="submit" name="by" value="rules" title=(words.judge_rules_note) { (words.judge_rules) }
                    button type="submit" name="by" value="model" title=(words.judge_model_note) { (words.judge_model) }
                }
            }
            @if scores.is_empty() { p.note { (words.scores_empty) } }
            @else {
                ul.scores { @for (score, _) in newest(scores) { (shown(session, score)) } }
                @for one in scores {
                    p.note title=(moment(one.judgement.at, zone)) {
                        (one.judgement.judge.as_deref().unwrap_or(words.by_rules)) " · " (ago(one.judgement.at, now, lang))
                        @if one.judgement.cost.0 > 0 { " · " (usd(one.judgement.cost)) }
                        @if one.judgement.withheld > 0 { " · " (words.withheld.replace("%d", &one.judgement.withheld.to_string())) }
                    }
                }
            }
        }
    }
}

fn shown(session: &Session, score: &Score) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (name, good) = (names::score(lang, score.name), score.goodness());
    html! {
        li {
            span.name { (name) @if score.name.lower_is_better() { " " small { (words.zero_is_best) } } }
            strong.number { (short(score.value)) }
            (bar(name, i64::from(score.value.as_thousandths()), 1_000, &[], kind(good)))
            @if !score.reasoning.is_empty() { p.why { (score.reasoning) } }
        }
    }
}

/// `POST /console/runs/{id}/judge`: by rules for nothing, or by a model at the reader's cost.
pub(super) async fn judge(State(console): State<Console>, Path(id): Path<RunId>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let wish = JudgeWish {
        principal: Arc::clone(&session.principal),
        model: None,
        lang: session.taste.lang,
        rules_only: fields.text("by") != "model",
    };
    let (run, state) = match agents.agent.stored(id).await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            return failed(&console, &session, Place::Runs, &StorageError::NotFound(format!("run {id}")));
        }
        Err(error) => return failed(&console, &session, Place::Runs, &error),
    };
    let judged = async {
        let facts = run_facts(agents, run, &state).await?;
        agents.judge.judge_run(&facts, &wish).await
    };
    match judged.await {
        Ok(_judged) => Redirect::to(&format!("/console/runs/{id}#scores")).into_response(),
        Err(error) => failed(&console, &session, Place::Runs, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{Judgement, NanoUsd};

    fn judged(scores: &[(ScoreName, u64)]) -> RunScore {
        let score = |(name, value): &(ScoreName, u64)| Score {
            name: *name,
            value: ScoreValue::thousandths(*value),
            reasoning: String::new(),
        };
        let judgement = Judgement {
            at: jiff::Timestamp::UNIX_EPOCH,
            judge: None,
            cost: NanoUsd::ZERO,
            scores: scores.iter().map(score).collect(),
            withheld: 0,
        };
        RunScore { run: RunId(uuid::Uuid::nil()), judgement }
    }

    #[test]
    fn the_newest_of_each_name_counts_and_low_may_be_good() {
        use ScoreName::{Cost, Relevancy, Toxicity};
        let scores = [judged(&[(Relevancy, 1_000)]), judged(&[(Relevancy, 0), (Toxicity, 0), (Cost, 400)])];
        assert_eq!(overall(&scores).map(short), Some("0.80".into()));
        assert_eq!(newest(&scores).len(), 3);
        assert_eq!(overall(&[]), None);
        for (value, text, class) in
            [(1_000, "1.00", "good"), (795, "0.80", "warn"), (499, "0.50", "bad"), (4, "0.00", "bad")]
        {
            assert_eq!(
                (short(ScoreValue::thousandths(value)).as_str(), kind(ScoreValue::thousandths(value))),
                (text, class)
            );
        }
    }
}
