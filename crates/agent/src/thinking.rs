//! Model turns: what is asked, within which limits, and what the answer leads to.

use crate::effect::{ModelAsk, ModelReply, Work};
use crate::guards::{check_schema, parse_json, unbacked_claims};
use crate::machine::Machine;
use crate::modes::{ModePolicy, asks_for_deed, policy};
use crate::offers::offered_tools;
use crate::prompts::{self, fill};
use crate::record::Draft;
use crate::state::{Phase, RunState};
use nunchi_core::{
    LimitKind, Message, ModelRequest, NanoUsd, Part, Role, RunEstimate, ServiceTier, StepKind, StepStatus,
    StopReason, ToolChoice, mask_secrets, prompt_token_bound, upper_bound,
};

/// The code of a model that cannot do what it is asked for.
const UNSUPPORTED: &str = "model.unsupported";
/// The smallest output cap that a call is made with when money is short.
const LEAST_OUTPUT: u64 = 256;

/// The request of a model call that is under way.
pub fn request_for(state: &RunState, ask: &ModelAsk) -> ModelRequest {
    let mut request = ModelRequest::new(state.model.clone(), state.thread.clone());
    request.tools = offered_tools(state);
    // The tools stay the same in every phase, so that a provider's prompt cache keeps its prefix.
    if !ask.may_call_tools && !request.tools.is_empty() {
        request.tool_choice = ToolChoice::None;
    }
    request.max_output_tokens = Some(ask.max_output_tokens);
    request.stream = true;
    request
}

impl Machine {
    pub(crate) fn policy(&self) -> ModePolicy {
        policy(self.state.mode)
    }

    /// The beginning of the conversation: who the model is, then what is asked. Nothing in it changes later.
    pub(crate) fn begin_thread(&mut self) {
        let order = self.state.order.clone();
        let masks = &mut self.state.masks;
        let language = prompts::language(order.lang);
        let turns = order.limits.turns.to_string();
        let system = if order.is_sub_agent() { prompts::SUB_AGENT } else { prompts::SYSTEM };
        let mut system = fill(system, &[("language", language), ("turns", &turns)]);
        if let Some(schema) = &order.output_schema {
            system.push('\n');
            system.push_str(&fill(prompts::OUTPUT, &[("schema", &schema.to_string())]));
        }
        if !order.context.is_empty() {
            system.push_str("\n\n");
            system.push_str(&masks.hide(&order.context));
        }
        let user = match &order.brief {
            Some(brief) => {
                fill(prompts::BRIEF, &[("goal", &order.goal), ("done", &brief.done), ("data", &brief.data)])
            }
            None => order.goal.clone(),
        };
        let mut thread = vec![Message::text(Role::System, system)];
        thread.extend(order.history.into_iter().map(|mut turn| {
            for part in &mut turn.parts {
                if let Part::Text(text) = part {
                    *text = masks.hide(text);
                }
            }
            turn
        }));
        if !order.fitting.is_empty() {
            let fitting = fill(prompts::EARLIER, &[("fitting", &order.fitting)]);
            thread.push(Message::text(Role::User, masks.hide(&fitting)));
        }
        thread.push(Message::text(Role::User, masks.hide(&user)));
        self.state.thread = thread;
    }

    /// Adds the machine's own words to the conversation.
    pub(crate) fn say_to_model(&mut self, text: impl Into<String>) {
        let text = self.state.masks.hide(&text.into());
        self.state.thread.push(Message::text(Role::User, text));
    }

