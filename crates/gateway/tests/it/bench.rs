//! A gateway on a test bench: scripted models, a ledger in memory, tokio's paused clock.

use futures_util::StreamExt;
use nunchi_core::{
    CallContext, CallSummary, Dialect, Embedder, Message, Model, ModelError, ModelPrice, ModelRequest,
    NanoUsd, Rates, Reply, ReplyBody, ReplyEvent, Role, assemble_reply,
};
use nunchi_gateway::{Gateway, Parts, PriceCatalog, ProviderEntry, Settings, TierModels};
use nunchi_testkit::{
    MemoryCache, MemoryFeedback, MemoryKeys, MemoryLedger, MemoryOriginals, ScriptedModel, ScriptedReply,
    SequentialIds, TokioClock, TokioSpawn, owner_context,
};
use std::sync::Arc;

pub(crate) struct Bench {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) cache: Arc<MemoryCache>,
    pub(crate) originals: Arc<MemoryOriginals>,
    pub(crate) feedback: Arc<MemoryFeedback>,
    pub(crate) spawn: Arc<TokioSpawn>,
    pub(crate) cloud: Arc<ScriptedModel>,
    pub(crate) spare: Arc<ScriptedModel>,
    pub(crate) home: Arc<ScriptedModel>,
}

/// 1 USD a million prompt tokens, 2 USD a million generated ones.
pub(crate) fn price(provider: &str) -> ModelPrice {
    let usd = NanoUsd::from_usd;
    let rates = Rates { input: usd(1), output: usd(2), reasoning: usd(2), ..Rates::default() };
    ModelPrice {
        provider: provider.into(),
        model: "m".into(),
        rates,
        context_tiers: Vec::new(),
        batch: None,
        flex: None,
        priority: None,
        tool_use: NanoUsd::ZERO,
        request: NanoUsd::ZERO,
        context_window: None,
        max_output: None,
    }
}

fn provider(name: &str, model: &Arc<ScriptedModel>, local: bool, dialect: Dialect) -> ProviderEntry {
    ProviderEntry {
        name: name.into(),
        dialect,
        price_from: format!("{name}-list"),
        local,
        models: vec!["m".into()],
        model: Arc::clone(model) as Arc<dyn Model>,
        embedder: Some(Arc::clone(model) as Arc<dyn Embedder>),
        list: None,
        batch: None,
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(MemoryLedger::new(), |_| {})
    }

    pub(crate) fn with(ledger: MemoryLedger, change: impl FnOnce(&mut Settings)) -> Self {
        Self::speaking(Dialect::OpenAiChat, ledger, change)
    }

    /// The same with providers of a dialect.
    pub(crate) fn speaking(
        dialect: Dialect,
        ledger: MemoryLedger,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let scripted = || {
            let model = Arc::new(ScriptedModel::default());
            model.always(ScriptedReply::text("hello there"));
            model
        };
        let (cloud, spare, home) = (scripted(), scripted(), scripted());
        let (ledger, cache, spawn) =
            (Arc::new(ledger), Arc::new(MemoryCache::new()), Arc::new(TokioSpawn::new()));
        let originals = Arc::new(MemoryOriginals::new());
        let feedback = Arc::new(MemoryFeedback::new());
        let parts = Parts {
            providers: vec![
                provider("cloud", &cloud, false, dialect),
                provider("spare", &spare, false, dialect),
                provider("home", &home, true, dialect),
            ],
            ledger: ledger.clone(),
            cache: cache.clone(),
            originals: Some(originals.clone()),
            semantic: None,
            batch: None,
            keys: Arc::new(MemoryKeys::new()),
            feedback: feedback.clone(),
            clock: Arc::new(TokioClock::start()),
            ids: Arc::new(SequentialIds::new()),
            spawn: spawn.clone(),
        };
        let names = |names: &[&str]| names.iter().map(|name| format!("{name}/m")).collect();
        let mut settings = Settings {
            tiers: TierModels {
                trivial: names(&["home"]),
                standard: names(&["cloud", "spare"]),
                complex: names(&["cloud"]),
            },
            prices: PriceCatalog {
                version: "test".into(),
                prices: vec![price("cloud-list"), price("spare-list")],
            },
            baseline: Some("cloud/m".into()),
            embedder: Some("home/m".into()),
            ..Settings::default()
        };
        settings.retry.jitter = false;
        change(&mut settings);
        let gateway = Gateway::new(parts, settings);
        Self { gateway, ledger, cache, originals, feedback, spawn, cloud, spare, home }
    }

    pub(crate) async fn ask(&self, model: &str, text: &str) -> Result<Answer, ModelError> {
        self.ask_as(model, text, owner_context()).await
    }

    pub(crate) async fn ask_as(
        &self,
        model: &str,
        text: &str,
        context: CallContext,
    ) -> Result<Answer, ModelError> {
        hear(self.gateway.call(request(model, text), context).await?).await
    }
}

pub(crate) fn request(model: &str, text: &str) -> ModelRequest {
    let mut request = ModelRequest::new(model, vec![Message::text(Role::User, text)]);
    request.stream = true;
    request.max_output_tokens = Some(100);
    request
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply_provider: String,
    pub(crate) cache: &'static str,
    pub(crate) reason: String,
    pub(crate) text: String,
    pub(crate) pieces: usize,
    pub(crate) body: ReplyBody,
    pub(crate) summary: CallSummary,
}

pub(crate) async fn hear(reply: Reply) -> Result<Answer, ModelError> {
    let served = reply.info.served.clone().expect("the gateway says how it served");
    let mut stream = reply.stream;
    let mut events = Vec::new();
    let mut pieces = 0;
    while let Some(frame) = stream.next().await {
        let frame = frame?;
        pieces += usize::from(frame.events.iter().any(|event| matches!(event, ReplyEvent::Text(_))));
        events.extend(frame.events);
    }
    let body = assemble_reply(&events);
    let text = body.choices[0].parts.iter().filter_map(|part| part.as_text()).collect();
    let summary = body.summary.as_deref().cloned().expect("the last event settles");
    Ok(Answer {
        reply_provider: reply.info.provider,
        cache: served.cache.as_str(),
        reason: served.reason.clone(),
        text,
        pieces,
        body,
        summary,
    })
}
