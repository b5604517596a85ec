//! The command line as written: commands, flags and their help.

mod agents;
mod data;
mod eval;
mod flow;
mod korean;
mod mcp;
mod memory;

pub(crate) use agents::{
    ApprovalsCommand, ExplainPermission, ModeArg, PermissionsCommand, RunFile, RunsCommand, RunsWanted,
};
pub(crate) use data::{
    BatchCommand, BudgetCommand, CacheCommand, CompressCommand, KeysCommand, ModelsCommand, PriceRates,
    PricesCommand, RatingArg, RouteCommand, TierArg,
};
pub(crate) use eval::{EvalCommand, EvalRun};
pub(crate) use korean::{complaint, in_korean};
pub(crate) use memory::{FactStateArg, MemoryCommand};

pub(crate) use flow::{FlowCommand, SkillsCommand};
pub(crate) use mcp::McpCommand;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// An LLM gateway that never overspends.
#[derive(Debug, Parser)]
#[command(name = "nunchi", version, about, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Home folder: configuration, ledger, cache. Usually ~/.nunchi.
    #[arg(long, global = true, env = "NUNCHI_HOME", value_name = "DIR", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Language of messages.
    #[arg(long, global = true, value_name = "LANG")]
    pub(crate) lang: Option<LangArg>,
}

/// A language.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LangArg {
    /// English.
    En,
    /// Korean.
    Ko,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server with its console.
    Up(Up),
    /// Ask once; the answer is streamed. Works without a server.
    Ask(Ask),
    /// Talk in the terminal. With --json, lines such as {"text": "…", "model": "…", "new": true} in and a JSON object an answer out.
    Chat(Chat),
    /// Carry out a workflow: a TOML or YAML file.
    Run(RunFile),
    /// Runs of agents: list, show, watch, cancel, resume, undo.
    Runs {
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// What runs ask you: list, show, approve, deny, reply.
    Approvals {
        #[command(subcommand)]
        command: ApprovalsCommand,
    },
    /// What agents told you since you last looked.
    Messages {
        /// Also what you have seen.
        #[arg(long)]
        all: bool,
        /// Instead, what you will be told later.
        #[arg(long, conflicts_with = "all")]
        upcoming: bool,
    },
    /// The rules about tools: list, revoke.
    Permissions {
        #[command(subcommand)]
        command: PermissionsCommand,
    },
    /// May an agent make this call, and which rule says so.
    ExplainPermission(ExplainPermission),
    /// Judge runs and answers: relevancy, hallucination, toxicity, efficiency, safety, cost.
    Eval {
        #[command(subcommand)]
        command: EvalCommand,
    },
    /// What was spent, by model, day, key and more.
    Stats(Stats),
    /// Files of requests that can wait: submit, list, show, cancel.
    Batch {
        #[command(subcommand)]
        command: BatchCommand,
    },
    /// Budgets: list, set, remove, notices.
    Budget {
        #[command(subcommand)]
        command: BudgetCommand,
    },
    /// The answer cache: list, show, clear, stats.
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Prices: list, show, set, import.
    Prices {
        #[command(subcommand)]
        command: PricesCommand,
    },
    /// Virtual keys: create, list, revoke, rotate.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// MCP: servers whose tools you use, and serving yours.
    Mcp {
        #[command(subcommand)]
        command: McpCommand,
    },
    /// What is remembered: list, search, show, add, edit, forget, veto, export.
    Memory {
        #[command(subcommand)]
        command: MemoryCommand,
    },
    /// Models: list, and the weights of the embedded ones.
    Models {
        #[command(subcommand)]
        command: ModelsCommand,
    },
    /// The configuration: show it, check it.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check that everything works, and say what helps where it does not.
    Doctor,
    /// Watch calls and budgets live.
    Top(Top),
    /// Write a whole copy of the ledger.
    Backup {
        /// The file to write.
        file: PathBuf,
        /// Save what can still be read of a damaged ledger.
        #[arg(long)]
        salvage: bool,
    },
    /// Replace the ledger by a copy; the present one is kept beside it.
    Restore {
        /// The copy.
        file: PathBuf,
    },
    /// Workflow files: check, draw.
    Flow {
        /// What to do.
        #[command(subcommand)]
        command: FlowCommand,
    },
    /// Skills: list, show, new, validate, add, distill.
    Skills {
        /// What to do.
        #[command(subcommand)]
        command: SkillsCommand,
    },
    /// What a recorded workload would cost under other policies, and why.
    Replay(Replay),
    /// How requests are routed.
    Route {
        /// What to do.
        #[command(subcommand)]
        command: RouteCommand,
    },
    /// What of conversations is sent shorter.
    Compress {
        /// What to do.
        #[command(subcommand)]
        command: CompressCommand,
    },
    /// Print a reference page.
    #[command(hide = true)]
    Reference {
        /// cli, config or openapi.
        page: String,
    },
}

