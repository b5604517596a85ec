//! Rules that come before ranking: an intent or a keyword names groups of tools, by a table in the configuration.

use super::catalog::ToolCatalog;
use serde::{Deserialize, Serialize};

/// A named group of tools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolGroup {
    /// What rules call it.
    pub name: String,
    /// Tool names; one ending in `*` stands for all that begin so.
    pub tools: Vec<String>,
}

/// When a rule applies, and the groups it names. It applies when one of its intents or one of its keywords does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupRule {
    /// Intents, as the intent classifier names them.
    pub intents: Vec<String>,
    /// Words in the human text, any case; Korean words match at the beginning of a word.
    pub keywords: Vec<String>,
    /// The groups to offer.
    pub groups: Vec<String>,
}

/// The table of groups and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupTable {
    /// The groups.
    pub groups: Vec<ToolGroup>,
    /// The rules; all that apply are added up.
    pub rules: Vec<GroupRule>,
}

impl GroupTable {
    /// Places of the tools the rules allow; `None` when no rule applies or its groups name no tool at hand.
    pub(crate) fn candidates(
        &self,
        catalog: &ToolCatalog,
        intent: Option<&str>,
        text: &str,
    ) -> Option<Vec<usize>> {
        let text = text.to_lowercase();
        let words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let wanted: Vec<&String> = self
            .rules
            .iter()
            .filter(|rule| {
                intent.is_some_and(|intent| rule.intents.iter().any(|own| own == intent))
                    || rule.keywords.iter().any(|keyword| says(&text, &words, keyword))
            })
            .flat_map(|rule| &rule.groups)
            .collect();
        let patterns: Vec<&String> = self
            .groups
            .iter()
            .filter(|group| wanted.contains(&&group.name))
            .flat_map(|group| &group.tools)
            .collect();
        let places: Vec<usize> = (0..catalog.len())
            .filter(|&at| catalog.name(at).is_some_and(|name| patterns.iter().any(|p| matches(p, name))))
            .collect();
        (!places.is_empty()).then_some(places)
    }
}

/// A keyword of several words is looked for as it stands; one word matches a whole word, or a Korean word's beginning.
fn says(text: &str, words: &[&str], keyword: &str) -> bool {
    let keyword = keyword.trim().to_lowercase();
    if keyword.is_empty() {
        false
    } else if keyword.contains(char::is_whitespace) {
        text.contains(&keyword)
    } else if keyword.is_ascii() {
        words.contains(&keyword.as_str())
    } else {
        words.iter().any(|word| word.starts_with(&keyword))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::super::catalog::tests::{SIX, definitions};
    use super::*;

    #[test]
    fn rules_name_groups() {
        let catalog = ToolCatalog::new(&definitions(&SIX));
        let group = |name: &str, tools: &[&str]| ToolGroup {
            name: name.to_owned(),
            tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
        };
        let rule = |intents: &[&str], keywords: &[&str], groups: &[&str]| GroupRule {
            intents: intents.iter().map(|s| (*s).to_owned()).collect(),
            keywords: keywords.iter().map(|s| (*s).to_owned()).collect(),
            groups: groups.iter().map(|s| (*s).to_owned()).collect(),
        };
        let table = GroupTable {
            groups: vec![group("trip", &["get_weather", "book_*"]), group("none", &["gone"])],
            rules: vec![
                rule(&["travel"], &["여행", "road trip"], &["trip"]),
                rule(&["x"], &["go"], &["none"]),
            ],
        };
        for (intent, text, places) in [
            (Some("travel"), "", Some(vec![0, 4])),
            (None, "제주 여행을 가자", Some(vec![0, 4])),
            (None, "a Road Trip west", Some(vec![0, 4])),
            (None, "gone with the road", None),
            (Some("x"), "go", None),
        ] {
            assert_eq!(table.candidates(&catalog, intent, text), places, "{intent:?} {text}");
        }
    }
}
