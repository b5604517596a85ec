//! Nodes and edges of a workflow file.

use super::graph::{Edge, MOST_RETRIES, MOST_ROUNDS, Node, NodeWork, PromptWork, When};
use super::parse::{DraftEdge, DraftNode, Reading, Snippet, snippet};
use nunchi_core::{Located, LocatedEntry, Position};
use serde_json::Value;

/// The keys of which a node has exactly one: what it does.
const WORKS: [&str; 7] = ["prompt", "prompt_file", "tool", "if", "approve", "ask", "merge"];

impl Reading<'_> {
    pub(super) fn nodes(&mut self, entry: &LocatedEntry) -> Vec<Node> {
        let Some(entries) = entry.value.entries() else {
            self.wants(entry.value.at, "nodes", "a table of nodes", "노드의 표가");
            return Vec::new();
        };
        entries.iter().map(|node| self.node(node)).collect()
    }

    fn node(&mut self, entry: &LocatedEntry) -> Node {
        self.identifier(entry);
        let mut node = Node {
            id: entry.key.clone(),
            title: String::new(),
            work: NodeWork::Merge(String::new()),
            go_on: false,
            retries: 0,
        };
        let draft = DraftNode { at: entry.at, tools: Vec::new(), args: None, snippets: Vec::new() };
        self.drafts.push(draft);
        let Some(keys) = entry.value.entries() else {
            self.wants(entry.value.at, &entry.key, "a table", "표가");
            return node;
        };
        let works: Vec<_> = keys.iter().filter(|key| WORKS.contains(&key.key.as_str())).collect();
        let Some(work) = works.first().filter(|_| works.len() == 1) else {
            let all = WORKS.join(", ");
            self.problem(
                entry.at,
                "workflow.work",
                format!("node `{}` needs exactly one of {all}", entry.key),
                format!("노드 `{}`에는 다음 중 하나만 있어야 합니다: {all}", entry.key),
            );
            return node;
        };
        node.work = self.work(work, keys);
        let rounds =
            keys.iter().find(|key| key.key == "max").map(|key| (self.number(key, MOST_ROUNDS), key.at));
        for key in keys {
            match key.key.as_str() {
                "title" => node.title = self.text(key),
                "retries" => {
                    node.retries =
                        self.number(key, u32::from(MOST_RETRIES)).try_into().unwrap_or(MOST_RETRIES);
                }
                "on_error" => match key.value.text() {
                    Some("stop") => {}
                    Some("continue") => node.go_on = true,
                    _ => self.wants(key.value.at, "on_error", "stop or continue", "stop이나 continue가"),
                },
                "next" => self.lead(entry, key, &When::Always, rounds),
                "then" => self.lead(entry, key, &When::Decided(true), rounds),
                "else" => {
                    node.go_on |= matches!(node.work, NodeWork::Approve(_));
                    self.lead(entry, key, &When::Decided(false), rounds);
                }
                _ => {}
            }
        }
        node
    }

    fn lead(
        &mut self,
        node: &LocatedEntry,
        key: &LocatedEntry,
        when: &When,
        rounds: Option<(u32, Position)>,
    ) {
        for to in self.names(key) {
            self.edges.push(DraftEdge {
                from: (node.key.clone(), node.at),
                to,
                when: when.clone(),
                snippet: None,
                rounds,
                own_bound: false,
            });
        }
    }

    fn work(&mut self, work: &LocatedEntry, keys: &[LocatedEntry]) -> NodeWork {
        let decides = ["title", "then", "else", "max"];
        let leads = ["title", "next", "max", "on_error", "retries"];
        let (known, extra): (&[&str], &[&str]) = match work.key.as_str() {
            "prompt" | "prompt_file" => (&leads, &["tools", "model", "schema", "turns"]),
            "tool" => (&leads, &["args"]),
            "if" | "approve" => (&decides, &[]),
            _ => (&leads, &[]),
        };
        for key in keys.iter().filter(|key| key.key != work.key) {
            if !known.contains(&key.key.as_str()) && !extra.contains(&key.key.as_str()) {
                self.unknown_key(key, &[known, extra].concat());
            }
        }
        let key = |name: &str| keys.iter().find(|key| key.key == name);
        match work.key.as_str() {
            "prompt" => {
                let prompt = self.template(work, false);
                self.prompt(prompt, keys)
            }
            "prompt_file" => {
                let prompt = self.prompt_file(work);
                self.prompt(prompt, keys)
            }
            "tool" => {
                let tool = self.text(work);
                self.note_tools(&[(tool.clone(), work.value.at)]);
                let args = key("args").map_or_else(
                    || Value::Object(serde_json::Map::new()),
                    |args| {
                        self.args(&args.value);
                        args.value.to_json()
                    },
                );
                let at = key("args").map_or(work.at, |args| args.value.at);
                if let Some(draft) = self.drafts.last_mut() {
                    draft.args = Some(at);
                }
                NodeWork::Tool { tool, args }
            }
            "if" => NodeWork::If(self.template(work, true)),
            "approve" => NodeWork::Approve(self.template(work, false)),
            "ask" => NodeWork::Ask(self.template(work, false)),
            _ => NodeWork::Merge(self.template(work, false)),
        }
    }

    fn prompt(&mut self, prompt: String, keys: &[LocatedEntry]) -> NodeWork {
        let mut work = PromptWork { prompt, ..PromptWork::default() };
        for key in keys {
            match key.key.as_str() {
                "tools" => {
                    let tools = self.names(key);
                    self.note_tools(&tools);
                    work.tools = tools.into_iter().map(|(name, _)| name).collect();
                }
                "model" => work.model = Some(self.text(key)),
                "turns" => work.turns = Some(self.number(key, 100)),
                "schema" => {
                    let schema = key.value.to_json();
                    if jsonschema::validator_for(&schema).is_err() || !schema.is_object() {
                        self.wants(key.value.at, "schema", "a JSON Schema", "JSON Schema가");
                    }
                    work.schema = Some(schema);
                }
                _ => {}
            }
        }
        NodeWork::Prompt(work)
    }

    fn note_tools(&mut self, tools: &[(String, Position)]) {
        if let Some(draft) = self.drafts.last_mut() {
            draft.tools.extend(tools.iter().cloned());
        }
    }

    fn note(&mut self, snippet: Snippet) {
        if let Some(draft) = self.drafts.last_mut() {
            draft.snippets.push(snippet);
        }
    }

    fn template(&mut self, entry: &LocatedEntry, expression: bool) -> String {
        let text = match entry.value.to_json() {
            Value::Bool(truth) if expression => truth.to_string(),
            _ => self.text(entry),
        };
        self.note(snippet(&text, entry.value.at, expression));
        text
    }

    fn prompt_file(&mut self, entry: &LocatedEntry) -> String {
        let name = self.text(entry);
        match (self.source.prompt)(&name) {
            Ok(text) => {
                let at = Position { line: 1, column: 1 };
                self.note(Snippet { file: Some(name), ..snippet(&text, at, false) });
                text
            }
            Err(why) => {
                self.problem(
                    entry.value.at,
                    "workflow.prompt_file",
                    format!("`{name}` cannot be read: {why}"),
                    format!("`{name}`을(를) 읽을 수 없습니다: {why}"),
                );
                String::new()
            }
        }
    }

    /// Notes every template among the arguments of a tool.
    fn args(&mut self, args: &Located) {
        if let Some(text) = args.text() {
            return self.note(snippet(text, args.at, false));
        }
        args.items().into_iter().flatten().for_each(|item| self.args(item));
        args.entries().into_iter().flatten().for_each(|entry| self.args(&entry.value));
    }

    pub(super) fn declared_edges(&mut self, entry: &LocatedEntry) {
        let Some(items) = entry.value.items() else {
            return self.wants(entry.value.at, "edges", "a list of edges", "간선의 목록이");
        };
        for item in items {
            let (mut from, mut to, mut when, mut told, mut rounds) = (None, None, When::Always, None, None);
            for key in item.entries().unwrap_or_default() {
                match key.key.as_str() {
                    "from" => from = Some((self.text(key), key.value.at)),
                    "to" => to = Some((self.text(key), key.value.at)),
                    "max" => rounds = Some((self.number(key, MOST_ROUNDS), key.at)),
                    "when" => {
                        let text = self.text(key);
                        told = Some(snippet(&text, key.value.at, true));
                        when = When::Holds(text);
                    }
                    _ => self.unknown_key(key, &["from", "to", "when", "max"]),
                }
            }
            match (from, to) {
                (Some(from), Some(to)) => {
                    let own_bound = rounds.is_some();
                    self.edges.push(DraftEdge { from, to, when, snippet: told, rounds, own_bound });
                }
                _ => self.wants(item.at, "edges", "tables with `from` and `to`", "`from`과 `to`가 있는 표가"),
            }
        }
    }

    /// The edges by index; those of unknown nodes are told and left out.
    pub(super) fn resolve_edges(&mut self, nodes: &[Node]) -> Vec<(usize, Edge)> {
        let index = |id: &str| nodes.iter().position(|node| node.id == id);
        let mut resolved = Vec::new();
        let mut unknown = Vec::new();
        for (number, draft) in self.edges.iter().enumerate() {
            match (index(&draft.from.0), index(&draft.to.0)) {
                (Some(from), Some(to)) => {
                    resolved.push((number, Edge { from, to, when: draft.when.clone(), rounds: None }));
                }
                (from, to) => {
                    unknown.extend(from.is_none().then(|| draft.from.clone()));
                    unknown.extend(to.is_none().then(|| draft.to.clone()));
                }
            }
        }
        unknown.iter().for_each(|(id, at)| self.unknown_node(*at, id));
        resolved
    }
}
