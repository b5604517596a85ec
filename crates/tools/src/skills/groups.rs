//! Which groups of tools a goal needs: by words, without a model. It chooses what is sent, never what is allowed.

use super::format::SkillCost;
use super::registry::FoundSkill;
use nunchi_core::{Label, ToolSpec};
use serde::Serialize;
use std::collections::BTreeSet;

/// Most tools that are sent for a goal, besides those that always are.
const MOST_TOOLS: usize = 5;
/// Least confidence with which a group is chosen.
const LEAST_CONFIDENCE: f32 = 0.3;
/// A group this much less sure than the first is left out.
const LEAST_SHARE: f32 = 0.5;
/// Longest ending that an English word may have and still be the keyword.
const MOST_ENDING: usize = 3;

/// Tools that belong together, and what speaks for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillGroup {
    /// Its name.
    pub name: String,
    /// Words that speak for it, Korean or English.
    pub keywords: Vec<String>,
    /// The intents it serves.
    pub intents: Vec<String>,
    /// What its use usually costs.
    pub cost: SkillCost,
    /// Its tools, the most useful first.
    pub tools: Vec<String>,
}

/// A group that was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChosenGroup {
    /// Its name.
    pub name: String,
    /// From 0 to 1: how many words speak for it, against those that speak for its best rival.
    pub confidence: f32,
    /// The words that did.
    pub because: Vec<String>,
    /// What its use usually costs.
    pub cost: SkillCost,
}

/// What is sent for a goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolChoice {
    /// The groups, the surest first; none when nothing speaks for any.
    pub groups: Vec<ChosenGroup>,
    /// The tools, in the order of their specifications: all of them where no chosen group names one that there is.
    pub tools: Vec<String>,
    /// How many there are to choose from.
    pub total_tools: usize,
    /// About how many tokens the definitions of the chosen tools have.
    pub estimated_tokens: u64,
    /// About how many all of them would have.
    pub estimated_tokens_of_all: u64,
}

/// Chooses the tools of a goal. `always` are sent whatever the goal is. An intent speaks for its groups as a keyword does, where it is
/// among `intents` or its name stands in the goal.
pub fn choose_tools(
    goal: &str,
    intents: &[&str],
    groups: &[SkillGroup],
    specs: &[ToolSpec],
    always: &[&str],
) -> ToolChoice {
    let goal = goal.to_lowercase();
    let evidence: Vec<_> = groups.iter().map(|group| evidence(&goal, intents, group, groups)).collect();
    let mut chosen: Vec<_> = groups
        .iter()
        .zip(&evidence)
        .enumerate()
        .filter_map(|(at, (group, (sum, because)))| {
            let rival =
                evidence.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, (sum, _))| *sum);
            let rival = rival.fold(0.0, f32::max);
            let confidence = sum / (sum + 0.5 + rival.min(*sum) * 0.5);
            let because = because.clone();
            let group = ChosenGroup { name: group.name.clone(), confidence, because, cost: group.cost };
            (confidence >= LEAST_CONFIDENCE).then_some(group)
        })
        .collect();
    chosen.sort_by(|one, other| {
        other.confidence.total_cmp(&one.confidence).then_with(|| one.name.cmp(&other.name))
    });
    let first = chosen.first().map_or(0.0, |group| group.confidence);
    chosen.retain(|group| group.confidence >= first * LEAST_SHARE);
    let wanted = wanted(&goal, &chosen, groups, specs);
    let sent = |spec: &&ToolSpec| {
        wanted.is_empty() || wanted.contains(spec.name.as_str()) || always.contains(&spec.name.as_str())
    };
    let sent: Vec<_> = specs.iter().filter(sent).collect();
    ToolChoice {
        groups: chosen,
        tools: sent.iter().map(|spec| spec.name.clone()).collect(),
        total_tools: specs.len(),
        estimated_tokens: sent.into_iter().map(definition_tokens).sum(),
        estimated_tokens_of_all: specs.iter().map(definition_tokens).sum(),
    }
}

