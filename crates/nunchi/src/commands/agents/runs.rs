//! `runs`: what agents did and do.

use super::super::{Desk, escaped};
use super::follow::follow;
use super::{find, line, short};
use crate::cli::{RunsCommand, RunsWanted};
use crate::failure::Failure;
use crate::render::{table, usd};
use http::Method;
use nunchi_core::{Lang, NanoUsd, UndoReport, UndoStatus};
use serde_json::{Value, json};

const ALL: &str = "/api/runs?limit=500&sub_agents=true";

/// Runs a runs command.
pub(crate) async fn runs(desk: &Desk, command: &RunsCommand) -> Result<(), Failure> {
    match command {
        RunsCommand::List(wanted) => list_runs(desk, wanted).await,
        RunsCommand::Show { id } => {
            let id = find(desk, ALL, "runs", id).await?;
            let run: Value = desk.client.get(&format!("/api/runs/{id}")).await?;
            desk.show(&run, || shown(&run, desk.lang))
        }
        RunsCommand::Watch { id } => {
            let id = find(desk, ALL, "runs", id).await?;
            follow(desk, &id, 0).await.map(|_| ())
        }
        RunsCommand::Cancel { id } => {
            let id = find(desk, ALL, "runs", id).await?;
            let run: Value =
                desk.client.json(Method::POST, &format!("/api/runs/{id}/cancel"), &json!({})).await?;
            desk.show(&run, || state_of(&run, desk.lang))
        }
        RunsCommand::Resume { id, from: Some(node) } => {
            let id = find(desk, ALL, "runs", id).await?;
            let path = format!("/api/runs/{id}/resume");
            let run: Value = desk.client.json(Method::POST, &path, &json!({ "from": node })).await?;
            follow(desk, run["id"].as_str().unwrap_or_default(), 0).await.map(|_| ())
        }
        RunsCommand::Resume { id, from: None } => {
            let id = find(desk, ALL, "runs", id).await?;
            let before: Value = desk.client.get(&format!("/api/runs/{id}")).await?;
            let last = before["steps"].as_array().map_or(0, Vec::len) as u64;
            let run: Value =
                desk.client.json(Method::POST, &format!("/api/runs/{id}/resume"), &json!({})).await?;
            if !desk.client.is_remote() && !desk.json {
                return follow(desk, &id, last).await.map(|_| ());
            }
            desk.show(&run, || state_of(&run, desk.lang))
        }
        RunsCommand::Undo { id, step, dry_run, redo } => {
            let id = find(desk, ALL, "runs", id).await?;
            let wish = json!({ "step": step, "dry_run": dry_run, "redo": redo });
            let report: UndoReport =
                desk.client.json(Method::POST, &format!("/api/runs/{id}/undo"), &wish).await?;
            desk.show(&report, || undone(&report, *redo, desk.lang))
        }
    }
}

/// One page of runs, the newest first.
async fn list_runs(desk: &Desk, wanted: &RunsWanted) -> Result<(), Failure> {
    let mode = wanted.mode.map(|mode| mode.name().to_owned());
    let after = match &wanted.after {
        Some(id) => Some(find(desk, ALL, "runs", id).await?),
        None => None,
    };
    let mut path = format!("/api/runs?limit={}", wanted.limit);
    for (name, value) in [
        ("status", &wanted.status),
        ("mode", &mode),
        ("session", &wanted.session),
        ("origin", &wanted.origin),
        ("owner", &wanted.owner),
        ("since", &wanted.since),
        ("after", &after),
    ] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    let found: Value = desk.client.get(&path).await?;
    desk.show(&found["runs"], || format!("{}{}", list(desk, &found["runs"]), older(desk, &found["next"])))
}

fn money(run: &Value) -> String {
    usd(run["total_cost_usd"].as_str().and_then(|text| text.parse::<NanoUsd>().ok()).unwrap_or_default())
}

/// How to see the next page, if there is one.
fn older(desk: &Desk, next: &Value) -> String {
    let Some(next) = next.as_str().map(short) else { return String::new() };
    desk.lang.pick(
        format!("\nOlder ones: nunchi runs list --after {next}"),
        format!("\n이전 실행: nunchi runs list --after {next}"),
    )
}

fn list(desk: &Desk, runs: &Value) -> String {
    let runs = runs.as_array().cloned().unwrap_or_default();
    if runs.is_empty() {
        return desk.lang.pick("There are no runs.", "실행이 없습니다.").to_owned();
    }
    let rows = runs.iter().map(|run| {
        let text = |name: &str| run[name].as_str().unwrap_or_default();
        vec![
            short(text("id")).to_owned(),
            text("created").get(..16).unwrap_or_default().replace('T', " "),
            origin_of(run),
            text("mode").to_owned(),
            text("status").to_owned(),
            run["steps"].to_string(),
            money(run),
            line(text("user_input"), 50),
        ]
    });
    let headings = desk.lang.pick(
        ["id", "begun (UTC)", "from", "mode", "status", ">steps", ">cost", "goal"],
        ["id", "시작(UTC)", "출처", "방식", "상태", ">단계", ">비용", "목표"],
    );
    table(&headings, rows)
}

