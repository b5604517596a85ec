//! What the owner says of an MCP server: where it is, what it is for, how far it is trusted.

use super::inverse::McpInverse;
use nunchi_core::Label;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// A value that cannot print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct McpSecret(Zeroizing<String>);

impl fmt::Debug for McpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("McpSecret(…)")
    }
}

impl McpSecret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret, for the wire alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum McpTransport {
    /// A program on this machine that speaks over its standard input and output.
    Stdio {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment besides `PATH`, `HOME`, `LANG` and the folder of temporary files: it inherits nothing else.
        env: Vec<(String, McpSecret)>,
        /// The folder it starts in.
        folder: Option<PathBuf>,
    },
    /// A server that speaks Streamable HTTP.
    Http {
        /// Its address.
        url: String,
        /// Headers of every request.
        headers: Vec<(String, McpSecret)>,
        /// A token for it.
        bearer: Option<McpSecret>,
        /// Signing in by OAuth, where the server asks for it.
        oauth: Option<McpOauth>,
    },
}

/// How we present ourselves to a server's authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct McpOauth {
    /// A client id that was registered before.
    pub client_id: Option<String>,
    /// The secret of that client.
    pub client_secret: Option<McpSecret>,
    /// Where our client metadata document lies (https).
    pub client_metadata_url: Option<String>,
    /// Scopes asked for at first; empty means those that the server names.
    pub scopes: Vec<String>,
}

/// Which era of the protocol is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum McpEra {
    /// The newer one where the server knows it.
    #[default]
    Auto,
    /// 2025-11-25: a handshake, then a session.
    Handshake,
    /// 2026-07-28: every request stands for itself.
    Stateless,
}

/// What is done when a server asks its user something in the middle of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ElicitationPolicy {
    /// It is told that there is nobody to ask.
    #[default]
    Decline,
    /// It gets the defaults that it proposes itself.
    Defaults,
}

/// One server, as the owner configured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServerConfig {
    /// Its name: lower-case letters, digits and `-`, at most 32. Its tools are called `name__tool`.
    pub name: String,
    /// Where it is.
    pub transport: McpTransport,
    /// Whether it is used.
    pub enabled: bool,
    /// Whether the owner lets its program run on this machine. Programs that speak over stdio run with the owner's own
    /// rights, so that none starts without this.
    pub trusted: bool,
    /// Whether its `readOnlyHint` and `destructiveHint` are believed.
    pub trust_hints: bool,
    /// Tools that the owner knows to change nothing, as patterns with `*`.
    pub read_only: Vec<String>,
    /// How calls of its tools are taken back, by tool.
    pub undo: BTreeMap<String, McpInverse>,
    /// The label of what its tools answer.
    pub output: Label,
    /// Tools that are offered, as patterns with `*`; empty means all.
    pub tools: Vec<String>,
    /// Intents that need it.
    pub intents: Vec<String>,
    /// Words in a goal that show that it is needed. With neither intents nor keywords it is always offered.
    pub keywords: Vec<String>,
    /// Which era it speaks.
    pub era: McpEra,
    /// What it is answered when it asks back.
    pub elicitation: ElicitationPolicy,
    /// Time to connect and to list its tools.
    pub connect_timeout: Duration,
    /// Time for one call.
    pub call_timeout: Duration,
    /// Longest answer given to the model, in bytes.
    pub max_output_bytes: usize,
}

impl McpServerConfig {
    /// A server that is enabled and not trusted in anything.
    pub fn new(name: impl Into<String>, transport: McpTransport) -> Self {
        Self {
            name: name.into(),
            transport,
            enabled: true,
            trusted: false,
            trust_hints: false,
            read_only: Vec::new(),
            undo: BTreeMap::new(),
            output: Label::Stranger,
            tools: Vec::new(),
            intents: Vec::new(),
            keywords: Vec::new(),
            era: McpEra::Auto,
            elicitation: ElicitationPolicy::Decline,
            connect_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(60),
            max_output_bytes: 16 * 1024,
        }
    }

    /// Whether a name may be a server's.
    pub fn is_name(name: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=32).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
    }
}
