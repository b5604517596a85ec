//! The walk of a workload through a policy, call by call.

use super::floors::floors;
use super::kept::KeptPrefixes;
use super::outgoing::{Outbox, recalls};
use super::report::{ReplayQuality, ReplayReport, ReplayTokens};
use super::routing::{Chosen, Router};
use super::sharing::{AnswerBook, Found};
use super::texts::Meanings;
use super::words::{ReplayBody, ReplayCall, ReplayModel, ReplayPolicy};
use nunchi_core::{
    CacheVerdict, CallContext, CallRecord, ModelRequest, NanoUsd, Saved, Savings, ServiceTier, Tier, Usage,
    cost, plain_cost,
};
use std::collections::BTreeMap;

/// Tokens a model writes to ask for a `recall`.
const RECALL_OUTPUT: u64 = 40;

/// What is replayed.
pub struct ReplayInput<'a> {
    /// The calls. They are taken in the order of their times.
    pub calls: &'a [ReplayCall],
    /// The policy.
    pub policy: &'a ReplayPolicy,
    /// The meanings of [`super::texts_to_embed`].
    pub meanings: &'a Meanings,
    /// Counts a prompt's tokens.
    pub count: &'a dyn Fn(&ModelRequest) -> u64,
}

/// What became of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) verdict: CacheVerdict,
    /// The tier that answered; of a hit, that of the answer it was given.
    pub(super) tier: Option<Tier>,
    /// The model that was called; none for a hit.
    model: Option<String>,
    /// Prompt tokens as they came.
    pub(super) came: u64,
    usage: Usage,
    local: bool,
    full_price: u64,
    pub(super) spent: NanoUsd,
    saved: Saved,
    pub(super) baseline: NanoUsd,
    compressed: bool,
    recalls: u64,
    /// Whether a shared answer is another question's.
    pub(super) wrong: Option<bool>,
    /// Whether the tool it needs was not sent.
    tool_lost: Option<bool>,
}

/// Replays a workload under a policy. `progress` hears how many calls are done.
///
/// The causes add up: the baseline less what is spent is the sum of what each saved. Nothing is drawn at random: which answers
/// are checked and which calls recall is told by a call's place.
pub fn replay(input: &ReplayInput<'_>, progress: &mut dyn FnMut(usize)) -> ReplayReport {
    let mut order: Vec<usize> = (0..input.calls.len()).collect();
    order.sort_by_key(|at| input.calls[*at].at);
    let mut walk = Walk {
        input,
        book: AnswerBook::default(),
        router: Router::default(),
        outbox: Outbox::default(),
        kept: KeptPrefixes::default(),
        outcomes: vec![None; input.calls.len()],
        unpriced: BTreeMap::new(),
    };
    for (done, at) in order.into_iter().enumerate() {
        match walk.call(at) {
            Ok(outcome) => walk.outcomes[at] = Some(outcome),
            Err(model) => *walk.unpriced.entry(model).or_default() += 1,
        }
        progress(done + 1);
    }
    walk.report()
}

struct Walk<'a> {
    input: &'a ReplayInput<'a>,
    book: AnswerBook,
    router: Router<'a>,
    outbox: Outbox,
    kept: KeptPrefixes,
    outcomes: Vec<Option<Outcome>>,
    unpriced: BTreeMap<String, u64>,
}

