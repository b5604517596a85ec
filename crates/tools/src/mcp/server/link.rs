//! The way back to a client: progress, log lines, questions.
#![expect(deprecated, reason = "the older era logs and asks by what the newer one gives up; both are spoken")]

use super::offer::{McpFault, McpLink};
use nunchi_core::BoxFuture;
use rmcp::model::{
    ClientCapabilities, ClientResult, LoggingLevel, LoggingMessageNotificationParam,
    ProgressNotificationParam, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a client may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(300);

/// The way back within one call.
pub(crate) struct CallLink {
    pub(crate) context: RequestContext<RoleServer>,
    /// The least severe level that the client wants to hear; `None`: it wants no log.
    pub(crate) level: Option<LoggingLevel>,
}

impl CallLink {
    fn capabilities(&self) -> ClientCapabilities {
        self.context.client_capabilities().unwrap_or_default()
    }
}

impl McpLink for CallLink {
    fn progress<'a>(&'a self, done: f64, total: f64, message: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(token) = self.context.meta.get_progress_token() else { return };
            let told = ProgressNotificationParam::new(token, done).with_total(total).with_message(message);
            // A client that went away hears nothing; its call is cancelled by other means.
            let _gone = self.context.peer.notify_progress(told).await;
        })
    }

    fn log<'a>(&'a self, level: &'a str, data: Value) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let read = |level: &Value| serde_json::from_value::<LoggingLevel>(level.clone()).ok();
            let (Some(least), Some(level)) = (self.level, read(&json!(level))) else { return };
            if severity(level) < severity(least) {
                return;
            }
            let told = LoggingMessageNotificationParam::new(level, data).with_logger("nunchi");
            let _gone = self.context.peer.notify_logging_message(told).await;
        })
    }

    fn can(&self, what: &str) -> bool {
        let able = serde_json::to_value(self.capabilities()).unwrap_or_default();
        able.get(what).is_some_and(|value| !value.is_null())
    }

    fn ask<'a>(&'a self, method: &'a str, params: Value) -> BoxFuture<'a, Result<Value, McpFault>> {
        Box::pin(async move {
            let failed = |error: &dyn std::fmt::Display| McpFault::Internal(error.to_string());
            let request: ServerRequest = serde_json::from_value(json!({"method": method, "params": params}))
                .map_err(|error| failed(&error))?;
            let asking = self.context.peer.send_request(request);
            let answer = tokio::time::timeout(PATIENCE, asking)
                .await
                .map_err(|_| McpFault::Internal("the client did not answer in time".into()))?
                .map_err(|error| failed(&error))?;
            answer_value(&answer).map_err(|error| failed(&error))
        })
    }
}

fn answer_value(answer: &ClientResult) -> Result<Value, serde_json::Error> {
    serde_json::to_value(answer)
}

fn severity(level: LoggingLevel) -> usize {
    use LoggingLevel::{Alert, Critical, Debug, Emergency, Error, Info, Notice, Warning};
    let order = [Debug, Info, Notice, Warning, Error, Critical, Alert, Emergency];
    order.iter().position(|known| *known == level).unwrap_or(order.len())
}
