//! A question of a run, shown to a person and answered at the terminal.

use super::super::Desk;
use super::super::ask::out;
use super::line;
use crate::failure::Failure;
use http::Method;
use nunchi_core::{Approval, ApprovalSubject, Lang};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// A question as the server tells it.
pub(super) struct Question {
    pub(super) approval: Approval,
    /// Why each call is asked about.
    pub(super) explained: Vec<String>,
}

impl Question {
    pub(super) fn read(data: &Value) -> Option<Self> {
        let approval = serde_json::from_value(data.clone()).ok()?;
        let explained = data["explained"].as_array().into_iter().flatten();
        let explained = explained.filter_map(|text| text.as_str().map(str::to_owned)).collect();
        Some(Self { approval, explained })
    }

    /// What is asked, with exact arguments and the change they would make.
    pub(super) fn shown(&self, lang: Lang) -> String {
        match &self.approval.subject {
            ApprovalSubject::Calls(calls) => {
                let mut text = String::new();
                for (at, call) in calls.iter().enumerate() {
                    let why = call.decision.explain(lang);
                    let why = self.explained.get(at).unwrap_or(&why);
                    text.push_str(&format!("? {} {}\n  {why}\n", call.tool, call.arguments));
                    for change in call.diff.iter().flat_map(|diff| diff.lines()) {
                        text.push_str(&format!("  {change}\n"));
                    }
                }
                text.truncate(text.trim_end().len());
                if let Some(rule) = self.rule() {
                    text.push_str(&lang.pick(format!("\n  always: {rule}"), format!("\n  항상: {rule}")));
                }
                text
            }
            ApprovalSubject::Plan(plan) => {
                let goals = plan.nodes.iter().map(|node| format!("\n  {} {}", node.id, node.goal));
                let ask = lang.pick("? Carry out this plan:", "? 이 계획대로 할까요?").to_owned();
                std::iter::once(ask).chain(goals).collect()
            }
            ApprovalSubject::Limit { used, raise, .. } => {
                let more = raise.map_or_else(String::new, |raise| format!(" (+${raise})"));
                lang.pick(
                    format!("? A limit is reached: {used}. Go on{more}?"),
                    format!("? 한도에 닿았습니다: {used}. 계속할까요{more}?"),
                )
            }
            ApprovalSubject::Question(question) => format!("? {question}"),
            ApprovalSubject::Fate(call) => lang.pick(
                format!("? Did this call happen? {} {}", call.tool, call.arguments),
                format!("? 이 호출이 실제로 일어났나요? {} {}", call.tool, call.arguments),
            ),
        }
    }

    /// One line for a list.
    pub(super) fn summary(&self, lang: Lang) -> String {
        line(self.shown(lang).trim_start_matches("? "), 80)
    }

    fn wants_words(&self) -> bool {
        matches!(self.approval.subject, ApprovalSubject::Question(_))
    }

    /// The rule that an answer for good would write: the tool and its values.
    pub(super) fn rule(&self) -> Option<String> {
        let rule = self.approval.subject.offered_grant()?;
        let value = |(name, value): (&String, &String)| format!(" {name}={}", line(value, 80));
        Some(rule.arguments.iter().map(value).fold(rule.tool.clone(), |text, value| text + &value))
    }
}

/// Sends an answer; returns the question as it then stands.
pub(super) async fn send(desk: &Desk, id: &str, answer: &Value) -> Result<Value, Failure> {
    desk.client.json(Method::POST, &format!("/api/approvals/{id}"), answer).await
}

/// Asks at the terminal; tells whether there was an answer.
pub(super) async fn ask_here(desk: &Desk, question: &Question) -> Result<bool, Failure> {
    let lang = desk.lang;
    let prompt = match (question.wants_words(), question.rule().is_some()) {
        (true, _) => "› ",
        (false, true) => {
            lang.pick("[y]es, [n]o, [a]lways, [l]ater › ", "[y] 승인, [n] 거부, [a] 항상, [l] 나중에 › ")
        }
        (false, false) => lang.pick("[y]es, [n]o, [l]ater › ", "[y] 승인, [n] 거부, [l] 나중에 › "),
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        out(prompt)?;
        let read = lines.next_line().await.map_err(|error| Failure::system("standard input", error))?;
        let Some(typed) = read else { return Ok(false) };
        let typed = typed.trim();
        let answer = match typed.to_lowercase().as_str() {
            "" => continue,
            _ if question.wants_words() => json!({ "answer": "reply", "text": typed }),
            "y" | "yes" | "네" | "예" => json!({ "answer": "approve" }),
            "n" | "no" | "아니오" | "아니요" => json!({ "answer": "deny" }),
            "a" | "always" | "항상" if question.rule().is_some() => {
                json!({ "answer": "approve", "grant": true })
            }
            "l" | "later" | "나중에" => return Ok(false),
            _ => continue,
        };
        send(desk, &question.approval.id.to_string(), &answer).await?;
        return Ok(true);
    }
}
