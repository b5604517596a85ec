//! Reads paths, queries and bodies of admin requests; what cannot be read is refused in the shape of every other error.

use super::guard::Refused;
use crate::failure::Failure;
use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The query, read.
pub(crate) struct Query<T>(pub(crate) T);

/// The path's parameter, read.
pub(crate) struct Path<T>(pub(crate) T);

/// The JSON body, read.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refused> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&Problem::invalid("query", rejection.body_text()), parts, state)),
        }
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<ApiState> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refused> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&Problem::invalid("path", rejection.body_text()), parts, state)),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<ApiState> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Refused> {
        let lang = state.lang(request.headers());
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(Refused::of(Failure::of_problem(&problem(&rejection), lang))),
        }
    }
}

fn refuse(problem: &Problem, parts: &Parts, state: &ApiState) -> Refused {
    Refused::of(Failure::of_problem(problem, state.lang(&parts.headers)))
}

/// What is wrong with a body, in the words of the dialects' bodies.
fn problem(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::JsonSyntaxError(_) => {
            Problem::Malformed { detail: rejection.body_text(), line: 0, column: 0 }
        }
        JsonRejection::BytesRejection(_) => Problem::Broken,
        _ => Problem::invalid("body", rejection.body_text()),
    }
}
