//! Meters an answer while it passes: tokens, time, money; settles it exactly once, however it ends.

use crate::attempt::{Begun, Pursuit};
use crate::breaker::{Failure, blame};
use crate::cache::{Stored, weigh};
use crate::gateway::Gateway;
use crate::hold::{OpenCall, Worst};
use crate::prices::baseline_cost;
use crate::tokens;
use futures_util::StreamExt;
use jiff::SignedDuration;
use nunchi_core::{
    CallContext, CallRecord, Explain, Frame, ModelError, ModelErrorKind, ModelPrice, ModelRequest, NanoUsd,
    OWN_TASKS, Outcome, ReplyEvent, ServiceTier, StopReason, TaskName, Usage, cost, mask_start,
};
use nunchi_saving::{Freshness, definition_tokens, find_tools_definition};
use std::sync::Arc;

/// Answers larger than this are broken off, in bytes: an upstream that does not stop would fill the memory.
const LARGEST_ANSWER: usize = 64 << 20;
/// Answers larger than this are not kept, in bytes.
pub(crate) const LARGEST_KEPT: usize = 1 << 20;
/// Characters of the question shown in cache listings.
pub(crate) const PREVIEW_CHARS: usize = 80;

/// What was seen of an answer so far.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) usage: Option<Usage>,
    reported_cost: Option<NanoUsd>,
    /// The service tier that the provider says it was.
    service_tier: Option<ServiceTier>,
    first_event_us: Option<u64>,
    /// Choices that ended.
    pub(crate) ended: u32,
    /// Whether every end was one that makes the answer worth keeping.
    keepable: bool,
    /// Our own count of a whole answer, in tokens.
    counted: u64,
}

impl Reading {
    /// What a whole answer says.
    pub(crate) fn of(frames: &[Frame]) -> Self {
        let mut reading = Self::default();
        frames.iter().for_each(|frame| reading.observe(frame));
        reading.counted = frames.iter().flat_map(|frame| &frame.events).map(count_event).sum();
        reading
    }

    /// The tokens, if they were reported.
    pub(crate) const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Our own count of a whole answer that reported none.
    pub(crate) fn counted(&self, request: &ModelRequest) -> Usage {
        Usage { input: tokens::count_prompt(request), output: self.counted, ..Usage::default() }
    }

    /// What the provider says it cost.
    pub(crate) const fn reported_cost(&self) -> Option<NanoUsd> {
        self.reported_cost
    }

    /// Whether the answer is whole and worth keeping.
    pub(crate) const fn is_keepable(&self) -> bool {
        self.ended >= 1 && self.keepable
    }

    fn observe(&mut self, frame: &Frame) {
        for event in &frame.events {
            match event {
                ReplyEvent::Usage { usage, reported_cost, service_tier } => {
                    self.usage = Some(*usage);
                    self.reported_cost = *reported_cost;
                    self.service_tier = service_tier.or(self.service_tier);
                }
                ReplyEvent::End(stop) => {
                    let good =
                        !matches!(stop, StopReason::ContentFilter | StopReason::Pause | StopReason::Other(_));
                    self.keepable = good && (self.keepable || self.ended == 0);
                    self.ended += 1;
                }
                _ => {}
            }
        }
    }
}

/// How an answer ended.
pub(crate) enum Ending {
    Whole,
    Aborted,
    Failed(ModelError),
}

impl Pursuit {
    /// Passes the answer on, settles it and keeps it.
    pub(crate) async fn meter(&mut self, mut begun: Begun) {
        let notes = begun.info.notes.iter().map(|note| format!("{}: {}", note.field, note.what)).collect();
        self.flight.begin(Ok(std::mem::take(&mut begun.info)));
        loop {
            let (reading, ending) = self.hear(begun).await;
            // In blocks of their own: a call spends its life in `hear`, and few have another round.
            match Box::pin(self.another_round(&reading, &ending)).await {
                Ok(Some(next)) => begun = next,
                Ok(None) => return Box::pin(self.end(reading, ending, notes)).await,
                Err(error) => {
                    self.gateway.refuse(&self.ask, &error).await;
                    self.land();
                    return self.flight.finish(Err(error));
                }
            }
        }
    }

