//! Ids: UUIDv7 newtypes, so that ids sort by time and never mix.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.simple().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

id! {
    /// One request at the door; several calls may serve it.
    RequestId;
    /// One attempt at one model: a ledger row, and the id of its hold.
    CallId;
    /// A virtual key.
    KeyId;
    /// A person.
    UserId;
    /// One piece of work of an agent.
    RunId;
    /// One step of a run.
    StepId;
    /// A budget.
    BudgetId;
    /// A file that a caller uploaded.
    FileId;
    /// A batch that a caller handed in.
    BatchId;
    /// A question to a person.
    ApprovalId;
    /// Something remembered.
    FactId;
}
