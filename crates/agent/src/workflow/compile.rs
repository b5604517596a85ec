//! Runs that did the same, as a workflow that needs no model: the same calls in order, what differed taken from the goal or
//! from what an earlier call answered.

use super::graph::Baseline;
use crate::state::RunState;
use nunchi_core::{
    ContentHash, Explain, Label, Lang, NanoUsd, Part, RunRecord, RunStatus, StepKind, StepRecord, StepStatus,
    call_hash, label_of, mask_secrets,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest answer that a node keeps, so that longer ones cannot be handed on.
const MOST_HANDED_ON: usize = 8 * 1024;

/// A run that has ended, with its steps.
#[derive(Clone, Debug)]
pub struct PastRun {
    /// The run.
    pub record: RunRecord,
    /// All its steps.
    pub steps: Vec<StepRecord>,
    goal: String,
    /// Exact arguments and answers of its calls, by the hash of the call: records are masked.
    exact: BTreeMap<ContentHash, (Value, String)>,
}

impl PastRun {
    /// A run whose masked record is all that is known.
    pub fn new(record: RunRecord, steps: Vec<StepRecord>) -> Self {
        Self { goal: record.user_input.clone(), record, steps, exact: BTreeMap::new() }
    }

    /// With what its state knows exactly.
    #[must_use]
    pub fn with_state(mut self, state: &RunState) -> Self {
        self.goal.clone_from(&state.order().goal);
        let mut asked = BTreeMap::new();
        for part in state.thread().iter().flat_map(|message| &message.parts) {
            match part {
                Part::ToolCall { id, name, arguments, .. } => {
                    if let Ok(value) = serde_json::from_str::<Value>(arguments) {
                        asked.insert(id.clone(), (call_hash(name, &value), value));
                    }
                }
                Part::ToolResult { call_id, content, is_error: false } => {
                    if let Some((hash, value)) = asked.remove(call_id) {
                        let texts = content.iter().filter_map(|part| match part {
                            Part::Text(text) => Some(text.as_str()),
                            _ => None,
                        });
                        self.exact.insert(hash, (value, texts.collect()));
                    }
                }
                _ => {}
            }
        }
        self
    }
}

/// A workflow made of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct CompiledWorkflow {
    /// The workflow file, TOML.
    pub text: String,
    /// The parameters, each with its value in every run.
    pub params: BTreeMap<String, Vec<Value>>,
    /// What the runs used, on the average.
    pub baseline: Baseline,
    /// What of their time went into tools, in microseconds on the average: the time the workflow will take.
    pub tool_latency_us: u64,
}

/// Why runs do not make a workflow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// There are too few.
    #[error("it takes at least two runs that did the same")]
    TooFew,
    /// One did not end well.
    #[error("run {0} did not end well, or not all it did was proven")]
    NotWhole(String),
    /// One did something that no tool call alone does.
    #[error("run {0} asked a person, a sub-agent, or called no tool")]
    NotTools(String),
    /// They called other tools, or in another order.
    #[error("the runs called different tools: {0}; {1}")]
    Shape(String, String),
    /// The record does not hold the exact arguments (a secret, or too long).
    #[error("the exact arguments of `{0}` are not in the record")]
    Hidden(String),
    /// An argument differs in a way that neither the goals nor earlier answers explain.
    #[error("`{argument}` of `{tool}` differs, and neither the goal nor an earlier answer says how")]
    Differs {
        /// The tool.
        tool: String,
        /// The argument.
        argument: String,
    },
}

impl Explain for CompileError {
    fn code(&self) -> &'static str {
        "workflow.not_compilable"
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (_, Lang::En) => self.to_string(),
            (Self::TooFew, _) => "같은 일을 한 실행이 둘 이상 필요합니다".into(),
            (Self::NotWhole(run), _) => {
                format!("실행 {run}이(가) 잘 끝나지 않았거나 확인되지 않은 것이 있습니다")
            }
            (Self::NotTools(run), _) => {
                format!("실행 {run}은(는) 사람이나 하위 에이전트에게 물었거나 도구를 부르지 않았습니다")
            }
            (Self::Shape(one, other), _) => format!("실행들이 부른 도구가 다릅니다: {one}; {other}"),
            (Self::Hidden(tool), _) => format!("`{tool}`의 정확한 인자가 기록에 없습니다"),
            (Self::Differs { tool, argument }, _) => {
                format!("`{tool}`의 `{argument}`이(가) 다른데, 목표나 앞선 결과에서 나온 값이 아닙니다")
            }
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let hint = lang.pick(
            "Distil one of them into a skill instead; a model then fills in what differs.",
            "대신 하나를 스킬로 만드세요. 다른 부분은 모델이 채웁니다.",
        );
        Some(hint.to_owned())
    }
}

