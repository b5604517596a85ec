//! Agents at the command line: a run is begun, followed, stopped, taken back; what runs ask is answered.

mod answer;
mod approvals;
mod begin;
mod follow;
mod messages;
mod permission;
mod runs;
mod workflow;

pub(crate) use approvals::approvals;
pub(crate) use begin::begin;
pub(crate) use messages::{messages, upcoming};
pub(crate) use permission::{explain_permission, permissions};
pub(crate) use runs::runs;
pub(crate) use workflow::run;

use super::Desk;
use crate::failure::Failure;
use serde_json::Value;

/// Names the newest of a list.
const LAST: &str = "last";

/// The one id that a person means: `last`, or written whole, or enough of its beginning or end to tell it apart.
pub(super) async fn find(desk: &Desk, path: &str, list: &str, typed: &str) -> Result<String, Failure> {
    if typed.parse::<uuid::Uuid>().is_ok() {
        return Ok(typed.to_owned());
    }
    let all: Value = desk.client.get(path).await?;
    let items = all.get(list).unwrap_or(&all).as_array().cloned().unwrap_or_default();
    let ids: Vec<_> = items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect();
    if let (LAST, Some(newest)) = (typed, ids.first()) {
        return Ok(newest.clone());
    }
    let mut fitting = ids.iter().filter(|id| id.starts_with(typed) || id.ends_with(typed));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) if typed.len() >= 4 => Ok(id.clone()),
        (Some(_), _) => Err(Failure::plain(
            "id.ambiguous",
            format!("`{typed}` fits several"),
            format!("`{typed}`에 맞는 것이 여럿입니다"),
        )
        .with_hint(
            "Write more of the id, four characters at least.",
            "id를 더 길게(네 글자 이상) 적으세요.",
        )),
        (None, _) => Err(Failure::plain(
            "id.unknown",
            format!("nothing has the id `{typed}`"),
            format!("`{typed}`라는 id는 없습니다"),
        )),
    }
}

/// The end of an id, by which people tell runs apart.
pub(super) fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

/// One line of a longer text.
pub(super) fn line(text: &str, most: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}
