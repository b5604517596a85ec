//! The generated reference pages: written by the binary itself, checked by the tests.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// The page's name and the word that makes the binary print it.
const PAGES: [(&str, &str); 3] = [("cli.md", "cli"), ("config.md", "config"), ("openapi.json", "openapi")];

/// Writes the pages, or checks that they are as the binary prints them.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let folder = root.join("docs/reference");
    std::fs::create_dir_all(&folder)?;
    let mut stale = Vec::new();
    for (file, word) in PAGES {
        let printed = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "nunchi", "--", "reference", word])
            .current_dir(root)
            .env("LANG", "C.UTF-8")
            .output()?;
        if !printed.status.success() {
            bail!("`nunchi reference {word}` failed: {}", String::from_utf8_lossy(&printed.stderr));
        }
        let path = folder.join(file);
        if !check {
            std::fs::write(&path, &printed.stdout).with_context(|| format!("cannot write {file}"))?;
        } else if std::fs::read(&path).unwrap_or_default() != printed.stdout {
            stale.push(file);
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!("docs/reference is stale: {}; run `cargo xtask docs`", stale.join(", "))
    }
}
