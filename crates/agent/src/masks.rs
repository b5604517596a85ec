//! What a model must not see and may still use: secrets and personal data stand under names (`[email 1]`) in all that it is sent, and
//! come back in the arguments of its calls and in its answer.

use nunchi_core::{Reach, ToolSpec, mask_with};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most values that a run has names for; further ones lose theirs.
const MOST: usize = 1_000;

/// Kinds that are somebody's address, which a tool that reaches outside may be given. Secrets stay inside.
const ADDRESSES: [&str; 2] = ["email", "phone"];

/// The values that have names, in the order in which they were met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Masks(Vec<(String, String)>);

impl Masks {
    /// The text as a model may see it.
    pub(crate) fn hide(&mut self, text: &str) -> String {
        mask_with(text, |kind, value| self.name(kind, value)).into_owned()
    }

    fn name(&mut self, kind: &str, value: &str) -> String {
        if let Some((name, _)) = self.0.iter().find(|(_, known)| known == value) {
            return name.clone();
        }
        if self.0.len() >= MOST {
            return format!("[{kind}]");
        }
        let number = self.0.iter().filter(|(name, _)| name.starts_with(&format!("[{kind} "))).count() + 1;
        let name = format!("[{kind} {number}]");
        self.0.push((name.clone(), value.to_owned()));
        name
    }

    /// A text of the model's for its owner: all names give way to their values.
    pub(crate) fn show(&self, text: &str) -> String {
        self.put_in(text, |_| true)
    }

    /// Arguments as a tool gets them.
    pub(crate) fn fill(&self, arguments: &mut Value, spec: Option<&ToolSpec>) {
        if self.0.is_empty() {
            return;
        }
        let inside = spec.is_some_and(|spec| spec.reach == Reach::Inside);
        match arguments {
            Value::String(text) => *text = self.put_in(text, |kind| inside || ADDRESSES.contains(&kind)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item, spec)),
            Value::Object(members) => members.values_mut().for_each(|value| self.fill(value, spec)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn put_in(&self, text: &str, may: impl Fn(&str) -> bool) -> String {
        let mut out = text.to_owned();
        for (name, value) in &self.0 {
            let kind = name.trim_start_matches('[').split(' ').next().unwrap_or_default();
            if may(kind) && out.contains(name.as_str()) {
                out = out.replace(name.as_str(), value);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_stay_the_same_and_lead_back() {
        let mut masks = Masks::default();
        let hidden = masks.hide("kim@example.org and lee@example.org, again kim@example.org");
        assert_eq!(hidden, "[email 1] and [email 2], again [email 1]");
        assert_eq!(masks.show("Sent to [email 2]."), "Sent to lee@example.org.");
    }

    #[test]
    fn secrets_stay_inside() {
        let mut masks = Masks::default();
        let key = "sk-proj-Zk3v9QwX7LmN2pR8tY5uB1cD4eF6gH0jK";
        assert_eq!(masks.hide(&format!("KEY={key}, kim@example.org")), "KEY=[key 1], [email 1]");
        let wanted = json!({"text": ["[key 1]", {"to": "[email 1]"}]});
        let mut inside = wanted.clone();
        let mut spec = ToolSpec::new("write_file", "", json!({}));
        masks.fill(&mut inside, Some(&spec));
        assert_eq!(inside, json!({"text": [key, {"to": "kim@example.org"}]}));
        spec.reach = Reach::Outside;
        let mut outside = wanted;
        masks.fill(&mut outside, Some(&spec));
        assert_eq!(outside, json!({"text": ["[key 1]", {"to": "kim@example.org"}]}));
    }
}
