//! The project's own tools: the architecture test, the test runner, the reference pages and the benches.

mod bench;
mod conformance;
mod docs;
mod learn;
mod peers;
mod test;
mod tidy;
mod workload;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask tidy                 check the architecture and the house numbers
cargo xtask test [--only STEP]   install what tests need and run everything
cargo xtask docs [--check]       write the generated reference pages, or check them
cargo xtask bench [NAME] [--write]  measure beside nginx
cargo xtask bench --suite savings --data DIR [--write]
                                 measure what is saved, and how fast
cargo xtask workload day|even-day|month --data DIR --out FILE
                                 write a workload for `nunchi replay`
cargo xtask train|eval [guard|route|select|compress] --data DIR
                                 train or measure what is learned";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let root = root()?;
    match words.as_slice() {
        ["tidy"] => tidy::run(&root),
        ["test"] => test::run(&root, None),
        ["test", "--only", step] => test::run(&root, Some(step)),
        ["bench"] => bench::run(&root, None, false),
        ["bench", "--write"] => bench::run(&root, None, true),
        ["bench", "--suite", "savings", "--data", data] => bench::savings(&root, data, false),
        ["bench", "--suite", "savings", "--data", data, "--write"] => bench::savings(&root, data, true),
        ["workload", which, "--data", data, "--out", file] => workload::run(which, data, file),
        ["bench", name] => bench::run(&root, Some(name), false),
        ["bench", name, "--write"] => bench::run(&root, Some(name), true),
        [what @ ("train" | "eval"), "--data", data] => learn::run(&root, what, None, data),
        [what @ ("train" | "eval"), part, "--data", data] => learn::run(&root, what, Some(part), data),
        ["docs"] => docs::run(&root, false),
        ["docs", "--check"] => docs::run(&root, true),
        _ => bail!("unknown command\n{USAGE}"),
    }
}

/// The workspace's folder.
fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).context("xtask has no parent folder")
}
