//! The commands that read and change data.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `batch …`
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Hand in a file with a request on each line (OpenAI's batch format).
    Submit {
        /// The file.
        file: PathBuf,
        /// What each line is a request to: /v1/chat/completions, /v1/responses or /v1/messages.
        #[arg(long, default_value = "/v1/chat/completions")]
        endpoint: String,
        /// Wait until every line is over.
        #[arg(long)]
        wait: bool,
    },
    /// Batches, the newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One batch.
    Show {
        /// Its id.
        id: String,
        /// Print the lines of its answers instead.
        #[arg(long)]
        answers: bool,
    },
    /// End a batch; what is answered stays answered.
    Cancel {
        /// Its id.
        id: String,
    },
}

impl BatchCommand {
    /// Whether it stays until the work is done.
    pub(crate) const fn waits(&self) -> bool {
        matches!(self, Self::Submit { wait: true, .. })
    }
}

/// `budget …`
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// All budgets and where they stand.
    List,
    /// Make a budget, or change the one of that name.
    Set {
        /// Its name.
        name: String,
        /// How much: 5usd, 0.50usd, 200000tokens.
        #[arg(long)]
        limit: String,
        /// day, week, month or total.
        #[arg(long, default_value = "day")]
        window: String,
        /// everything, or key:, user:, session:, task:, tag:, provider:, model: with a value; `session:*` is each by itself.
        #[arg(long, default_value = "everything")]
        scope: String,
        /// What happens at a share of the limit: 75=notify, 90=downgrade, 100=local_only, 100=stop. May be repeated.
        #[arg(long = "at", value_name = "PERCENT=ACTION")]
        at: Vec<String>,
    },
    /// Remove a budget.
    Remove {
        /// Its name or id.
        name: String,
    },
    /// Thresholds that were reached.
    Notices,
}

/// `cache …`
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Stored answers, the newest first.
    List {
        /// Only of this model.
        #[arg(long)]
        model: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One stored answer.
    Show {
        /// Its key, or the beginning of it.
        key: String,
    },
    /// Remove one stored answer.
    Rm {
        /// Its key, or the beginning of it.
        key: String,
    },
    /// Remove stored answers.
    Clear {
        /// Only of this model.
        #[arg(long)]
        model: Option<String>,
        /// Only what is older: 24h, 7d.
        #[arg(long, value_name = "AGE", alias = "before")]
        older: Option<String>,
        /// Everything.
        #[arg(long, conflicts_with_all = ["model", "older"])]
        all: bool,
    },
    /// Measure from which score on answers may be shared, on pairs of questions or on what audits found.
    Calibrate {
        /// Pairs, one JSON object a line: {"a": "…", "b": "…", "same": true}. Without it, audits are used.
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
        /// Put the measured scores in force.
        #[arg(long)]
        apply: bool,
        /// Go back to the shipped scores.
        #[arg(long, conflicts_with_all = ["data", "apply"])]
        revert: bool,
    },
    /// How sessions get on with the providers' prompt caches, and what broke their prefixes.
    Doctor,
    /// Why two questions do or do not share an answer.
    Explain {
        /// A question.
        a: String,
        /// Another one.
        b: String,
    },
    /// Hit rate, size, evictions.
    Stats,
}

/// Whether an answer was good.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RatingArg {
    /// It was.
    Good,
    /// It was not.
    Bad,
}

/// A tier.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TierArg {
    /// A local model will do.
    Trivial,
    /// A fast, cheap model.
    Standard,
    /// The best model there is.
    Complex,
}

/// `route …`
#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Measure the router: agreement with labelled texts, and complex ones sent lower.
    Eval {
        /// Texts with their tiers, one JSON object a line: {"text": "…", "tier": "complex"}. Without it, your feedback is used.
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
    },
    /// Which tier and model a text would get, and what each stage said.
    Explain {
        /// The text.
        text: String,
    },
    /// Say whether an answer was good; the next training learns from it.
    Rate {
        /// The request: its x-nunchi-request-id.
        request: String,
        /// good or bad.
        rating: RatingArg,
        /// The tier that would have been right.
        #[arg(long, value_name = "TIER")]
        tier: Option<TierArg>,
    },
    /// Fit the router to what was said of its answers; a model that does worse on texts held out is refused.
    Train {
        /// Go back to the model that ships instead.
        #[arg(long)]
        revert: bool,
    },
}

/// `prices …`
#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// All prices, in dollars per million tokens.
    List {
        /// Only of this provider.
        #[arg(long)]
        provider: Option<String>,
    },
    /// One model's prices.
    Show {
        /// provider/model, or a model's name.
        model: String,
    },
    /// Set a model's price, in dollars per million tokens. What is left out stays as it was known.
    Set {
        /// provider/model.
        model: String,
        #[command(flatten)]
        rates: Box<PriceRates>,
    },
    /// Take prices from a LiteLLM price file, or from one of ours.
    Import {
        /// The file.
        file: PathBuf,
    },
}

