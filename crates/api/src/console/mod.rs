//! The console: server-rendered pages for whoever runs Nunchi. Live calls, runs of agents, spend, savings,
//! budgets, keys, a chat.

mod agents;
mod budget_form;
mod budgets;
mod charts;
mod chat;
mod figures;
mod files;
mod keys;
mod layout;
mod live;
mod memory;
mod period;
mod savings;
mod session;
mod sign_in;
mod skills;
mod spend;
mod words;

use crate::agents::AgentServices;
use crate::skill_card::SkillShelf;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{Method, header};
use jiff::tz::TimeZone;
use nunchi_core::{BoxFuture, BudgetStore, Clock, Ids, Lang, LedgerReader, Memory};
use nunchi_gateway::Gateway;
use std::ops::Deref;
use std::sync::Arc;

/// Largest form read, in bytes.
const MAX_FORM: usize = 64 << 10;

/// A currency shown beside dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    /// Its ISO code, such as `KRW`.
    pub code: String,
    /// Thousandths of a unit for one dollar.
    pub milli_units_per_usd: i64,
}

/// Ends when the server begins to stop, so that pages that listen do not hold it up.
pub type Stopping = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Everything the console looks into and changes.
pub struct ConsoleParts {
    /// Keys, models, the feed of events.
    pub gateway: Arc<Gateway>,
    /// What was booked.
    pub ledger: Arc<dyn LedgerReader>,
    /// Budgets.
    pub budgets: Arc<dyn BudgetStore>,
    /// Runs of agents; without them their pages say that there are none.
    pub agents: Option<AgentServices>,
    /// What is remembered; without it there is no page of it.
    pub memory: Option<Arc<dyn Memory>>,
    /// Skills; without them there is no page of them.
    pub skills: Option<Arc<dyn SkillShelf>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids of new budgets.
    pub ids: Arc<dyn Ids>,
    /// The time zone that days and times are shown in: the ledger's.
    pub time_zone: TimeZone,
    /// The currency shown beside dollars.
    pub currency: Currency,
    /// The language of readers whose browser asks for none.
    pub lang: Lang,
    /// When the server begins to stop.
    pub stopping: Stopping,
}

/// The parts, shared by every page; cheap to clone.
#[derive(Clone)]
struct Console(Arc<Shared>);

struct Shared {
    parts: ConsoleParts,
    /// The HTTP API, which the chat page asks on behalf of its reader.
    api: Router,
    files: files::Files,
    frame: layout::Frame,
    failures: sign_in::Failures,
}

impl Deref for Console {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Adds the console to the HTTP API: its pages at `/` and below `/console`.
///
/// The API itself never reads the console's cookie; what the chat page asks goes through `/console/v1`, where the cookie and the
/// origin are checked and the reader's key is put in its place.
pub fn with_console(api: Router, parts: ConsoleParts) -> Router {
    let files = files::Files::new();
    let frame = layout::Frame {
        version: files.version().to_owned(),
        agents: parts.agents.is_some(),
        memory: parts.memory.is_some(),
        skills: parts.skills.is_some(),
    };
    let console = Console(Arc::new(Shared {
        parts,
        api: api.clone(),
        files,
        frame,
        failures: sign_in::Failures::default(),
    }));
    api.merge(routes(console))
}

fn routes(console: Console) -> Router {
    let forms = if console.parts.agents.is_some() { agents::routes() } else { Router::new() };
    let forms = forms
        .route("/console/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/console/sign-out", post(sign_in::leave))
        .route("/console/memory", get(memory::show).post(memory::add))
        .route("/console/memory/{id}/{action}", post(memory::change))
        .route("/console/skills", get(skills::show))
        .route("/console/budgets", get(budgets::show).post(budgets::put))
        .route("/console/budgets/{id}/remove", post(budgets::remove))
        .route("/console/keys", get(keys::show).post(keys::create))
        .route("/console/keys/{id}/revoke", post(keys::revoke))
        .route("/console/keys/{id}/rotate", post(keys::rotate))
        .layer(DefaultBodyLimit::max(MAX_FORM));
    Router::new()
        .route("/", get(live::show))
        .route("/console/live/events", get(live::events))
        .route("/console/live/summary", get(live::summary))
        .route("/console/savings", get(savings::show))
        .route("/console/spend", get(spend::show))
        .route("/console/chat", get(chat::show))
        .route("/console/chat/receipt/{request}", get(chat::receipt))
        .route("/console/api/feedback", post(chat::forward))
        .route("/console/v1/models", get(chat::forward))
        .route("/console/v1/chat/completions", post(chat::forward))
        .route("/console/assets/{name}", get(files::show))
        .merge(forms)
        .route_layer(from_fn(choose_language))
        .route_layer(from_fn(layout::guarded))
        .with_state(console)
}

/// `?lang=ko` is kept in a cookie and leaves the address.
async fn choose_language(request: Request, next: Next) -> Response {
    let asked = request.uri().query().filter(|_| request.method() == Method::GET);
    let pairs: Vec<&str> = asked.map(|query| query.split('&').collect()).unwrap_or_default();
    let Some(tag) = pairs.iter().find_map(|pair| pair.strip_prefix("lang=")) else {
        return next.run(request).await;
    };
    let kept: Vec<&str> = pairs.iter().filter(|pair| !pair.starts_with("lang=")).copied().collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{}", request.uri().path(), kept.join("&"));
    let mut response = Redirect::to(&target).into_response();
    if let Some(cookie) = session::lang_cookie(Lang::from_tag(tag)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
