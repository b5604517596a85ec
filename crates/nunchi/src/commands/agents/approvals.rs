//! `approvals`: what runs ask, and the answers.

use super::super::Desk;
use super::answer::{Question, send};
use super::follow::follow;
use super::{find, short};
use crate::cli::ApprovalsCommand;
use crate::failure::Failure;
use crate::render::table;
use serde_json::{Value, json};

/// Runs an approvals command.
pub(crate) async fn approvals(desk: &Desk, command: &ApprovalsCommand) -> Result<(), Failure> {
    match command {
        ApprovalsCommand::List { all } => {
            let path = if *all { "/api/approvals?all=true" } else { "/api/approvals" };
            let questions: Value = desk.client.get(path).await?;
            desk.show(&questions, || list(desk, &questions))
        }
        ApprovalsCommand::Show { id } => {
            let id = find(desk, "/api/approvals?all=true", "", id).await?;
            let question: Value = desk.client.get(&format!("/api/approvals/{id}")).await?;
            desk.show(&question, || {
                Question::read(&question).map(|question| question.shown(desk.lang)).unwrap_or_default()
            })
        }
        ApprovalsCommand::Approve { id, always } => {
            let grant = always.then_some(true);
            answer(desk, id, &json!({ "answer": "approve", "grant": grant })).await
        }
        ApprovalsCommand::Deny { id, because } => {
            answer(desk, id, &json!({ "answer": "deny", "reason": because })).await
        }
        ApprovalsCommand::Reply { id, text } => {
            answer(desk, id, &json!({ "answer": "reply", "text": text.join(" ") })).await
        }
    }
}

/// Answers, then stays with the run where no server would drive it on.
async fn answer(desk: &Desk, id: &str, answer: &Value) -> Result<(), Failure> {
    let id = find(desk, "/api/approvals", "", id).await?;
    let question: Value = desk.client.get(&format!("/api/approvals/{id}")).await?;
    let rule = Question::read(&question).and_then(|question| question.rule());
    let rule = rule.filter(|_| answer["grant"] == true);
    let run = question["run"].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/runs/{run}");
    let before: Value = desk.client.get(&path).await?;
    let last =
        before["steps"].as_array().and_then(|steps| steps.last()).and_then(|step| step["step"].as_u64());
    let answered = send(desk, &id, answer).await?;
    if let Some(rule) = rule.filter(|_| !desk.json) {
        super::super::print_line(
            &desk.lang.pick(format!("Allowed from now on: {rule}"), format!("이제부터 허용합니다: {rule}")),
        )?;
    }
    if desk.json && desk.client.is_remote() {
        return super::super::print_json(&answered);
    }
    if desk.client.is_remote() {
        let short = short(&run);
        return super::super::print_line(&desk.lang.pick(
            format!("Answered; the run {short} goes on. `nunchi runs watch {short}` follows it."),
            format!(
                "답했습니다. 실행 {short}이(가) 이어집니다. `nunchi runs watch {short}`로 볼 수 있습니다."
            ),
        ));
    }
    follow(desk, &run, last.unwrap_or(0)).await?;
    if desk.json { super::super::print_json(&answered) } else { Ok(()) }
}

fn list(desk: &Desk, questions: &Value) -> String {
    let lang = desk.lang;
    let found: Vec<_> = questions.as_array().into_iter().flatten().filter_map(Question::read).collect();
    if found.is_empty() {
        return lang.pick("Nothing waits for you.", "기다리는 것이 없습니다.").to_owned();
    }
    let rows = found.iter().map(|question| {
        let approval = &question.approval;
        vec![
            short(&approval.id.to_string()).to_owned(),
            short(&approval.run.to_string()).to_owned(),
            question.summary(lang),
            approval.expires.strftime("%m-%d %H:%M").to_string(),
        ]
    });
    let headings = lang.pick(["id", "run", "what", "until (UTC)"], ["id", "실행", "내용", "기한(UTC)"]);
    let help = lang
        .pick("nunchi approvals show|approve|deny|reply ID", "nunchi approvals show|approve|deny|reply ID");
    format!("{}\n{help}", table(&headings, rows))
}
