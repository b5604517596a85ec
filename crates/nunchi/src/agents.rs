//! Puts the agent together: its tools, its rules, its limits. Its model is the gateway, so nothing it does can overspend.

use crate::config::{AgentConfig, Config};
use crate::storage::Storage;
use crate::toolbox::Toolbox;
use nunchi_agent::{Agent, AgentParts, DeskParts, OrderDesk, SessionBudget};
use nunchi_core::{
    Answer, AnswerError, Approval, ApprovalId, ApprovalStore, BoxFuture, Clock, ContextSource, GrantedRule,
    Ids, PermissionRule, Principal, RunId, Spawn, StorageError, pattern_matches,
};
use nunchi_gateway::Gateway;
use nunchi_saving::SessionShortener;
use nunchi_tools::builtin_rules;
use std::sync::Arc;
use std::time::Duration;

/// How often the agent looks whether a question has expired.
const TICK: Duration = Duration::from_secs(5);

/// The agent and what it is asked through.
pub(crate) struct Agents {
    pub(crate) agent: Arc<Agent>,
    pub(crate) desk: Arc<OrderDesk>,
    /// The queue of questions, with the owner's own rules.
    pub(crate) approvals: Arc<dyn ApprovalStore>,
}

/// What agents are made of besides the store.
pub(crate) struct Outfit {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) spawn: Arc<dyn Spawn>,
    pub(crate) tools: Toolbox,
    pub(crate) context: Vec<Arc<dyn ContextSource>>,
}

impl Agents {
    /// An agent that has taken nothing up yet.
    pub(crate) fn new(gateway: &Arc<Gateway>, storage: &Storage, config: &Config, outfit: Outfit) -> Self {
        let Outfit { clock, ids, spawn, tools, context } = outfit;
        let approvals: Arc<dyn ApprovalStore> =
            Arc::new(OwnersQueue { rules: rules_in_force(&config.agent), queue: storage.approvals.clone() });
        let agent = Agent::new(AgentParts {
            model: gateway.clone(),
            tools: tools.all(),
            runs: storage.runs.clone(),
            approvals: Arc::clone(&approvals),
            originals: Some(storage.originals.clone()),
            clock,
            ids: Arc::clone(&ids),
            spawn,
            principal: Arc::new(Principal::owner()),
        });
        let priced = gateway.clone();
        let desk = Arc::new(OrderDesk::new(DeskParts {
            tools: tools.all(),
            offered: Arc::new(move |goal| tools.offered(goal)),
            context,
            session: config
                .agent
                .session_tokens
                .map(|tokens| SessionBudget { shortener: Arc::new(SessionShortener), tokens }),
            ids,
            price_of: Arc::new(move |model| priced.dearest_price(model)),
            model: config.agent.model.clone(),
            limits: config.agent.limits,
            max_output_tokens: config.agent.max_output,
        }));
        Self { agent, desk, approvals }
    }
}

/// Tells the time to the agent until the process ends.
pub(crate) async fn tell_time(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(TICK).await;
        if let Err(error) = agent.tick().await {
            tracing::warn!(%error, "runs that wait could not be told the time");
        }
    }
}

/// The owner's rules, and the built-in ones for tools that the owner has none for.
fn rules_in_force(config: &AgentConfig) -> Vec<PermissionRule> {
    let named = |tool: &str| {
        config.permissions.iter().any(|rule| rule.tool != "*" && pattern_matches(&rule.tool, tool))
    };
    let built_in = builtin_rules().into_iter().filter(|rule| !named(&rule.tool));
    config.permissions.iter().cloned().chain(built_in).collect()
}

/// The queue of questions; the rules in force are the owner's, then those granted with an answer.
struct OwnersQueue {
    rules: Vec<PermissionRule>,
    queue: Arc<dyn ApprovalStore>,
}

impl ApprovalStore for OwnersQueue {
    fn ask(&self, approval: Approval) -> BoxFuture<'_, Result<Approval, StorageError>> {
        self.queue.ask(approval)
    }

    fn answer(
        &self,
        id: ApprovalId,
        answer: Answer,
        by: String,
        at: jiff::Timestamp,
    ) -> BoxFuture<'_, Result<Result<Approval, AnswerError>, StorageError>> {
        self.queue.answer(id, answer, by, at)
    }

    fn approvals(
        &self,
        run: Option<RunId>,
        open: bool,
    ) -> BoxFuture<'_, Result<Vec<Approval>, StorageError>> {
        self.queue.approvals(run, open)
    }

    fn rules(&self) -> BoxFuture<'_, Result<Vec<PermissionRule>, StorageError>> {
        Box::pin(async move {
            let granted = self.queue.rules().await?;
            Ok(self.rules.iter().cloned().chain(granted).collect())
        })
    }

    fn grants(&self, revoked: bool) -> BoxFuture<'_, Result<Vec<GrantedRule>, StorageError>> {
        self.queue.grants(revoked)
    }

    fn revoke(
        &self,
        grant: u64,
        by: String,
        at: jiff::Timestamp,
    ) -> BoxFuture<'_, Result<GrantedRule, StorageError>> {
        self.queue.revoke(grant, by, at)
    }
}
