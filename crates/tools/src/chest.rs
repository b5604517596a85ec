//! All tools of one agent, from several sources, under names that no source can take from another.

use nunchi_core::{Tool, ToolBox, ToolSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where tools come from. Its tools may change while the product runs (an MCP server connects).
pub trait ToolSource: Send + Sync {
    /// The tools it has at the moment.
    fn tools(&self) -> Vec<Arc<dyn Tool>>;
}

impl ToolSource for Vec<Arc<dyn Tool>> {
    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.clone()
    }
}

/// A tool box of several sources. Where two have a tool of the same name, the source added first keeps it.
#[derive(Default)]
pub struct ToolChest {
    sources: Vec<Arc<dyn ToolSource>>,
}

impl ToolChest {
    /// An empty chest.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one source more, which cannot shadow those before it.
    #[must_use]
    pub fn with(mut self, source: Arc<dyn ToolSource>) -> Self {
        self.sources.push(source);
        self
    }

    fn all(&self) -> BTreeMap<String, Arc<dyn Tool>> {
        let mut all = BTreeMap::new();
        for tool in self.sources.iter().flat_map(|source| source.tools()) {
            all.entry(tool.spec().name).or_insert(tool);
        }
        all
    }
}

impl ToolBox for ToolChest {
    fn specs(&self) -> Vec<ToolSpec> {
        self.all().values().map(|tool| tool.spec()).collect()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.sources.iter().flat_map(|source| source.tools()).find(|tool| tool.spec().name == name)
    }
}