/// Where a run came from: the door, and what the client calls itself.
fn origin_of(run: &Value) -> String {
    let origin = &run["origin"];
    let door = origin["door"].as_str().unwrap_or_default();
    origin["client"].as_str().map_or_else(|| door.to_owned(), |client| format!("{door} {client}"))
}

fn shown(run: &Value, lang: Lang) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = run["steps"].as_array().into_iter().flatten().map(|step| {
        let cost: NanoUsd = step["cost_usd"].as_str().and_then(|cost| cost.parse().ok()).unwrap_or_default();
        vec![
            step["step"].to_string(),
            text(&step["kind"]),
            line(&format!("{} {}", named(step), text(&step["input"])), 44),
            line(&text(&step["output"]), 44),
            step["tokens"].to_string(),
            if cost == NanoUsd::ZERO { String::new() } else { usd(cost) },
            step["latency_ms"].to_string(),
            text(&step["status"]),
        ]
    });
    let headings = lang.pick(
        [">step", "kind", "in", "out", ">tokens", ">cost", ">ms", "status"],
        [">단계", "종류", "입력", "출력", ">토큰", ">비용", ">ms", "상태"],
    );
    let steps = table(&headings, rows);
    let answer = text(&run["outcome"]["text"]);
    let mut page = format!("{}\n{}\n{steps}", text(&run["user_input"]), state_of(run, lang));
    if !answer.is_empty() {
        page.push_str(&format!("\n{answer}"));
    }
    for (name, what) in [
        ("unmet", lang.pick("not reached", "이루지 못함")),
        ("unbacked", lang.pick("said without a receipt", "증거 없이 말함")),
        ("uncertain", lang.pick("perhaps done", "했는지 알 수 없음")),
        ("sources", lang.pick("source", "출처")),
    ] {
        for item in run["outcome"][name].as_array().into_iter().flatten() {
            page.push_str(&format!("\n{what}: {}", text(item)));
        }
    }
    page
}

/// What a step was: its tool or model, else what it was for.
fn named(step: &Value) -> &str {
    let tool = step["tool"].as_str().filter(|tool| !tool.is_empty());
    tool.or(step["why"].as_str()).unwrap_or_default()
}

/// Where a run stands, in a line.
fn state_of(run: &Value, lang: Lang) -> String {
    let text = |name: &str| run[name].as_str().unwrap_or_default();
    let id = if text("run_id").is_empty() { text("id") } else { text("run_id") };
    let reason = if text("reason").is_empty() { String::new() } else { format!(": {}", text("reason")) };
    let (tokens, cost, from) = (&run["total_tokens"], money(run), origin_of(run));
    lang.pick(
        format!(
            "{} · {from} · {} · {tokens} tokens · {cost} · {}{reason}",
            short(id),
            text("mode"),
            text("status")
        ),
        format!(
            "{} · {from} · {} · {tokens} 토큰 · {cost} · {}{reason}",
            short(id),
            text("mode"),
            text("status")
        ),
    )
}

fn undone(report: &UndoReport, redo: bool, lang: Lang) -> String {
    if report.steps.is_empty() {
        return lang.pick("There is nothing to take back.", "되돌릴 것이 없습니다.").to_owned();
    }
    let word = |status: UndoStatus| match (status, redo) {
        (UndoStatus::Undone, false) => lang.pick("taken back", "되돌림"),
        (UndoStatus::Undone, true) => lang.pick("done again", "다시 적용"),
        (UndoStatus::Partly, _) => lang.pick("partly", "일부만"),
        (UndoStatus::Conflict, _) => lang.pick("left alone", "그대로 둠"),
        (UndoStatus::Impossible, _) => lang.pick("cannot be taken back", "되돌릴 수 없음"),
        (UndoStatus::Already, _) => lang.pick("was so before", "이미 그러함"),
    };
    let mut page = String::new();
    if report.dry_run {
        page.push_str(
            lang.pick("Only a look; nothing was changed.\n", "미리 보기입니다. 바꾼 것은 없습니다.\n"),
        );
    }
    let rows = report.steps.iter().map(|step| {
        let about = std::iter::once(&step.summary).chain(&step.conflicts);
        let about: Vec<_> = about.filter(|text| !text.is_empty()).cloned().collect();
        vec![step.number.to_string(), step.tool.clone(), word(step.status).to_owned(), about.join("\n")]
    });
    let headings = lang.pick([">step", "tool", "undo", "about"], [">단계", "도구", "되돌리기", "설명"]);
    page.push_str(&table(&headings, rows));
    page
}
