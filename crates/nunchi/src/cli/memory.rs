//! The command line of `memory`, as written.

use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// A kind of thing remembered.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FactKindArg {
    /// What holds.
    Fact,
    /// What was said in a conversation.
    Turn,
}

impl FactKindArg {
    /// The name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Turn => "turn",
        }
    }
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FactStateArg {
    /// It holds.
    Active,
    /// Another one holds in its place.
    Superseded,
    /// It is never learned again.
    Vetoed,
    /// It was taken out, and can be brought back.
    Forgotten,
}

impl FactStateArg {
    /// The name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Vetoed => "vetoed",
            Self::Forgotten => "forgotten",
        }
    }
}

/// `memory …`
#[derive(Debug, Subcommand)]
pub(crate) enum MemoryCommand {
    /// What is remembered, learned last first.
    List {
        /// Only of this kind.
        #[arg(long)]
        kind: Option<FactKindArg>,
        /// In this state; active unless said otherwise.
        #[arg(long)]
        state: Option<FactStateArg>,
        /// Only of this conversation.
        #[arg(long)]
        session: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// What fits a question best.
    Search {
        /// The question.
        query: String,
        /// Only of this kind.
        #[arg(long)]
        kind: Option<FactKindArg>,
        /// At most so many.
        #[arg(long, default_value_t = 10)]
        limit: u32,
    },
    /// One fact with its source and what became of it.
    Show {
        /// Its id, or the end of it.
        id: String,
    },
    /// Remember a fact.
    Add {
        /// One sentence.
        text: String,
        /// What it is about, as subject/attribute: a new value takes the old one's place.
        #[arg(long, value_name = "SUBJECT/ATTRIBUTE")]
        about: Option<String>,
    },
    /// Put other words in place of a fact's.
    Edit {
        /// Its id, or the end of it.
        id: String,
        /// The new words.
        text: String,
    },
    /// Take a fact out.
    Forget {
        /// Its id, or the end of it.
        id: String,
        /// Erase it for good, at once.
        #[arg(long)]
        erase: bool,
    },
    /// Take a fact out and never learn it again.
    Veto {
        /// Its id, or the end of it.
        id: String,
    },
    /// Bring back what was forgotten, vetoed or superseded.
    Restore {
        /// Its id, or the end of it.
        id: String,
    },
    /// Write everything, one JSON object a line.
    Export {
        /// The file; standard output if left out.
        file: Option<PathBuf>,
    },
    /// How much is remembered.
    Stats,
}
