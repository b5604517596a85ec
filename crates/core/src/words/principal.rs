//! Who asks.

use super::ids::{KeyId, UserId};
use super::key::KeyLimits;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a principal may do besides calling models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessRole {
    /// Call models and see their own spend.
    #[default]
    Caller,
    /// Also see and change budgets, keys, prices and caches.
    Admin,
}

/// Who asks: the holder of a key, or the owner at the machine itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// A name for people.
    pub name: Arc<str>,
    /// The virtual key used; `None` for the owner at the machine.
    pub key: Option<KeyId>,
    /// The user the key belongs to.
    pub user: Option<UserId>,
    /// What they may do.
    pub role: AccessRole,
    /// Models they may call, as patterns with `*`; empty means all.
    pub allowed_models: Arc<[String]>,
    /// Their limits.
    pub limits: KeyLimits,
}

impl Principal {
    /// The owner, at the machine itself.
    pub fn owner() -> Self {
        Self {
            name: Arc::from("owner"),
            key: None,
            user: None,
            role: AccessRole::Admin,
            allowed_models: Arc::from([]),
            limits: KeyLimits::default(),
        }
    }
}