impl Baseline {
    /// What runs used, on the average.
    pub fn of(runs: &[PastRun]) -> Self {
        let count = u64::try_from(runs.len()).unwrap_or(u64::MAX).max(1);
        let steps = || runs.iter().flat_map(|run| &run.steps);
        let cost: NanoUsd = steps().map(|step| step.cost).sum();
        Self {
            runs: u32::try_from(runs.len()).unwrap_or(u32::MAX),
            tokens: steps().map(|step| step.usage.total_tokens()).sum::<u64>() / count,
            cost: NanoUsd(cost.0 / i64::try_from(count).unwrap_or(i64::MAX)),
            latency_us: steps().map(|step| step.latency_us).sum::<u64>() / count,
        }
    }
}

/// Makes a workflow of runs whose calls differ only in what their goals named.
///
/// # Errors
/// When they did not do the same, or what differs cannot be explained.
pub fn compile_workflow(name: &str, runs: &[PastRun]) -> Result<CompiledWorkflow, CompileError> {
    if runs.len() < 2 {
        return Err(CompileError::TooFew);
    }
    let calls: Vec<_> = runs.iter().map(calls_of).collect::<Result<_, _>>()?;
    let shape = |calls: &[Call<'_>]| calls.iter().map(|call| call.tool).collect::<Vec<_>>().join(", ");
    if let Some(other) = calls.iter().find(|other| shape(other) != shape(&calls[0])) {
        return Err(CompileError::Shape(shape(&calls[0]), shape(other)));
    }
    let goals = runs.iter().map(|run| run.goal.clone()).collect();
    let mut compiling = Compiling { goals, ids: Vec::new(), outputs: Vec::new(), params: BTreeMap::new() };
    let mut nodes = Vec::new();
    for at in 0..calls[0].len() {
        let tool = calls[0][at].tool;
        let arguments: Vec<_> = calls.iter().map(|calls| calls[at].arguments.clone()).collect();
        let args = compiling.leaf(tool, "", &arguments)?;
        let id = compiling.new_id(tool);
        nodes.push((id, tool.to_owned(), args));
        compiling.outputs.push(calls.iter().map(|calls| calls[at].output.to_owned()).collect());
    }
    let answers: Vec<_> = runs
        .iter()
        .map(|run| {
            Value::String(
                run.record.outcome.as_ref().map_or_else(String::new, |outcome| outcome.text.clone()),
            )
        })
        .collect();
    let answer = compiling.leaf("", "answer", &answers).ok();
    let baseline = Baseline::of(runs);
    let tools = calls.iter().flatten().map(|call| call.latency_us).sum::<u64>() / runs.len() as u64;
    let text = file(name, &nodes, &compiling.params, answer.as_ref(), &baseline);
    Ok(CompiledWorkflow { text, params: compiling.params, baseline, tool_latency_us: tools })
}

struct Call<'a> {
    tool: &'a str,
    arguments: Value,
    output: &'a str,
    latency_us: u64,
}

/// The calls that a run made, in order.
fn calls_of(run: &PastRun) -> Result<Vec<Call<'_>>, CompileError> {
    let id = || run.record.id.to_string();
    let whole = run.record.outcome.as_ref().is_some_and(|outcome| {
        outcome.unmet.is_empty() && outcome.unbacked.is_empty() && outcome.uncertain.is_empty()
    });
    if run.record.status != RunStatus::Done || !whole {
        return Err(CompileError::NotWhole(id()));
    }
    let mut calls = Vec::new();
    for step in &run.steps {
        match (step.kind, step.tool.as_deref()) {
            (StepKind::Delegated, _) | (StepKind::Tool, Some(crate::offers::ASK_USER)) => {
                return Err(CompileError::NotTools(id()));
            }
            (StepKind::Tool, Some(tool)) if step.status == StepStatus::Ok => {
                let exact = step.arguments.and_then(|hash| run.exact.get(&hash));
                let (arguments, output) = match exact {
                    Some((arguments, output)) => (arguments.clone(), output.as_str()),
                    None => {
                        let recorded = serde_json::from_str::<Value>(&step.input).ok();
                        let whole = |value: &Value| step.arguments == Some(call_hash(tool, value));
                        let hidden = || CompileError::Hidden(tool.to_owned());
                        (recorded.filter(whole).ok_or_else(hidden)?, step.output.as_str())
                    }
                };
                calls.push(Call { tool, arguments, output, latency_us: step.latency_us });
            }
            _ => {}
        }
    }
    if calls.is_empty() { Err(CompileError::NotTools(id())) } else { Ok(calls) }
}

