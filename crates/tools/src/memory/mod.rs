//! Tools over memory: remember, search, forget. What they learn is a tool's word, never the owner's: the model says it.

mod forget;
mod remember;
mod search;
mod undoing;

use nunchi_core::{Explain, FactId, Lang, Memory, MemoryError, Tool, ToolError};
use serde_json::Value;
use std::sync::Arc;

/// The tools over a memory.
pub fn memory_tools(memory: &Arc<dyn Memory>) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(remember::Remember(Arc::clone(memory))),
        Arc::new(search::SearchMemory(Arc::clone(memory))),
        Arc::new(forget::ForgetFact(Arc::clone(memory))),
    ]
}

fn refused(error: &MemoryError) -> ToolError {
    let told = ToolError::new(error.code(), error.message(Lang::En));
    match error.hint(Lang::En) {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

/// A text argument; the schema has made sure that it is one.
fn text_of<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn id_of(arguments: &Value) -> Result<FactId, ToolError> {
    let id = text_of(arguments, "id");
    id.parse().map_err(|_| {
        ToolError::new("memory.id", format!("`{id}` is no id of a fact"))
            .hint("search_memory shows the ids, in brackets.")
    })
}
