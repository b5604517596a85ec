//! Fakes of the core's ports: time that is set by hand, ids that count, models that follow a script, tasks that are remembered.

mod clock;
mod context;
mod events;
mod ids;
mod jobs;
mod ledger;
mod memory;
mod messages;
mod model;
mod runs;
mod scores;
mod spawn;
mod stores;

pub use clock::{ManualClock, TokioClock};
pub use context::owner_context;
pub use events::RecordingEvents;
pub use ids::SequentialIds;
pub use jobs::{Fuse, MemoryJobs};
pub use ledger::MemoryLedger;
pub use memory::MemoryFacts;
pub use messages::MemoryMessages;
pub use model::{ScriptedModel, ScriptedReply};
pub use runs::{MemoryApprovals, MemoryRuns};
pub use scores::MemoryScores;
pub use spawn::TokioSpawn;
pub use stores::{MemoryCache, MemoryFeedback, MemoryKeys, MemoryOriginals};
