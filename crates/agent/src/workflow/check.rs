//! Checks a workflow that was read: it can be walked, it ends, and what it names is there.

use super::graph::{MOST_EDGES, MOST_NODES, NodeWork, Workflow};
use super::parse::{Reading, Snippet};
use super::problem::WorkflowProblem;
use super::templates::{expression_names, template_names, texts};
use crate::guards::check_schema;
use nunchi_core::{Position, ToolSpec};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a template may ask of a node.
const RESULT_KEYS: [&str; 5] = ["error", "ok", "output", "text", "visits"];

/// Fills the edges in and tells everything that is wrong.
pub(super) fn check(
    reading: &mut Reading<'_>,
    mut workflow: Workflow,
    tools: Option<&[ToolSpec]>,
) -> Workflow {
    let whole = Position { line: 1, column: 1 };
    let (nodes, edges) = (workflow.nodes.len(), reading.edges.len());
    if nodes == 0 || nodes > MOST_NODES || edges > MOST_EDGES {
        reading.problem(
            whole,
            "workflow.size",
            format!("a workflow has 1 to {MOST_NODES} nodes and at most {MOST_EDGES} edges, this has {nodes} and {edges}"),
            format!("워크플로에는 노드 1~{MOST_NODES}개, 간선 {MOST_EDGES}개까지인데 노드 {nodes}개, 간선 {edges}개가 있습니다"),
        );
        return workflow;
    }
    let resolved = reading.resolve_edges(&workflow.nodes);
    let numbers: Vec<_> = resolved.iter().map(|(number, _)| *number).collect();
    workflow.edges = resolved.into_iter().map(|(_, edge)| edge).collect();
    unreachable(reading, &workflow);
    loops(reading, &mut workflow, &numbers);
    names(reading, &workflow, &numbers);
    if let Some(tools) = tools {
        known_tools(reading, &workflow, tools);
    }
    workflow
}

fn unreachable(reading: &mut Reading<'_>, workflow: &Workflow) {
    let reached = reached_without(workflow, None);
    for (index, node) in workflow.nodes.iter().enumerate().filter(|(index, _)| !reached[*index]) {
        let id = &node.id;
        let at = reading.drafts[index].at;
        reading.problem(
            at,
            "workflow.unreachable",
            format!("nothing leads to the node `{id}`"),
            format!("노드 `{id}`(으)로 가는 길이 없습니다"),
        );
    }
}

/// Which nodes can be reached from the start, without passing one of them.
fn reached_without(workflow: &Workflow, avoided: Option<usize>) -> Vec<bool> {
    let mut reached = vec![false; workflow.nodes.len()];
    let mut open = workflow.start.clone();
    while let Some(node) = open.pop() {
        if Some(node) != avoided && !std::mem::replace(&mut reached[node], true) {
            open.extend(workflow.edges.iter().filter(|edge| edge.from == node).map(|edge| edge.to));
        }
    }
    reached
}

/// An edge leads back when everything that reaches its begin has passed its end. Such an edge needs a bound; what goes round
/// without one, or is entered or left in its middle, is told.
fn loops(reading: &mut Reading<'_>, workflow: &mut Workflow, numbers: &[usize]) {
    let reached = reached_without(workflow, None);
    let without: Vec<_> =
        (0..workflow.nodes.len()).map(|node| reached_without(workflow, Some(node))).collect();
    let mut bounded = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let edge = &workflow.edges[index];
        let leads_back = reached[edge.from] && !without[edge.to][edge.from];
        let draft = &reading.edges[*number];
        let (to, own) = (draft.to.clone(), draft.own_bound);
        match (leads_back, draft.rounds) {
            (true, Some((rounds, at))) => {
                workflow.edges[index].rounds = Some(rounds);
                bounded.push(at);
            }
            (true, None) => {
                reading.problem(
                    to.1,
                    "workflow.endless",
                    format!("it leads back to `{}` without a bound; give it `max`", to.0),
                    format!("한도 없이 `{}`(으)로 되돌아갑니다. `max`를 정하세요", to.0),
                );
                // So that what follows sees a loop and not a second error.
                workflow.edges[index].rounds = Some(1);
            }
            (false, Some((_, at)))
                if own && !can_reach(workflow, workflow.edges[index].to, workflow.edges[index].from) =>
            {
                useless_bound(reading, at);
            }
            (false, _) => {}
        }
    }
    let unused: BTreeSet<_> = reading
        .edges
        .iter()
        .filter(|edge| !edge.own_bound)
        .filter_map(|edge| edge.rounds.map(|(_, at)| at))
        .filter(|at| !bounded.contains(at))
        .collect();
    unused.into_iter().for_each(|at| useless_bound(reading, at));
    entered_in_the_middle(reading, workflow, numbers);
    left_in_the_middle(reading, workflow, numbers);
}

