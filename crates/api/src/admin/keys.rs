//! Virtual keys: made, listed, rotated, revoked. A secret is shown once, when it is made.

use super::guard::{Admin, Refused};
use super::read::{Body, Path};
use axum::Json;
use jiff::Timestamp;
use nunchi_core::{AccessRole, KeyId, KeyLimits, VirtualKey};
use nunchi_gateway::{NewKey, Secret};
use serde::{Deserialize, Serialize};

/// A key to be made.
#[derive(Debug, Deserialize)]
pub(crate) struct KeyWish {
    name: String,
    #[serde(default)]
    role: AccessRole,
    #[serde(default)]
    allowed_models: Vec<String>,
    #[serde(default)]
    limits: KeyLimits,
    #[serde(default)]
    expires: Option<Timestamp>,
}

/// A key and, this once, its secret.
#[derive(Serialize)]
pub(crate) struct Made {
    /// The secret.
    key: String,
    #[serde(flatten)]
    about: VirtualKey,
}

impl Made {
    fn of((about, secret): (VirtualKey, Secret)) -> Self {
        Self { key: secret.reveal().to_owned(), about }
    }
}

/// `GET /api/keys`
pub(crate) async fn list(admin: Admin) -> Result<Json<Vec<VirtualKey>>, Refused> {
    admin.services.gateway.keys().list().await.map(Json).map_err(|error| admin.key(&error))
}

/// `POST /api/keys`
pub(crate) async fn create(admin: Admin, Body(wish): Body<KeyWish>) -> Result<Json<Made>, Refused> {
    let name = wish.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(admin.invalid("name", "a key needs a name of at most 100 characters"));
    }
    let new = NewKey {
        name,
        user: None,
        role: wish.role,
        allowed_models: wish.allowed_models,
        limits: wish.limits,
        expires: wish.expires,
    };
    admin.services.gateway.keys().create(new).await.map(Made::of).map(Json).map_err(|error| admin.key(&error))
}

/// `DELETE /api/keys/{id}`
pub(crate) async fn revoke(admin: Admin, Path(id): Path<KeyId>) -> Result<Json<VirtualKey>, Refused> {
    admin.services.gateway.keys().revoke(id).await.map(Json).map_err(|error| admin.key(&error))
}

/// `POST /api/keys/{id}/rotate`
pub(crate) async fn rotate(admin: Admin, Path(id): Path<KeyId>) -> Result<Json<Made>, Refused> {
    admin.services.gateway.keys().rotate(id).await.map(Made::of).map(Json).map_err(|error| admin.key(&error))
}
