//! `flow`: workflow files, checked and drawn without running them.

use super::{print_json, print_line};
use crate::cli::FlowCommand;
use crate::failure::Failure;
use nunchi_agent::{Workflow, WorkflowSource, draw_workflow, parse_workflow};
use nunchi_core::Lang;
use serde_json::json;
use std::path::{Component, Path};

/// Longest file of a workflow or a prompt, in bytes.
const MOST_FILE: u64 = 256 * 1024;

/// Runs a flow command.
pub(crate) fn flow(command: &FlowCommand, lang: Lang, as_json: bool) -> Result<(), Failure> {
    match command {
        FlowCommand::Check { file } => {
            let workflow = read(file)?;
            let (name, nodes, edges) = (&workflow.name, workflow.nodes.len(), workflow.edges.len());
            if as_json {
                return print_json(&json!({ "ok": true, "workflow": workflow }));
            }
            print_line(&lang.pick(
                format!("{name}: {nodes} nodes, {edges} edges, no errors"),
                format!("{name}: 노드 {nodes}개, 간선 {edges}개, 오류 없음"),
            ))
        }
        FlowCommand::Draw { file, output } => {
            let svg = draw_workflow(&read(file)?, None, lang);
            match output {
                Some(path) => std::fs::write(path, svg)
                    .map_err(|error| Failure::system(&path.display().to_string(), error)),
                None => print_line(svg.trim_end()),
            }
        }
    }
}

/// Reads a workflow with its prompts.
fn read(file: &Path) -> Result<Workflow, Failure> {
    let text = text_of(file).map_err(|error| Failure::system(&file.display().to_string(), error))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let prompt = |name: &str| prompt_of(folder, name);
    let source = WorkflowSource { name: &file.display().to_string(), text: &text, prompt: &prompt };
    // Which tools there are is known when it runs; here only the file is judged.
    parse_workflow(&source, None).map_err(|errors| Failure::Explained(Box::new(errors)))
}

/// A prompt of a workflow: a file in the workflow's own folder or below.
pub(super) fn prompt_of(folder: &Path, name: &str) -> Result<String, String> {
    let inside =
        Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || name.is_empty() {
        return Err("it is outside the workflow's folder".to_owned());
    }
    text_of(&folder.join(name)).map_err(|error| error.to_string())
}

/// A text of a sane length.
pub(super) fn text_of(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > MOST_FILE {
        return Err(std::io::Error::other(format!("it has more than {MOST_FILE} bytes")));
    }
    std::fs::read_to_string(path)
}
