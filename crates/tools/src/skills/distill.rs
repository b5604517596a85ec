//! A successful run as a skill: its calls in order, with the values that its goal named as parameters. No model is asked, and
//! nothing that a tool answered is copied.

use super::adding::SkillError;
use super::format::is_name;
use nunchi_core::{Label, RunRecord, RunStatus, StepKind, StepRecord, StepStatus, label_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest value that is kept; longer ones were written for that one run.
const MOST_VALUE: usize = 200;
/// Most calls of a skill.
const MOST_CALLS: usize = 50;

/// A skill made from a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistilledSkill {
    /// Its name.
    pub name: String,
    /// Its `SKILL.md`.
    pub text: String,
    /// Its parameters, with the values they had.
    pub params: BTreeMap<String, String>,
}

/// Makes a skill of a run that ended well. The same run gives the same skill.
///
/// # Errors
/// When the run did not end well, left something unmet or unproven, or called no tool.
pub fn distill_skill(
    run: &RunRecord,
    steps: &[StepRecord],
    name: Option<&str>,
) -> Result<DistilledSkill, SkillError> {
    let whole = run.outcome.as_ref().is_some_and(|outcome| {
        outcome.unmet.is_empty() && outcome.unbacked.is_empty() && outcome.uncertain.is_empty()
    });
    if run.status != RunStatus::Done || !whole {
        return Err(SkillError::Undistillable(
            "the run did not end well, or not everything it was to do was done and proven",
            "실행이 잘 끝나지 않았거나, 할 일이 모두 확인되지 않았습니다",
        ));
    }
    let calls: Vec<_> = steps.iter().filter(|step| step.kind == StepKind::Tool).collect();
    let done: Vec<_> = calls.iter().filter(|step| step.status == StepStatus::Ok).take(MOST_CALLS).collect();
    if done.is_empty() {
        return Err(SkillError::Undistillable(
            "the run called no tool, so there is nothing to repeat",
            "도구를 부르지 않은 실행이라 되풀이할 것이 없습니다",
        ));
    }
    let goal = run.user_input.as_str();
    let mut params = Params { goal, found: BTreeMap::new() };
    let mut lines = Vec::new();
    for (number, step) in done.iter().enumerate() {
        let tool = step.tool.as_deref().unwrap_or_default();
        let arguments = serde_json::from_str::<Value>(&step.input).unwrap_or_default();
        let told: Vec<_> = arguments
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("   - `{key}`: {}", params.described(key, value)))
            .collect();
        lines.push(format!(
            "{}. Call `{tool}`{}\n{}",
            number + 1,
            if told.is_empty() { "." } else { " with" },
            told.join("\n")
        ));
    }
    let mut failed: Vec<_> = calls
        .iter()
        .filter(|step| step.status != StepStatus::Ok)
        .filter_map(|step| {
            Some(format!("- `{}` was answered with `{}`.", step.tool.as_deref()?, step.code.as_deref()?))
        })
        .collect();
    failed.dedup();
    let name = match name {
        Some(name) if is_name(name) => name.to_owned(),
        Some(name) => return Err(SkillError::Name(name.to_owned())),
        None => name_of(goal, &done),
    };
    let text = text_of(&name, &params, &done, &lines, &failed);
    Ok(DistilledSkill { name, text, params: params.found })
}

struct Params<'a> {
    goal: &'a str,
    found: BTreeMap<String, String>,
}

impl Params<'_> {
    /// What stands for an argument: a parameter, the value itself, or that it is to be written anew.
    fn described(&mut self, key: &str, value: &Value) -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let scalar = value.is_string() || value.is_number();
        if scalar && !text.trim().is_empty() && label_of(&text, &[self.goal.to_owned()], true) == Label::Owner
        {
            return format!("`{{{{{}}}}}`", self.named(key, &text));
        }
        let one_line = !text.contains(['\n', '`']);
        if text.len() > MOST_VALUE || !one_line {
            return "written anew, as the goal asks".to_owned();
        }
        format!("`{text}`")
    }

    fn named(&mut self, key: &str, value: &str) -> String {
        if let Some((name, _)) = self.found.iter().find(|(_, known)| *known == value) {
            return name.clone();
        }
        let plain: String =
            key.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !self.found.contains_key(name));
        let name = name.unwrap_or(plain);
        self.found.insert(name.clone(), value.to_owned());
        name
    }

    /// The goal with parameters in place of their values, the longest first.
    fn goal(&self) -> String {
        let mut values: Vec<_> = self.found.iter().collect();
        values.sort_by_key(|(name, value)| (usize::MAX - value.len(), *name));
        let mut goal = self.goal.split_whitespace().collect::<Vec<_>>().join(" ");
        for (name, value) in values {
            goal = goal.replace(value.as_str(), &format!("{{{{{name}}}}}"));
        }
        goal
    }
}

/// The first words of the goal, or else the tools.
fn name_of(goal: &str, done: &[&&StepRecord]) -> String {
    let words = |text: &str| -> Vec<String> {
        let lower = text.to_lowercase();
        let parts = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() > 1);
        parts.take(5).map(str::to_owned).collect()
    };
    let mut name = words(goal);
    if name.len() < 2 {
        name = words(&done.iter().filter_map(|step| step.tool.as_deref()).collect::<Vec<_>>().join(" "));
    }
    let joined: String = name.join("-").chars().take(64).collect();
    let joined = joined.trim_matches('-').to_owned();
    if is_name(&joined) { joined } else { "distilled-skill".to_owned() }
}

fn text_of(
    name: &str,
    params: &Params<'_>,
    done: &[&&StepRecord],
    lines: &[String],
    failed: &[String],
) -> String {
    let mut tools: Vec<_> = done.iter().filter_map(|step| step.tool.as_deref()).collect();
    tools.sort_unstable();
    tools.dedup();
    let goal = params.goal();
    let described: String = format!("Does what was asked once as: {goal}").chars().take(1_000).collect();
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut text = format!(
        "---\nname: {name}\ndescription: {}\nallowed-tools: {}\n",
        quoted(&described),
        tools.join(" ")
    );
    if !params.found.is_empty() {
        let told: Vec<_> = params.found.keys().map(|name| format!("{name}: as in the goal")).collect();
        text.push_str(&format!(
            "metadata:\n  nunchi-params: {}\n  nunchi-cost: low\n",
            quoted(&told.join("; "))
        ));
    }
    text.push_str(&format!("---\n\n# {name}\n\nThe goal: {goal}\n\n## Steps\n\n{}\n", lines.join("\n")));
    if !failed.is_empty() {
        text.push_str(&format!("\n## What went wrong on the way\n\n{}\n", failed.join("\n")));
    }
    text.push_str("\nAnswer with what was done, and say so if a step failed.\n");
    text
}
