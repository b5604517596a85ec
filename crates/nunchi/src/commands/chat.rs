//! `chat`: a conversation in the terminal, or as JSON lines.

use super::ask::{footnote, out, say, whole};
use super::{Desk, print_line};
use crate::cli::Chat;
use crate::failure::Failure;
use crate::local_currency::with_local;
use crate::render::{grouped, local, usd};
use nunchi_core::Total;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::IsTerminal;
use tokio::io::{AsyncBufReadExt, BufReader};

/// One line of a conversation as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// What is said.
    text: String,
    /// The model from now on.
    model: Option<String>,
    /// Whether the conversation begins anew.
    #[serde(default)]
    new: bool,
}

/// Talks until the person leaves, or the lines end.
pub(crate) async fn chat(desk: &Desk, flags: &Chat) -> Result<(), Failure> {
    let session = format!("chat-{}", uuid::Uuid::now_v7().simple());
    if desk.json {
        return in_json(desk, flags, &session).await;
    }
    let mut model = flags.model.clone();
    let mut messages = opening(flags);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    print_line(desk.lang.pick("/model NAME, /new, /cost, /quit", "/model 이름, /new, /cost, /quit"))?;
    loop {
        out("› ")?;
        let Some(line) = lines.next_line().await.map_err(|error| Failure::system("standard input", error))?
        else {
            return Ok(());
        };
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => return Ok(()),
            "/new" => messages = opening(flags),
            "/cost" => cost(desk, &session).await?,
            command if command.starts_with("/model") => {
                let name = command.trim_start_matches("/model").trim();
                if !name.is_empty() {
                    name.clone_into(&mut model);
                }
                print_line(&model)?;
            }
            text => {
                messages.push(json!({ "role": "user", "content": text }));
                turn(desk, &model, &session, &mut messages).await?;
            }
        }
    }
}

/// A JSON object on every line in; for each a line out: the answer, or `{"error": …}`, after which the conversation goes on without it.
async fn in_json(desk: &Desk, flags: &Chat, session: &str) -> Result<(), Failure> {
    let mut model = flags.model.clone();
    let mut messages = opening(flags);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) =
        lines.next_line().await.map_err(|error| Failure::system("standard input", error))?
    {
        if line.trim().is_empty() {
            continue;
        }
        let answer = match said(&line) {
            Ok(said) => {
                if said.new {
                    messages = opening(flags);
                }
                model = said.model.unwrap_or(model);
                answered(desk, &model, session, (&mut messages, said.text)).await
            }
            Err(failure) => Err(failure),
        };
        let shown = answer.unwrap_or_else(|failure| {
            json!({ "error": { "code": failure.code(), "message": failure.message(desk.lang), "hint": failure.hint(desk.lang) } })
        });
        print_line(&shown.to_string())?;
    }
    Ok(())
}

fn said(line: &str) -> Result<Said, Failure> {
    serde_json::from_str::<Said>(line).ok().filter(|said| !said.text.trim().is_empty()).ok_or_else(|| {
        Failure::plain("chat.line", "this is no line of a conversation", "대화의 한 줄이 아닙니다").with_hint(
            r#"{"text": "Hello", "model": "auto", "new": true}; text is needed."#,
            r#"{"text": "안녕", "model": "auto", "new": true}; text는 꼭 있어야 합니다."#,
        )
    })
}

/// The answer to what is said, which stays in the conversation only if there is one.
async fn answered(
    desk: &Desk,
    model: &str,
    session: &str,
    (messages, text): (&mut Vec<Value>, String),
) -> Result<Value, Failure> {
    let mut with_it = messages.clone();
    with_it.push(json!({ "role": "user", "content": text }));
    let body = json!({ "model": model, "messages": with_it });
    let answer = whole(desk, body, &headers(session)).await?;
    with_it.push(json!({ "role": "assistant", "content": answer.text }));
    *messages = with_it;
    with_local(&answer, &["cost", "saved"], &desk.config.rate).map_err(|error| Failure::system("JSON", error))
}

fn headers(session: &str) -> [(&'static str, String); 2] {
    [("x-nunchi-task", "chat".to_owned()), ("x-nunchi-session", session.to_owned())]
}

/// Text that steps back, where a person looks.
fn dim(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
}

/// What the conversation has cost so far.
async fn cost(desk: &Desk, session: &str) -> Result<(), Failure> {
    let answer: Spent = desk.client.get(&format!("/api/stats?by=all&session={session}")).await?;
    let Total { calls, cost, usage, .. } = answer.total;
    let (money, tokens) = (usd(cost), grouped(usage.total_tokens()));
    let own = local(cost, &desk.config.rate.currency);
    print_line(&desk.lang.pick(
        format!("{calls} calls, {tokens} tokens, {money} ({own})"),
        format!("호출 {calls}개, {tokens} 토큰, {money} ({own})"),
    ))
}

#[derive(serde::Deserialize)]
struct Spent {
    total: Total,
}

fn opening(flags: &Chat) -> Vec<Value> {
    flags.system.iter().map(|system| json!({ "role": "system", "content": system })).collect()
}

/// One question and its answer; a failed call is told and the conversation goes on without it.
async fn turn(desk: &Desk, model: &str, session: &str, messages: &mut Vec<Value>) -> Result<(), Failure> {
    let body = json!({ "model": model, "messages": messages, "stream": true, "stream_options": { "include_usage": true } });
    match say(desk, &body, &headers(session), out).await {
        Ok(answer) => {
            print_line(&format!("\n{}", dim(&footnote(&answer))))?;
            messages.push(json!({ "role": "assistant", "content": answer.text }));
        }
        Err(failure) => {
            messages.pop();
            print_line(&format!("\n{} [{}]", failure.message(desk.lang), failure.code()))?;
            if let Some(hint) = failure.hint(desk.lang) {
                print_line(&hint)?;
            }
        }
    }
    Ok(())
}
