//! Runs of agents over HTTP: begun, watched, stopped, undone; what they ask people; and the model name `nunchi`.

mod activity;
mod answering;
mod approvals;
mod caller;
mod eval;
mod events;
mod flows;
mod history;
mod messages;
mod model;
mod parked;
mod permissions;
mod reply;
mod runs;
mod sessions;
mod task_class;
mod watch;
mod wire;

pub(crate) use activity::{Activity, Day, Group};
pub(crate) use answering::{Grant, Said, Verb, find as find_question, gone, is_open, is_rule};
pub(crate) use eval::run_facts;
pub(crate) use model::{MODELS, is_agent, reply};
pub(crate) use runs::{New, Which, begin as start, listed, request, steps as run_steps};
pub(crate) use sessions::{Conversation, conversation, conversations};
pub(crate) use watch::{RunWatch, Told, open_questions};

use crate::state::ApiState;
use axum::Router;
use axum::routing::{delete, get, post};
use nunchi_agent::{Agent, Judge, OrderDesk};
use nunchi_core::{ApprovalStore, MessageStore, RunStore, ScoreStore, UndoRuns};
use std::sync::Arc;

/// What runs of agents need; without it they answer 404.
#[derive(Clone)]
pub struct AgentServices {
    /// Runs orders.
    pub agent: Arc<Agent>,
    /// Makes orders.
    pub desk: Arc<OrderDesk>,
    /// What runs did.
    pub runs: Arc<dyn RunStore>,
    /// What runs ask people.
    pub approvals: Arc<dyn ApprovalStore>,
    /// What the owner was told.
    pub messages: Arc<dyn MessageStore>,
    /// Judges answers and runs.
    pub judge: Arc<Judge>,
    /// What was made of runs.
    pub scores: Arc<dyn ScoreStore>,
    /// Takes back what runs did.
    pub undo: Arc<dyn UndoRuns>,
}

/// All routes.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/runs", get(runs::list).post(runs::create))
        .route("/api/flows", post(flows::create))
        .route("/api/runs/metrics", get(activity::metrics))
        .route("/api/runs/{id}", get(runs::show))
        .route("/api/runs/{id}/events", get(events::sse))
        .route("/api/runs/{id}/ws", get(events::web_socket))
        .route("/api/runs/{id}/cancel", post(runs::cancel))
        .route("/api/runs/{id}/resume", post(runs::resume))
        .route("/api/runs/{id}/scores", get(eval::scores))
        .route("/api/runs/{id}/undo", post(runs::undo))
        .route("/api/eval", post(eval::eval))
        .route("/api/approvals", get(approvals::list).post(approvals::answer_many))
        .route("/api/approvals/{id}", get(approvals::show).post(approvals::answer))
        .route("/api/permissions", get(permissions::list).post(permissions::put))
        .route("/api/permissions/{id}", delete(permissions::revoke))
        .route("/api/permissions/explain", post(permissions::explain))
        .route("/api/messages", get(messages::list))
        .route("/api/reminders", get(messages::reminders))
        .route("/api/messages/seen", post(messages::seen))
        .route("/api/sessions", get(sessions::list))
        .route("/api/sessions/{id}", get(sessions::show))
}
