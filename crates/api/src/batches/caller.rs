//! Who asks about files, batches and jobs, and how that fails.

use super::BatchServices;
use crate::door;
use crate::failure::{Failure, Shape};
use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use nunchi_core::{AccessRole, KeyId, Lang, Principal, StorageError};
use std::sync::Arc;

/// A caller who may use the services.
pub(super) struct Caller {
    pub(super) services: BatchServices,
    pub(super) principal: Arc<Principal>,
    pub(super) lang: Lang,
    pub(super) state: ApiState,
}

/// A request that failed.
pub(super) struct Refused(Box<Failure>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.response(Shape::OpenAi, None)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refused> {
        let lang = state.lang(&parts.headers);
        let principal = door::principal(state, &parts.headers, lang)?;
        let Some(services) = state.parts.batches.clone() else {
            return Err(Failure::new(503, &StorageError::Closed, lang).into());
        };
        Ok(Self { services, principal, lang, state: state.clone() })
    }
}

impl Caller {
    /// Whether something of this owner is the caller's own.
    pub(super) fn owns(&self, owner: Option<KeyId>) -> bool {
        owner == self.principal.key
    }

    /// The same, or the caller administers.
    pub(super) fn may_see(&self, owner: Option<KeyId>) -> bool {
        self.owns(owner) || self.principal.role == AccessRole::Admin
    }

    pub(super) fn problem(&self, problem: &Problem) -> Refused {
        Failure::of_problem(problem, self.lang).into()
    }

    pub(super) fn storage(&self, error: &StorageError) -> Refused {
        let status = match error {
            StorageError::NotFound(_) => 404,
            StorageError::TooLarge(_) => 413,
            StorageError::DiskFull => 507,
            _ => 503,
        };
        Failure::new(status, error, self.lang).into()
    }

    /// Something that is not there, or somebody else's: both look the same.
    pub(super) fn absent(&self, what: &str, id: &str) -> Refused {
        self.storage(&StorageError::NotFound(format!("{what} {id}")))
    }
}
