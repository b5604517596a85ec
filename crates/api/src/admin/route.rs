//! How a text would be routed, and what the router learns.

use super::guard::{Admin, Refused};
use super::read::Body;
use crate::failure::Failure;
use axum::Json;
use nunchi_gateway::{LabelledText, RouteEvaluation, RouteLearningError, RouteReport, RouteTraining};
use serde::{Deserialize, Serialize};

/// A text.
#[derive(Debug, Deserialize)]
pub(crate) struct Text {
    text: String,
}

/// `POST /api/route/explain`
pub(crate) async fn explain(admin: Admin, Body(body): Body<Text>) -> Result<Json<RouteReport>, Refused> {
    let report = admin.services.gateway.explain_route_of(&body.text, admin.lang).await;
    report.map(Json).map_err(|error| admin.refused(&error))
}

/// `POST /api/route/train`
pub(crate) async fn train(admin: Admin) -> Result<Json<RouteTraining>, Refused> {
    admin.services.gateway.train_route().await.map(Json).map_err(|error| refused(&admin, &error))
}

/// Whether another model than the shipped one was in force.
#[derive(Debug, Serialize)]
pub(crate) struct Forgotten {
    was_trained: bool,
}

/// `DELETE /api/route/train`
pub(crate) async fn forget(admin: Admin) -> Result<Json<Forgotten>, Refused> {
    let was_trained = admin.services.gateway.forget_training().await;
    was_trained.map(|was_trained| Json(Forgotten { was_trained })).map_err(|error| refused(&admin, &error))
}

/// Texts with their tiers; none means what was said of answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Labelled {
    examples: Vec<LabelledText>,
}

/// `POST /api/route/eval`
pub(crate) async fn eval(
    admin: Admin,
    Body(body): Body<Labelled>,
) -> Result<Json<Vec<RouteEvaluation>>, Refused> {
    let found = admin.services.gateway.evaluate_route(body.examples).await;
    found.map(Json).map_err(|error| refused(&admin, &error))
}

fn refused(admin: &Admin, error: &RouteLearningError) -> Refused {
    match error {
        RouteLearningError::Storage(error) => admin.storage(error),
        RouteLearningError::NoEncoder => Refused::of(Failure::new(503, error, admin.lang)),
        RouteLearningError::NoExamples | RouteLearningError::Refused(_) => {
            Refused::of(Failure::new(409, error, admin.lang))
        }
    }
}