impl Walk<'_> {
    /// One call; the model's name where it has no price.
    fn call(&mut self, at: usize) -> Result<Outcome, String> {
        match &self.input.calls[at].body {
            ReplayBody::Asked(asked) => self.asked(at, (&asked.0, &asked.1)),
            ReplayBody::Booked(record) => booked(self.input.policy, &self.input.calls[at], record),
        }
    }

    fn asked(&mut self, at: usize, asked: (&ModelRequest, &CallContext)) -> Result<Outcome, String> {
        let (input, call) = (self.input, &self.input.calls[at]);
        let came = (input.count)(asked.0);
        let usage = Usage { input: came, output: call.output_tokens, ..Usage::default() };
        let baseline = plain_cost(&input.policy.baseline.price, &usage, ServiceTier::Standard);
        let fresh = Outcome { came, baseline, ..Outcome::default() };
        let found = self.book.find(input.policy, input.meanings, asked, (call.at, draw(at, 0)));
        let (key, question, audit, verdict) = match found {
            Found::Exact(source) => return Ok(self.hit(at, source, CacheVerdict::Exact, fresh)),
            Found::Semantic(source) => return Ok(self.hit(at, source, CacheVerdict::Semantic, fresh)),
            Found::Miss { key, asked, audit } => {
                let servable = audit.as_ref().is_some_and(|audit| audit.servable);
                (key, asked, audit, if servable { CacheVerdict::Audit } else { CacheVerdict::Miss })
            }
            Found::Bypass => (None, None, None, CacheVerdict::Bypass),
        };
        let chosen = self.router.choose(input.policy, input.meanings, asked, call.label.tier)?;
        let outcome = self.answered(at, chosen, asked, Outcome { verdict, ..fresh });
        if let Some((key, cache)) = key.zip(input.policy.cache) {
            self.book.keep((key, question), cache, asked, (at, call.at));
        }
        if let Some(audit) = audit
            && let Some(wrong) = self.differs(at, audit.source)
        {
            self.book.learn(&audit, !wrong);
        }
        Ok(outcome)
    }

    /// A call that gets the answer of an earlier one.
    fn hit(&self, at: usize, source: usize, verdict: CacheVerdict, fresh: Outcome) -> Outcome {
        let tier = self.outcomes[source].as_ref().and_then(|outcome| outcome.tier);
        Outcome { verdict, tier, wrong: self.differs(at, source), ..fresh }
    }

    /// Whether two calls want different answers; `None` where that is not known.
    fn differs(&self, a: usize, b: usize) -> Option<bool> {
        let label = |at: usize| self.input.calls[at].label.answer.as_ref();
        Some(label(a)? != label(b)?)
    }

    /// A call that a model answers.
    fn answered(
        &mut self,
        at: usize,
        (tier, model): Chosen<'_>,
        (request, context): (&ModelRequest, &CallContext),
        fresh: Outcome,
    ) -> Outcome {
        let (input, call) = (self.input, &self.input.calls[at]);
        let policy = input.policy;
        let mut outgoing = request.clone();
        let cut = self.outbox.select((policy, model), input.meanings, (&mut outgoing, context), call.at);
        let with_fewer = if cut { (input.count)(&outgoing) } else { fresh.came };
        let needed = call.label.tool.as_ref().filter(|_| !request.tools.is_empty());
        let tool_lost = needed.map(|needed| !outgoing.tools.iter().any(|tool| tool.name == *needed));
        let shortened = self.outbox.shorten(policy, model, (&mut outgoing, context), call.at);
        let sent = if shortened.any { (input.count)(&outgoing) } else { with_fewer };
        let batch = policy.batch && call.can_wait && model.price.batch.is_some();
        let mut rounds = Vec::with_capacity(2);
        if policy.keep_prefixes && !batch {
            self.outbox.mark(model, request, (&mut outgoing, context), call.at);
            rounds.push(self.kept.split(model, &outgoing, sent, call.at));
        } else {
            rounds.push(Usage { input: sent, ..Usage::default() });
        }
        if recalls(shortened, draw(at, 1)) {
            let again = match policy.keep_prefixes && !batch {
                true => self.kept.split(model, &outgoing, sent, call.at),
                false => Usage { input: sent, ..Usage::default() },
            };
            rounds.push(Usage { input: again.input + shortened.recallable, output: RECALL_OUTPUT, ..again });
        }
        rounds[0].output = call.output_tokens;
        let all = Usage { input: fresh.came, output: call.output_tokens, ..Usage::default() };
        let before = Usage { input: with_fewer, ..all };
        let mut outcome = price(model, (&all, &before), &rounds, batch);
        outcome.recalls = rounds.len() as u64 - 1;
        Outcome {
            verdict: fresh.verdict,
            came: fresh.came,
            baseline: fresh.baseline,
            tier,
            compressed: shortened.any,
            tool_lost,
            ..outcome
        }
    }

    fn report(self) -> ReplayReport {
        let Self { input, outcomes, unpriced, .. } = self;
        let mut report = ReplayReport {
            policy: input.policy.name.clone(),
            baseline_model: input.policy.baseline.name.clone(),
            savings: Savings::default(),
            verdicts: BTreeMap::new(),
            tiers: BTreeMap::new(),
            models: BTreeMap::new(),
            tokens: ReplayTokens::default(),
            compressed: 0,
            recalls: 0,
            unpriced,
            quality: ReplayQuality::default(),
            floors: Vec::new(),
        };
        for (call, outcome) in input.calls.iter().zip(&outcomes) {
            if let Some(outcome) = outcome {
                add(&mut report, call, outcome);
            }
        }
        report.floors = floors(input, &outcomes);
        report
    }
}