struct Compiling {
    goals: Vec<String>,
    /// The nodes so far, and what each answered in every run.
    ids: Vec<String>,
    outputs: Vec<Vec<String>>,
    params: BTreeMap<String, Vec<Value>>,
}

impl Compiling {
    fn new_id(&mut self, tool: &str) -> String {
        let plain: String =
            tool.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let plain = if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("t{plain}") } else { plain };
        let id = free(&plain, |name| !self.ids.iter().any(|known| known == name));
        self.ids.push(id.clone());
        id
    }

    /// What stands for an argument that had these values in the runs.
    fn leaf(&mut self, tool: &str, argument: &str, values: &[Value]) -> Result<Value, CompileError> {
        let first = &values[0];
        let differs = || CompileError::Differs { tool: tool.to_owned(), argument: argument.to_owned() };
        match first {
            _ if values.iter().all(|value| value == first) && !argument.is_empty() => {
                literal(first).ok_or_else(differs)
            }
            Value::Object(entries) => {
                let keys =
                    |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
                if values.iter().any(|value| keys(value) != keys(first)) {
                    return Err(differs());
                }
                let entry = |key: &String| {
                    let name = if argument.is_empty() { key.clone() } else { format!("{argument}.{key}") };
                    let inner: Vec<_> = values.iter().map(|value| value[key].clone()).collect();
                    Ok((key.clone(), self.leaf(tool, &name, &inner)?))
                };
                entries.keys().map(entry).collect::<Result<_, CompileError>>().map(Value::Object)
            }
            Value::Array(items) => {
                if values.iter().any(|value| value.as_array().map(Vec::len) != Some(items.len())) {
                    return Err(differs());
                }
                let item = |at: usize| {
                    let inner: Vec<_> = values.iter().map(|value| value[at].clone()).collect();
                    self.leaf(tool, &format!("{argument}.{at}"), &inner)
                };
                (0..items.len()).map(item).collect::<Result<_, _>>().map(Value::Array)
            }
            _ => self.explained(argument, values).ok_or_else(differs),
        }
    }

    /// Where values come from that differ between the runs.
    fn explained(&mut self, argument: &str, values: &[Value]) -> Option<Value> {
        let texts: Vec<_> = values.iter().map(plain).collect();
        if let Some(at) = self.outputs.iter().position(|outputs| handed_on(outputs, &texts)) {
            return Some(format!("{{{{ nodes.{}.text }}}}", self.ids[at]).into());
        }
        if let Some(found) = self.field(values) {
            return Some(found.into());
        }
        let named = texts.iter().zip(&self.goals).all(|(text, goal)| {
            !text.trim().is_empty() && label_of(text, std::slice::from_ref(goal), true) == Label::Owner
        });
        if named && !argument.is_empty() && argument != "answer" {
            let last = argument.rsplit('.').next().unwrap_or(argument);
            return Some(format!("{{{{ params.{} }}}}", self.param(last, values)).into());
        }
        self.woven(&texts).map(Value::String)
    }

    /// A field of an earlier answer that was JSON.
    fn field(&self, values: &[Value]) -> Option<String> {
        let parsed = |outputs: &Vec<String>| -> Option<Vec<Value>> {
            outputs.iter().map(|output| serde_json::from_str(output).ok()).collect()
        };
        for (id, outputs) in self.ids.iter().zip(&self.outputs) {
            let Some(parsed) = parsed(outputs) else { continue };
            let keys = parsed[0].as_object().into_iter().flatten().map(|(key, _)| key);
            let mut keys = keys.filter(|key| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            let same = |key: &&String| {
                parsed.iter().zip(values).all(|(output, value)| output.get(*key) == Some(value))
            };
            if let Some(key) = keys.find(same) {
                return Some(format!("{{{{ nodes.{id}.output.{key} }}}}"));
            }
        }
        None
    }

    fn param(&mut self, wanted: &str, values: &[Value]) -> String {
        if let Some((name, _)) = self.params.iter().find(|(_, known)| *known == values) {
            return name.clone();
        }
        let plain: String =
            wanted.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let plain = if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { plain } else { "value".into() };
        let name = free(&plain, |name| !self.params.contains_key(name));
        self.params.insert(name.clone(), values.to_vec());
        name
    }

    /// Texts that are the same once the parameters and earlier answers in them are named.
    fn woven(&self, texts: &[String]) -> Option<String> {
        let woven: Vec<_> = texts.iter().enumerate().map(|(run, text)| self.named_in(text, run)).collect();
        let first = woven.first()?.clone()?;
        woven.iter().all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    fn named_in(&self, text: &str, run: usize) -> Option<String> {
        if text.contains("{{") || text.contains("{%") || text.contains("{#") {
            return None;
        }
        let params = self
            .params
            .iter()
            .map(|(name, values)| (plain(&values[run]), format!("{{{{ params.{name} }}}}")));
        let outputs = self
            .ids
            .iter()
            .zip(&self.outputs)
            // What every run was answered alike does not say where a text comes from.
            .filter(|(_, outputs)| outputs.iter().any(|other| *other != outputs[0]))
            .map(|(id, outputs)| (outputs[run].clone(), format!("{{{{ nodes.{id}.text }}}}")));
        let mut known: Vec<_> =
            params.chain(outputs).filter(|(value, _)| value.chars().count() > 1).collect();
        // The longest first, so that no value is cut by a shorter one within it.
        known.sort_by_key(|(value, name)| (usize::MAX - value.len(), name.clone()));
        let mut out = String::new();
        let mut rest = text;
        'text: while let Some(c) = rest.chars().next() {
            for (value, name) in &known {
                if let Some(after) = rest.strip_prefix(value.as_str()) {
                    out.push_str(name);
                    rest = after;
                    continue 'text;
                }
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        Some(out)
    }
}

/// Whether values are what a node answered, in every run, and short enough to be handed on whole.
fn handed_on(outputs: &[String], texts: &[String]) -> bool {
    outputs
        .iter()
        .zip(texts)
        .all(|(output, text)| output == text && output.len() <= MOST_HANDED_ON && text.len() > 1)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn free(plain: &str, is_free: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{plain}_{number}"));
    std::iter::once(plain.to_owned()).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
}

/// A value that templates leave as it is; `None` where that cannot be written, or is a key that belongs in no file.
fn literal(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) if ["[key]", "[token]"].iter().any(|mark| mask_secrets(text).contains(mark)) => {
            return None;
        }
        Value::String(text) if text.contains("{{") || text.contains("{%") || text.contains("{#") => {
            (!text.contains("endraw")).then(|| Value::String(format!("{{% raw %}}{text}{{% endraw %}}")))?
        }
        Value::Array(items) => items.iter().map(literal).collect::<Option<_>>()?,
        Value::Object(entries) => Value::Object(
            entries.iter().map(|(key, value)| Some((key.clone(), literal(value)?))).collect::<Option<_>>()?,
        ),
        other => other.clone(),
    })
}

