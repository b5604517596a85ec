//! The commands of workflows and skills.

use clap::Subcommand;
use std::path::PathBuf;

/// `flow …`
#[derive(Debug, Subcommand)]
pub(crate) enum FlowCommand {
    /// Check a workflow file: everything that is wrong with it, with line and column.
    Check {
        /// The file, TOML or YAML.
        file: PathBuf,
    },
    /// Draw a workflow file as SVG.
    Draw {
        /// The file, TOML or YAML.
        file: PathBuf,
        /// Write to this file instead of standard output.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `skills …`
#[derive(Debug, Subcommand)]
pub(crate) enum SkillsCommand {
    /// The skills of the home folder and of this project.
    List,
    /// One skill: its instructions, its files, whose words it is.
    Show {
        /// Its name.
        name: String,
    },
    /// Begin a new skill in the home folder.
    New {
        /// Its name: a-z, 0-9 and single hyphens.
        name: String,
        /// What it does and when to use it.
        #[arg(long, short)]
        description: String,
    },
    /// Check a skill's folder against the Agent Skills specification.
    Validate {
        /// The folder with SKILL.md.
        folder: PathBuf,
    },
    /// Copy a skill's folder into the home folder. Its text counts as a stranger's unless you vouch for it.
    Add {
        /// The folder with SKILL.md.
        folder: PathBuf,
        /// Vouch for its files as they are now.
        #[arg(long)]
        trust: bool,
    },
    /// Make a skill of a run that ended well; or of several that did the same, a workflow that needs no model.
    Distill {
        /// The runs.
        #[arg(required = true)]
        runs: Vec<String>,
        /// The name of what is made.
        #[arg(long)]
        name: Option<String>,
        /// Where the workflow is written; only for several runs.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}
