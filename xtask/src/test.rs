//! Runs everything that must hold, step by step, and says how to repeat a step that failed.

use crate::peers::{self, Peers, run as shell};
use crate::{docs, tidy};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A step of the test run.
struct Step {
    name: &'static str,
    /// Whether it needs the installed peers.
    peers: bool,
    run: fn(&Path, Option<&Peers>) -> Result<()>,
}

const STEPS: [Step; 11] = [
    Step {
        name: "format",
        peers: false,
        run: |root, _| shell(cargo(root).args(["fmt", "--all", "--check"])),
    },
    Step { name: "tidy", peers: false, run: |root, _| tidy::run(root) },
    Step { name: "lint", peers: false, run: |root, _| shell(cargo(root).args(LINT)) },
    Step { name: "rust", peers: true, run: |root, _| rust(root) },
    Step { name: "build", peers: false, run: |root, _| shell(cargo(root).args(BUILD)) },
    Step { name: "docs", peers: false, run: |root, _| docs::run(root, true) },
    Step { name: "python-sdks", peers: true, run: |root, peers| python(root, peers) },
    Step { name: "js-sdks", peers: true, run: |root, peers| node(root, peers, "tests/sdk") },
    Step { name: "conformance", peers: true, run: conformance },
    Step { name: "console", peers: true, run: |root, peers| node(root, peers, "tests/console") },
    Step { name: "metrics", peers: true, run: |root, _| metrics(root) },
];

const LINT: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const BUILD: [&str; 7] =
    ["build", "--package", "nunchi", "--package", "nunchi-testkit", "--package", "nunchi-tools"];

/// Runs all steps, or one.
pub(crate) fn run(root: &Path, only: Option<&str>) -> Result<()> {
    let steps: Vec<_> = STEPS.iter().filter(|step| only.is_none_or(|only| only == step.name)).collect();
    if steps.is_empty() {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no such step; the steps are {}", names.join(", "));
    }
    let peers = if steps.iter().any(|step| step.peers) { Some(peers::install(root)?) } else { None };
    for (passed, step) in steps.iter().enumerate() {
        println!("\n== {}", step.name);
        let begun = Instant::now();
        if let Err(error) = (step.run)(root, peers.as_ref()) {
            println!("\n{passed} passed, 1 failed");
            bail!("{error:#}\nrepeat it with: cargo xtask test --only {}", step.name);
        }
        println!("== {} passed in {} s", step.name, begun.elapsed().as_secs());
    }
    println!("\n{} passed, 0 failed", steps.len());
    Ok(())
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root);
    command
}

/// What holds tests. Examples are checked by the linter; linking them takes gigabytes for nothing.
const TARGETS: [&str; 3] = ["--lib", "--bins", "--tests"];

/// The Rust tests, with nextest where it is installed.
fn rust(root: &Path) -> Result<()> {
    let nextest =
        cargo(root).args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    if nextest {
        shell(cargo(root).args(["nextest", "run", "--workspace"]).args(TARGETS))
    } else {
        shell(cargo(root).args(["test", "--workspace"]).args(TARGETS))
    }
}

/// Where the binaries are.
fn built(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into).join("debug")
}

fn conformance(root: &Path, peers: Option<&Peers>) -> Result<()> {
    let Some(peers) = peers else { bail!("the peers are not installed") };
    crate::conformance::run(root, peers, &built(root))
}

/// Environment that tells black-box tests where the binaries and peers are.
fn black_box(command: &mut Command, root: &Path) {
    let built = built(root);
    command
        .current_dir(root)
        .env("MCP_FIXTURE_SERVER_BIN", built.join("mcp-fixture-server"))
        .env("NUNCHI_BIN", built.join("nunchi"))
        .env("SCRIPTED_UPSTREAM_BIN", built.join("scripted-upstream"));
}

fn python(root: &Path, peers: Option<&Peers>) -> Result<()> {
    let Some(peers) = peers else { bail!("the peers are not installed") };
    let mut command = Command::new(&peers.python);
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sdk"]);
    command.env("LITELLM_BIN", &peers.litellm);
    black_box(&mut command, root);
    shell(&mut command)
}

/// The metrics page of a fresh server, as Prometheus' own checker sees it.
fn metrics(root: &Path) -> Result<()> {
    let mut command = Command::new("bash");
    command.args(["tests/metrics/promtool.sh"]);
    black_box(&mut command, root);
    shell(&mut command)
}

/// Runs a folder's `*.test.mjs` files; their imports resolve in the peers' folder.
fn node(root: &Path, peers: Option<&Peers>, folder: &str) -> Result<()> {
    let Some(peers) = peers else { bail!("the peers are not installed") };
    let mut files: Vec<_> = std::fs::read_dir(root.join(folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("{folder} holds no test");
    }
    let mut command = Command::new("node");
    command.arg("--test").args(&files).env("NODE_PEERS", peers.node.join("package.json"));
    black_box(&mut command, root);
    shell(&mut command)
}
