//! The commands around runs of agents.

use clap::{Args, Subcommand, ValueEnum};

/// How a run goes about its work.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ModeArg {
    /// One of the others, by rule.
    Auto,
    /// Answers at once.
    Reflexive,
    /// Plans, asks what changes the plan, acts, verifies.
    Deliberate,
    /// As deliberate, but never asks in between.
    Autonomous,
    /// Independent parts side by side, then one merge.
    Ultrawork,
}

impl ModeArg {
    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Reflexive => "reflexive",
            Self::Deliberate => "deliberate",
            Self::Autonomous => "autonomous",
            Self::Ultrawork => "ultrawork",
        }
    }
}

/// Which runs are listed.
#[derive(Args, Debug)]
pub(crate) struct RunsWanted {
    /// Only running, parked, done, failed or cancelled ones.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only in this mode.
    #[arg(long)]
    pub(crate) mode: Option<ModeArg>,
    /// Only of this conversation.
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Only those that came from there: api, chat, console, mcp or schedule.
    #[arg(long)]
    pub(crate) origin: Option<String>,
    /// Only of the key with this id.
    #[arg(long, value_name = "KEY_ID")]
    pub(crate) owner: Option<String>,
    /// Only those begun then or later, such as 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only older ones than this run: the next page.
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

/// `runs …`
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Runs, the newest first.
    List(RunsWanted),
    /// One run with its steps.
    Show {
        /// Its id, the end of it, or `last`.
        id: String,
    },
    /// Follow a run as it happens.
    Watch {
        /// Its id, the end of it, or `last`.
        id: String,
    },
    /// Stop a run and its sub-agents.
    Cancel {
        /// Its id, the end of it, or `last`.
        id: String,
    },
    /// Take up a run that nobody drives.
    Resume {
        /// Its id, the end of it, or `last`.
        id: String,
        /// Go on with an ended workflow at this node, as a new run.
        #[arg(long, value_name = "NODE")]
        from: Option<String>,
    },
    /// Take back what a run changed.
    Undo {
        /// Its id, the end of it, or `last`.
        id: String,
        /// Only this step.
        #[arg(long)]
        step: Option<u32>,
        /// Only tell what would happen.
        #[arg(long)]
        dry_run: bool,
        /// Take back the undo instead.
        #[arg(long)]
        redo: bool,
    },
}

impl RunsCommand {
    /// Whether models may be called.
    pub(crate) const fn drives(&self) -> bool {
        matches!(self, Self::Resume { .. })
    }
}

/// `approvals …`
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits for you.
    List {
        /// Also what was answered or has expired.
        #[arg(long)]
        all: bool,
    },
    /// One question with exact arguments and the change.
    Show {
        /// Its id, the end of it, or `last`.
        id: String,
    },
    /// Say yes.
    Approve {
        /// Its id, the end of it, or `last`.
        id: String,
        /// And allow just this call from now on; the rule is shown with the question.
        #[arg(long)]
        always: bool,
    },
    /// Say no.
    Deny {
        /// Its id, the end of it, or `last`.
        id: String,
        /// Why; the model is told.
        #[arg(long, value_name = "TEXT")]
        because: Option<String>,
    },
    /// Answer a question in words.
    Reply {
        /// Its id, the end of it, or `last`.
        id: String,
        /// The answer.
        text: Vec<String>,
    },
}

impl ApprovalsCommand {
    /// Whether models may be called.
    pub(crate) const fn drives(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Show { .. })
    }
}

/// `permissions …`
#[derive(Debug, Subcommand)]
pub(crate) enum PermissionsCommand {
    /// The rules in force, and who granted them.
    List {
        /// Also those that were taken back.
        #[arg(long)]
        all: bool,
    },
    /// Take a granted rule back; runs that wait and runs at work ask again from now on.
    Revoke {
        /// Its number in the list.
        id: u64,
    },
}

/// Flags of `explain-permission`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainPermission {
    /// The tool.
    pub(crate) tool: String,
    /// Its arguments as JSON.
    pub(crate) arguments: Option<String>,
    /// What you said in that conversation.
    #[arg(long, value_name = "TEXT")]
    pub(crate) said: Option<String>,
    /// As if somebody else's text were in the conversation.
    #[arg(long)]
    pub(crate) stranger: bool,
}

/// Flags of `run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunFile {
    /// The workflow: a TOML or YAML file.
    pub(crate) file: std::path::PathBuf,
    /// A parameter, as name=value. May be repeated.
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub(crate) param: Vec<String>,
    /// Begin at this node instead of at the start.
    #[arg(long, value_name = "NODE")]
    pub(crate) from: Option<String>,
    /// Only tell what it would do.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Most money, in dollars.
    #[arg(long, value_name = "USD")]
    pub(crate) max_usd: Option<String>,
    /// Conversation it belongs to.
    #[arg(long)]
    pub(crate) session: Option<String>,
}