/// What rounds of a call cost on a model, and what each cause saved against sending all of it there.
fn price(model: &ReplayModel, (all, before): (&Usage, &Usage), rounds: &[Usage], batch: bool) -> Outcome {
    let price = &model.price;
    let sum = |of: &dyn Fn(&Usage) -> NanoUsd| rounds.iter().map(of).sum::<NanoUsd>();
    let plain = sum(&|usage| plain_cost(price, usage, ServiceTier::Standard));
    let live = sum(&|usage| cost(price, usage, ServiceTier::Standard));
    let tier = if batch { ServiceTier::Batch } else { ServiceTier::Standard };
    let spent = sum(&|usage| cost(price, usage, tier));
    let usage = rounds.iter().fold(Usage::default(), |sum, usage| sum + *usage);
    Outcome {
        model: Some(model.name.clone()),
        local: model.local,
        full_price: full_price(model, &usage, batch),
        usage,
        spent,
        saved: Saved {
            prompt_cache: plain - live,
            tools: plain_cost(price, all, ServiceTier::Standard)
                - plain_cost(price, before, ServiceTier::Standard),
            compression: plain_cost(price, before, ServiceTier::Standard) - plain,
            batch: live - spent,
        },
        ..Outcome::default()
    }
}

/// Prompt tokens, each counted as its price is a part of the full one.
fn full_price(model: &ReplayModel, usage: &Usage, batch: bool) -> u64 {
    let full = i128::from(model.price.rates.input.0);
    if full <= 0 {
        return usage.prompt_tokens();
    }
    let rates = model.price.batch.filter(|_| batch).unwrap_or(model.price.rates);
    let classes = [
        (usage.input, rates.input),
        (usage.cache_read, rates.cache_read),
        (usage.cache_write_5m, rates.cache_write_5m),
        (usage.cache_write_1h, rates.cache_write_1h),
    ];
    let money: i128 = classes.iter().map(|(tokens, rate)| i128::from(*tokens) * i128::from(rate.0)).sum();
    u64::try_from(money / full).unwrap_or(u64::MAX)
}

/// A row of the ledger under a policy: the texts are gone, so what the cache found stands.
fn booked(policy: &ReplayPolicy, call: &ReplayCall, record: &CallRecord) -> Result<Outcome, String> {
    let sharing = policy.cache.is_some() && policy.sharing.is_some();
    let served = match record.cache {
        CacheVerdict::Exact => policy.cache.is_some(),
        CacheVerdict::Semantic => sharing,
        CacheVerdict::Audit | CacheVerdict::Miss | CacheVerdict::Bypass => false,
    };
    let hit = matches!(record.cache, CacheVerdict::Exact | CacheVerdict::Semantic);
    let came = record.usage.prompt_tokens();
    if hit {
        // A hit is booked without tokens: what the baseline would have cost is all that is known of it.
        let baseline = record.baseline_cost;
        let spent = if served { NanoUsd::ZERO } else { baseline };
        let verdict = if served { record.cache } else { CacheVerdict::Miss };
        return Ok(Outcome { verdict, tier: record.tier, came, baseline, spent, ..Outcome::default() });
    }
    let all = Usage { input: came, output: call.output_tokens, ..Usage::default() };
    let named = || policy.named.get(&format!("{}/{}", record.provider, record.model));
    let model = match record.tier {
        Some(tier) => policy.models(tier).first(),
        None => named(),
    };
    let model = model.ok_or_else(|| format!("{}/{}", record.provider, record.model))?;
    let keeps = policy.keep_prefixes && model.price.rates.cache_read.0 > 0;
    let used = if keeps { Usage { output: call.output_tokens, reasoning: 0, ..record.usage } } else { all };
    let batch = policy.batch && (record.batch || call.can_wait) && model.price.batch.is_some();
    let outcome = price(model, (&all, &all), &[if batch { all } else { used }], batch);
    let baseline = plain_cost(&policy.baseline.price, &all, ServiceTier::Standard);
    Ok(Outcome { verdict: record.cache, tier: record.tier, came, baseline, ..outcome })
}

