//! One model call in words that belong to no provider: the request, the events of a reply, embeddings.

mod changes;
mod embed;
mod message;
mod reply;
mod request;
mod text_bytes;
mod vector;

pub use changes::{ConversationChanges, ReplacedRun, ShortenedResult};
pub use embed::{EmbedReply, EmbedRequest};
pub use message::{CacheTtl, ImageDetail, Json, Media, MediaSource, Message, Part, Role};
pub use reply::{
    Choice, Citation, Frame, Note, Quota, RawFrame, Reply, ReplyBody, ReplyEvent, ReplyInfo, ReplyStream,
    StopReason, assemble_reply,
};
pub use request::{
    Dialect, JsonSchemaFormat, ModelRequest, Origin, ReasoningEffort, ReasoningRequest, ResponseFormat,
    Sampling, ToolChoice, ToolDefinition,
};
pub use vector::PackedVector;
