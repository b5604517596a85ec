//! Trains and measures what is learned: the examples of `saving`, run on a folder of development data.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// What is learned, by the part of `saving` that uses it.
const PARTS: [&str; 4] = ["guard", "route", "select", "compress"];

/// Runs the trainer or the measurement of a part, or of all parts that have one.
pub(crate) fn run(root: &Path, what: &str, part: Option<&str>, data: &str) -> Result<()> {
    if let Some(part) = part.filter(|part| !PARTS.contains(part)) {
        bail!("`{part}` is none of {}", PARTS.join(", "));
    }
    let data = std::path::absolute(data).context("the folder of data")?;
    for name in PARTS.iter().filter(|name| part.is_none_or(|part| part == **name)) {
        let example = format!("{what}_{name}");
        if !root.join(format!("crates/saving/examples/{example}.rs")).exists() {
            if part.is_some() {
                bail!("there is nothing to {what} in `{name}`");
            }
            continue;
        }
        println!("== {example}");
        let status = Command::new("cargo")
            .current_dir(root)
            .args(["run", "--release", "-q", "-p", "nunchi-saving", "--example", &example])
            .args(["--config", "profile.release.lto=false", "--config", "profile.release.codegen-units=16"])
            .arg("--")
            .arg("--data")
            .arg(&data)
            .status()
            .context("cargo")?;
        if !status.success() {
            bail!("{example} failed");
        }
    }
    Ok(())
}
