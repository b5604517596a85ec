//! Judgements that save money: whether two questions share an answer, which tier a question needs, which tools it needs, and
//! what of a conversation can be left out. Pure: texts and vectors go in, a verdict with its reason comes out.

mod compress;
mod guard;
mod route;
mod select;

pub use select::{
    ConceptVectors, CutPolicy, ExampleMemory, FIND_TOOLS, FoundTool, GroupRule, GroupTable, PromptCacheState,
    RankedTool, SelectionChange, SelectionRequest, ToolCatalog, ToolGroup, ToolQuery, ToolReason,
    ToolSelection, ToolSession, asking_part, definition_tokens, estimate_tokens, find_tools_answer,
    find_tools_definition, find_tools_query, regrouping_gain, select_tools,
};
