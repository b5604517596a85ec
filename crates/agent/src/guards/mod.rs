//! Guards: pure judgements about what the model wants or says, each with a reason that the model can act on.

mod claims;
mod loops;
mod schema;

pub(crate) use claims::unbacked_claims;
pub(crate) use loops::{Circle, LoopWindow, Turned};
pub(crate) use schema::{check_schema, parse_json};
