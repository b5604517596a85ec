//! A run as it happens: its steps on standard error, its answer on standard output, its questions where a person can answer.

use super::super::Desk;
use super::super::ask::{Lines, out};
use super::answer::{Question, ask_here};
use super::{line, short};
use crate::failure::Failure;
use crate::render::{dimmed, usd};
use http::Method;
use nunchi_core::{Lang, NanoUsd};
use serde_json::Value;
use std::io::IsTerminal;

/// How a run was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It ended.
    Ended,
    /// It waits for a person who is not here.
    Parked,
}

/// Follows a run from behind a step until it ends, or waits for somebody who does not answer here.
pub(super) async fn follow(desk: &Desk, run: &str, after: u64) -> Result<Left, Failure> {
    let path = format!("/api/runs/{run}/events?after={after}");
    let (_, pieces) = desk.client.send(Method::GET, &path, &Value::Null, &[]).await?;
    let mut lines = Lines::new(pieces);
    let mut event = String::new();
    let mut page = Page::new(desk);
    while let Some(text) = lines.next().await? {
        if let Some(name) = text.strip_prefix("event: ") {
            name.clone_into(&mut event);
        }
        let Some(data) = text.strip_prefix("data: ") else { continue };
        let data: Value = serde_json::from_str(data).map_err(|error| Failure::system("an event", error))?;
        if let Some(left) = page.take(run, &event, &data).await? {
            return Ok(left);
        }
    }
    Ok(Left::Ended)
}

/// What was shown so far.
struct Page<'a> {
    desk: &'a Desk,
    /// Whether text is shown as it comes.
    live: bool,
    shown: String,
    /// What was asked and not answered yet.
    open: Vec<Question>,
}

impl<'a> Page<'a> {
    fn new(desk: &'a Desk) -> Self {
        let live = !desk.json && std::io::stdout().is_terminal();
        Self { desk, live, shown: String::new(), open: Vec::new() }
    }

    /// Shows one event; tells how the run was left, once it is.
    async fn take(&mut self, run: &str, event: &str, data: &Value) -> Result<Option<Left>, Failure> {
        match event {
            "text" => self.text(data["text"].as_str().unwrap_or_default())?,
            "estimate" => self.aside(&estimate(data, self.desk.lang)),
            "planned" => self.aside(&plan(data, self.desk.lang)),
            "step" => self.step(data),
            "asked" => self.open.extend(Question::read(data)),
            "standing" if data["status"] == "parked" => return self.parked(run).await,
            "parked" => return self.parked(run).await,
            "end" => return self.end(data).map(Some),
            "stopped" => {
                let text = |name: &str| data[name].as_str().map(str::to_owned);
                let code = text("code").unwrap_or_default();
                let message = text("message").unwrap_or_default();
                return Err(Failure::Remote { code, message, hint: text("hint") });
            }
            _ => {}
        }
        Ok(None)
    }

    fn text(&mut self, piece: &str) -> Result<(), Failure> {
        self.shown.push_str(piece);
        if self.live { out(piece) } else { Ok(()) }
    }

    fn aside(&mut self, text: &str) {
        if self.desk.json || text.is_empty() {
            return;
        }
        if self.live && !self.shown.is_empty() {
            println!();
        }
        self.shown.clear();
        eprintln!("{}", dimmed(text, std::io::stderr().is_terminal()));
    }

    fn step(&mut self, step: &Value) {
        let text = |name: &str| step[name].as_str().unwrap_or_default();
        let said_anyway =
            matches!(text("kind"), "message" | "asked") || text("why") == "act" && text("kind") == "model";
        if said_anyway && text("status") == "ok" {
            return;
        }
        let cost: NanoUsd = text("cost_usd").parse().unwrap_or_default();
        let cost = if cost == NanoUsd::ZERO { String::new() } else { format!(" · {}", usd(cost)) };
        let mark = match text("status") {
            "ok" => "✓",
            "refused" => "✗",
            _ => "!",
        };
        let named = if text("tool").is_empty() { text("why") } else { text("tool") };
        let what = [named, text("input")].join(" ");
        let mut shown =
            format!("{mark} {:>3} {} · {} ms{cost}", step["step"], line(&what, 90), step["latency_ms"]);
        if text("status") != "ok" {
            shown.push_str(&format!("\n      {}", line(text("output"), 160)));
        }
        self.aside(&shown);
    }

