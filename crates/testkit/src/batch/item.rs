//! One request of a batch, and its end.

use crate::dialect::Endpoint;
use serde_json::{Value, json};

/// One request of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) custom_id: String,
    /// What it asks.
    pub(crate) endpoint: Endpoint,
    /// The path it would be sent to live.
    pub(crate) path: String,
    pub(crate) body: Value,
    /// `None` until it has ended.
    pub(crate) end: Option<End>,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It was answered, perhaps with an error.
    Answered { status: u16, body: Value, serial: u64 },
    /// The batch expired before its turn.
    Expired,
    /// The batch was cancelled before its turn.
    Cancelled,
}

impl End {
    pub(super) fn succeeded(&self) -> bool {
        matches!(self, Self::Answered { status: 200, .. })
    }

    /// A line of OpenAI's output or error file.
    pub(super) fn openai_line(&self, custom_id: &str) -> Value {
        let (serial, response, error) = match self {
            Self::Answered { status, body, serial } => {
                let request_id = format!("req_scripted{serial:08}");
                (*serial, json!({"status_code": status, "request_id": request_id, "body": body}), Value::Null)
            }
            Self::Expired => (0, Value::Null, error("batch_expired", "It was not begun in time.")),
            Self::Cancelled => {
                (0, Value::Null, error("batch_cancelled", "The batch was cancelled before it began."))
            }
        };
        json!({
            "id": format!("batch_req_scripted{serial:08}"), "custom_id": custom_id, "response": response,
            "error": error,
        })
    }

    /// A line of Anthropic's results.
    pub(super) fn anthropic_line(&self, custom_id: &str) -> Value {
        let result = match self {
            Self::Answered { status: 200, body, .. } => json!({"type": "succeeded", "message": body}),
            Self::Answered { body, .. } => json!({"type": "errored", "error": body}),
            Self::Expired => json!({"type": "expired"}),
            Self::Cancelled => json!({"type": "canceled"}),
        };
        json!({"custom_id": custom_id, "result": result})
    }
}

fn error(code: &str, message: &str) -> Value {
    json!({"code": code, "message": message})
}
