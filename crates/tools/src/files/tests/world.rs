//! A folder, its tools, and a run that keeps the rules of one: what it has seen is what it expects.

use super::super::{FileCaps, FileDesk, FileRoot, file_tools};
use nunchi_core::{
    EffectClass, Expect, Label, Preview, RunId, Tool, ToolCall, ToolError, ToolFate, ToolOutput, UndoCall,
    Undone,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) desk: Arc<FileDesk>,
    pub(super) tools: Vec<Arc<dyn Tool>>,
    seen: BTreeMap<String, String>,
    calls: u32,
}

/// Opens the desk of a world's folder, as each start of the product does.
pub(super) fn desk_of(folder: &std::path::Path) -> Arc<FileDesk> {
    let root = |name: &str, writable, label| {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        FileRoot { name: name.to_owned(), path, writable, label }
    };
    let roots = vec![root("work", true, Label::Tool), root("mail", false, Label::Stranger)];
    let closed = folder.join("work/closed");
    std::fs::create_dir_all(&closed).unwrap();
    let caps = FileCaps { file_bytes: 256 * 1024, ..FileCaps::default() };
    Arc::new(FileDesk::open(roots, vec![closed], &folder.join("undo"), caps).unwrap())
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk_of(folder.path());
        let tools = file_tools(&desk);
        Self { folder, desk, tools, seen: BTreeMap::new(), calls: 0 }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// Whether what stands in a file is, byte for byte, what the run has seen of it.
    pub(super) fn knows(&self, file: &str) -> bool {
        let now =
            std::fs::read(self.at(file)).ok().map(|bytes| nunchi_core::ContentHash::of(bytes).to_string());
        now.is_some() && now.as_ref() == self.seen.get(file)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.at(name)).ok()
    }

    pub(super) fn tool(&self, name: &str) -> Arc<dyn Tool> {
        Arc::clone(self.tools.iter().find(|tool| tool.spec().name == name).unwrap())
    }

    /// The call as a machine makes it.
    pub(super) fn order(&mut self, tool: &str, arguments: Value) -> ToolCall {
        self.calls += 1;
        let spec = self.tool(tool).spec();
        let target = spec.target.filter(|_| spec.effect > EffectClass::ReadOnly);
        let expect = target
            .and_then(|target| arguments.get(target)?.as_str().map(str::to_owned))
            .map(|target| self.seen.get(&target).cloned().map_or(Expect::Absent, Expect::Version));
        let key = format!("run.{}", self.calls);
        ToolCall { run: RunId(Uuid::nil()), key, tool: tool.to_owned(), arguments, expect }
    }

    pub(super) fn note(&mut self, output: &ToolOutput) {
        for touched in &output.touched {
            match &touched.version {
                Some(version) => self.seen.insert(touched.target.clone(), version.clone()),
                None => self.seen.remove(&touched.target),
            };
        }
    }

    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        let order = self.order(tool, arguments);
        let output = self.tool(tool).run(order).await?;
        self.note(&output);
        Ok(output)
    }

    pub(super) async fn preview(&mut self, tool: &str, arguments: Value) -> Result<Preview, ToolError> {
        let order = self.order(tool, arguments);
        self.tool(tool).preview(order).await
    }

    pub(super) async fn undo(&mut self, record: &Value, dry_run: bool) -> Undone {
        self.undo_after(record, dry_run, &[]).await
    }

    /// The same, or a look at it once others have been taken back.
    pub(super) async fn undo_after(&mut self, record: &Value, dry_run: bool, taken_back: &[Value]) -> Undone {
        self.calls += 1;
        let key = format!("undo.{}", self.calls);
        let (record, taken_back) = (record.clone(), taken_back.to_vec());
        let order = UndoCall { run: RunId(Uuid::nil()), key, record, dry_run, taken_back };
        self.tool("write_file").undo(order).await.unwrap()
    }

    pub(super) async fn fate(&self, call: &ToolCall) -> ToolFate {
        self.tool(&call.tool).fate(call.clone()).await
    }

    /// Whether no file that is being written was left behind.
    pub(super) fn is_clean(&self) -> bool {
        let left = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).unwrap().flatten();
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".nunchi-")).count()
        };
        left(self.at("")) == 0
    }
}
