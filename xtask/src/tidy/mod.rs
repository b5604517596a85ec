//! The architecture test: allowed edges, house numbers, texts that must not be there. Reports everything at once.

mod edges;
mod house;
mod texts;

use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// A rule that is broken somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) hint: String,
}

impl Finding {
    pub(crate) fn new(file: &str, line: usize, rule: &'static str, hint: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, rule, hint: hint.into() }
    }
}

/// A tracked or new text file.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Checks the whole tree.
pub(crate) fn run(root: &Path) -> Result<()> {
    let sources = sources(root)?;
    let mut findings = edges::check(&sources);
    for source in &sources {
        findings.extend(house::check(source));
        findings.extend(texts::check(source));
    }
    for found in &findings {
        eprintln!("{}:{}: {}: {}", found.file, found.line, found.rule, found.hint);
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to say", sources.len());
        return Ok(());
    }
    bail!("tidy: {} findings", findings.len())
}

/// All text files git knows or would add.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    let names = String::from_utf8(listed.stdout)?;
    let read = |name: &str| {
        let text = std::fs::read_to_string(root.join(name)).ok()?;
        Some(Source { path: name.to_owned(), text })
    };
    Ok(names.lines().filter_map(read).collect())
}
