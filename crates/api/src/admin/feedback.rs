//! What a caller says of an answer: any key, on its own requests.

use super::guard::{Caller, Refused};
use super::read::Body;
use crate::failure::Failure;
use axum::Json;
use nunchi_core::{Rating, RequestId, Tier};
use nunchi_gateway::{FeedbackEffect, FeedbackError, Opinion};
use serde::{Deserialize, Serialize};

/// An opinion as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    request: RequestId,
    rating: Rating,
    tier: Option<Tier>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    request: RequestId,
    effect: FeedbackEffect,
}

/// `POST /api/feedback`
pub(crate) async fn feedback(caller: Caller, Body(said): Body<Said>) -> Result<Json<Taken>, Refused> {
    let Said { request, rating, tier } = said;
    let opinion = Opinion { request, rating, right_tier: tier };
    match caller.services.gateway.take_feedback(&caller.principal, opinion).await {
        Ok(effect) => Ok(Json(Taken { request, effect })),
        Err(FeedbackError::Storage(error)) => Err(caller.storage(&error)),
        Err(error) => Err(Refused::of(Failure::new(404, &error, caller.lang))),
    }
}
