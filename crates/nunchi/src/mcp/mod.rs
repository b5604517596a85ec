//! Wires MCP: the hub of servers, the offers of ours, `/mcp` and standard input and output.

mod changes;
mod prompts;
mod resources;

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use crate::runtime::Tasks;
use crate::toolbox::Toolbox;
use axum::Router;
use changes::Changes;
use nunchi_core::{AccessRole, ApprovalStore, Clock, Memory, RemoteCalls, Spawn, TaskName};
use nunchi_gateway::Gateway;
use nunchi_tools::{
    GuardParts, GuardedTools, McpAuth, McpConsent, McpError, McpHttp, McpHttpSettings, McpHub, McpHubParts,
    McpOffers, SkillRegistry,
};
use prompts::SkillPrompts;
use resources::MemoryResources;
use std::sync::Arc;

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
    pub(crate) calls: Arc<dyn RemoteCalls>,
    pub(crate) skills: SkillRegistry,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What is offered to the agents of others: the tools behind the owner's rules, the skills as prompts, memory as resources.
pub(crate) fn mcp_offers(parts: OfferParts) -> McpOffers {
    let box_of = parts.tools;
    let box_of_changes = box_of.clone();
    let tools = move |intents: &[String]| {
        let intents: Vec<_> = intents.iter().map(String::as_str).collect();
        if intents.is_empty() { box_of.all() } else { box_of.needed("", &intents) }
    };
    let changes = Changes::new(box_of_changes, parts.skills.clone(), Arc::clone(&parts.memory));
    let guard = GuardParts { tools: Arc::new(tools), approvals: parts.approvals, calls: parts.calls };
    McpOffers {
        tools: Arc::new(GuardedTools::new(guard)),
        prompts: Some(Arc::new(SkillPrompts::new(parts.skills))),
        resources: Some(Arc::new(MemoryResources::new(parts.memory, parts.clock))),
        changes: Some(Arc::new(changes)),
        instructions: "Tools, skills and memory of one person's Nunchi. A call that the owner must approve first says so. \
                       Skills are prompts; what is remembered are resources: memory://search/{query} finds."
            .into(),
    }
}

/// `/mcp`, behind the keys of administrators and those that the owner named.
pub(crate) fn mcp_router(
    config: &Config,
    offers: McpOffers,
    gateway: &Arc<Gateway>,
    tasks: &Tasks,
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
        stopping: tasks.stopping(),
    };
    let http = McpHttp::new(offers, auth, settings);
    tasks.spawn(TaskName::McpNotices, Box::pin(http.clone().tell_changes()));
    http.router()
}