/// Flags of `up`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Up {
    /// Address and port.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Fetch nothing from the network but answers.
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Flags of `ask`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ask {
    /// The question; `-` reads it from standard input.
    pub(crate) text: Vec<String>,
    /// Model: auto, auto:trivial|standard|complex, or provider/model.
    #[arg(long, short, default_value = "auto")]
    pub(crate) model: String,
    /// Instructions.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Conversation it belongs to, for statistics and budgets.
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Neither look the answer up nor store it.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Cap on the answer, in tokens.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_tokens: Option<u64>,
    /// Fetch nothing from the network but answers.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Let an agent do it, in this mode: with tools, a record of every step, and undo.
    #[arg(long)]
    pub(crate) mode: Option<ModeArg>,
    /// Most money of the agent's run, in dollars.
    #[arg(long, value_name = "USD", requires = "mode")]
    pub(crate) max_usd: Option<String>,
    /// Most model turns of the agent's run.
    #[arg(long, requires = "mode")]
    pub(crate) turns: Option<u32>,
    /// The tools the agent may call; all if left out.
    #[arg(long, value_delimiter = ',', requires = "mode")]
    pub(crate) tools: Vec<String>,
}

/// Flags of `chat`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Chat {
    /// Model: auto, auto:trivial|standard|complex, or provider/model.
    #[arg(long, short, default_value = "auto")]
    pub(crate) model: String,
    /// Instructions.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
}

/// Flags of `stats`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Stats {
    /// What totals are grouped by.
    #[arg(long, default_value = "model")]
    pub(crate) by: GroupingArg,
    /// today, week, month, all, a length such as 24h or 7d, or FROM..TO with dates.
    #[arg(long, default_value = "today")]
    pub(crate) period: String,
    /// What was saved instead, by cause.
    #[arg(long)]
    pub(crate) savings: bool,
    /// Write the calls to a file instead, as JSON lines that `replay` reads.
    #[arg(long, value_name = "FILE", conflicts_with = "savings")]
    pub(crate) export: Option<PathBuf>,
}

/// Flags of `replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Replay {
    /// The workload: JSON lines of request bodies, of batch requests, or of exported calls.
    pub(crate) file: PathBuf,
    /// A policy: `current`, or a file with the keys of nunchi.toml. May be repeated.
    #[arg(long, value_name = "current|FILE", default_value = "current")]
    pub(crate) policy: Vec<String>,
}

/// What totals are grouped by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum GroupingArg {
    /// Provider.
    Provider,
    /// Provider and model.
    Model,
    /// Conversation.
    Session,
    /// Phase.
    Phase,
    /// Task.
    Task,
    /// Virtual key.
    Key,
    /// Tier.
    Tier,
    /// Calendar day.
    Day,
    /// Outcome.
    Outcome,
    /// Cache verdict.
    Cache,
}

/// Flags of `top`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Top {
    /// Show it once and end.
    #[arg(long)]
    pub(crate) once: bool,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting, its value and where it comes from.
    Show,
    /// Check the files and the environment; all errors at once.
    Check,
    /// Print the home folder.
    Path,
}

impl LangArg {
    /// The language.
    pub(crate) const fn lang(self) -> nunchi_core::Lang {
        match self {
            Self::En => nunchi_core::Lang::En,
            Self::Ko => nunchi_core::Lang::Ko,
        }
    }
}
