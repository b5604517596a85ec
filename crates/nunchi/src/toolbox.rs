//! Opens what agents may touch, as configured: the tools in their box.

use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use nunchi_agent::Offer;
use nunchi_core::{Clock, Label, Memory, Notifier, Tier, Tool, ToolBox};
use nunchi_saving::{Intent, spoken_intents};
use nunchi_tools::{
    BuiltinPorts, BuiltinSettings, DatabasePlace, DatabaseSettings, FileCaps, FileRoot, McpHub, SkillCost,
    SkillOrigin, SkillPlace, SkillRegistry, SkillTools, SqlCaps, ToolChest, ToolSource, builtin_tools,
    choose_tools, groups_of, memory_tools,
};
use std::path::Path;
use std::sync::Arc;

/// Sent whatever a skill group holds.
const ALWAYS: [&str; 5] = ["calculator", "time", "search_memory", "use_skill", "read_skill_file"];

/// Offered only where there are skills.
const OF_SKILLS: [&str; 2] = ["use_skill", "read_skill_file"];

/// The tools of agents: what comes with the product, then those of MCP servers, which cannot shadow it.
#[derive(Clone)]
pub(crate) struct Toolbox {
    own: Arc<Vec<Arc<dyn Tool>>>,
    hub: Arc<McpHub>,
    skills: SkillRegistry,
}

/// What tools reach besides files and databases.
pub(crate) struct Reach {
    /// `None` where runs do not know of it.
    pub(crate) memory: Option<Arc<dyn Memory>>,
    pub(crate) notifier: Arc<dyn Notifier>,
    pub(crate) hub: Arc<McpHub>,
}

impl Toolbox {
    /// Opens what the owner gave agents to work on.
    pub(crate) fn open(
        home: &Home,
        config: &Config,
        clock: Arc<dyn Clock>,
        reach: Reach,
    ) -> Result<Self, Failure> {
        let settings = BuiltinSettings {
            roots: folders(home, config)?,
            closed: vec![home.path().to_owned()],
            undo_folder: home.file("undo"),
            file_caps: FileCaps::default(),
            databases: databases(home, config),
            sql_caps: SqlCaps::default(),
            web: config.tools.web.clone(),
            zone: config.time_zone.clone(),
        };
        let mut own = builtin_tools(settings, BuiltinPorts { clock, notifier: Some(reach.notifier) })
            .map_err(|error| Failure::Explained(Box::new(error)))?;
        own.extend(reach.memory.iter().flat_map(memory_tools));
        let skills = skill_registry(home);
        own.extend(SkillTools::new(skills.clone()).tools());
        Ok(Self { own: Arc::new(own), hub: reach.hub, skills })
    }

    /// Every tool there is.
    pub(crate) fn all(&self) -> Arc<dyn ToolBox> {
        self.with(Arc::new(self.hub.everything()))
    }

    /// The tools for a goal, or for these intents: servers that neither needs stay asleep and are not offered.
    pub(crate) fn needed(&self, goal: &str, intents: &[&str]) -> Arc<dyn ToolBox> {
        self.with(Arc::new(self.hub.needed(goal, intents)))
    }

    /// What is offered to a run with this goal. The tools of the skill groups that its words speak for are shown first; the others
    /// stay its own. A group that costs much asks for the highest tier.
    pub(crate) fn offered(&self, goal: &str) -> Offer {
        let intents: Vec<&str> = spoken_intents(goal).into_iter().map(Intent::as_str).collect();
        let mut tools = self.needed(goal, &intents).specs();
        let skills = self.skills.usable();
        if skills.is_empty() {
            tools.retain(|spec| !OF_SKILLS.contains(&spec.name.as_str()));
        }
        let choice = choose_tools(goal, &intents, &groups_of(&skills), &tools, &ALWAYS);
        let dear = choice.groups.iter().any(|group| group.cost == SkillCost::High);
        let chosen = if choice.tools.len() < tools.len() { choice.tools } else { Vec::new() };
        Offer { tools, chosen, tier: dear.then_some(Tier::Complex) }
    }

    fn with(&self, mcp: Arc<dyn ToolSource>) -> Arc<dyn ToolBox> {
        let own: Arc<dyn ToolSource> = Arc::new(self.own.as_ref().clone());
        Arc::new(ToolChest::new().with(own).with(mcp))
    }
}

/// The skills of the home folder and of the packs in it, and of the project that the command is called in.
pub(crate) fn skill_registry(home: &Home) -> SkillRegistry {
    let mut places = vec![SkillPlace { folder: home.file("skills"), origin: SkillOrigin::Home }];
    let packs = std::fs::read_dir(home.file("packs")).into_iter().flatten().filter_map(Result::ok);
    let mut packs: Vec<_> = packs.map(|pack| pack.path().join("skills")).collect();
    packs.sort();
    places.extend(packs.into_iter().map(|folder| SkillPlace { folder, origin: SkillOrigin::Pack }));
    if let Ok(project) = std::env::current_dir() {
        for folder in [".nunchi/skills", ".claude/skills", ".agents/skills"] {
            let folder = project.join(folder);
            // In the owner's own home folder, a project's skills would be the owner's once more.
            if folder != places[0].folder {
                places.push(SkillPlace { folder, origin: SkillOrigin::Project });
            }
        }
    }
    SkillRegistry::new(places)
}

/// The folders, each with a name of its own; those that are missing in the home folder are made.
fn folders(home: &Home, config: &Config) -> Result<Vec<FileRoot>, Failure> {
    let written = config.tools.folders.iter().map(|folder| (folder, true));
    let written = written.chain(config.tools.read_only.iter().map(|folder| (folder, false)));
    let mut roots: Vec<FileRoot> = Vec::new();
    for (folder, writable) in written {
        let path = match folder.strip_prefix("~/").zip(std::env::home_dir()) {
            Some((rest, person)) => person.join(rest),
            None => home.path().join(folder),
        };
        if path.starts_with(home.path()) {
            std::fs::create_dir_all(&path).map_err(|error| Failure::system(folder, error))?;
        }
        roots.push(FileRoot { name: name_of(&path, &roots), path, writable, label: Label::Tool });
    }
    Ok(roots)
}

/// The databases; relative files lie in the home folder.
fn databases(home: &Home, config: &Config) -> Vec<DatabaseSettings> {
    let mut databases = config.tools.databases.clone();
    for database in &mut databases {
        if let DatabasePlace::Sqlite(path) = &mut database.place {
            *path = home.path().join(&path);
        }
    }
    databases
}

/// The folder's own name, with a number where another root has it.
fn name_of(path: &Path, taken: &[FileRoot]) -> String {
    let own = path.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
    let free = |name: &String| taken.iter().all(|root| root.name != *name);
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    std::iter::once(own.clone()).chain(numbered).find(free).unwrap_or(own)
}
