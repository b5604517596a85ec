//! What agents can do: built-in tools, skills, and the tools of others over MCP.

mod arguments;
mod builtin;
mod calculator;
mod chest;
mod files;
mod mcp;
mod memory;
mod notify;
mod remind;
mod skills;
mod sql;
mod time;
mod web;

pub use builtin::{BuiltinError, BuiltinPorts, BuiltinSettings, builtin_rules, builtin_tools};
pub use chest::{ToolChest, ToolSource};
pub use files::{FileCaps, FileRoot};
pub use mcp::{
    ElicitationPolicy, GuardParts, GuardedTools, McpAnswer, McpAuth, McpCaller, McpChange, McpConsent,
    McpEra, McpError, McpFault, McpHttp, McpHttpSettings, McpHub, McpHubParts, McpInventory, McpInverse,
    McpLink, McpOauth, McpOffers, McpSecret, McpServerConfig, McpSource, McpStatus, McpTransport,
    OfferChanges, OfferPrompts, OfferResources, OfferTools, OfferedCall, OfferedPrompt, OfferedPromptCall,
    OfferedResource, OfferedTool, PinnedTool, PromptAnswer, PromptArgument, ResourcePage, ToolChange,
    ToolsFor, bridge_stdio, serve_stdio,
};
pub use memory::memory_tools;
pub use skills::{
    AddedSkill, ChosenGroup, DistilledSkill, FoundSkill, Skill, SkillCatalog, SkillCost, SkillError,
    SkillGroup, SkillOrigin, SkillParam, SkillPlace, SkillProblem, SkillRegistry, SkillTools, ToolChoice,
    add_skill, catalog_line, choose_tools, distill_skill, groups_of, new_skill, read_skill, skill_hash,
    skill_text,
};
pub use sql::{DatabasePlace, DatabaseSettings, SqlCaps, TableAccess};
pub use web::{SearchEndpoint, SearchKey, WebCaps, WebSettings};
