//! Scripted upstreams for tests and benches: servers on real sockets that speak each provider's wire format and break it on demand.
//! Real peers that tests start themselves.
#![expect(clippy::expect_used, reason = "test support fails loudly")]

mod batch;
mod dialect;
mod fakes;
mod fixed;
mod reading;
mod redis_server;
mod schema;
mod serve;
mod steer;
mod turn;
mod wire;

pub use batch::{BatchPace, BatchPhase, BatchSeen, Bill, Billed};
pub use dialect::{Dialect, Endpoint};
pub use fakes::{
    Fuse, ManualClock, MemoryApprovals, MemoryCache, MemoryFacts, MemoryFeedback, MemoryJobs, MemoryKeys,
    MemoryLedger, MemoryMessages, MemoryOriginals, MemoryRuns, MemoryScores, RecordingEvents, ScriptedModel,
    ScriptedReply, SequentialIds, TokioClock, TokioSpawn, owner_context,
};
pub use fixed::FixedAnswer;
pub use redis_server::RedisServer;
pub use schema::minimal_json;
pub use serve::{Seen, Upstream};
pub use steer::{steer, steer_or};
pub use turn::{
    ChunkPlan, Ending, Fault, LineEnd, Pace, Piece, Source, Split, Stop, Tokens, ToolCall, Turn, UsageShape,
};
pub use wire::{embedding, wire};
