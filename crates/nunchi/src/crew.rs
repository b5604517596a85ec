//! Those who work for the owner: the agent with its tools and memory, and what is offered to the agents of others.

use crate::agents::{Agents, Outfit};
use crate::config::{Config, Learning};
use crate::failure::Failure;
use crate::home::Home;
use crate::learning::Learner;
use crate::local_models::LocalModels;
use crate::mcp::{OfferParts, mcp_hub, mcp_offers};
use crate::memory::memory_keeper;
use crate::runtime::Tasks;
use crate::storage::Storage;
use crate::toolbox::{Reach, Toolbox, skill_registry};
use nunchi_agent::{CallDesk, CallDeskParts, MemoryKeeper};
use nunchi_core::{Clock, ContextSource, Ids, Memory, Model, Spawn, TaskName};
use nunchi_gateway::Gateway;
use nunchi_tools::{McpHub, McpOffers, SkillCatalog};
use std::sync::Arc;

/// What they stand on.
pub(crate) struct Ground<'a> {
    pub(crate) home: &'a Home,
    pub(crate) config: &'a Config,
    pub(crate) gateway: &'a Arc<Gateway>,
    pub(crate) storage: &'a Storage,
    pub(crate) local: Option<&'a LocalModels>,
}

/// The agent, its memory, the servers whose tools it uses, and what others may use of it.
pub(crate) struct Crew {
    pub(crate) agents: Agents,
    pub(crate) mcp: Arc<McpHub>,
    pub(crate) mcp_offers: McpOffers,
    pub(crate) memory: Arc<MemoryKeeper>,
}

impl Crew {
    /// A crew that has taken nothing up yet; it learns from what it will do.
    pub(crate) fn new(
        ground: &Ground<'_>,
        tasks: &Arc<Tasks>,
        clock: &Arc<dyn Clock>,
        ids: &Arc<dyn Ids>,
    ) -> Result<Self, Failure> {
        let Ground { home, config, gateway, storage, local } = *ground;
        let (clock, ids) = (|| Arc::clone(clock), || Arc::clone(ids));
        let spawn = || Arc::clone(tasks) as Arc<dyn Spawn>;
        let mcp = mcp_hub(home, config, clock(), None)?;
        let memory = memory_keeper(&config.agent.memory, storage, local, clock(), ids());
        let enabled = config.agent.memory.enabled;
        let reach = Reach {
            memory: enabled.then(|| Arc::clone(&memory) as Arc<dyn Memory>),
            notifier: storage.notifier.clone(),
            hub: Arc::clone(&mcp),
        };
        let tools = Toolbox::open(home, config, clock(), reach)?;
        let skills = skill_registry(home);
        let catalog = Arc::new(SkillCatalog::new(skills.clone()));
        let remembered = enabled.then(|| Arc::clone(&memory) as Arc<dyn ContextSource>);
        let context = remembered.into_iter().chain([catalog as Arc<dyn ContextSource>]).collect();
        let outfit = Outfit { clock: clock(), ids: ids(), spawn: spawn(), tools: tools.clone(), context };
        let agents = Agents::new(gateway, storage, config, outfit);
        let calls = CallDesk::new(CallDeskParts {
            agent: Arc::clone(&agents.agent),
            clock: clock(),
            ids: ids(),
            spawn: spawn(),
            limits: config.agent.limits,
            patience: config.mcp_server.wait,
        });
        let offered = OfferParts {
            tools,
            approvals: Arc::clone(&agents.approvals),
            calls,
            skills,
            memory: Arc::clone(&memory) as Arc<dyn Memory>,
            clock: clock(),
        };
        let by_model = match &config.agent.memory.learn {
            Learning::ByModel(name) => Some((gateway.clone() as Arc<dyn Model>, name.clone())),
            Learning::Asked | Learning::Off => None,
        };
        if enabled && config.agent.memory.learn != Learning::Off {
            let learner = Learner {
                agent: Arc::clone(&agents.agent),
                runs: storage.runs.clone(),
                memory: Arc::clone(&memory),
                clock: clock(),
                by_model,
                file: home.file("learned.json"),
            };
            tasks.spawn(TaskName::MemoryKeeper, Box::pin(learner.learn()));
        }
        Ok(Self { mcp_offers: mcp_offers(offered), agents, mcp, memory })
    }
}