    /// Passes one attempt's answer on.
    async fn hear(&mut self, mut begun: Begun) -> (Reading, Ending) {
        let mut reading = Reading::default();
        let since = self.open.as_ref().map_or(self.ask.since, |open| open.since);
        reading.first_event_us = Some(self.gateway.micros_since(since));
        for frame in begun.opening {
            self.pass(&mut reading, frame);
        }
        if self.ask.request.stream && reading.usage.is_some() {
            // The prompt is counted at the beginning: what made the answer worth hearing to its end is known.
            self.flight.let_go();
        }
        let ending = loop {
            tokio::select! {
                biased;
                () = self.flight.abandoned() => break Ending::Aborted,
                next = begun.stream.next() => match next {
                    Some(Ok(frame)) => {
                        if self.pass(&mut reading, frame) > LARGEST_ANSWER {
                            let what = format!("the answer is larger than {LARGEST_ANSWER} bytes");
                            break Ending::Failed(ModelError::new(ModelErrorKind::Garbage, what));
                        }
                    }
                    Some(Err(error)) => break Ending::Failed(error),
                    None => break Ending::Whole,
                },
            }
        };
        (reading, ending)
    }

    /// Gives the bytes of all that the caller was given.
    fn pass(&mut self, reading: &mut Reading, frame: Frame) -> usize {
        reading.observe(&frame);
        let passed = match &mut self.screen {
            Some(screen) => screen.pass(frame),
            None => Some(frame),
        };
        passed.map_or(0, |frame| self.flight.push(frame))
    }

    async fn end(&mut self, reading: Reading, ending: Ending, notes: Vec<String>) {
        let Some(open) = self.open.take() else { return };
        let shortened = open.shortened;
        let complete = reading.ended >= 1;
        let ending = match ending {
            Ending::Aborted if complete && reading.usage.is_some() => Ending::Whole,
            Ending::Whole if !complete => {
                Ending::Failed(ModelError::new(ModelErrorKind::Cut, "the stream ended early"))
            }
            other => other,
        };
        let keep =
            matches!(ending, Ending::Whole) && reading.keepable && !shortened && self.rounds.early.is_none();
        if let (Some(screen), Ending::Whole) = (&mut self.screen, &ending)
            && let Some(frame) = screen.close(self.rounds.usage, self.rounds.early.take())
        {
            self.flight.push(frame);
        }
        // Frames are copied only where they must be counted.
        let reported = reading.usage.is_some() && matches!(ending, Ending::Whole);
        let frames = if reported { Vec::new() } else { self.flight.frames() };
        let mut record = self.booked(open, &reading, &ending, &frames);
        record.notes = notes;
        let summary = Arc::new(self.rounds.summary(&record));
        let usage = record.usage;
        let upstream = (record.provider.clone(), record.model.clone());
        self.gateway.note_answered(&self.ask, &record);
        let kept = self.key.filter(|_| keep).map(|key| (key, self.stored(&record, usage)));
        if let Some(job) = self.ask.job.filter(|_| matches!(ending, Ending::Whole)) {
            self.gateway.keep_job_answer(job, self.flight.frames(), &record).await;
        }
        self.gateway.book(record).await;
        if let Some((key, stored)) = kept.filter(|(_, stored)| stored.bytes <= LARGEST_KEPT) {
            let preview = mask_start(self.ask.human().unwrap_or_default(), PREVIEW_CHARS);
            self.gateway.cache.keep(key, stored, preview, self.asked.as_ref()).await;
        }
        self.land();
        let audited = matches!(ending, Ending::Whole);
        match ending {
            Ending::Failed(error) => {
                self.blame_upstream(upstream, &error);
                self.flight.finish(Err(error));
            }
            Ending::Whole | Ending::Aborted => {
                self.flight.push(Frame::of(vec![ReplyEvent::Settled(summary)]));
                self.flight.finish(Ok(()));
            }
        }
        if audited {
            self.learn();
        }
    }

    /// Compares a whole answer with a stored one that might have been served instead. Nobody waits for that: it is done behind the call.
    fn learn(&mut self) {
        let Some(asked) = self.asked.take().filter(|asked| asked.audit.is_some()) else { return };
        let (gateway, flight) = (Arc::clone(&self.gateway), Arc::clone(&self.flight));
        let context = self.ask.context.clone();
        let comparing = async move {
            let (Some(semantic), Some(audit)) = (&gateway.cache.semantic, &asked.audit) else { return };
            if let Some(stored) = gateway.cache.peek(audit.key).await {
                semantic.learn(&asked, &stored.frames, &flight.frames(), &context).await;
            }
        };
        self.gateway.parts.spawn.spawn(TaskName::Call, Box::pin(comparing));
    }

