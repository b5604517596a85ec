//! Wires MCP: the hub of servers, the offers of ours, `/mcp` and standard input and output.

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use crate::toolbox::Toolbox;
use axum::Router;
use nunchi_core::{AccessRole, ApprovalStore, Clock, Ids, Spawn};
use nunchi_gateway::Gateway;
use nunchi_tools::{
    GuardParts, GuardedTools, McpAuth, McpConsent, McpError, McpHttp, McpHttpSettings, McpHub, McpHubParts,
    McpOffers,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the owner may take to answer what a client's call asks.
const EXPIRES: Duration = Duration::from_secs(24 * 3_600);

/// Names of this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Pages of this machine.
const OWN_ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

impl From<McpError> for Failure {
    fn from(error: McpError) -> Self {
        Self::Explained(Box::new(error))
    }
}

/// The servers of the configuration.
pub(crate) fn mcp_hub(
    home: &Home,
    config: &Config,
    clock: Arc<dyn Clock>,
    consent: Option<Arc<dyn McpConsent>>,
) -> Result<Arc<McpHub>, Failure> {
    let parts = McpHubParts {
        servers: config.mcp.clone(),
        home: home.path(),
        clock,
        show_errors: consent.is_some(),
        consent,
    };
    Ok(Arc::new(McpHub::open(parts)?))
}

/// What the offers are made of.
pub(crate) struct OfferParts {
    pub(crate) tools: Toolbox,
    pub(crate) approvals: Arc<dyn ApprovalStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) spawn: Arc<dyn Spawn>,
}

/// What is offered to the agents of others: the tools behind the owner's rules.
pub(crate) fn mcp_offers(config: &Config, parts: OfferParts) -> McpOffers {
    let box_of = parts.tools;
    let tools = move |intents: &[String]| {
        let intents: Vec<_> = intents.iter().map(String::as_str).collect();
        if intents.is_empty() { box_of.all() } else { box_of.needed("", &intents) }
    };
    let guard = GuardParts {
        tools: Arc::new(tools),
        approvals: Some(parts.approvals),
        clock: parts.clock,
        ids: parts.ids,
        spawn: parts.spawn,
        patience: config.mcp_server.wait,
        expires: EXPIRES,
    };
    McpOffers {
        tools: Arc::new(GuardedTools::new(guard)),
        prompts: None,
        resources: None,
        instructions: "Tools of one person's Nunchi. A call that the owner must approve first says so."
            .into(),
    }
}

/// `/mcp`, behind the keys of administrators and those that the owner named.
pub(crate) fn mcp_router(
    config: &Config,
    offers: McpOffers,
    gateway: &Arc<Gateway>,
    stopping: CancellationToken,
) -> Router {
    let serving = &config.mcp_server;
    let (gateway, named) = (Arc::clone(gateway), serving.keys.clone());
    let auth: McpAuth = Arc::new(move |secret| {
        let principal = gateway.keys().authenticate(secret).ok()?;
        let allowed =
            principal.role == AccessRole::Admin || named.iter().any(|name| **name == *principal.name);
        allowed.then_some(principal)
    });
    let own_machine = config.listening.address.ip().is_loopback();
    let hosts = match serving.hosts.as_slice() {
        [] if own_machine => LOOPBACK.map(str::to_owned).to_vec(),
        named => named.to_vec(),
    };
    let own_origins = OWN_ORIGINS.iter().filter(|_| own_machine).map(|origin| (*origin).to_owned());
    // A star lets every page read the API's answers; tools are not for every page.
    let named_origins = config.cors_origins.iter().filter(|origin| *origin != "*").cloned();
    let settings = McpHttpSettings {
        max_body_bytes: config.body_limit,
        hosts,
        origins: named_origins.chain(own_origins).collect(),
        authorization_servers: serving.authorization_servers.clone(),
        stopping,
    };
    McpHttp::new(offers, auth, settings).router()
}