/// How much speaks for a group, and which words. A word of several groups speaks for each of them the less.
fn evidence(goal: &str, intents: &[&str], group: &SkillGroup, groups: &[SkillGroup]) -> (f32, Vec<String>) {
    let mut because = Vec::new();
    let mut sum = 0.0;
    for keyword in group.keywords.iter().collect::<BTreeSet<_>>() {
        if speaks(goal, &keyword.to_lowercase()) {
            let shared = groups.iter().filter(|other| other.keywords.contains(keyword)).count().max(1);
            sum += 1.0 / f32::from(u16::try_from(shared).unwrap_or(u16::MAX));
            because.push(keyword.clone());
        }
    }
    let named = |intent: &&String| {
        intents.contains(&intent.as_str()) || speaks(goal, &intent_words(intent).to_lowercase())
    };
    if let Some(intent) = group.intents.iter().find(named).filter(|intent| !because.contains(*intent)) {
        sum += 1.0;
        because.push(intent.clone());
    }
    (sum, because)
}

/// An intent's name as it stands in a sentence.
pub(crate) fn intent_words(intent: &str) -> String {
    intent.replace(['_', '-'], " ")
}

/// Whether a keyword stands in a goal: an English one as a word with at most a short ending, a Korean one anywhere, as particles
/// and endings cling to it.
fn speaks(goal: &str, keyword: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric();
    !keyword.is_empty()
        && goal.match_indices(keyword).any(|(at, _)| {
            let begins = !keyword.starts_with(word) || !goal[..at].ends_with(word);
            let ending = goal[at + keyword.len()..].chars().take_while(|c| word(*c)).count();
            begins && (!keyword.ends_with(word) || ending <= MOST_ENDING)
        })
}

/// The tools of the chosen groups that fit the goal best; of equal ones, those that their group names first. What is left out is
/// still found by `find_tools`.
fn wanted<'a>(
    goal: &str,
    chosen: &[ChosenGroup],
    groups: &'a [SkillGroup],
    specs: &[ToolSpec],
) -> BTreeSet<&'a str> {
    let mut ranked: Vec<(usize, usize, usize, &str)> = Vec::new();
    for (rank, group) in chosen.iter().enumerate() {
        let Some(group) = groups.iter().find(|other| other.name == group.name) else { continue };
        for (at, tool) in group.tools.iter().enumerate() {
            let Some(spec) = specs.iter().find(|spec| spec.name == *tool) else { continue };
            let about =
                format!("{} {}", spec.name.replace(['_', '-', '.'], " "), spec.description).to_lowercase();
            let words: BTreeSet<_> =
                about.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1).collect();
            let fit = words.into_iter().filter(|word| speaks(goal, word)).count();
            ranked.push((usize::MAX - fit, rank, at, tool));
        }
    }
    ranked.sort();
    ranked.into_iter().take(MOST_TOOLS).map(|(.., tool)| tool).collect()
}

/// About four bytes a token: the JSON of a definition as it is sent.
fn definition_tokens(spec: &ToolSpec) -> u64 {
    let json = serde_json::json!({"name": spec.name, "description": spec.description, "parameters": spec.parameters});
    (json.to_string().len() as u64).div_ceil(4)
}

/// The groups that the owner's skills name. A stranger's skill speaks for nothing.
pub fn groups_of(found: &[FoundSkill]) -> Vec<SkillGroup> {
    let mut groups: Vec<SkillGroup> = Vec::new();
    for skill in
        found.iter().filter(|found| found.label != Label::Stranger).filter_map(|found| found.skill.as_ref())
    {
        let Some(name) = &skill.group else { continue };
        let at = groups.iter().position(|group| group.name == *name).unwrap_or_else(|| {
            let (keywords, intents, tools) = Default::default();
            groups.push(SkillGroup { name: name.clone(), keywords, intents, cost: SkillCost::Low, tools });
            groups.len() - 1
        });
        let group = &mut groups[at];
        let add = |into: &mut Vec<String>, from: &[String]| {
            for name in from {
                if !into.contains(name) {
                    into.push(name.clone());
                }
            }
        };
        add(&mut group.keywords, &skill.keywords);
        add(&mut group.intents, &skill.intents);
        add(&mut group.tools, skill.allowed_tools.as_deref().unwrap_or_default());
        group.cost = group.cost.max(skill.cost);
    }
    groups
}