    /// The row of an answer that began.
    fn booked(&self, open: OpenCall, reading: &Reading, ending: &Ending, frames: &[Frame]) -> CallRecord {
        let gateway = &self.gateway;
        let mut record = open.record;
        record.latency_us = gateway.micros_since(open.since);
        record.first_event_us = reading.first_event_us;
        record.usage_estimated = reading.usage.is_none() || !matches!(ending, Ending::Whole);
        record.usage = match reading.usage {
            Some(usage) if matches!(ending, Ending::Whole) => usage,
            reported => self.counted(reported, frames, open.worst),
        };
        (record.outcome, record.error_code) = match ending {
            Ending::Whole => (Outcome::Ok, None),
            Ending::Aborted => (Outcome::Aborted, None),
            Ending::Failed(error) if error.may_be_charged() => {
                (Outcome::TimedOut, Some(error.code().to_owned()))
            }
            Ending::Failed(error) => (Outcome::Cut, Some(error.code().to_owned())),
        };
        // A provider may serve another tier than was asked for, and bills what it served.
        let tier = reading.service_tier.unwrap_or(open.worst.service_tier);
        record.cost = match (reading.reported_cost, record.outcome) {
            (Some(reported), _) => reported,
            (None, Outcome::TimedOut) => open.held,
            (None, _) => cost(&open.price, &record.usage, tier),
        };
        if record.cost > open.held {
            tracing::warn!(call = %record.id, cost = %record.cost, held = %open.held, "a call cost more than was held");
        }
        record.saved.prompt_cache = match reading.reported_cost {
            Some(_) => NanoUsd::ZERO,
            None => baseline_cost(&open.price, &record.usage, tier) - cost(&open.price, &record.usage, tier),
        };
        self.count_savings(&mut record, (&open.price, tier), false);
        if let Some(look) = self.look {
            gateway.prompt_cache.note(look, self.prefix, (&record, &open.price));
        }
        if let Some(id) = self.ask.exact_conversation().filter(|_| self.shape.is_some()) {
            gateway.compression.note_cached(id, &record.usage);
        }
        record
    }

    /// The row of an attempt in which the model only asked for what the gateway answered.
    pub(crate) fn booked_round(&self, open: OpenCall, reading: &Reading) -> CallRecord {
        let price = Arc::clone(&open.price);
        let tier = reading.service_tier.unwrap_or(open.worst.service_tier);
        let mut record = self.booked(open, reading, &Ending::Whole, &self.flight.frames());
        self.count_savings(&mut record, (&price, tier), true);
        record
    }

    /// What was saved by leaving things out. Without that no round would have been needed: the prompts of further rounds, and what
    /// was generated only to ask for more (`asks_again`), are taken from the saving and are no part of the baseline.
    ///
    /// Nothing is saved by a service tier: the caller asked for it and would have had it without us. So all is counted, the baseline too, at
    /// the rates of the tier that was served.
    fn count_savings(
        &self,
        record: &mut CallRecord,
        (price, tier): (&ModelPrice, ServiceTier),
        asks_again: bool,
    ) {
        let again = self.rounds.made > 0;
        let wasted = Usage {
            input: if again { record.usage.prompt_tokens() } else { 0 },
            output: if asks_again { record.usage.completion_tokens() } else { 0 },
            ..Usage::default()
        };
        let (tools, shortened) = if again { (0, 0) } else { self.left_out() };
        let priced = |tokens: i64| {
            let usage = Usage { input: tokens.unsigned_abs(), ..Usage::default() };
            let money = cost(price, &usage, tier);
            if tokens < 0 { NanoUsd::ZERO - money } else { money }
        };
        (record.saved.tools, record.saved.compression) = (priced(tools), priced(shortened));
        if again || asks_again {
            let finding = self.rounds.finding;
            let cause = if finding { &mut record.saved.tools } else { &mut record.saved.compression };
            *cause -= cost(price, &wasted, tier);
        }
        let needed = Usage {
            input: if again {
                0
            } else {
                record.usage.input.saturating_add_signed(tools).saturating_add_signed(shortened)
            },
            cache_read: if again { 0 } else { record.usage.cache_read },
            cache_write_5m: if again { 0 } else { record.usage.cache_write_5m },
            cache_write_1h: if again { 0 } else { record.usage.cache_write_1h },
            output: if asks_again { 0 } else { record.usage.output },
            reasoning: if asks_again { 0 } else { record.usage.reasoning },
            tool_uses: record.usage.tool_uses,
        };
        let uncached = record.cost + record.saved.total();
        record.baseline_cost = self.gateway.baseline(&needed, tier).unwrap_or(uncached);
        if record.is_own() {
            // Without us nobody would have asked.
            record.baseline_cost = NanoUsd::ZERO;
        }
    }

    /// Tokens that were left out of the prompt: definitions of tools, and what was shortened. Negative where the tools that the gateway
    /// adds weigh more.
    fn left_out(&self) -> (i64, i64) {
        let tools = self.chosen.as_ref().map_or(0, |chosen| chosen.saved_tokens);
        let finder = self.shape.as_ref().filter(|shape| shape.hidden.find.is_some());
        let finder = finder.map_or(0, |_| definition_tokens(&find_tools_definition()));
        let tools = i64::try_from(tools).unwrap_or(i64::MAX).saturating_sub_unsigned(finder);
        (tools, self.shape.as_ref().map_or(0, |shape| shape.saved_tokens))
    }

