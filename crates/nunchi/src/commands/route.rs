//! `route`: which model a text would get.

use super::Desk;
use crate::cli::RouteCommand;
use crate::failure::Failure;
use crate::render::table;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Report {
    tier: Option<String>,
    reason: String,
    candidates: Vec<Candidate>,
    stages: Vec<Stage>,
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
    answer: Option<String>,
    confidence: Option<f32>,
    reason: String,
}

/// Runs a route command.
pub(crate) async fn route(desk: &Desk, command: &RouteCommand) -> Result<(), Failure> {
    let RouteCommand::Explain { text } = command;
    let body = json!({ "text": text });
    let report: Report = desk.client.json(Method::POST, "/api/route/explain", &body).await?;
    desk.show(&report, || explain(desk, &report))
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
    let headings = lang.pick(["stage", "answer", ">sure", "why"], ["단계", "답", ">확신", "이유"]);
    let rows = report.stages.iter().map(|stage| {
        vec![
            stage.stage.clone(),
            stage.answer.clone().unwrap_or_else(|| "-".to_owned()),
            stage.confidence.map_or_else(|| "-".to_owned(), |sure| format!("{:.0} %", sure * 100.0)),
            stage.reason.clone(),
        ]
    });
    format!("{head}\n{}", table(&headings, rows))
}
