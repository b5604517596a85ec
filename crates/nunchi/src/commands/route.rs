//! `route`: which model a text would get, and what the router learns.

use super::{Desk, json_lines};
use crate::cli::{RatingArg, RouteCommand, TierArg};
use crate::failure::Failure;
use crate::render::table;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use http::Method;
use jiff::Timestamp;
use nunchi_core::{Lang, Tier};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Report {
    tier: Option<String>,
    reason: String,
    candidates: Vec<Candidate>,
    stages: Vec<Stage>,
    trained: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Candidate {
    provider: String,
    model: String,
    local: bool,
}

#[derive(Serialize, Deserialize)]
struct Stage {
    stage: String,
    title: String,
    answer: Option<String>,
    confidence: Option<f32>,
    reason: String,
}

/// Runs a route command.
pub(crate) async fn route(desk: &Desk, command: &RouteCommand) -> Result<(), Failure> {
    match command {
        RouteCommand::Explain { text } => {
            let body = json!({ "text": text });
            let report: Report = desk.client.json(Method::POST, "/api/route/explain", &body).await?;
            desk.show(&report, || explain(desk, &report))
        }
        RouteCommand::Rate { request, rating, tier } => rate(desk, request, *rating, *tier).await,
        RouteCommand::Train { revert: false } => train(desk).await,
        RouteCommand::Train { revert: true } => {
            let done: Value = desk.client.delete("/api/route/train").await?;
            let said = if done["was_trained"] == true {
                desk.lang.pick("The model that ships is in force again.", "처음 모델로 되돌렸습니다.")
            } else {
                desk.lang
                    .pick("The model that ships was in force already.", "이미 처음 모델을 쓰고 있습니다.")
            };
            desk.show(&done, || said.to_owned())
        }
        RouteCommand::Eval { data } => eval(desk, data.as_deref()).await,
    }
}

async fn rate(desk: &Desk, request: &str, rating: RatingArg, tier: Option<TierArg>) -> Result<(), Failure> {
    let name = |value: &dyn Fn() -> Option<PossibleValue>| value().map(|value| value.get_name().to_owned());
    let body = json!({
        "request": request,
        "rating": name(&|| rating.to_possible_value()),
        "tier": tier.and_then(|tier| name(&|| tier.to_possible_value())),
    });
    let taken: Value = desk.client.json(Method::POST, "/api/feedback", &body).await?;
    desk.show(&taken, || effect(desk.lang, &taken["effect"]))
}

fn effect(lang: Lang, effect: &Value) -> String {
    let tier = effect["teaches_tier"].as_str();
    match (tier, effect.as_str()) {
        (Some(tier), _) => lang.pick(
            format!("Noted: the next `route train` learns that {tier} is right for such a text."),
            format!("기록했습니다. 다음 `route train`이 이런 글에는 {tier}가 맞다고 배웁니다."),
        ),
        (_, Some("teaches_sharing")) => lang
            .pick("Noted: it counts for sharing that answer.", "기록했습니다. 그 답을 공유할지에 반영합니다.")
            .into(),
        (_, Some("forgotten")) => {
            lang.pick("The stored answer was removed.", "저장된 답을 지웠습니다.").into()
        }
        _ => lang.pick("Noted; it teaches nothing.", "기록했습니다. 배울 것은 없습니다.").into(),
    }
}

/// A share with the interval that holds it.
#[derive(Serialize, Deserialize)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    fn shown(&self) -> String {
        format!("{:.3} [{:.3}, {:.3}]", self.value, self.low, self.high)
    }
}

#[derive(Serialize, Deserialize)]
struct Comparison {
    held_out: usize,
    new: Estimate,
    in_force: Estimate,
    difference: Estimate,
}

#[derive(Serialize, Deserialize)]
struct Training {
    examples: usize,
    observed: usize,
    tiers: Option<Comparison>,
}

