//! Writes docs/benchmarks.md: the machine, the date, the command, and what was found.

use super::Row;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// A section of the page.
pub(crate) struct Section {
    pub(crate) name: String,
    /// What stands under its heading, as Markdown.
    pub(crate) text: String,
}

/// The rows of a bench as a section's text.
pub(crate) fn table(name: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "`cargo xtask bench {name}`\n\n| what | nunchi | nginx | difference | goal |\n|---|---|---|---|---|\n"
    );
    for row in rows {
        let _infallible =
            writeln!(text, "| {} | {} | {} | {} | {} |", row.what, row.nunchi, row.peer, row.ratio, row.goal);
    }
    text.push('\n');
    text
}

/// Replaces the measured sections and keeps the others.
pub(crate) fn write(root: &Path, sections: &[Section]) -> Result<()> {
    let path = root.join("docs/benchmarks.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let mut page = heading()?;
    let mut kept: Vec<(String, String)> = old
        .split("\n## ")
        .skip(1)
        .map(|section| {
            (section.lines().next().unwrap_or("").to_owned(), format!("## {}\n\n", section.trim_end()))
        })
        .collect();
    for Section { name, text } in sections {
        let text = format!("## {name}\n\n{}\n\n", text.trim_end());
        match kept.iter_mut().find(|(old, _)| old == name) {
            Some(place) => place.1 = text,
            None => kept.push((name.clone(), text)),
        }
    }
    kept.iter().for_each(|(_, text)| page.push_str(text));
    std::fs::write(path, page.trim_end().to_owned() + "\n").context("docs/benchmarks.md")
}

fn heading() -> Result<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([':', ' ', '\t']));
    let cores = std::thread::available_parallelism()?.get();
    let date = String::from_utf8(Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?.stdout)?;
    Ok(format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench --write` on {}, on {model} with {cores} cores, which the load, the upstream, nginx\nand Nunchi share. Accounting, budgets and the exact cache are on. nginx is a plain reverse proxy with one worker.\n\n",
        date.trim()
    ))
}
