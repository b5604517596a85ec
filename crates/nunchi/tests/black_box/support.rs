//! Runs the binary and speaks HTTP to it, without any client library in between.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// Starts a server on a free port.
const UP: [&str; 4] = ["up", "--offline", "--listen", "127.0.0.1:0"];

/// Longest silence of the server that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A home folder and the environment of the commands that use it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// How a command ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// The error object on standard error.
    pub(crate) fn error(&self) -> Value {
        let value: Value = serde_json::from_str(self.err.trim()).unwrap_or_else(|_| panic!("{}", self.err));
        value["error"].clone()
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    pub(crate) fn with_config(text: &str) -> Self {
        let home = Self::new();
        home.write("nunchi.toml", text);
        home
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the home use the sentence encoder, whose weights are fetched if this machine does not have them yet.
    pub(crate) fn with_encoder(self) -> Self {
        let shared = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from);
        let shared = shared.or_else(nunchi_local::default_weights_dir).expect("a folder for weights");
        let home = self.variable("NUNCHI_LOCAL__WEIGHTS", shared.to_str().expect("UTF-8"));
        let pulled = home.run(["models", "pull", nunchi_local::DEFAULT_ENCODER_WEIGHTS]);
        assert_eq!(pulled.code, 0, "{}", pulled.err);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// The command, with nothing of this machine's own settings in its environment.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nunchi"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LANG", "C.UTF-8");
        command.env("HOME", self.folder.path()).env("NUNCHI_HOME", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(words).stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        ended(self.command(words).output().expect("the binary runs"))
    }

    /// Runs a command that must succeed, with `--json`.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let ran = self.run(words.iter().chain(&["--json"]));
        assert_eq!(ran.code, 0, "{words:?}: {} {}", ran.out, ran.err);
        ran.json()
    }

    /// Starts the server on a free port and waits until it greets.
    pub(crate) fn up(&self) -> Server {
        Self::greeted(self.command(UP))
    }

    /// The same, with a file that may not grow told as an error of the write and not by a signal, as on a full disk.
    pub(crate) fn up_on_a_small_disk(&self) -> Server {
        let nunchi = self.command(UP);
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(nunchi.get_program());
        shell.args(nunchi.get_args()).stdin(Stdio::null()).env_clear();
        shell.envs(nunchi.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::greeted(shell)
    }

    /// Starts a server from its command and waits until it greets.
    pub(crate) fn greeted(mut command: Command) -> Server {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut greeting = String::new();
        while !greeting.contains("/v1/chat/completions") {
            let before = greeting.len();
            lines.read_line(&mut greeting).expect("its greeting");
            if greeting.len() == before {
                let rest = ended(child.wait_with_output().expect("it ended"));
                panic!("the server did not start: {greeting}{}", rest.err);
            }
        }
        let address =
            greeting.split("://").nth(1).and_then(|rest| rest.split(['/', '\n']).next()).expect("an address");
        Server { address: address.parse().expect("an address"), child, greeting, lines, log: None }
    }
}

fn ended(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A running server; ended with the test if the test did not end it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    /// What it printed when it started.
    pub(crate) greeting: String,
    lines: BufReader<ChildStdout>,
    /// Its log, where a test reads it while it runs.
    log: Option<BufReader<ChildStderr>>,
}

// drop: kills the child; it does not wait for more than its end.
impl Drop for Server {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ended_before = self.child.wait();
    }
}

impl Server {
    /// The key it showed.
    pub(crate) fn first_key(&self) -> String {
        let start = self.greeting.find("nk-").expect("a key");
        self.greeting[start..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
            .collect()
    }

    pub(crate) fn get(&self, path: &str, key: &str) -> Got {
        self.send("GET", path, key, &[], &Value::Null)
    }

    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> Got {
        self.send("POST", path, key, &[], body)
    }

    pub(crate) fn chat(&self, key: &str, model: &str, text: &str) -> Got {
        let body = serde_json::json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
        self.post("/v1/chat/completions", key, &body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Got {
        let mut text = Vec::new();
        self.open(method, path, key, headers, body).read_to_end(&mut text).expect("an answer");
        Got::of(&String::from_utf8(text).expect("UTF-8"))
    }

    /// Sends a request and leaves the answer in the socket. HTTP/1.0: no chunks, and the end is the end.
    pub(crate) fn open(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> TcpStream {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.open_text(method, path, key, headers, &body)
    }

    /// As [`Server::send`], with a body whose bytes matter.
    pub(crate) fn send_text(&self, path: &str, key: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut text = Vec::new();
        self.open_text("POST", path, key, headers, body).read_to_end(&mut text).expect("an answer");
        Got::of(&String::from_utf8(text).expect("UTF-8"))
    }

    fn open_text(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        let mut head = format!("{method} {path} HTTP/1.0\r\nhost: {}\r\n", self.address);
        for (name, value) in
            [("content-type", "application/json"), ("authorization", &format!("Bearer {key}"))]
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut socket = TcpStream::connect(self.address).expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).expect("a patience");
        socket.write_all(head.as_bytes()).expect("a request");
        socket
    }

    /// The line of the log that holds these words, once it is written.
    pub(crate) fn logged(&mut self, words: &str) -> String {
        let log = self.log.get_or_insert_with(|| BufReader::new(self.child.stderr.take().expect("its log")));
        let line = log.lines().map(|line| line.expect("its log")).find(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("it never logged {words}"))
    }

    /// Sends a signal, as `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Kills it as `kill -9` does; tells whether it was alive until then, and what it had logged.
    pub(crate) fn killed_at_work(mut self) -> (bool, String) {
        self.child.kill().expect("a signal");
        let was_alive = self.child.wait().expect("its end").signal() == Some(9);
        let mut log = Vec::new();
        self.child.stderr.take().expect("its log").read_to_end(&mut log).expect("its log");
        (was_alive, String::from_utf8_lossy(&log).into_owned())
    }

    /// Lets files grow to so many bytes, or `unlimited`.
    pub(crate) fn limit_file_size(&self, bytes: &str) {
        let id = self.child.id().to_string();
        let limited =
            Command::new("prlimit").args(["--pid", &id, &format!("--fsize={bytes}:unlimited")]).status();
        assert!(limited.expect("prlimit runs").success());
    }

    /// Waits for the end: exit code, and what was logged.
    pub(crate) fn wait(mut self) -> Ran {
        let mut out = String::new();
        self.lines.read_to_string(&mut out).expect("its output");
        let mut err = String::new();
        match self.log.take() {
            Some(mut rest) => rest.read_to_string(&mut err),
            None => self.child.stderr.take().expect("its log").read_to_string(&mut err),
        }
        .expect("its log");
        let status = self.child.wait().expect("its end");
        Ran { code: status.code().unwrap_or(-1), out, err }
    }

    /// Stops it and expects a clean end; tells what it had logged.
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        let ran = self.wait();
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err
    }
}

/// An HTTP answer.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// One OpenAI provider at a base URL, as configuration; retries and limits of the route are off.
pub(crate) fn one_provider(base_url: &str) -> String {
    format!(
        "[limits]\nchat_per_minute = 0\n\n[retry]\nattempts = 1\n\n[[providers]]\nname = \"up\"\ndialect = \"openai\"\nbase_url = \"{base_url}\"\napi_key_env = \"UP_KEY\"\nprice_from = \"openai\"\n"
    )
}