/// Flags of `prices set`.
#[derive(Args, Clone, Debug)]
pub(crate) struct PriceRates {
    /// Prompt tokens.
    #[arg(long, value_name = "USD")]
    pub(crate) input: String,
    /// Generated tokens.
    #[arg(long, value_name = "USD")]
    pub(crate) output: String,
    /// Prompt tokens read from the provider's cache.
    #[arg(long, value_name = "USD")]
    pub(crate) cache_read: Option<String>,
    /// Prompt tokens written to the provider's cache.
    #[arg(long, value_name = "USD")]
    pub(crate) cache_write: Option<String>,
    /// Prompt tokens in the flex service tier.
    #[arg(long, value_name = "USD", requires = "flex_output")]
    pub(crate) flex_input: Option<String>,
    /// Generated tokens in the flex service tier.
    #[arg(long, value_name = "USD", requires = "flex_input")]
    pub(crate) flex_output: Option<String>,
    /// Prompt tokens read from the provider's cache in the flex service tier.
    #[arg(long, value_name = "USD", requires = "flex_input")]
    pub(crate) flex_cache_read: Option<String>,
    /// Prompt tokens written to the provider's cache in the flex service tier.
    #[arg(long, value_name = "USD", requires = "flex_input")]
    pub(crate) flex_cache_write: Option<String>,
    /// Prompt tokens in the priority service tier.
    #[arg(long, value_name = "USD", requires = "priority_output")]
    pub(crate) priority_input: Option<String>,
    /// Generated tokens in the priority service tier.
    #[arg(long, value_name = "USD", requires = "priority_input")]
    pub(crate) priority_output: Option<String>,
    /// Prompt tokens read from the provider's cache in the priority service tier.
    #[arg(long, value_name = "USD", requires = "priority_input")]
    pub(crate) priority_cache_read: Option<String>,
    /// Prompt tokens written to the provider's cache in the priority service tier.
    #[arg(long, value_name = "USD", requires = "priority_input")]
    pub(crate) priority_cache_write: Option<String>,
    /// Prompts of more tokens than this have rates of their own.
    #[arg(long, value_name = "TOKENS", requires = "above_input", requires = "above_output")]
    pub(crate) above: Option<u64>,
    /// Prompt tokens of such prompts.
    #[arg(long, value_name = "USD", requires = "above")]
    pub(crate) above_input: Option<String>,
    /// Tokens generated for such prompts.
    #[arg(long, value_name = "USD", requires = "above")]
    pub(crate) above_output: Option<String>,
    /// One use of a tool at the provider, such as a web search, in dollars.
    #[arg(long, value_name = "USD")]
    pub(crate) tool_use: Option<String>,
    /// One request, in dollars.
    #[arg(long, value_name = "USD")]
    pub(crate) request: Option<String>,
}

/// `keys …`
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key; its secret is shown once.
    Create {
        /// A name for people.
        name: String,
        /// Its own budget: 1usd/day, 20usd/month, 500000tokens/day.
        #[arg(long, value_name = "LIMIT/WINDOW")]
        budget: Option<String>,
        /// Models it may call, with `*`, separated by commas.
        #[arg(long, value_delimiter = ',')]
        models: Vec<String>,
        /// Requests a minute.
        #[arg(long, value_name = "N")]
        rpm: Option<u32>,
        /// Tokens a minute.
        #[arg(long, value_name = "N")]
        tpm: Option<u64>,
        /// Requests under way at once.
        #[arg(long, value_name = "N")]
        concurrent: Option<u32>,
        /// When it stops working: 30d, 12h.
        #[arg(long, value_name = "AGE")]
        expires: Option<String>,
        /// It may administer.
        #[arg(long)]
        admin: bool,
    },
    /// All keys.
    List,
    /// End a key.
    Revoke {
        /// Its name, prefix or id.
        key: String,
    },
    /// Give a key a new secret.
    Rotate {
        /// Its name, prefix or id.
        key: String,
    },
}

/// `models …`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// What can be asked for, the tiers, and the weights on this machine.
    List,
    /// Fetch weights.
    Pull {
        /// Which; all that the configuration names if left out.
        id: Option<String>,
    },
    /// Remove weights.
    Rm {
        /// Which.
        id: String,
    },
}

/// `compress …`
#[derive(Debug, Subcommand)]
pub(crate) enum CompressCommand {
    /// What of a recorded request would be sent shorter, and why not. Nothing is called or spent.
    Explain {
        /// The body of the request, as JSON in any of the dialects; `-` reads standard input.
        file: PathBuf,
        /// off, results, history or auto.
        #[arg(long, default_value = "auto")]
        mode: String,
    },
}
