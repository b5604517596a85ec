//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod chest;
mod skills;

pub use chest::{ToolChest, ToolSource};
pub use skills::{
    AddedSkill, ChosenGroup, DistilledSkill, FoundSkill, Skill, SkillCatalog, SkillCost, SkillError,
    SkillGroup, SkillOrigin, SkillParam, SkillPlace, SkillProblem, SkillRegistry, SkillTools, ToolChoice,
    add_skill, choose_tools, distill_skill, groups_of, narrow_tools, new_skill, read_skill, skill_hash,
};
