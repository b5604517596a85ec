//! Which tools a question needs.

pub(crate) mod bm25;
mod catalog;
mod concepts;
mod cut;
mod find;
mod groups;
mod memory;
mod session;
mod tokens;
mod whole;
pub(crate) mod words;

pub use catalog::{RankedTool, ToolCatalog, ToolQuery};
pub use concepts::ConceptVectors;
pub use cut::CutPolicy;
pub use find::{FIND_TOOLS, FoundTool, find_tools_answer, find_tools_definition, find_tools_query};
pub use groups::{GroupRule, GroupTable, ToolGroup};
pub use memory::ExampleMemory;
pub use session::{
    FEWEST_TOOLS, PromptCacheState, SelectionChange, SelectionRequest, ToolReason, ToolSelection,
    ToolSession, regrouping_gain, select_tools,
};
pub use tokens::{definition_tokens, estimate_tokens};
pub use whole::{ListPrefix, choose_or_send_all, whole_list_id};
pub use words::asking_part;

/// The inner product; vectors are of length 1, so it is their cosine. Zero when the lengths differ.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Sums in lanes: the compiler may not reorder one float sum, but it can run sixteen side by side.
    const LANES: usize = 16;
    if a.len() != b.len() {
        return 0.0;
    }
    let mut lanes = [0.0; LANES];
    let (heads, tails) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = heads.remainder().iter().zip(tails.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in heads.zip(tails) {
        lanes.iter_mut().zip(x.iter().zip(y)).for_each(|(lane, (x, y))| *lane += x * y);
    }
    lanes.iter().sum::<f32>() + rest
}

/// Shifts and scales scores to mean 0 and deviation 1, so that scores of different kinds can be added.
pub(crate) fn standardise(scores: &mut [f32]) {
    let count = scores.len().max(1) as f32;
    let mean = scores.iter().sum::<f32>() / count;
    let deviation = (scores.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / count).sqrt();
    scores.iter_mut().for_each(|score| *score = (*score - mean) / (deviation + 1e-6));
}
