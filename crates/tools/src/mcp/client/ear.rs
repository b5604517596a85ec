//! What we answer when a server speaks first: that its tools have changed, or a question to its user.

use super::config::ElicitationPolicy;
use rmcp::ClientHandler;
use rmcp::model::{
    ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorData,
    FormElicitationCapability, Implementation,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Hears a server.
#[derive(Clone)]
pub(crate) struct Ear {
    policy: ElicitationPolicy,
    /// Whether the list of tools must be read anew.
    stale: Arc<AtomicBool>,
}

impl Ear {
    pub(crate) fn new(policy: ElicitationPolicy) -> Self {
        Self { policy, stale: Arc::new(AtomicBool::new(false)) }
    }

    /// The list of tools must be read anew before the next call: that shows whether the server is still there.
    pub(crate) fn doubt(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Whether the server said, since this was last asked, that its tools have changed, or there is doubt.
    pub(crate) fn take_stale(&self) -> bool {
        self.stale.swap(false, Ordering::AcqRel)
    }
}

impl ClientHandler for Ear {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new("nunchi", env!("CARGO_PKG_VERSION"));
        if self.policy == ElicitationPolicy::Defaults {
            let form = FormElicitationCapability::new().with_schema_validation(true);
            info.capabilities.elicitation = Some(ElicitationCapability::new().with_form(form));
        }
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let asked = serde_json::to_value(&request).unwrap_or_default();
        match (self.policy, defaults(&asked)) {
            (ElicitationPolicy::Defaults, Some(content)) => {
                Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
            }
            _ => Ok(ElicitResult::new(ElicitationAction::Decline)),
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.doubt();
    }
}

/// The defaults that a form proposes; `None` when it is no form, or needs something that has no default.
fn defaults(asked: &Value) -> Option<Value> {
    let schema = asked.get("requestedSchema")?;
    let properties = schema.get("properties")?.as_object()?;
    let content: Map<String, Value> = properties
        .iter()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect();
    let required = schema.get("required").and_then(Value::as_array);
    let given = |name: &Value| name.as_str().is_some_and(|name| content.contains_key(name));
    required.is_none_or(|required| required.iter().all(given)).then_some(Value::Object(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_the_form_proposes() {
        let form = |required: Value| {
            json!({"message": "m", "requestedSchema": {"type": "object", "required": required,
                "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}}}})
        };
        assert_eq!(defaults(&form(json!(["a"]))), Some(json!({"a": "x"})));
        assert_eq!(defaults(&form(json!(["b"]))), None);
        assert_eq!(defaults(&json!({"url": "https://example.com"})), None);
    }
}