    /// Our own count of an answer without a final report: never less than what the provider reported on the way.
    fn counted(&self, reported: Option<Usage>, frames: &[Frame], worst: Worst) -> Usage {
        let output: u64 = frames.iter().flat_map(|frame| &frame.events).map(count_event).sum();
        match reported {
            Some(usage) => {
                Usage { output: usage.output.max(output.saturating_sub(usage.reasoning)), ..usage }
            }
            None => {
                let (tools, shortened) = self.left_out();
                let came = tokens::count_prompt(&self.ask.request);
                let texts = came.saturating_add_signed(-tools).saturating_add_signed(-shortened);
                worst.unreported(texts, output)
            }
        }
    }

    fn stored(&self, record: &CallRecord, usage: Usage) -> Stored {
        let frames = self.flight.frames();
        let now = self.gateway.parts.clock.now();
        let ttl = self.gateway.time_to_live(self.ask.freshness(), &self.ask.context);
        Stored {
            provider: record.provider.clone(),
            model: record.model.clone(),
            usage,
            cost: record.cost,
            created: now,
            expires: now.checked_add(ttl).unwrap_or(jiff::Timestamp::MAX),
            streamed: self.ask.request.stream,
            bytes: weigh(&frames),
            frames: frames.into(),
        }
    }

    /// Books an answer that was paid for and is not given.
    pub(crate) async fn settle_rejected(&mut self, frames: &[Frame]) {
        let Some(open) = self.open.take() else { return };
        let mut reading = Reading::default();
        frames.iter().for_each(|frame| reading.observe(frame));
        let mut record = self.booked(open, &reading, &Ending::Whole, frames);
        record.task = Some(Arc::from(format!("{OWN_TASKS}cascade")));
        record.baseline_cost = NanoUsd::ZERO;
        self.gateway.book(record).await;
    }

    /// The caller left before the answer began: the prompt may have been read, so it is paid for.
    pub(crate) async fn abandon(&mut self) {
        let Some(open) = self.open.take() else { return };
        let reading = Reading::default();
        let mut record = self.booked(open, &reading, &Ending::Aborted, &[]);
        record.first_event_us = None;
        self.gateway.book(record).await;
    }

    fn blame_upstream(&self, record: (String, String), error: &ModelError) {
        let (provider, model) = record;
        tracing::warn!(provider, model, code = error.code(), detail = error.detail, "an answer broke off");
        let failure = Failure { code: error.code(), blame: blame(&error.kind, None) };
        if self.gateway.breakers.failed(&provider, &model, &failure, self.gateway.parts.clock.monotonic()) {
            self.gateway.tell_breaker(provider, model, true);
        }
    }
}

impl Gateway {
    /// How long an answer is kept: as the caller says, else shorter for questions whose answers change.
    pub(crate) fn time_to_live(&self, freshness: Freshness, context: &CallContext) -> SignedDuration {
        let usual = || freshness.life(self.settings.cache.ttl).as_secs();
        let seconds = context.cache_ttl_seconds.unwrap_or_else(usual);
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Books an attempt that failed before its first content: free, unless the provider may charge for it all the same.
    pub(crate) async fn book_failure(&self, open: OpenCall, error: &ModelError, request: &ModelRequest) {
        let mut record = open.record;
        record.latency_us = self.micros_since(open.since);
        record.error_code = Some(error.code().to_owned());
        record.outcome = Outcome::Failed;
        if error.may_be_charged() || error.broke_an_answer() {
            let prompt = || open.worst.unreported(tokens::count_prompt(request), 0);
            record.usage = open.reported.unwrap_or_else(prompt);
            record.usage_estimated = true;
            // A stream stops where it breaks; of an answer in one piece all may have been generated.
            let as_seen = error.broke_an_answer() && (request.stream || open.reported.is_some());
            record.cost =
                if as_seen { cost(&open.price, &record.usage, open.worst.service_tier) } else { open.held };
            record.baseline_cost = record.cost;
        }
        if error.may_be_charged() {
            record.outcome = Outcome::TimedOut;
        }
        self.book(record).await;
    }
}

fn count_event(event: &ReplyEvent) -> u64 {
    match event {
        ReplyEvent::Text(text) | ReplyEvent::Thinking(text) | ReplyEvent::Refusal(text) => {
            tokens::count_text(text)
        }
        ReplyEvent::ToolArguments { delta, .. } => tokens::count_text(delta),
        ReplyEvent::ToolCall { name, .. } => tokens::count_text(name) + 4,
        _ => 0,
    }
}