    /// Asks the person at the terminal; without one it says how to answer from elsewhere.
    async fn parked(&mut self, run: &str) -> Result<Option<Left>, Failure> {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() && !self.desk.json && std::io::stdin().is_terminal() {
            let mut answered = true;
            for question in &open {
                self.aside(&question.shown(self.desk.lang));
                answered &= ask_here(self.desk, question).await?;
            }
            if answered {
                return Ok(None);
            }
        }
        for question in &open {
            self.aside(&question.shown(self.desk.lang));
        }
        let short = short(run);
        self.aside(&self.desk.lang.pick(
            format!("The run {short} waits for you: `nunchi approvals list`. Nothing runs and nothing is spent meanwhile."),
            format!("실행 {short}이(가) 기다리고 있습니다: `nunchi approvals list`. 그동안 아무것도 실행되지 않고 비용도 들지 않습니다."),
        ));
        Ok(Some(Left::Parked))
    }

    fn end(&mut self, run: &Value) -> Result<Left, Failure> {
        let text = |name: &str| run[name].as_str().unwrap_or_default();
        if self.desk.json {
            return Ok(Left::Ended);
        }
        let answer = text("text");
        if self.live && self.shown.trim() == answer.trim() {
            out("\n")?;
        } else if text("status") == "done" {
            out(&format!("{answer}\n"))?;
        }
        self.shown.clear();
        let cost: NanoUsd = text("total_cost_usd").parse().unwrap_or_default();
        let (steps, tokens, id) = (&run["steps"], &run["total_tokens"], short(text("id")));
        let money = usd(cost);
        self.aside(&self.desk.lang.pick(
            format!("{} · {steps} steps · {tokens} tokens · {money} · run {id}", text("mode")),
            format!("{} · {steps}단계 · {tokens} 토큰 · {money} · 실행 {id}", text("mode")),
        ));
        match text("status") {
            "done" => Ok(Left::Ended),
            status => Err(Failure::Remote {
                code: run["code"].as_str().unwrap_or("run.failed").to_owned(),
                message: format!("{status}: {}", if answer.is_empty() { text("reason") } else { answer }),
                hint: Some(format!("nunchi runs show {id}")),
            }),
        }
    }
}

fn estimate(data: &Value, lang: Lang) -> String {
    let (low, high) = (&data["turns_low"], &data["turns_high"]);
    let money = |name: &str| data[name].as_i64().map(|nano| usd(NanoUsd(nano)));
    let turns = if low == high { format!("{low}") } else { format!("{low}–{high}") };
    let cost = match (money("money_low"), money("money_high")) {
        (Some(low), Some(high)) if low != high => format!(", {low}–{high}"),
        (_, Some(high)) => format!(", {high}"),
        _ => String::new(),
    };
    lang.pick(format!("estimate: {turns} model turns{cost}"), format!("예상: 모델 호출 {turns}회{cost}"))
}

fn plan(data: &Value, lang: Lang) -> String {
    let nodes = data["nodes"].as_array().cloned().unwrap_or_default();
    let mut text = lang.pick("plan:", "계획:").to_owned();
    for node in nodes {
        let word = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
        let after: Vec<_> =
            node["after"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let after = if after.is_empty() { String::new() } else { format!(" ← {}", after.join(", ")) };
        text.push_str(&format!(
            "\n  {} {} ({}){after}",
            word("id"),
            line(&word("goal"), 100),
            word("effect")
        ));
    }
    text
}
