//! A server that is a program: started with an environment of its own, and ended with all that it started.

use super::config::McpSecret;
use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longest message of a server, in bytes; a longer one is dropped as it arrives.
pub(crate) const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// How long a server may take to end once its input is closed.
const ENDING: Duration = Duration::from_secs(2);

/// What a program is given of our own environment.
const INHERITED: [&str; 8] =
    ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "USERPROFILE"];

/// What is started.
pub(crate) struct Program<'a> {
    pub(crate) command: &'a str,
    pub(crate) args: &'a [String],
    pub(crate) env: &'a [(String, McpSecret)],
    pub(crate) folder: Option<&'a Path>,
    /// Whether what it writes to standard error is shown.
    pub(crate) show_errors: bool,
}

/// A running program, and the messages to and from it.
pub(crate) struct ChildTransport {
    messages: AsyncRwTransport<RoleClient, ChildStdout, ChildStdin>,
    child: Child,
}

impl ChildTransport {
    /// Starts a program.
    pub(crate) fn start(program: &Program<'_>) -> io::Result<Self> {
        let mut command = Command::new(program.command);
        command
            .args(program.args)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))))
            .envs(program.env.iter().map(|(name, value)| (name.as_str(), value.reveal())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(if program.show_errors { Stdio::inherit() } else { Stdio::null() })
            .kill_on_drop(true);
        if let Some(folder) = program.folder {
            command.current_dir(folder);
        }
        // Launchers such as npx start the real server as a child of theirs: all of the group is ended.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let missing = || io::Error::other("the program has no standard input or output");
        let (output, input) =
            (child.stdout.take().ok_or_else(missing)?, child.stdin.take().ok_or_else(missing)?);
        Ok(Self { messages: AsyncRwTransport::new(output, input).with_max_line_length(MAX_MESSAGE), child })
    }

    /// Closes its input, gives it a moment, then ends it and its group.
    async fn end(&mut self) -> io::Result<()> {
        let closed = self.messages.close().await;
        if tokio::time::timeout(ENDING, self.child.wait()).await.is_err() {
            self.kill_group();
            self.child.kill().await?;
        }
        closed
    }

    #[cfg(unix)]
    fn kill_group(&self) {
        let group = self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // A group that is gone already needs no end.
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn kill_group(&self) {}
}

impl Transport<RoleClient> for ChildTransport {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.messages.send(item)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleClient>>> + Send {
        self.messages.receive()
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.end()
    }
}