    /// Calls the model for the present phase, unless a limit is reached.
    pub(crate) fn call_model(&mut self) {
        if let Some(limit) = self.limit_reached() {
            return self.breach(limit, NanoUsd::ZERO);
        }
        // A sub-agent cannot ask for more turns, so its last one is for the answer.
        let last = self.state.order.is_sub_agent() && self.state.totals.turns + 1 >= self.state.limits.turns;
        let mut ask = ModelAsk {
            phase: self.state.phase,
            may_call_tools: self.state.phase == Phase::Act && !last,
            max_output_tokens: self.state.order.max_output_tokens,
            bound: NanoUsd::ZERO,
        };
        ask.bound = self.bound(&ask);
        while self.exceeds(ask.bound) && ask.max_output_tokens > LEAST_OUTPUT {
            ask.max_output_tokens = (ask.max_output_tokens / 2).max(LEAST_OUTPUT);
            ask.bound = self.bound(&ask);
        }
        if self.exceeds(ask.bound) {
            return self.breach(LimitKind::Money, ask.bound);
        }
        let bound = ask.bound;
        let id = self.perform(Work::CallModel(ask));
        self.state.held.insert(id, bound);
    }

    /// The most a call can cost; nothing where the price is not known, as the gateway then holds by itself.
    fn bound(&self, ask: &ModelAsk) -> NanoUsd {
        let Some(price) = &self.state.order.price else { return NanoUsd::ZERO };
        let prompt = prompt_token_bound(&request_for(&self.state, ask));
        upper_bound(price, prompt, ask.max_output_tokens, 1, ServiceTier::Standard)
    }

    pub(crate) fn exceeds(&self, amount: NanoUsd) -> bool {
        self.state.money_left().is_some_and(|left| amount > left)
    }

    pub(crate) fn limit_reached(&self) -> Option<LimitKind> {
        let (state, limits) = (&self.state, &self.state.limits);
        let overtime = state.at_work_ms(self.at) >= u64::from(limits.seconds) * 1_000;
        let broke = state.money_left().is_some_and(|left| left == NanoUsd::ZERO);
        [
            (state.totals.turns >= limits.turns, LimitKind::Turns),
            (overtime, LimitKind::Time),
            (broke, LimitKind::Money),
        ]
        .into_iter()
        .find_map(|(reached, limit)| reached.then_some(limit))
    }

    /// What the run will probably use, by its mode and the length of its prompt.
    pub(crate) fn estimate(&self) -> RunEstimate {
        let (turns_low, usual_high) = self.policy().usual_turns;
        let turns_high = usual_high.min(self.state.limits.turns).max(turns_low);
        let ask =
            ModelAsk { phase: Phase::Act, may_call_tools: true, max_output_tokens: 0, bound: NanoUsd::ZERO };
        // About four bytes a token; each turn reads what the turns before have added.
        let prompt = prompt_token_bound(&request_for(&self.state, &ask)) / 4;
        let money = |turns: u32, grown: u64, output: u64| {
            let price = self.state.order.price.as_ref()?;
            let one = upper_bound(price, prompt + grown, output, 1, ServiceTier::Standard);
            let all = NanoUsd(one.0.saturating_mul(i64::from(turns)));
            Some(self.state.limits.money.map_or(all, |limit| all.min(limit)))
        };
        RunEstimate {
            turns_low,
            turns_high,
            money_low: money(turns_low, 0, 200),
            money_high: money(turns_high, 4_000, 600),
        }
    }

    pub(crate) fn replied(&mut self, reply: ModelReply) {
        self.state.totals.turns += 1;
        self.state.chances.failures = 1;
        let asked = self.state.thread.last().map(Message::plain_text).unwrap_or_default();
        let draft = Draft::new(StepKind::Model, self.state.phase.as_str())
            .tool(reply.model.clone())
            .input(asked)
            .output(spoken(&reply.parts))
            .spent(reply.usage, reply.cost, reply.latency_us);
        self.record(draft);
        for source in reply.sources {
            if !self.state.sources.contains(&source) {
                self.state.sources.push(source);
            }
        }
        if !reply.parts.is_empty() {
            let message = Message { role: Role::Assistant, parts: reply.parts.clone(), name: None };
            self.state.thread.push(message);
        }
        let message = Message { role: Role::Assistant, parts: reply.parts, name: None };
        let text = message.plain_text();
        match self.state.phase {
            Phase::Plan => self.plan_replied(&text),
            Phase::Verify => self.verify_replied(&text),
            Phase::New | Phase::Consent | Phase::Act | Phase::Waves | Phase::Merge => {
                self.acted(&message, reply.stop, text);
            }
        }
    }