fn add(report: &mut ReplayReport, call: &ReplayCall, outcome: &Outcome) {
    let savings = &mut report.savings;
    savings.calls += 1;
    savings.baseline += outcome.baseline;
    savings.spent += outcome.spent;
    let left = outcome.baseline - outcome.spent - outcome.saved.total();
    match outcome.verdict {
        CacheVerdict::Exact => savings.exact += left,
        CacheVerdict::Semantic => savings.semantic += left,
        CacheVerdict::Audit | CacheVerdict::Miss | CacheVerdict::Bypass => savings.tier += left,
    }
    savings.other.prompt_cache += outcome.saved.prompt_cache;
    savings.other.tools += outcome.saved.tools;
    savings.other.compression += outcome.saved.compression;
    savings.other.batch += outcome.saved.batch;
    if outcome.verdict == CacheVerdict::Audit {
        savings.overhead += outcome.spent;
    }
    *report.verdicts.entry(outcome.verdict.as_str()).or_default() += 1;
    *report.tiers.entry(outcome.tier.map_or("named", Tier::as_str)).or_default() += 1;
    if let Some(model) = &outcome.model {
        *report.models.entry(model.clone()).or_default() += 1;
    }
    let (tokens, sent) = (&mut report.tokens, outcome.usage.prompt_tokens());
    tokens.came += outcome.came;
    tokens.sent += sent;
    tokens.local += if outcome.local { sent } else { 0 };
    tokens.cached += outcome.usage.cache_read;
    tokens.written += outcome.usage.cache_write_5m + outcome.usage.cache_write_1h;
    tokens.full_price += outcome.full_price;
    tokens.output += if outcome.local { 0 } else { outcome.usage.completion_tokens() };
    report.compressed += u64::from(outcome.compressed);
    report.recalls += outcome.recalls;
    judge(&mut report.quality, call, outcome);
}

fn judge(quality: &mut ReplayQuality, call: &ReplayCall, outcome: &Outcome) {
    match (outcome.verdict, outcome.wrong) {
        (CacheVerdict::Exact, Some(wrong)) => quality.exact.count(wrong),
        (CacheVerdict::Semantic, Some(wrong)) => quality.semantic.count(wrong),
        _ => {}
    }
    if let Some(lost) = outcome.tool_lost {
        quality.tools.count(lost);
    }
    if let Some((needed, given)) = call.label.tier.zip(outcome.tier) {
        quality.under_routed.count(given < needed);
        quality.over_routed.count(given > needed);
    }
    if let Some(right) = outcome.tier.and_then(|tier| right_at(call, tier)) {
        quality.answers.count(!right || outcome.wrong == Some(true));
    }
}

/// Whether the answer of a tier is right: of the strong model for the complex tier, of the weak one below.
pub(super) fn right_at(call: &ReplayCall, tier: Tier) -> Option<bool> {
    let (weak, strong) = (call.label.weak_right?, call.label.strong_right?);
    Some(if tier == Tier::Complex { strong } else { weak })
}

/// A number that is even from 0 to 1 and the same for the same call (SplitMix64).
pub(super) fn draw(at: usize, salt: u64) -> f64 {
    let mut x = (at as u64).wrapping_mul(2).wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    #[expect(clippy::cast_precision_loss, reason = "a draw needs no more")]
    let even = ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    even
}
