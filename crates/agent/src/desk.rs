//! Makes orders of requests: the owner's defaults filled in, what is remembered looked up.

use crate::order::RunOrder;
use crate::workflow::WorkflowOrder;
use nunchi_core::{
    ContextQuery, ContextSource, Ids, Label, Lang, Message, Mode, ModelPrice, NanoUsd, Part, Principal, Role,
    RunDoor, RunId, RunLimits, RunOrigin, ShortenHistory, ShortenedHistory, StorageError, Tier, ToolBox,
    ToolSpec,
};
use serde_json::Value;
use std::sync::Arc;

/// What somebody asks an agent to do. What is left out is filled in from the owner's defaults.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// What was asked for.
    pub goal: String,
    /// The mode.
    pub mode: Mode,
    /// Where it comes from; what the schedule asks comes from there.
    pub origin: RunOrigin,
    /// The conversation it belongs to.
    pub session: Option<String>,
    /// The conversation so far, the oldest turn first.
    pub history: Vec<Message>,
    /// On whose behalf.
    pub principal: Option<Arc<Principal>>,
    /// Whose words the goal is.
    pub asked_by: Label,
    /// Whether the schedule asks, so that nobody sits in front of it.
    pub scheduled: bool,
    /// The language of answers; `None`: that of the goal.
    pub lang: Option<Lang>,
    /// The model; `None`: the default one.
    pub model: Option<String>,
    /// Most money; `None`: the default.
    pub money: Option<NanoUsd>,
    /// Most model turns; `None`: the default.
    pub turns: Option<u32>,
    /// The tools it may call; `None`: all there are.
    pub tools: Option<Vec<String>>,
    /// JSON Schema of the answer.
    pub output_schema: Option<Value>,
}

impl RunRequest {
    /// An owner's request, everything else left to the defaults.
    pub fn new(goal: impl Into<String>) -> Self {
        Self {
            goal: goal.into(),
            mode: Mode::Auto,
            origin: RunOrigin::default(),
            session: None,
            history: Vec::new(),
            principal: None,
            asked_by: Label::Owner,
            scheduled: false,
            lang: None,
            model: None,
            money: None,
            turns: None,
            tools: None,
            output_schema: None,
        }
    }
}

/// The dearest price that a model name may lead to; `None` when it has none.
pub type PriceOf = Arc<dyn Fn(&str) -> Option<ModelPrice> + Send + Sync>;

/// What a run with this goal is offered.
pub type OfferFor = Arc<dyn Fn(&str) -> Offer + Send + Sync>;

/// What a goal is offered. Nothing in it is a right.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The tools that the run may call.
    pub tools: Vec<ToolSpec>,
    /// Names of those that speak for the goal: the model is shown these and finds the others. Empty where nothing speaks for any.
    pub chosen: Vec<String>,
    /// The tier to ask for where the model is left open.
    pub tier: Option<Tier>,
}

/// How much of a conversation's earlier turns a run is told.
#[derive(Clone)]
pub struct SessionBudget {
    /// Shortens what is more.
    pub shortener: Arc<dyn ShortenHistory>,
    /// Most tokens.
    pub tokens: u64,
}

/// What orders are made of.
pub struct DeskParts {
    /// The tools there are.
    pub tools: Arc<dyn ToolBox>,
    /// Those of them that a goal needs.
    pub offered: OfferFor,
    /// What runs are told besides their goal, in this order.
    pub context: Vec<Arc<dyn ContextSource>>,
    /// How much of a conversation's earlier turns runs are told; `None`: all of it.
    pub session: Option<SessionBudget>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Prices.
    pub price_of: PriceOf,
    /// The default model.
    pub model: String,
    /// The default limits.
    pub limits: RunLimits,
    /// Cap on generated tokens of one call.
    pub max_output_tokens: u64,
}

/// Makes orders of requests.
pub struct OrderDesk {
    parts: DeskParts,
}

impl OrderDesk {
    /// A desk with these defaults.
    pub fn new(parts: DeskParts) -> Self {
        Self { parts }
    }

    /// The tools there are.
    pub fn tools(&self) -> &Arc<dyn ToolBox> {
        &self.parts.tools
    }

    /// The order of a workflow. Its goal is the workflow's name with its parameters; the request says everything else.
    ///
    /// # Errors
    /// As [`OrderDesk::order`].
    pub async fn workflow(
        &self,
        mut workflow: WorkflowOrder,
        request: RunRequest,
    ) -> Result<RunOrder, StorageError> {
        let goal = workflow.goal();
        let tools = workflow.workflow.tools().into_iter().map(str::to_owned).collect();
        let mut order = self.order(RunRequest { goal, tools: Some(tools), ..request }).await?;
        for model in workflow.workflow.models() {
            if let Some(price) = (self.parts.price_of)(model) {
                workflow.prices.insert(model.to_owned(), price);
            }
        }
        order.workflow = Some(Box::new(workflow));
        Ok(order)
    }

    /// The order of a request.
    ///
    /// # Errors
    /// When what is remembered cannot be read.
    pub async fn order(&self, request: RunRequest) -> Result<RunOrder, StorageError> {
        let parts = &self.parts;
        let mut order = RunOrder::new(RunId(parts.ids.new_id()), request.goal);
        let query = ContextQuery { goal: &order.goal, session: request.session.as_deref() };
        let mut texts = Vec::new();
        for source in &parts.context {
            if let Some(found) = source.context(query).await?.filter(|found| !found.text.is_empty()) {
                order.stranger |= found.label == Label::Stranger;
                texts.push(found.text);
            }
        }
        order.context = texts.join("\n\n");
        order.mode = request.mode;
        order.origin = request.origin;
        if request.scheduled {
            order.origin.door = RunDoor::Schedule;
        }
        order.session = request.session;
        order.owner_texts = request.history.iter().filter(|turn| turn.role == Role::User).map(text).collect();
        let shortened = parts
            .session
            .as_ref()
            .and_then(|session| session.shortener.shorten(&request.history, &order.goal, session.tokens));
        match shortened {
            None => order.history = request.history,
            Some(ShortenedHistory { turns, fitting }) => {
                (order.history, order.fitting, order.earlier) = (turns, fitting, request.history);
            }
        }
        order.principal = request.principal;
        order.asked_by = request.asked_by;
        order.scheduled = request.scheduled;
        order.lang = request.lang.unwrap_or(order.lang);
        let offer = match request.tools {
            None => (parts.offered)(&order.goal),
            Some(wanted) => {
                let mut tools = parts.tools.specs();
                tools.retain(|spec| wanted.contains(&spec.name));
                Offer { tools, ..Offer::default() }
            }
        };
        (order.tools, order.chosen_tools) = (offer.tools, offer.chosen);
        order.model = request.model.unwrap_or_else(|| parts.model.clone());
        if let Some(tier) = offer.tier.filter(|_| order.model == "auto") {
            order.model = format!("auto:{tier}");
        }
        order.price = (parts.price_of)(&order.model);
        order.max_output_tokens = parts.max_output_tokens;
        order.limits = parts.limits;
        order.limits.money = request.money.or(parts.limits.money);
        order.limits.turns = request.turns.unwrap_or(parts.limits.turns);
        order.output_schema = request.output_schema;
        Ok(order)
    }
}

fn text(turn: &Message) -> String {
    let texts = turn.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
