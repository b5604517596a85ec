//! Who may administer, and how an admin request fails.

use crate::door;
use crate::failure::{Failure, Shape};
use crate::problem::Problem;
use crate::state::{AdminServices, ApiState};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use nunchi_core::{AccessRole, Explain, Lang, ModelError, Principal, StorageError};
use nunchi_gateway::KeyError;
use std::fmt;
use std::sync::Arc;

/// The services, for a caller who may use them.
pub(crate) struct Admin {
    pub(crate) services: AdminServices,
    pub(crate) lang: Lang,
}

/// Whoever has a key, for what every key may do.
pub(crate) struct Caller {
    pub(crate) services: AdminServices,
    pub(crate) principal: Arc<Principal>,
    pub(crate) lang: Lang,
}

/// A failed admin request.
pub(crate) struct Refused(Box<Failure>);

impl Refused {
    /// A failure of the request itself.
    pub(crate) fn of(failure: Failure) -> Self {
        Self(Box::new(failure))
    }

    /// The key may not do this, as it does not administer.
    pub(crate) fn not_admin(lang: Lang) -> Self {
        Self::of(Failure::new(403, &NotAdmin, lang))
    }

    /// What failed.
    pub(crate) fn failure(&self) -> &Failure {
        &self.0
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.response(Shape::OpenAi, None)
    }
}

/// The key may not administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotAdmin;

impl fmt::Display for NotAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for NotAdmin {}

impl Explain for NotAdmin {
    fn code(&self) -> &'static str {
        "key.not_admin"
    }

    fn message(&self, lang: Lang) -> String {
        lang.pick("this key may not administer", "이 키로는 관리할 수 없습니다").to_owned()
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = (
            "`nunchi keys create NAME --admin` makes a key that may.",
            "`nunchi keys create NAME --admin`으로 관리용 키를 만드세요.",
        );
        Some(lang.pick(en, ko).to_owned())
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refused> {
        let lang = state.lang(&parts.headers);
        let principal =
            door::principal(state, &parts.headers, lang).map_err(|failure| Refused(Box::new(failure)))?;
        let services = state.parts.admin.clone().ok_or_else(|| {
            let problem = Problem::NoRoute { path: parts.uri.path().to_owned() };
            Refused(Box::new(Failure::of_problem(&problem, lang)))
        })?;
        Ok(Self { services, principal, lang })
    }
}

impl FromRequestParts<ApiState> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refused> {
        let Caller { services, principal, lang } = Caller::from_request_parts(parts, state).await?;
        if principal.role != AccessRole::Admin {
            return Err(Refused::not_admin(lang));
        }
        Ok(Self { services, lang })
    }
}

impl Caller {
    /// A failure of the store.
    pub(crate) fn storage(&self, error: &StorageError) -> Refused {
        stored(error, self.lang)
    }
}

fn stored(error: &StorageError, lang: Lang) -> Refused {
    let status = match error {
        StorageError::NotFound(_) => 404,
        StorageError::Exists(_) => 409,
        StorageError::DiskFull => 507,
        _ => 503,
    };
    Refused(Box::new(Failure::new(status, error, lang)))
}

impl Admin {
    /// A failure of the store.
    pub(crate) fn storage(&self, error: &StorageError) -> Refused {
        stored(error, self.lang)
    }

    /// A plan that cannot be made.
    pub(crate) fn refused(&self, error: &ModelError) -> Refused {
        Refused(Box::new(Failure::of_model(error, self.lang)))
    }

    /// A failure of the key ring.
    pub(crate) fn key(&self, error: &KeyError) -> Refused {
        match error {
            KeyError::Storage(error) => self.storage(error),
            KeyError::Revoked => Refused(Box::new(Failure::new(409, error, self.lang))),
            _ => Refused(Box::new(Failure::new(503, error, self.lang))),
        }
    }

    /// A value that makes no sense.
    pub(crate) fn invalid(&self, path: &str, detail: impl Into<String>) -> Refused {
        Refused(Box::new(Failure::of_problem(&Problem::invalid(path, detail), self.lang)))
    }
}
