//! The commands that judge.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `eval …`
#[derive(Debug, Subcommand)]
pub(crate) enum EvalCommand {
    /// Judge the runs and answers of a file, or a sample of finished runs.
    Run(EvalRun),
    /// What was made of a run.
    Show {
        /// Its id, or the end of it.
        id: String,
    },
}

impl EvalCommand {
    /// Whether models may be called.
    pub(crate) const fn asks(&self) -> bool {
        matches!(self, Self::Run(EvalRun { rules_only: false, .. }))
    }
}

/// Flags of `eval run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct EvalRun {
    /// JSON lines: {"question", "answer", "sources", "expected"}, or {"run": "ID"}.
    #[arg(required_unless_present = "sample", conflicts_with = "sample")]
    pub(crate) file: Option<PathBuf>,
    /// Judge so many finished runs instead, spread evenly over the last ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) sample: Option<u32>,
    /// Model that judges; `[agent] judge` if left out.
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// Only by rules: no model is asked and nothing is spent.
    #[arg(long, conflicts_with = "model")]
    pub(crate) rules_only: bool,
    /// End with exit code 1 when a mean, turned so that 1 is best, is below this.
    #[arg(long, value_name = "0..1")]
    pub(crate) fail_under: Option<nunchi_core::ScoreValue>,
    /// Judged at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) parallel: u8,
}
