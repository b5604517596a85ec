//! Skills as prompts for the agents of others: their parameters are the arguments, their instructions the message.

use nunchi_core::{BoxFuture, Label};
use nunchi_tools::{
    FoundSkill, McpCaller, McpFault, OfferPrompts, OfferedPrompt, OfferedPromptCall, PromptAnswer,
    PromptArgument, SkillRegistry, skill_text,
};
use serde_json::json;

/// The skills that can be used.
pub(super) struct SkillPrompts {
    registry: SkillRegistry,
}

impl SkillPrompts {
    pub(super) fn new(registry: SkillRegistry) -> Self {
        Self { registry }
    }

    /// Looks at the skills' folders, away from the threads that serve.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&SkillRegistry) -> T + Send + 'static,
    ) -> Option<T> {
        let registry = self.registry.clone();
        tokio::task::spawn_blocking(move || look(&registry)).await.ok()
    }
}

impl OfferPrompts for SkillPrompts {
    fn prompts<'a>(&'a self, _: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedPrompt>> {
        Box::pin(async move {
            let found = self.look(SkillRegistry::usable).await.unwrap_or_default();
            found.into_iter().filter_map(offered).collect()
        })
    }

    fn prompt<'a>(
        &'a self,
        call: OfferedPromptCall,
        _: &'a McpCaller,
    ) -> BoxFuture<'a, Result<PromptAnswer, McpFault>> {
        Box::pin(async move {
            let filled = self.look(move |registry| filled(registry, &call)).await;
            filled.unwrap_or_else(|| Err(McpFault::Internal("the skills cannot be read".into())))
        })
    }

    fn complete<'a>(
        &'a self,
        prompt: &'a str,
        argument: &'a str,
        begun: &'a str,
    ) -> BoxFuture<'a, Vec<String>> {
        let (name, argument) = (prompt.to_owned(), argument.to_owned());
        Box::pin(async move {
            // What is usual is all that is known of a parameter's values.
            let usual = self.look(move |registry| {
                let skill = registry.find(&name)?.skill?;
                skill.params.into_iter().find(|param| param.name == argument)?.default
            });
            usual.await.flatten().filter(|usual| usual.starts_with(begun)).into_iter().collect()
        })
    }
}

fn offered(found: FoundSkill) -> Option<OfferedPrompt> {
    let skill = found.skill?;
    let argument = |param: nunchi_tools::SkillParam| PromptArgument {
        required: param.default.is_none(),
        description: match &param.default {
            Some(usual) => format!("{} (usually {usual})", param.description),
            None => param.description,
        },
        name: param.name,
    };
    Some(OfferedPrompt {
        name: skill.name,
        description: skill.description,
        arguments: skill.params.into_iter().map(argument).collect(),
    })
}

fn filled(registry: &SkillRegistry, call: &OfferedPromptCall) -> Result<PromptAnswer, McpFault> {
    let unknown = || McpFault::Unknown(format!("prompt \"{}\"", call.name));
    let found = registry.find(&call.name).ok_or_else(unknown)?;
    let text = skill_text(&found, &call.arguments).map_err(|error| McpFault::Invalid(error.to_string()))?;
    let description = found.skill.map(|skill| skill.description).unwrap_or_default();
    let description = match found.label {
        Label::Stranger => format!("{description} (written by a stranger)"),
        Label::Owner | Label::Tool => description,
    };
    let message = json!({"role": "user", "content": {"type": "text", "text": text}});
    Ok(PromptAnswer::Messages { description, messages: vec![message] })
}
