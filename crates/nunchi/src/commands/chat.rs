//! `chat`: a conversation in the terminal.

use super::ask::{footnote, out, say};
use super::{Desk, print_line};
use crate::cli::Chat;
use crate::failure::Failure;
use crate::render::{grouped, local, usd};
use nunchi_core::Total;
use serde_json::{Value, json};
use std::io::IsTerminal;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Talks until the person leaves.
pub(crate) async fn chat(desk: &Desk, flags: &Chat) -> Result<(), Failure> {
    let session = format!("chat-{}", uuid::Uuid::now_v7().simple());
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
    let headers = [("x-nunchi-task", "chat".to_owned()), ("x-nunchi-session", session.to_owned())];
    match say(desk, &body, &headers, out).await {
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
