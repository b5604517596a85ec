//! All servers, and the tools of those that a goal needs.

use super::change::ToolChange;
use super::config::{McpServerConfig, McpTransport};
use super::error::McpError;
use super::login::{McpConsent, Tokens};
use super::needs::is_needed;
use super::pins::{PinFile, PinnedTool};
use super::remote::{RemoteServer, Shared};
use super::spec::{is_offered, spec_of};
use super::tool::RemoteTool;
use crate::chest::ToolSource;
use nunchi_core::{Clock, Tool, ToolError, ToolOutput, ToolSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What the servers are made of.
pub struct McpHubParts<'a> {
    /// The servers, as configured.
    pub servers: Vec<McpServerConfig>,
    /// The home folder: `mcp.lock.json` and `mcp.tokens.json` lie there.
    pub home: &'a Path,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who can consent when a server wants a sign-in; `None`: nobody is there.
    pub consent: Option<Arc<dyn McpConsent>>,
    /// Whether programs may write to our standard error.
    pub show_errors: bool,
}

/// All servers.
pub struct McpHub {
    servers: BTreeMap<String, Arc<RemoteServer>>,
    shared: Arc<Shared>,
}

/// How a server stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpStatus {
    /// Its name.
    pub name: String,
    /// Its program or its address.
    pub place: String,
    /// Whether it is used.
    pub enabled: bool,
    /// Whether its program may run; servers with an address need no such word.
    pub trusted: bool,
    /// Whether it is connected at the moment.
    pub connected: bool,
    /// Tools that were accepted.
    pub accepted: usize,
    /// Tools that can be called, as far as is known.
    pub usable: usize,
}

/// A server's tools, and how they differ from what was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct McpInventory {
    /// All it declares that can be used at all.
    pub tools: Vec<PinnedTool>,
    /// What is not as it was accepted.
    pub changes: Vec<ToolChange>,
    /// Declarations that break a limit, each with its reason.
    pub refused: Vec<String>,
}

impl McpHub {
    /// Reads what was accepted. No server is connected before it is needed.
    ///
    /// # Errors
    /// When the file of accepted tools cannot be read.
    pub fn open(parts: McpHubParts<'_>) -> Result<Self, McpError> {
        // Whoever installed one before wins; all of the product's TLS is rustls with ring.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
        let shared = Arc::new(Shared {
            pins: PinFile::open(&parts.home.join("mcp.lock.json"))?,
            tokens: Tokens::at(&parts.home.join("mcp.tokens.json")),
            clock: parts.clock,
            consent: parts.consent,
            show_errors: parts.show_errors,
        });
        let server = |config: McpServerConfig| {
            (config.name.clone(), Arc::new(RemoteServer::new(config, Arc::clone(&shared))))
        };
        Ok(Self { servers: parts.servers.into_iter().map(server).collect(), shared })
    }

    fn server(&self, name: &str) -> Result<&Arc<RemoteServer>, McpError> {
        self.servers.get(name).ok_or_else(|| McpError::Unknown(name.to_owned()))
    }

    /// How the servers stand. Connects none.
    pub async fn status(&self) -> Vec<McpStatus> {
        let mut all = Vec::new();
        for (name, server) in &self.servers {
            let (place, program) = match &server.config.transport {
                McpTransport::Stdio { command, args, .. } => {
                    (format!("{command} {}", args.join(" ")).trim_end().to_owned(), true)
                }
                McpTransport::Http { url, .. } => (url.clone(), false),
            };
            all.push(McpStatus {
                name: name.clone(),
                place,
                enabled: server.config.enabled,
                trusted: server.config.trusted || !program,
                connected: server.is_connected().await,
                accepted: self.shared.pins.of(name).len(),
                usable: server.usable().len(),
            });
        }
        all
    }

    /// Connects a server and compares its tools with those accepted.
    ///
    /// # Errors
    /// When it cannot be connected or breaks the limits.
    pub async fn inspect(&self, server: &str) -> Result<McpInventory, McpError> {
        let (seen, changes) = self.server(server)?.look().await?;
        Ok(McpInventory {
            tools: seen.tools.values().cloned().collect(),
            changes,
            refused: seen.refused.clone(),
        })
    }

    /// Accepts a server's tools as they are now; returns what that changes.
    ///
    /// # Errors
    /// When it cannot be connected, or the acceptance cannot be kept.
    pub async fn accept(&self, server: &str) -> Result<Vec<ToolChange>, McpError> {
        let (seen, changes) = self.server(server)?.look().await?;
        self.shared.pins.put(server, Some(seen.tools.clone()))?;
        Ok(changes)
    }

    /// Forgets what was accepted of a server, and its token.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub fn forget(&self, server: &str) -> Result<(), McpError> {
        self.shared.tokens.forget(server).map_err(McpError::Store)?;
        self.shared.pins.put(server, None)
    }

    /// Sends the owner to sign in at a server.
    ///
    /// # Errors
    /// When nobody is there to do it, or it fails.
    pub async fn sign_in(&self, server: &str) -> Result<(), McpError> {
        self.server(server)?.sign_in(None).await
    }

    /// Calls a server's tool by its name there.
    ///
    /// # Errors
    /// When it was not accepted, has changed, or fails.
    pub async fn call(&self, server: &str, tool: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        let server = self.server(server).map_err(|error| error.refusal())?;
        server.call(tool, arguments).await
    }

    /// What the accepted tools of a server declare to our agents.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn specs(&self, server: &str) -> Result<Vec<ToolSpec>, McpError> {
        let server = self.server(server)?;
        Ok(server.usable().values().map(|pin| spec_of(&server.config, pin)).collect())
    }

    /// The tools of all servers.
    pub fn everything(self: &Arc<Self>) -> McpSource {
        McpSource { hub: Arc::clone(self), names: None }
    }

    /// The tools of the servers that a goal with these intents needs. Nothing is connected: what was accepted is enough to
    /// offer a tool.
    pub fn needed(self: &Arc<Self>, goal: &str, intents: &[&str]) -> McpSource {
        let needed = |server: &&Arc<RemoteServer>| is_needed(&server.config, goal, intents);
        let names = self.servers.values().filter(needed).map(|server| server.config.name.clone());
        McpSource { names: Some(names.collect()), hub: Arc::clone(self) }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        for server in self.servers.values() {
            server.hang_up().await;
        }
    }
}

/// The accepted tools of some servers. What the owner accepts later is there at once.
#[derive(Clone)]
pub struct McpSource {
    hub: Arc<McpHub>,
    /// Which; `None`: all.
    names: Option<BTreeSet<String>>,
}

impl McpSource {
    /// The servers it has tools of.
    pub fn servers(&self) -> Vec<String> {
        let names = self.hub.servers.keys();
        names.filter(|name| self.holds(name)).cloned().collect()
    }

    fn holds(&self, server: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(server))
    }
}

impl ToolSource for McpSource {
    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let ready = |server: &RemoteServer| {
            let program = matches!(server.config.transport, McpTransport::Stdio { .. });
            server.config.enabled && (server.config.trusted || !program)
        };
        let servers = self.hub.servers.iter().filter(|(name, server)| self.holds(name) && ready(server));
        let tools = servers.flat_map(|(_, server)| {
            let offered = server.usable().into_values().filter(|pin| is_offered(&server.config, &pin.name));
            offered.map(|pin| Arc::new(RemoteTool { server: Arc::clone(server), pin }) as Arc<dyn Tool>)
        });
        tools.collect()
    }
}
