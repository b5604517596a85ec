//! A Redis of the test's own, on a socket in a folder of its own.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A real Redis without persistence. Ended with the test.
#[derive(Debug)]
pub struct RedisServer {
    folder: tempfile::TempDir,
    child: Child,
}

impl RedisServer {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let child = spawn(&folder);
        Self { folder, child }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// Kills it.
    pub fn stop(&mut self) {
        self.child.kill().expect("a child that can be ended");
        self.child.wait().expect("a child that can be ended");
    }

    /// Starts it anew, empty, at the same address.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.folder);
    }
}

fn spawn(folder: &tempfile::TempDir) -> Child {
    let socket = folder.path().join("socket");
    let child = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed (`cargo xtask test` does that)");
    let deadline = Instant::now() + Duration::from_secs(10);
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline, "redis-server does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

// drop: kills the child
impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended_before = self.child.wait();
    }
}
