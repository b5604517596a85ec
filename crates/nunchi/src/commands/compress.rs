//! `compress`: what of a recorded request would be sent shorter.

use super::Desk;
use crate::cli::CompressCommand;
use crate::failure::Failure;
use crate::render::{grouped, table};
use http::Method;
use nunchi_core::CompressMode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::io::Read;
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Report {
    mode: String,
    model: String,
    tokens_before: u64,
    tokens_after: u64,
    parts: Vec<ReportedPart>,
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ReportedPart {
    message: usize,
    messages: usize,
    kind: String,
    tokens_before: u64,
    tokens_after: u64,
    recall_id: Option<String>,
    why_not: Option<String>,
}

/// Runs a compress command.
pub(crate) async fn compress(desk: &Desk, command: &CompressCommand) -> Result<(), Failure> {
    let CompressCommand::Explain { file, mode } = command;
    let mode: CompressMode = mode.parse().map_err(|word| {
        Failure::plain(
            "compress.mode",
            format!("\"{word}\" is none of off, results, history, auto"),
            format!("\"{word}\"은(는) off, results, history, auto 중 하나가 아닙니다"),
        )
    })?;
    let request = recorded(file)?;
    let body = json!({ "request": request, "mode": mode });
    let report: Report = desk.client.json(Method::POST, "/api/compress/explain", &body).await?;
    desk.show(&report, || explain(desk, &report))
}

/// The recorded body, as it was written.
fn recorded(file: &Path) -> Result<Box<RawValue>, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::system(&file.display().to_string(), error);
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map_err(|error| named(&error))?;
    } else {
        text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    }
    serde_json::from_str(text.trim()).map_err(|error| named(&error))
}

fn explain(desk: &Desk, report: &Report) -> String {
    let lang = desk.lang;
    let (before, after) = (grouped(report.tokens_before), grouped(report.tokens_after));
    let share = (report.tokens_after * 100).checked_div(report.tokens_before).unwrap_or(0);
    let (mode, model) = (&report.mode, &report.model);
    let head = lang.pick(
        format!("{mode}, {model}: {before} tokens would be sent as {after} ({share} %)"),
        format!("{mode}, {model}: {before}토큰을 {after}토큰으로 보냅니다({share} %)"),
    );
    let headings = lang.pick(
        ["message", "what", ">before", ">after", "recall id", "why not"],
        ["메시지", "종류", ">전", ">후", "원본 id", "줄이지 않은 이유"],
    );
    let rows = report.parts.iter().map(|part| {
        let place = match part.messages {
            0 | 1 => part.message.to_string(),
            many => format!("{}-{}", part.message, part.message + many - 1),
        };
        vec![
            place,
            part.kind.clone(),
            grouped(part.tokens_before),
            grouped(part.tokens_after),
            part.recall_id.clone().unwrap_or_else(|| "-".to_owned()),
            part.why_not.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let notes: String = report.notes.iter().map(|note| format!("\n{note}")).collect();
    format!("{head}\n{}{notes}", table(&headings, rows))
}
