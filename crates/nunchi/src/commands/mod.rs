//! The commands: each asks the HTTP surface and shows the answer, as a table or as JSON.

mod agents;
mod ask;
mod batch;
mod budget;
mod cache;
mod chat;
mod compress;
mod config;
mod distill;
mod doctor;
mod eval;
mod export;
mod flow;
mod keys;
mod mcp;
mod memory;
mod models;
mod prices;
mod replay;
mod route;
mod skills;
mod stats;
mod top;
mod upkeep;

pub(crate) use agents::{approvals, explain_permission, messages, permissions, run, runs, upcoming};
pub(crate) use ask::ask;
pub(crate) use batch::batch;
pub(crate) use budget::{budget, usual_thresholds};
pub(crate) use cache::cache;
pub(crate) use chat::chat;
pub(crate) use compress::compress;
pub(crate) use config::config;
pub(crate) use distill::distill;
pub(crate) use doctor::doctor;
pub(crate) use eval::eval;
pub(crate) use flow::flow;
pub(crate) use keys::keys;
pub(crate) use mcp::mcp;
pub(crate) use memory::memory;
pub(crate) use models::models;
pub(crate) use prices::prices;
pub(crate) use replay::replay;
pub(crate) use route::route;
pub(crate) use skills::skills;
pub(crate) use stats::stats;
pub(crate) use top::top;
pub(crate) use upkeep::{backup, reference, restore};

use crate::client::Client;
use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use crate::local_currency::with_local;
use crate::render::printable;
use nunchi_core::Lang;
use serde::Serialize;
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// What every command has at hand.
pub(crate) struct Desk {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) lang: Lang,
    pub(crate) json: bool,
}

impl Desk {
    /// Shows a value: as JSON where that is wanted, else as text.
    pub(crate) fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { print_json(value) } else { print_line(&text()) }
    }

    /// The same for a value with amounts in these fields: JSON tells them in the owner's currency as well.
    pub(crate) fn show_money(
        &self,
        value: &impl Serialize,
        fields: &[&str],
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if !self.json {
            return print_line(&text());
        }
        let value = with_local(value, fields, &self.config.rate);
        print_json(&value.map_err(|error| Failure::system("JSON", error))?)
    }
}

/// Prints a line; a reader who went away is no failure. On a terminal, what others wrote cannot steer it.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let text = if out.is_terminal() { printable(text) } else { text.into() };
    let _reader_left = writeln!(out, "{text}");
    Ok(())
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::system("JSON", error))?;
    print_line(&text)
}

/// A value safe to stand in a path or query.
pub(crate) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The JSON objects of a file, one a line; the first line that does not fit is named.
pub(crate) fn json_lines(
    path: &Path,
    shape: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::system(&path.display().to_string(), error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).ok().filter(&fits).ok_or_else(|| {
                let place = format!("{}:{}", path.display(), number + 1);
                let [en, ko] = ["one JSON object a line is wanted", "한 줄에 JSON 객체 하나여야 합니다"];
                Failure::plain(
                    "data.line",
                    format!("{place}: {en}: {shape}"),
                    format!("{place}: {ko}: {shape}"),
                )
            })
        })
        .collect()
}
