//! The protocol's own conformance suite against our MCP server and client, in both eras.

use crate::peers::Peers;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The revisions of the protocol that we speak: a handshake and sessions; every request by itself.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// Our server with fixtures, as long as this lives.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("--open")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut url = String::new();
        let output = child.stdout.take().context("the server has no output")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    fn stop(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Runs the required scenarios of both roles and eras; what may fail stands in `tests/mcp/expected-failures.yaml`.
pub(crate) fn run(root: &Path, peers: &Peers, built: &Path) -> Result<()> {
    let server = Server::start(&built.join("mcp-fixture-server"))?;
    let client = built.join("mcp-fixture-client");
    let mut rows = Vec::new();
    for revision in REVISIONS {
        let url = ["--url".to_owned(), server.url.clone()];
        rows.push(("server", revision, suite(root, peers, "server", revision, &url)?));
        let command = ["--command".to_owned(), client.display().to_string()];
        rows.push(("client", revision, suite(root, peers, "client", revision, &command)?));
    }
    server.stop()?;
    println!("\n{:<8} {:<12} result", "role", "revision");
    for (role, revision, passed) in &rows {
        println!("{role:<8} {revision:<12} {}", if *passed { "passed" } else { "FAILED" });
    }
    if rows.iter().all(|(.., passed)| *passed) { Ok(()) } else { bail!("the conformance suite fails") }
}

/// One role in one era. The suite needs Node 22; what it writes goes beside the peers.
fn suite(root: &Path, peers: &Peers, role: &str, revision: &str, words: &[String]) -> Result<bool> {
    println!("\n-- {role}, {revision}");
    let bin: PathBuf = peers.node.join("node_modules/.bin");
    let results = peers.node.join("conformance").join(format!("{role}-{revision}"));
    let status = Command::new(bin.join("node"))
        .arg(peers.node.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"))
        .arg(role)
        .args(words)
        .args(["--requirements", revision, "--expected-failures"])
        .arg(root.join("tests/mcp/expected-failures.yaml"))
        .arg("--output-dir")
        .arg(results)
        .current_dir(&peers.node)
        .status()
        .context("cannot run the conformance suite")?;
    Ok(status.success())
}
