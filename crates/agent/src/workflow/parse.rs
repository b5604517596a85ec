//! Reads a workflow file, TOML or YAML. Everything that is wrong with it is told at once.

use super::check;
use super::graph::{Baseline, Node, Param, ParamKind, When, Workflow};
use super::problem::{WorkflowErrors, WorkflowProblem};
use nunchi_core::{Located, LocatedEntry, NanoUsd, Position, ToolSpec, read_toml, read_yaml};
use serde_json::Value;

/// A workflow file.
pub struct WorkflowSource<'a> {
    /// Its name; YAML when it ends with `.yaml` or `.yml`, TOML otherwise.
    pub name: &'a str,
    /// What stands in it.
    pub text: &'a str,
    /// Reads a prompt's file, by its name in the workflow file; or says why not.
    pub prompt: &'a dyn Fn(&str) -> Result<String, String>,
}

/// Reads a workflow and checks it: with `tools`, also that the tools it names are there and are given what they need.
///
/// # Errors
/// Everything that is wrong, in the order of the file.
pub fn parse_workflow(
    source: &WorkflowSource<'_>,
    tools: Option<&[ToolSpec]>,
) -> Result<Workflow, WorkflowErrors> {
    let yaml = source.name.ends_with(".yaml") || source.name.ends_with(".yml");
    let read =
        if yaml { read_yaml(source.text).map_err(|error| vec![error]) } else { read_toml(source.text) };
    let root = read.map_err(|errors| {
        let problem = |error: nunchi_core::SyntaxError| WorkflowProblem {
            file: source.name.to_owned(),
            at: error.at,
            code: "workflow.syntax",
            message_ko: format!("파일을 읽을 수 없습니다: {}", error.message),
            message: error.message,
        };
        WorkflowErrors(errors.into_iter().map(problem).collect())
    })?;
    let mut reading =
        Reading { source, problems: Vec::new(), drafts: Vec::new(), edges: Vec::new(), answer: None };
    let workflow = reading.workflow(&root);
    let workflow = check::check(&mut reading, workflow, tools);
    if reading.problems.is_empty() {
        return Ok(workflow);
    }
    reading.problems.sort_by(|one, other| (&one.file, one.at).cmp(&(&other.file, other.at)));
    reading.problems.dedup();
    Err(WorkflowErrors(reading.problems))
}

/// A template or an expression and where it stands.
pub(super) struct Snippet {
    pub(super) text: String,
    pub(super) at: Position,
    pub(super) expression: bool,
    /// The file of a prompt that has one of its own.
    pub(super) file: Option<String>,
}

/// What is known of a node besides the node itself.
pub(super) struct DraftNode {
    pub(super) at: Position,
    pub(super) tools: Vec<(String, Position)>,
    pub(super) args: Option<Position>,
    pub(super) snippets: Vec<Snippet>,
}

/// An edge by name.
pub(super) struct DraftEdge {
    pub(super) from: (String, Position),
    pub(super) to: (String, Position),
    pub(super) when: When,
    pub(super) snippet: Option<Snippet>,
    /// How often it may be taken, if it leads back.
    pub(super) rounds: Option<(u32, Position)>,
    /// Whether the bound was written at this very edge, which must then lead back.
    pub(super) own_bound: bool,
}

/// A file that is being read.
pub(super) struct Reading<'a> {
    pub(super) source: &'a WorkflowSource<'a>,
    pub(super) problems: Vec<WorkflowProblem>,
    pub(super) drafts: Vec<DraftNode>,
    pub(super) edges: Vec<DraftEdge>,
    pub(super) answer: Option<Snippet>,
}

