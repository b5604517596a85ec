//! Skills in the Agent Skills format: found, checked, listed in prompts, read on use, made from runs.

mod adding;
mod catalog;
mod distill;
mod format;
mod groups;
mod problem;
mod registry;
mod resources;
mod tools;

pub use adding::{AddedSkill, SkillError, add_skill, new_skill};
pub use catalog::{SkillCatalog, catalog_line};
pub use distill::{DistilledSkill, distill_skill};
pub use format::{Skill, SkillCost, SkillParam, read_skill};
pub(crate) use groups::intent_words;
pub use groups::{ChosenGroup, SkillGroup, ToolChoice, choose_tools, groups_of};
pub use problem::SkillProblem;
pub use registry::{FoundSkill, SkillOrigin, SkillPlace, SkillRegistry};
pub use resources::skill_hash;
pub use tools::{SkillTools, skill_text};
