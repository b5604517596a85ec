//! Fields that chat completions and responses share although core has no word for them.

use nunchi_core::{Dialect, Json, ModelRequest};
use std::collections::BTreeMap;

/// Field in chat completions, field in responses; nested ones as a path.
const SHARED: [(&str, &str); 5] = [
    ("prompt_cache_key", "prompt_cache_key"),
    ("prompt_cache_retention", "prompt_cache_retention"),
    ("safety_identifier", "safety_identifier"),
    ("service_tier", "service_tier"),
    ("verbosity", "text.verbosity"),
];

/// What the caller's body says in the other of OpenAI's two dialects, under the names of `target`. A field of the same name in
/// another provider's dialect may mean another thing.
pub(crate) fn shared_fields(request: &ModelRequest, target: Dialect) -> BTreeMap<&'static str, &Json> {
    let origin = request.origin.as_ref().map(|origin| origin.dialect);
    if !matches!(origin, Some(Dialect::OpenAiChat | Dialect::OpenAiResponses)) {
        return BTreeMap::new();
    }
    let named = |name: &str| {
        SHARED.iter().find_map(|&(chat, responses)| {
            let source = if origin == Some(Dialect::OpenAiChat) { chat } else { responses };
            let wanted = if target == Dialect::OpenAiChat { chat } else { responses };
            (source == name).then_some(wanted)
        })
    };
    request.rest.iter().filter_map(|(name, value)| Some((named(name)?, value))).collect()
}

/// Whether [`shared_fields`] says this field of the caller's body.
pub(crate) fn is_shared(request: &ModelRequest, name: &str) -> bool {
    let origin = request.origin.as_ref().map(|origin| origin.dialect);
    SHARED.iter().any(|&(chat, responses)| match origin {
        Some(Dialect::OpenAiChat) => chat == name,
        Some(Dialect::OpenAiResponses) => responses == name,
        _ => false,
    })
}
