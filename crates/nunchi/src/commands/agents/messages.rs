//! `messages`: what agents told you, and what they will.

use super::super::Desk;
use super::{line, short};
use crate::failure::Failure;
use crate::render::table;
use http::Method;
use nunchi_core::{Reminder, ToldMessage};
use serde_json::json;

/// Shows what will be told later.
pub(crate) async fn upcoming(desk: &Desk) -> Result<(), Failure> {
    let found: Vec<Reminder> = desk.client.get("/api/reminders").await?;
    desk.show(&found, || {
        if found.is_empty() {
            return desk.lang.pick("No reminder is set.", "예정된 알림이 없습니다.").to_owned();
        }
        let rows = found.iter().map(|reminder| {
            let run = reminder.run.to_string();
            let due = reminder.due.strftime("%Y-%m-%d %H:%M").to_string();
            vec![due, short(&run).to_owned(), line(&reminder.text, 400)]
        });
        table(&desk.lang.pick(["due (UTC)", "run", "message"], ["예정(UTC)", "실행", "내용"]), rows)
    })
}

/// Shows what was not seen yet, and marks it as seen.
pub(crate) async fn messages(desk: &Desk, all: bool) -> Result<(), Failure> {
    let path = if all { "/api/messages?limit=200" } else { "/api/messages?unseen=true&limit=200" };
    let found: Vec<ToldMessage> = desk.client.get(path).await?;
    desk.show(&found, || {
        if found.is_empty() {
            return desk.lang.pick("There is nothing new.", "새 소식이 없습니다.").to_owned();
        }
        let rows = found.iter().rev().map(|message| {
            vec![
                message.at.strftime("%m-%d %H:%M").to_string(),
                short(&message.run.to_string()).to_owned(),
                line(&message.text, 400),
            ]
        });
        table(&desk.lang.pick(["at (UTC)", "run", "message"], ["시각(UTC)", "실행", "내용"]), rows)
    })?;
    if let Some(newest) = found.first() {
        let seen = json!({ "up_to": newest.number });
        let _left: Vec<ToldMessage> = desk.client.json(Method::POST, "/api/messages/seen", &seen).await?;
    }
    Ok(())
}
