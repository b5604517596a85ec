//! The texts whose meaning a replay asks for.

use super::words::{ReplayBody, ReplayCall, ReplayPolicy};
use crate::route::read_prompt;
use crate::select::{ConceptVectors, FEWEST_TOOLS, ToolCatalog, asking_part};
use crate::sharing::{meaning_text, shareable_question};
use nunchi_core::{ModelRequest, human_text, lone_question};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The meanings of texts, by the text as the encoder read it ([`meaning_text`]).
pub type Meanings = HashMap<String, Vec<f32>>;

/// Every text whose vector [`super::replay`] would ask for under any of these policies. Without it a text is routed by rules, not
/// shared, and its tools are ranked by words.
pub fn texts_to_embed(calls: &[ReplayCall], policies: &[ReplayPolicy]) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let mut catalogs = BTreeSet::new();
    let mut add = |text: &str| {
        texts.insert(meaning_text(text).into_owned());
    };
    for call in calls {
        let ReplayBody::Asked(asked) = &call.body else { continue };
        let (request, _) = asked.as_ref();
        if let Some(human) = human_text(request) {
            add(&read_prompt(&human).text);
            if policies.iter().any(|policy| policy.select_tools) && request.tools.len() >= FEWEST_TOOLS {
                add(asking_part(&human));
                if catalogs.insert(tools_digest(request)) {
                    ToolCatalog::new(&request.tools).texts().iter().for_each(|text| add(text));
                    ConceptVectors::texts().iter().for_each(|text| add(text));
                }
            }
        }
        let Some(question) = lone_question(request) else { continue };
        let mut rules =
            policies.iter().filter_map(|policy| Some(policy.cache.as_ref().and(policy.sharing)?.rules));
        if rules.any(|rules| shareable_question(question, rules).is_some()) {
            add(question);
        }
    }
    texts
}

/// Names a list of tools.
pub(super) fn tools_digest(request: &ModelRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    for tool in &request.tools {
        tool.name.hash(&mut hasher);
        tool.description.hash(&mut hasher);
        tool.parameters.as_ref().or(tool.builtin.as_ref()).map(|json| json.get()).hash(&mut hasher);
    }
    hasher.finish()
}