async fn train(desk: &Desk) -> Result<(), Failure> {
    let trained: Training = desk.client.json(Method::POST, "/api/route/train", &json!({})).await?;
    let lang = desk.lang;
    desk.show(&trained, || {
        let head = lang.pick(
            format!("The router was fitted to {} texts and is in force.", trained.examples),
            format!("글 {}개로 라우터를 학습해 적용했습니다.", trained.examples),
        );
        let head = match trained.observed {
            0 => head,
            observed => lang.pick(
                format!("{head} {observed} of them were not rated but observed, and count less."),
                format!("{head} 그중 {observed}개는 평가가 아니라 관찰한 결과라 덜 반영합니다."),
            ),
        };
        let Some(tiers) = &trained.tiers else { return head };
        let (new, before) = (tiers.new.shown(), tiers.in_force.shown());
        let held = tiers.held_out;
        let body = lang.pick(
            format!(
                "On {held} texts held out: {new}, before {before}, difference {}",
                tiers.difference.shown()
            ),
            format!("따로 둔 글 {held}개에서: {new}, 전에는 {before}, 차이 {}", tiers.difference.shown()),
        );
        format!("{head}\n{body}")
    })
}

#[derive(Serialize, Deserialize)]
struct Evaluation {
    router: String,
    asked: usize,
    agreement: Estimate,
    under_routed: Estimate,
}

async fn eval(desk: &Desk, data: Option<&Path>) -> Result<(), Failure> {
    let tier = |value: &Value| value["tier"].as_str().is_some_and(|tier| tier.parse::<Tier>().is_ok());
    let fits = |value: &Value| value["text"].is_string() && tier(value);
    let shape = r#"{"text": "…", "tier": "trivial|standard|complex"}"#;
    let lines = data.map(|path| json_lines(path, shape, fits)).transpose()?.unwrap_or_default();
    let examples: Vec<Value> =
        lines.iter().map(|line| json!({ "text": line["text"], "tier": line["tier"] })).collect();
    let body = json!({ "examples": examples });
    let found: Vec<Evaluation> = desk.client.json(Method::POST, "/api/route/eval", &body).await?;
    let headings = desk.lang.pick(
        ["router", ">texts", "agreement", "complex sent lower"],
        ["라우터", ">글", "일치", "complex를 낮게 보냄"],
    );
    desk.show(&found, || {
        let rows = found.iter().map(|one| {
            let (agreement, lower) = (one.agreement.shown(), one.under_routed.shown());
            vec![one.router.clone(), one.asked.to_string(), agreement, lower]
        });
        table(&headings, rows)
    })
}

fn explain(desk: &Desk, report: &Report) -> String {
    let lang = desk.lang;
    let tier = report.tier.as_deref().unwrap_or("-");
    let models: Vec<_> = report
        .candidates
        .iter()
        .map(|found| {
            let here = if found.local { lang.pick(" (this machine)", " (이 컴퓨터)") } else { "" };
            format!("{}/{}{here}", found.provider, found.model)
        })
        .collect();
    let head = lang.pick(
        format!("{tier}: {}\nCandidates: {}", report.reason, models.join(", ")),
        format!("{tier}: {}\n후보: {}", report.reason, models.join(", ")),
    );
    let head = match report.trained {
        Some(at) => {
            let day = at.strftime("%Y-%m-%d");
            lang.pick(
                format!("{head}\nThe classifier was fitted to your feedback on {day}."),
                format!("{head}\n분류기는 {day}에 피드백으로 학습했습니다."),
            )
        }
        None => head,
    };
    let headings = lang.pick(["stage", "answer", ">sure", "why"], ["단계", "답", ">확신", "이유"]);
    let rows = report.stages.iter().map(|stage| {
        vec![
            stage.title.clone(),
            stage.answer.clone().unwrap_or_else(|| "-".to_owned()),
            stage.confidence.map_or_else(|| "-".to_owned(), |sure| format!("{:.0} %", sure * 100.0)),
            stage.reason.clone(),
        ]
    });
    format!("{head}\n{}", table(&headings, rows))
}
