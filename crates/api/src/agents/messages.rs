//! `/api/messages` and `/api/reminders`: what agents told the owner, and what they will.

use super::caller::Caller;
use crate::admin::{Body, Query, Refused};
use axum::Json;
use nunchi_core::{Reminder, ToldMessage};
use serde::Deserialize;

/// Messages of a list where nobody says, and at most.
const PAGE: (u32, u32) = (50, 500);

/// Which messages.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    /// Only those that were not seen yet.
    unseen: bool,
    limit: Option<u32>,
}

/// `GET /api/messages`, the newest first.
pub(crate) async fn list(
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Vec<ToldMessage>>, Refused> {
    let caller = caller.admin()?;
    let limit = which.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1);
    let found = caller.services.messages.messages(which.unseen, limit).await;
    found.map(Json).map_err(|error| caller.storage(&error))
}

/// `GET /api/reminders`: what will be told later, the next first.
pub(crate) async fn reminders(caller: Caller) -> Result<Json<Vec<Reminder>>, Refused> {
    let caller = caller.admin()?;
    caller.services.messages.reminders().await.map(Json).map_err(|error| caller.storage(&error))
}

/// Up to which message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    up_to: u64,
}

/// `POST /api/messages/seen`
pub(crate) async fn seen(caller: Caller, Body(seen): Body<Seen>) -> Result<Json<Vec<ToldMessage>>, Refused> {
    let caller = caller.admin()?;
    let messages = &caller.services.messages;
    messages.mark_seen(seen.up_to).await.map_err(|error| caller.storage(&error))?;
    messages.messages(true, PAGE.0).await.map(Json).map_err(|error| caller.storage(&error))
}