impl Reading<'_> {
    pub(super) fn problem(
        &mut self,
        at: Position,
        code: &'static str,
        message: impl Into<String>,
        message_ko: impl Into<String>,
    ) {
        let file = self.source.name.to_owned();
        let (message, message_ko) = (message.into(), message_ko.into());
        self.problems.push(WorkflowProblem { file, at, code, message, message_ko });
    }

    pub(super) fn wants(&mut self, at: Position, key: &str, en: &str, ko: &str) {
        self.problem(
            at,
            "workflow.value",
            format!("`{key}` must be {en}"),
            format!("`{key}`에는 {ko} 필요합니다"),
        );
    }

    fn workflow(&mut self, root: &Located) -> Workflow {
        let mut workflow = Workflow {
            name: String::new(),
            description: String::new(),
            params: Vec::new(),
            nodes: Vec::new(),
            edges: Vec::new(),
            start: Vec::new(),
            answer: None,
            baseline: None,
        };
        let Some(entries) = root.entries() else {
            self.wants(root.at, "workflow", "a table", "표가");
            return workflow;
        };
        for entry in entries {
            match entry.key.as_str() {
                "name" => workflow.name = self.text(entry),
                "description" => workflow.description = self.text(entry),
                "answer" => {
                    let text = self.text(entry);
                    self.answer = Some(snippet(&text, entry.value.at, false));
                    workflow.answer = Some(text);
                }
                // Read when all nodes are known.
                "start" => {}
                "params" => workflow.params = self.params(entry),
                "nodes" => workflow.nodes = self.nodes(entry),
                "edges" => self.declared_edges(entry),
                "compiled" => workflow.baseline = self.baseline(entry),
                _ => self.unknown_key(
                    entry,
                    &["name", "description", "answer", "start", "params", "nodes", "edges", "compiled"],
                ),
            }
        }
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if workflow.name.is_empty() || workflow.name.len() > 64 || !workflow.name.chars().all(named) {
            let at = root.get("name").map_or(root.at, |name| name.at);
            self.wants(at, "name", "1 to 64 of a-z, 0-9 and -", "a-z, 0-9, -로 된 1~64자가");
        }
        workflow.start = self.start(root.get("start"), &workflow.nodes);
        workflow
    }

    fn start(&mut self, start: Option<&Located>, nodes: &[Node]) -> Vec<usize> {
        let Some(start) = start else { return (0..nodes.len().min(1)).collect() };
        let names: Vec<_> = match (start.text(), start.items()) {
            (Some(_), _) => vec![start],
            (None, Some(items)) if !items.is_empty() => items.iter().collect(),
            _ => {
                self.wants(start.at, "start", "a node or a list of nodes", "노드 이름이나 그 목록이");
                return Vec::new();
            }
        };
        let mut indices = Vec::new();
        for name in names {
            let id = name.text().unwrap_or_default();
            match nodes.iter().position(|node| node.id == id) {
                Some(index) => indices.push(index),
                None => self.unknown_node(name.at, id),
            }
        }
        indices
    }

    pub(super) fn unknown_node(&mut self, at: Position, id: &str) {
        self.problem(
            at,
            "workflow.unknown_node",
            format!("there is no node `{id}`"),
            format!("`{id}`라는 노드가 없습니다"),
        );
    }

    pub(super) fn unknown_key(&mut self, entry: &LocatedEntry, known: &[&str]) {
        let (key, known) = (&entry.key, known.join(", "));
        self.problem(
            entry.at,
            "workflow.unknown_key",
            format!("`{key}` is none of {known}"),
            format!("`{key}`은(는) 다음 중 하나가 아닙니다: {known}"),
        );
    }

    pub(super) fn text(&mut self, entry: &LocatedEntry) -> String {
        match entry.value.text() {
            Some(text) => text.to_owned(),
            None => {
                self.wants(entry.value.at, &entry.key, "a text", "글이");
                String::new()
            }
        }
    }

    pub(super) fn number(&mut self, entry: &LocatedEntry, most: u32) -> u32 {
        let found = entry.value.to_json().as_u64().and_then(|number| u32::try_from(number).ok());
        match found.filter(|number| (1..=most).contains(number)) {
            Some(number) => number,
            None => {
                let (en, ko) =
                    (format!("a whole number from 1 to {most}"), format!("1부터 {most}까지의 정수가"));
                self.wants(entry.value.at, &entry.key, &en, &ko);
                1
            }
        }
    }

    /// One text, or a list of them.
    pub(super) fn names(&mut self, entry: &LocatedEntry) -> Vec<(String, Position)> {
        if let Some(text) = entry.value.text() {
            return vec![(text.to_owned(), entry.value.at)];
        }
        let items = entry.value.items().unwrap_or_default();
        let names: Vec<_> =
            items.iter().filter_map(|item| item.text().map(|text| (text.to_owned(), item.at))).collect();
        if entry.value.items().is_none() || names.len() < items.len() {
            self.wants(entry.value.at, &entry.key, "a name or a list of names", "이름이나 이름의 목록이");
        }
        names
    }

    fn params(&mut self, entry: &LocatedEntry) -> Vec<Param> {
        let mut params = Vec::new();
        for param in entry.value.entries().unwrap_or_default() {
            let mut read = Param {
                name: param.key.clone(),
                kind: ParamKind::String,
                default: None,
                description: String::new(),
            };
            self.identifier(param);
            let mut default = None;
            for key in param.value.entries().unwrap_or_default() {
                match key.key.as_str() {
                    "type" => match key.value.text().and_then(ParamKind::of) {
                        Some(kind) => read.kind = kind,
                        None => self.wants(
                            key.value.at,
                            "type",
                            "string, integer, number, boolean or list",
                            "string, integer, number, boolean, list 중 하나가",
                        ),
                    },
                    "default" => default = Some((key.value.to_json(), key.value.at)),
                    "description" => read.description = self.text(key),
                    _ => self.unknown_key(key, &["type", "default", "description"]),
                }
            }
            if param.value.entries().is_none() {
                // `topic = "x"` is a parameter with that default.
                let value = param.value.to_json();
                let fits = |kind: &ParamKind| kind.fits(&value);
                let kinds = [ParamKind::String, ParamKind::Integer, ParamKind::Number, ParamKind::Boolean];
                read.kind = kinds.into_iter().find(fits).unwrap_or(ParamKind::List);
                default = Some((value, param.value.at));
            }
            if let Some((value, at)) = default {
                if !read.kind.fits(&value) {
                    let kind = read.kind.as_str();
                    self.wants(at, "default", &format!("of type {kind}"), &format!("{kind} 값이"));
                }
                read.default = Some(value);
            }
            params.push(read);
        }
        params
    }

    pub(super) fn identifier(&mut self, entry: &LocatedEntry) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let key = &entry.key;
        if key.is_empty()
            || key.len() > 64
            || !key.chars().all(good)
            || key.starts_with(|c: char| c.is_ascii_digit())
        {
            self.problem(
                entry.at,
                "workflow.name",
                format!("`{key}` cannot be named in templates: use a-z, 0-9 and _"),
                format!("`{key}`은(는) 템플릿에서 쓸 수 없는 이름입니다. a-z, 0-9, _를 쓰세요"),
            );
        }
    }

    fn baseline(&mut self, entry: &LocatedEntry) -> Option<Baseline> {
        let value = entry.value.to_json();
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let read = || {
            Some(Baseline {
                runs: number("runs")?.try_into().ok()?,
                tokens: number("tokens")?,
                cost: value.get("cost_usd").and_then(Value::as_str)?.parse::<NanoUsd>().ok()?,
                latency_us: number("latency_us")?,
            })
        };
        let baseline = read();
        if baseline.is_none() {
            self.wants(
                entry.value.at,
                "compiled",
                "a table of runs, tokens, cost_usd and latency_us",
                "runs, tokens, cost_usd, latency_us의 표가",
            );
        }
        baseline
    }
}

/// A snippet of the workflow's own file.
pub(super) fn snippet(text: &str, at: Position, expression: bool) -> Snippet {
    Snippet { text: text.to_owned(), at, expression, file: None }
}