fn useless_bound(reading: &mut Reading<'_>, at: Position) {
    reading.problem(
        at,
        "workflow.bound",
        "`max` bounds an edge that leads back, and this one does not",
        "`max`는 되돌아가는 간선의 한도인데, 이 간선은 되돌아가지 않습니다",
    );
}

/// A cycle that is left without its bounded edges has two entries.
fn entered_in_the_middle(reading: &mut Reading<'_>, workflow: &Workflow, numbers: &[usize]) {
    for (index, edge) in workflow.edges.iter().enumerate() {
        if edge.rounds.is_none() && workflow.behind(edge.to)[edge.from] {
            let (id, at) = reading.edges[numbers[index]].to.clone();
            reading.problem(
                at,
                "workflow.loop_entry",
                format!("the loop around `{id}` can be entered at two places"),
                format!("`{id}` 주위의 반복은 두 곳에서 들어올 수 있습니다"),
            );
            return;
        }
    }
}

fn left_in_the_middle(reading: &mut Reading<'_>, workflow: &Workflow, numbers: &[usize]) {
    let mut told = BTreeSet::new();
    for back in workflow.edges.iter().filter(|edge| edge.rounds.is_some()) {
        let inside = workflow.loop_of(back);
        for (index, edge) in workflow.edges.iter().enumerate() {
            let leaves = inside[edge.from] && !inside[edge.to] && edge.from != back.from;
            if leaves && told.insert(index) {
                let (from, to) = (&workflow.nodes[edge.from].id, &workflow.nodes[edge.to].id);
                let end = &workflow.nodes[back.from].id;
                let (message, message_ko) = (
                    format!("`{from}` → `{to}` leaves the loop before its end at `{end}`"),
                    format!("`{from}` → `{to}`은(는) 반복의 끝인 `{end}` 전에 반복을 벗어납니다"),
                );
                let at = reading.edges[numbers[index]].to.1;
                reading.problem(at, "workflow.loop_exit", message, message_ko);
            }
        }
    }
}

/// Every parameter and node that a template names is there, and the node comes before.
fn names(reading: &mut Reading<'_>, workflow: &Workflow, numbers: &[usize]) {
    let mut problems = Vec::new();
    for (index, draft) in reading.drafts.iter().enumerate() {
        for snippet in &draft.snippets {
            problems.extend(wrong_names(reading, workflow, snippet, Some((index, false))));
        }
    }
    for (index, number) in numbers.iter().enumerate() {
        if let Some(snippet) = &reading.edges[*number].snippet {
            let node = Some((workflow.edges[index].from, true));
            problems.extend(wrong_names(reading, workflow, snippet, node));
        }
    }
    if let Some(answer) = &reading.answer {
        problems.extend(wrong_names(reading, workflow, answer, None));
    }
    reading.problems.extend(problems);
}

/// What is wrong with the names of a template of a node; behind the node its own result is known as well.
fn wrong_names(
    reading: &Reading<'_>,
    workflow: &Workflow,
    snippet: &Snippet,
    node: Option<(usize, bool)>,
) -> Vec<WorkflowProblem> {
    let file = snippet.file.clone().unwrap_or_else(|| reading.source.name.to_owned());
    let read =
        if snippet.expression { expression_names(&snippet.text) } else { template_names(&snippet.text) };
    let names = match read {
        Ok(names) => names,
        Err(why) => {
            return vec![WorkflowProblem {
                file,
                at: snippet.at,
                code: "workflow.template",
                message: format!("it cannot be read as a template: {why}"),
                message_ko: format!("템플릿으로 읽을 수 없습니다: {why}"),
            }];
        }
    };
    let wrong = |name: &String| {
        let (message, message_ko) = wrong_name(workflow, name, node)?;
        let at = place(reading, snippet, name);
        Some(WorkflowProblem { file: file.clone(), at, code: "workflow.undefined", message, message_ko })
    };
    names.iter().filter_map(wrong).collect()
}

