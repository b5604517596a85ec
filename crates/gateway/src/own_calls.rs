//! Short questions that the gateway asks a model for its own purposes: metered and limited like any other call.

use crate::gateway::Gateway;
use futures_util::StreamExt;
use nunchi_core::{
    CallContext, Message, Model, ModelError, ModelErrorKind, ModelRequest, OWN_TASKS, Role, Sampling,
    ToolChoice, assemble_reply,
};
use std::sync::Arc;
use std::time::Duration;

/// A question of the gateway's own.
pub(crate) struct OwnQuestion<'a> {
    /// What it is for: `classify`, `judge`.
    pub(crate) task: &'static str,
    /// Who is asked, as `provider/model`.
    pub(crate) model: &'a str,
    /// Instructions.
    pub(crate) system: &'a str,
    /// The question.
    pub(crate) text: String,
    /// Longest answer, in tokens.
    pub(crate) cap: u64,
    /// Longest wait.
    pub(crate) patience: Duration,
}

impl Gateway {
    /// The text of the answer; `None` when there is none in time. The caller's budgets and limits pay for it.
    pub(crate) async fn ask_own(&self, question: OwnQuestion<'_>, context: &CallContext) -> Option<String> {
        let OwnQuestion { task, model, system, text, cap, patience } = question;
        let messages = vec![Message::text(Role::System, system), Message::text(Role::User, text)];
        let mut request = ModelRequest::new(model, messages);
        request.max_output_tokens = Some(cap);
        request.sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
        let answered = tokio::time::timeout(patience, self.answer_own(task, request, context)).await;
        match answered {
            Ok(Ok(text)) => Some(text),
            Ok(Err(error)) => {
                tracing::info!(task, model, %error, "a question of our own was not answered");
                None
            }
            Err(_) => {
                tracing::info!(task, model, "a question of our own was not answered in time");
                None
            }
        }
    }

    /// Calls a model for one of our own purposes and waits for the whole answer's text.
    pub(crate) async fn answer_own(
        &self,
        task: &'static str,
        mut request: ModelRequest,
        context: &CallContext,
    ) -> Result<String, ModelError> {
        let gateway = self.me.upgrade().ok_or_else(|| ModelError::new(ModelErrorKind::ShuttingDown, ""))?;
        request.stream = false;
        request.tools.clear();
        request.tool_choice = ToolChoice::Auto;
        request.origin = None;
        let task = Some(Arc::from(format!("{OWN_TASKS}{task}")));
        let context = CallContext { task, deadline: None, select_tools: Some(false), ..context.clone() };
        let mut stream = gateway.call(request, context).await?.stream;
        let mut events = Vec::new();
        while let Some(frame) = stream.next().await {
            events.extend(frame?.events);
        }
        let body = assemble_reply(&events);
        Ok(body.choices.first().map(crate::cascade::text_of).unwrap_or_default())
    }
}