    fn acted(&mut self, message: &Message, stop: Option<StopReason>, text: String) {
        if message.parts.iter().any(|part| matches!(part, Part::ToolCall { .. })) {
            return self.begin_calls(message);
        }
        let problem = match stop {
            Some(StopReason::Refusal | StopReason::ContentFilter) => {
                return self.fail("model.refused", text);
            }
            Some(StopReason::MaxTokens) => Some("it was cut at the output cap; be shorter".to_owned()),
            _ if text.trim().is_empty() => Some("it was empty".to_owned()),
            _ => self.output_problem(&text),
        };
        if let Some(problem) = problem {
            return self.correct("model.unusable", &problem);
        }
        let deed_asked = asks_for_deed(&self.state.order.goal);
        let claims = unbacked_claims(&text, &self.state.receipts, deed_asked);
        if !claims.is_empty() && self.state.chances.claims > 0 {
            self.state.chances.claims -= 1;
            let claims = claims.join(" / ");
            let draft = Draft::new(StepKind::Guard, "claim without a receipt").input(claims.clone());
            self.record(draft.status(StepStatus::Refused, "claim.unbacked"));
            self.say_to_model(fill(prompts::UNBACKED, &[("claims", &claims)]));
            return self.call_model();
        }
        if self.policy().verifies && self.state.plan.is_some() {
            self.ask_to_verify(text);
        } else {
            self.finish_done(text);
        }
    }

    fn output_problem(&self, text: &str) -> Option<String> {
        let schema = self.state.order.output_schema.as_ref()?;
        parse_json(text).and_then(|value| check_schema(schema, &value)).err()
    }

    /// Has an unusable reply made again, once; then the run fails.
    pub(crate) fn correct(&mut self, code: &str, problem: &str) {
        if self.state.chances.corrections == 0 {
            return self.fail(code, problem.to_owned());
        }
        self.state.chances.corrections -= 1;
        self.say_to_model(fill(prompts::AGAIN, &[("problem", problem)]));
        self.call_model();
    }

    /// The gateway has tried what can be tried; once more, as the trouble may have passed, then the run fails.
    pub(crate) fn model_failed(&mut self, code: String, message: String) {
        let draft = Draft::new(StepKind::Model, self.state.phase.as_str()).output(message.clone());
        self.record(draft.status(StepStatus::Failed, code.clone()));
        // A small model may not know of tools; where the mode needs none it answers without them, and says nothing was done.
        let may_do_without = !self.policy().plans && !offered_tools(&self.state).is_empty();
        if code == UNSUPPORTED && may_do_without {
            self.state.toolless = true;
            // Words about tools only lead a small model astray.
            if self.state.order.output_schema.is_none() && self.state.order.context.is_empty() {
                self.state.thread.retain(|message| message.role != Role::System);
            }
            let draft = Draft::new(StepKind::Guard, "the model cannot call tools; it answers without them");
            self.record(draft.status(StepStatus::Refused, "model.toolless"));
            return self.call_model();
        }
        if self.state.chances.failures == 0 {
            return self.fail(&code, message);
        }
        self.state.chances.failures -= 1;
        self.call_model();
    }

    /// Tells the model what it may still use, behind everything else, so that the prompt before stays as it was.
    pub(crate) fn tell_what_is_left(&mut self) {
        let turns = self.state.limits.turns.saturating_sub(self.state.totals.turns);
        let money = self.state.money_left().map(|left| format!(", ${}", left.usd_string(4)));
        let money = money.unwrap_or_default();
        self.say_to_model(format!("<system-reminder>Left: {turns} turns{money}.</system-reminder>"));
    }
}

/// What a model said and wants done, for the record.
fn spoken(parts: &[Part]) -> String {
    let line = |part: &Part| match part {
        Part::Text(text) | Part::Refusal(text) => Some(text.clone()),
        Part::ToolCall { name, arguments, .. } => Some(format!("→ {name} {}", mask_secrets(arguments))),
        _ => None,
    };
    parts.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}