fn wrong_name(workflow: &Workflow, name: &str, node: Option<(usize, bool)>) -> Option<(String, String)> {
    let mut parts = name.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("params"), None, _) | (Some("nodes"), None, _) => None,
        (Some("params"), Some(param), _) => {
            let known = workflow.params.iter().any(|known| known.name == param);
            (!known).then(|| {
                (format!("there is no parameter `{param}`"), format!("`{param}`라는 매개변수가 없습니다"))
            })
        }
        (Some("nodes"), Some(id), key) => {
            let Some(index) = workflow.node(id) else {
                return Some((format!("there is no node `{id}`"), format!("`{id}`라는 노드가 없습니다")));
            };
            if let Some(key) = key.filter(|key| !RESULT_KEYS.contains(key)) {
                let known = RESULT_KEYS.join(", ");
                return Some((
                    format!("a node has no `{key}`, but {known}"),
                    format!("노드에는 `{key}`이(가) 없고 {known}이(가) 있습니다"),
                ));
            }
            let (node, behind) = node?;
            let comes_before = (behind && index == node)
                || workflow.edges.iter().any(|edge| {
                    edge.from == index && (edge.to == node || can_reach(workflow, edge.to, node))
                });
            (!comes_before).then(|| {
                let own = &workflow.nodes[node].id;
                (
                    format!("`{id}` does not come before `{own}`"),
                    format!("`{id}`은(는) `{own}`보다 앞에 오지 않습니다"),
                )
            })
        }
        _ => Some((
            format!("`{name}` is not known; there are `params` and `nodes`"),
            format!("`{name}`을(를) 알 수 없습니다. `params`와 `nodes`를 쓸 수 있습니다"),
        )),
    }
}

/// Whether any edges lead from one node to another, back or forth.
fn can_reach(workflow: &Workflow, from: usize, to: usize) -> bool {
    let mut reached = vec![false; workflow.nodes.len()];
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            open.extend(workflow.leaving(node).map(|(_, edge)| edge.to));
        }
    }
    reached[to]
}

/// Where a name stands in the text of a snippet.
fn place(reading: &Reading<'_>, snippet: &Snippet, name: &str) -> Position {
    let find = |text: &str, from: usize| {
        let last = name.rsplit('.').next().unwrap_or(name);
        let found = text[from..].find(name).or_else(|| text[from..].find(last));
        found.map(|at| Position::of_byte(text, from + at))
    };
    if snippet.file.is_some() {
        return find(&snippet.text, 0).unwrap_or(snippet.at);
    }
    let text = reading.source.text;
    let lines = text.split_inclusive('\n').take(snippet.at.line as usize - 1).map(str::len);
    let line: usize = lines.sum();
    let column: usize = text[line..].chars().take(snippet.at.column as usize - 1).map(char::len_utf8).sum();
    find(text, line + column).unwrap_or(snippet.at)
}

fn known_tools(reading: &mut Reading<'_>, workflow: &Workflow, tools: &[ToolSpec]) {
    let mut problems = Vec::new();
    for (index, draft) in reading.drafts.iter().enumerate() {
        for (name, at) in &draft.tools {
            if !tools.iter().any(|spec| spec.name == *name) {
                problems.push((
                    *at,
                    "workflow.unknown_tool",
                    format!("there is no tool `{name}`"),
                    format!("`{name}`라는 도구가 없습니다"),
                ));
            }
        }
        let NodeWork::Tool { tool, args } = &workflow.nodes[index].work else { continue };
        let Some(spec) = tools.iter().find(|spec| spec.name == *tool) else { continue };
        if let Some(complaint) = wrong_args(spec, args) {
            problems.push((
                draft.args.unwrap_or(draft.at),
                "workflow.arguments",
                format!("`{tool}` cannot be called so: {complaint}"),
                format!("`{tool}`을(를) 이렇게 부를 수 없습니다: {complaint}"),
            ));
        }
    }
    problems.into_iter().for_each(|(at, code, en, ko)| reading.problem(at, code, en, ko));
}

/// What can be said of arguments before their templates are filled in.
fn wrong_args(spec: &ToolSpec, args: &Value) -> Option<String> {
    let templates = texts(args).iter().any(|text| text.contains("{{") || text.contains("{%"));
    if !templates {
        return check_schema(&spec.parameters, args).err();
    }
    let given = args.as_object()?;
    let required = spec.parameters.get("required").and_then(Value::as_array);
    let missing: Vec<_> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| !given.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        return Some(format!("{} missing", missing.join(", ")));
    }
    let closed = spec.parameters.get("additionalProperties") == Some(&Value::Bool(false));
    let known = spec.parameters.get("properties").and_then(Value::as_object);
    let extra = given.keys().find(|name| closed && known.is_some_and(|known| !known.contains_key(*name)))?;
    Some(format!("{extra} unknown"))
}
