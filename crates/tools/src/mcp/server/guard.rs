//! Our tools for the agents of others: what a rule never allows is not listed, and every call goes where calls are judged and put on
//! the record.

use super::offer::{McpAnswer, McpCaller, McpFault, McpLink, OfferTools, OfferedCall, OfferedTool};
use nunchi_core::{
    ApprovalStore, BoxFuture, EffectClass, Reach, RemoteCall, RemoteCalls, RunDoor, RunOrigin, ToolBox,
    ToolSpec, mask_secrets, never_allowed,
};
use std::sync::Arc;

/// The tools for callers that named these intents; without any: all there are.
pub type ToolsFor = Arc<dyn Fn(&[String]) -> Arc<dyn ToolBox> + Send + Sync>;

/// What the guard needs.
#[derive(Clone)]
pub struct GuardParts {
    /// The tools.
    pub tools: ToolsFor,
    /// Where the rules are.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Where calls are judged, made and put on the record.
    pub calls: Arc<dyn RemoteCalls>,
}

/// The tools behind the owner's rules.
pub struct GuardedTools {
    parts: GuardParts,
}

impl GuardedTools {
    /// Guards these tools.
    pub fn new(parts: GuardParts) -> Self {
        Self { parts }
    }
}

impl OfferTools for GuardedTools {
    fn tools<'a>(&'a self, caller: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedTool>> {
        Box::pin(async move {
            let rules = self.parts.approvals.rules().await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "the owner's rules cannot be read; all tools are listed");
                Vec::new()
            });
            let specs = (self.parts.tools)(&caller.intents).specs();
            let allowed = specs.into_iter().filter(|spec| !never_allowed(&rules, &spec.name));
            allowed.map(offered).collect()
        })
    }

    fn call<'a>(
        &'a self,
        call: OfferedCall,
        caller: &'a McpCaller,
        _: &'a dyn McpLink,
    ) -> BoxFuture<'a, Result<McpAnswer, McpFault>> {
        Box::pin(async move {
            let Some(tool) = (self.parts.tools)(&caller.intents).find(&call.tool) else {
                return Err(McpFault::Unknown(format!("tool \"{}\"", call.tool)));
            };
            let made = self.parts.calls.call(RemoteCall {
                principal: Arc::clone(&caller.principal),
                origin: RunOrigin { door: RunDoor::Mcp, client: caller.client.clone() },
                spec: tool.spec(),
                arguments: call.arguments,
            });
            Ok(match made.await {
                Ok(text) => McpAnswer::text(mask_secrets(&text)),
                Err(text) => McpAnswer::failure(mask_secrets(&text)),
            })
        })
    }
}

fn offered(spec: ToolSpec) -> OfferedTool {
    OfferedTool {
        read_only: spec.effect == EffectClass::ReadOnly,
        destructive: spec.effect > EffectClass::Reversible,
        open_world: spec.reach == Reach::Outside,
        name: spec.name,
        description: spec.description,
        parameters: spec.parameters,
    }
}
