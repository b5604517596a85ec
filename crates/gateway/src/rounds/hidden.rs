//! The tools that the gateway answers itself, under names that the caller has not taken.

use nunchi_core::{ModelRequest, ToolChoice, ToolDefinition};
use nunchi_saving::{FIND_TOOLS, RECALL, find_tools_definition, recall_definition};

/// What stands in front of a name that is taken.
const PREFIX: &str = "nunchi_";

/// The names under which the tools are sent; `None` for one that is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HiddenTools {
    /// Returns originals of what was shortened.
    pub(crate) recall: Option<String>,
    /// Finds tools that were left out.
    pub(crate) find: Option<String>,
}

impl HiddenTools {
    /// What could be sent along with a request: nothing where the model may not choose a tool freely.
    pub(crate) fn offered(request: &ModelRequest) -> Self {
        let free = matches!(request.tool_choice, ToolChoice::Auto | ToolChoice::Required);
        // The retired way to name tools excludes the present one.
        let retired = request.rest.iter().any(|(name, _)| name == "functions" || name == "function_call");
        if !free || retired || request.choices != 1 {
            return Self::default();
        }
        let name = |wanted: &str| {
            let names = [wanted.to_owned(), format!("{PREFIX}{wanted}")];
            names.into_iter().find(|name| !request.tools.iter().any(|tool| tool.name == *name))
        };
        Self { recall: name(RECALL), find: name(FIND_TOOLS) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.recall.is_none() && self.find.is_none()
    }

    /// Whether a call is the gateway's to answer.
    pub(crate) fn owns(&self, name: &str) -> bool {
        [&self.recall, &self.find].into_iter().any(|own| own.as_deref() == Some(name))
    }

    pub(crate) fn definition_of_recall(&self) -> Option<ToolDefinition> {
        self.recall.clone().map(|name| ToolDefinition { name, ..recall_definition() })
    }

    /// The definitions, in the order in which they are sent. They stand in front of the caller's tools, which may grow at their end.
    pub(crate) fn definitions(&self) -> Vec<ToolDefinition> {
        let find = self.find.clone().map(|name| ToolDefinition { name, ..find_tools_definition() });
        find.into_iter().chain(self.definition_of_recall()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(names: &[&str]) -> ModelRequest {
        let mut request = ModelRequest::new("m", Vec::new());
        request.tools = names
            .iter()
            .map(|name| ToolDefinition { name: (*name).to_owned(), ..recall_definition() })
            .collect();
        request
    }

    #[test]
    fn names_of_the_caller_are_left_to_him() {
        for (names, recall, find) in [
            (&[][..], Some("recall"), Some("find_tools")),
            (&["recall"], Some("nunchi_recall"), Some("find_tools")),
            (&["recall", "nunchi_recall", "find_tools"], None, Some("nunchi_find_tools")),
        ] {
            let offered = HiddenTools::offered(&request(names));
            assert_eq!((offered.recall.as_deref(), offered.find.as_deref()), (recall, find), "{names:?}");
        }
    }

    #[test]
    fn where_the_model_may_not_choose_none_is_offered() {
        for choice in [ToolChoice::None, ToolChoice::Named("a".into())] {
            let bound = ModelRequest { tool_choice: choice, ..request(&["a"]) };
            assert!(HiddenTools::offered(&bound).is_empty());
        }
        assert!(HiddenTools::offered(&ModelRequest { choices: 2, ..request(&[]) }).is_empty());
    }
}
