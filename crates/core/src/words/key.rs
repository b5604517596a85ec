//! Virtual keys: what Nunchi hands out in place of the providers' own keys.

use super::ids::{KeyId, UserId};
use super::principal::AccessRole;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Limits of one key; `None` means no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyLimits {
    /// Requests in any minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in any minute, as estimated when admitted.
    pub tokens_per_minute: Option<u64>,
    /// Requests under way at once.
    pub concurrent: Option<u32>,
}

/// A virtual key as stored: its secret is known only as a hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualKey {
    /// Its id.
    pub id: KeyId,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the secret, in hex. Never shown by a user interface.
    #[serde(skip)]
    pub secret_hash: String,
    /// The first characters of the secret, to recognise it by.
    pub prefix: String,
    /// Whose it is.
    pub user: Option<UserId>,
    /// What its holder may do.
    pub role: AccessRole,
    /// Models it may call, as patterns with `*`; empty means all.
    pub allowed_models: Vec<String>,
    /// Its limits.
    pub limits: KeyLimits,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops working.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
}
