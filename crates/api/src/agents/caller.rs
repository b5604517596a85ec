//! Who asks about runs, what of them is theirs, and how that fails.

use super::AgentServices;
use super::model::NAME;
use crate::admin::Refused;
use crate::door;
use crate::failure::Failure;
use crate::problem::Problem;
use crate::state::ApiState;
use axum::extract::FromRequestParts;
use http::request::Parts;
use nunchi_agent::{AgentError, RunState};
use nunchi_core::{
    AccessRole, AnswerError, Explain, Label, Lang, ModelError, ModelErrorKind, Principal, RunId, RunRecord,
    StorageError, pattern_matches,
};
use std::sync::Arc;

/// A caller who may use agents.
pub(crate) struct Caller {
    pub(crate) services: AgentServices,
    pub(crate) principal: Arc<Principal>,
    pub(crate) lang: Lang,
    pub(crate) state: ApiState,
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Refused> {
        let lang = state.lang(&parts.headers);
        let principal = door::principal(state, &parts.headers, lang).map_err(Refused::of)?;
        let services = state.parts.agents.clone().ok_or_else(|| {
            let problem = Problem::NoRoute { path: parts.uri.path().to_owned() };
            Refused::of(Failure::of_problem(&problem, lang))
        })?;
        Ok(Self { services, principal, lang, state: state.clone() })
    }
}

impl Caller {
    pub(crate) fn is_admin(&self) -> bool {
        self.principal.role == AccessRole::Admin
    }

    /// Only for those who administer.
    pub(crate) fn admin(self) -> Result<Self, Refused> {
        if self.is_admin() { Ok(self) } else { Err(Refused::not_admin(self.lang)) }
    }

    /// A run that the caller may see. One of somebody else's looks like one that is not there.
    pub(crate) async fn run(&self, id: RunId) -> Result<(RunRecord, RunState), Refused> {
        let stored = self.services.agent.stored(id).await.map_err(|error| self.agent(&error))?;
        match stored.filter(|(_, state)| may_see(&self.principal, state)) {
            Some(stored) => Ok(stored),
            None => Err(self.storage(&StorageError::NotFound(format!("run {id}")))),
        }
    }

    /// Whether a run is the caller's to see.
    pub(crate) async fn sees(&self, id: RunId) -> Result<bool, Refused> {
        if self.is_admin() {
            return Ok(true);
        }
        let stored = self.services.agent.stored(id).await.map_err(|error| self.agent(&error))?;
        Ok(stored.is_some_and(|(_, state)| may_see(&self.principal, &state)))
    }

    pub(crate) fn problem(&self, problem: &Problem) -> Refused {
        Refused::of(Failure::of_problem(problem, self.lang))
    }

    pub(crate) fn invalid(&self, path: &str, detail: impl Into<String>) -> Refused {
        self.problem(&Problem::invalid(path, detail))
    }

    pub(crate) fn storage(&self, error: &StorageError) -> Refused {
        self.agent(&AgentError::Storage(error.clone()))
    }

    pub(crate) fn agent(&self, error: &AgentError) -> Refused {
        Refused::of(Failure::new(status_of(error), error, self.lang))
    }

    /// An undo that cannot be.
    pub(crate) fn undo(&self, error: &(dyn Explain + Send + Sync)) -> Refused {
        let status = if error.code().starts_with("storage.") { 503 } else { 409 };
        Refused::of(Failure::new(status, error, self.lang))
    }

    /// By whom something was done, for the record.
    pub(crate) fn by(&self) -> String {
        format!("{} (API)", self.principal.name)
    }
}

/// The status of a failure around runs.
pub(crate) fn status_of(error: &AgentError) -> u16 {
    match error {
        AgentError::Storage(StorageError::NotFound(_)) => 404,
        AgentError::Storage(StorageError::DiskFull) => 507,
        AgentError::Answer(AnswerError::Unfit) => 400,
        AgentError::Answer(_) => 409,
        AgentError::AtWork(_) | AgentError::NothingToUndo(..) => 409,
        AgentError::Busy(_) => 429,
        AgentError::Storage(_) | AgentError::Stopped(_) => 503,
    }
}

/// Whether a run is somebody's to see: their key's own, or any for who administers.
pub(crate) fn may_see(principal: &Principal, run: &RunState) -> bool {
    let owner = run.order().principal.as_ref().and_then(|owner| owner.key);
    principal.role == AccessRole::Admin || (owner.is_some() && owner == principal.key)
}

/// Whether a key may begin runs: it may where it may ask for the model `nunchi`.
///
/// # Errors
/// When it may not.
pub(crate) fn may_begin(principal: &Principal) -> Result<(), ModelError> {
    let fits = |pattern: &String| pattern_matches(pattern, NAME);
    if principal.allowed_models.is_empty() || principal.allowed_models.iter().any(fits) {
        return Ok(());
    }
    Err(ModelError::new(ModelErrorKind::ModelNotAllowed, format!("this key may not ask for {NAME}")))
}

/// Whose words a caller's are: whoever administers speaks for the owner; the holder of any other key does not, so that what
/// they choose to be written or sent is asked about.
pub(crate) fn label_of(principal: &Principal) -> Label {
    match principal.role {
        AccessRole::Admin => Label::Owner,
        AccessRole::Caller => Label::Stranger,
    }
}