/// The file, as a person would write it.
fn file(
    name: &str,
    nodes: &[(String, String, Value)],
    params: &BTreeMap<String, Vec<Value>>,
    answer: Option<&Value>,
    baseline: &Baseline,
) -> String {
    let mut text = format!(
        "name = {}\ndescription = \"Made of {} runs that did the same; needs no model.\"\n",
        toml(&name.into()),
        baseline.runs
    );
    if let Some(answer) = answer {
        text.push_str(&format!("answer = {}\n", toml(answer)));
    }
    text.push_str(&format!(
        "\n[compiled]\nruns = {}\ntokens = {}\ncost_usd = \"{}\"\nlatency_us = {}\n",
        baseline.runs, baseline.tokens, baseline.cost, baseline.latency_us
    ));
    for (name, values) in params {
        let kind = match &values[0] {
            _ if values.iter().all(|value| value.is_i64() || value.is_u64()) => "integer",
            _ if values.iter().all(Value::is_number) => "number",
            Value::Bool(_) => "boolean",
            _ => "string",
        };
        text.push_str(&format!(
            "\n[params.{name}]\ntype = \"{kind}\"\ndescription = {}\n",
            toml(&format!("as in {}", plain(&values[0]).chars().take(80).collect::<String>()).into())
        ));
    }
    for (at, (id, tool, args)) in nodes.iter().enumerate() {
        text.push_str(&format!(
            "\n[nodes.{id}]\ntool = {}\nargs = {}\n",
            toml(&tool.as_str().into()),
            toml(args)
        ));
        if let Some((next, ..)) = nodes.get(at + 1) {
            text.push_str(&format!("next = \"{next}\"\n"));
        }
    }
    text
}

/// A value as TOML on one line. JSON's escapes of texts are TOML's.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{} = {}", toml(&key.as_str().into()), toml(value));
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string().replace('\u{7F}', "\\u007F"),
    }
}
