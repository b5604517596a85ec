//! Hubs in folders of their own, and the fixture server as a real program.

use nunchi_core::Clock;
use nunchi_testkit::{ManualClock, TokioClock};
use nunchi_tools::{McpHub, McpHubParts, McpSecret, McpServerConfig, McpTransport};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

pub(crate) const FIXTURES: &str = env!("CARGO_BIN_EXE_mcp-fixture-server");

/// A hub and the folder it lives in.
pub(crate) struct Hub {
    pub(crate) hub: Arc<McpHub>,
    folder: tempfile::TempDir,
}

impl Hub {
    pub(crate) fn new(servers: Vec<McpServerConfig>) -> Self {
        Self::with_clock(servers, Arc::new(TokioClock::start()))
    }

    pub(crate) fn by_hand(servers: Vec<McpServerConfig>, clock: &Arc<ManualClock>) -> Self {
        Self::with_clock(servers, clock.clone())
    }

    fn with_clock(servers: Vec<McpServerConfig>, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = open(servers, clock, &folder);
        Self { hub, folder }
    }

    /// Another process over the same folder.
    pub(crate) fn again(self, servers: Vec<McpServerConfig>) -> Self {
        let hub = open(servers, Arc::new(TokioClock::start()), &self.folder);
        Self { hub, folder: self.folder }
    }
}

fn open(servers: Vec<McpServerConfig>, clock: Arc<dyn Clock>, folder: &tempfile::TempDir) -> Arc<McpHub> {
    let parts = McpHubParts { servers, home: folder.path(), clock, consent: None, show_errors: false };
    Arc::new(McpHub::open(parts).unwrap())
}

/// The fixture server over standard input and output.
pub(crate) fn stdio(name: &str) -> McpServerConfig {
    let transport = McpTransport::Stdio {
        command: FIXTURES.into(),
        args: vec!["--stdio".into()],
        env: Vec::new(),
        folder: None,
    };
    McpServerConfig { trusted: true, ..McpServerConfig::new(name, transport) }
}

/// A server at an address.
pub(crate) fn http(name: &str, url: &str) -> McpServerConfig {
    let transport = McpTransport::Http {
        url: url.into(),
        headers: Vec::new(),
        bearer: Some(McpSecret::new("nk-fixture")),
        oauth: None,
    };
    McpServerConfig::new(name, transport)
}

/// The fixture server as a process that listens.
pub(crate) struct Fixture {
    child: Child,
    pub(crate) url: String,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(FIXTURES).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: line.trim().to_owned() }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A test that killed it itself needs no second time.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
