//! `ask`: one question, the answer streamed.

use super::Desk;
use crate::cli::Ask;
use crate::client::{Pieces, collect};
use crate::failure::Failure;
use crate::render::printable;
use futures_util::StreamExt;
use http::Method;
use nunchi_core::NanoUsd;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read, Write};

/// The largest question read from standard input, in bytes.
const MAX_INPUT: u64 = 4 << 20;

/// What is known of an answer.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) model: String,
    pub(crate) tier: Option<String>,
    pub(crate) cache: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// What it cost; known where the answer came whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<NanoUsd>,
    /// What the cache saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) saved: Option<NanoUsd>,
}

/// Asks once.
pub(crate) async fn ask(desk: &Desk, flags: &Ask) -> Result<(), Failure> {
    let question = question(flags)?;
    if flags.mode.is_some() {
        return super::agents::begin(desk, &question, flags).await;
    }
    let mut messages = Vec::new();
    if let Some(system) = &flags.system {
        messages.push(json!({ "role": "system", "content": system }));
    }
    messages.push(json!({ "role": "user", "content": question }));
    let mut headers = vec![("x-nunchi-task", "ask".to_owned())];
    headers.extend(flags.session.clone().map(|session| ("x-nunchi-session", session)));
    headers.extend(flags.no_cache.then(|| ("x-nunchi-cache", "no-store".to_owned())));
    let mut body = json!({ "model": flags.model, "messages": messages, "stream": true, "stream_options": { "include_usage": true } });
    if let Some(cap) = flags.max_tokens {
        body["max_tokens"] = json!(cap);
    }
    if desk.json {
        let answer = whole(desk, body, &headers).await?;
        return desk.show_money(&answer, &["cost", "saved"], String::new);
    }
    let answer = say(desk, &body, &headers, out).await?;
    out("\n")?;
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[2m{}\x1b[0m", footnote(&answer));
    }
    Ok(())
}

/// One line about an answer.
pub(crate) fn footnote(answer: &Answer) -> String {
    let tokens = format!("{} + {} tokens", answer.prompt_tokens, answer.completion_tokens);
    let parts = [Some(answer.model.clone()), answer.tier.clone(), answer.cache.clone(), Some(tokens)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Sends a chat completion and passes the pieces of its text on as they come.
pub(crate) async fn say(
    desk: &Desk,
    body: &Value,
    headers: &[(&'static str, String)],
    mut piece: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<Answer, Failure> {
    let (head, pieces) = desk.client.send(Method::POST, "/v1/chat/completions", body, headers).await?;
    let mut answer = begun(&head);
    let mut lines = Lines::new(pieces);
    while let Some(line) = lines.next().await? {
        let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") else { continue };
        let chunk: Value =
            serde_json::from_str(data).map_err(|error| Failure::system("the answer", error))?;
        if let Some(message) = chunk["error"]["message"].as_str() {
            let text = |name: &str| chunk["error"][name].as_str().map(str::to_owned);
            let code = text("code").unwrap_or_else(|| "upstream.failed".into());
            return Err(Failure::Remote { code, message: message.to_owned(), hint: text("hint") });
        }
        if let Some(text) = chunk["choices"][0]["delta"]["content"].as_str() {
            answer.text.push_str(text);
            piece(text)?;
        }
        answer.count(&chunk);
    }
    Ok(answer)
}

/// Asks for the answer in one piece: then its head tells what it cost.
pub(crate) async fn whole(
    desk: &Desk,
    mut body: Value,
    headers: &[(&'static str, String)],
) -> Result<Answer, Failure> {
    if let Some(body) = body.as_object_mut() {
        body.remove("stream");
        body.remove("stream_options");
    }
    let (head, pieces) = desk.client.send(Method::POST, "/v1/chat/completions", &body, headers).await?;
    let mut answer = begun(&head);
    let reply: Value = serde_json::from_slice(&collect(pieces).await?)
        .map_err(|error| Failure::system("the answer", error))?;
    answer.text = reply["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
    answer.count(&reply);
    let amount = |name: &str| head.get(name)?.to_str().ok()?.parse().ok();
    (answer.cost, answer.saved) = (amount("x-nunchi-cost-usd"), amount("x-nunchi-saved-usd"));
    Ok(answer)
}

/// What the head of an answer tells.
fn begun(head: &http::HeaderMap) -> Answer {
    let text_of = |name: &str| head.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Answer {
        model: text_of("x-nunchi-model").unwrap_or_default(),
        tier: text_of("x-nunchi-tier"),
        cache: text_of("x-nunchi-cache"),
        reason: text_of("x-nunchi-reason"),
        ..Answer::default()
    }
}

impl Answer {
    /// Takes the counts of a body or of an event, if it has any.
    fn count(&mut self, said: &Value) {
        let Some(usage) = said["usage"].as_object() else { return };
        let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        (self.prompt_tokens, self.completion_tokens) = (count("prompt_tokens"), count("completion_tokens"));
    }
}

/// Writes a piece at once.
pub(crate) fn out(piece: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    let text = if stdout.is_terminal() { printable(piece) } else { piece.into() };
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::system("output", error))
}

/// The question: the words, or standard input for `-`, nothing, or a pipe.
fn question(flags: &Ask) -> Result<String, Failure> {
    let words = flags.text.join(" ");
    let piped = !std::io::stdin().is_terminal();
    let text = match words.as_str() {
        "-" | "" if piped || words == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_INPUT)
                .read_to_string(&mut text)
                .map_err(|error| Failure::system("standard input", error))?;
            text
        }
        _ => words,
    };
    if text.trim().is_empty() {
        return Err(Failure::plain("ask.empty", "there is no question", "질문이 없습니다")
            .with_hint("nunchi ask \"What is 2+2?\"", "nunchi ask \"2+2는 뭐야?\""));
    }
    Ok(text)
}

/// The lines of a streamed body, whatever pieces it came in.
pub(crate) struct Lines {
    pieces: Pieces,
    buffer: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(pieces: Pieces) -> Self {
        Self { pieces, buffer: Vec::new() }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            match self.pieces.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    return Ok(Some(String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()));
                }
            }
        }
    }
}
