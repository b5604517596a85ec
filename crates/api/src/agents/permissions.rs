//! `/api/permissions`: the rules in force and who granted them, new ones, those taken back, and which rule would decide a call.

use super::caller::Caller;
use crate::admin::{Body, Path, Query, Refused};
use axum::Json;
use jiff::Timestamp;
use nunchi_core::{
    ApprovalId, GrantedRule, PermissionDecision, PermissionRule, Revocation, RunId, StorageError,
    decide_permission, offer_grant,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// The configuration, or the product itself: only the file changes it.
    Configuration,
    /// Somebody granted it.
    Granted,
}

/// A rule, and who granted it.
#[derive(Serialize)]
pub(crate) struct RuleObject {
    #[serde(flatten)]
    rule: PermissionRule,
    source: Source,
    #[serde(flatten)]
    granted: Option<Granted>,
}

/// Who granted a rule, when, and for what.
#[derive(Serialize)]
struct Granted {
    id: u64,
    by: String,
    at: Timestamp,
    approval: Option<ApprovalId>,
    run: Option<RunId>,
    revoked: Option<Revocation>,
}

impl From<GrantedRule> for RuleObject {
    fn from(granted: GrantedRule) -> Self {
        let GrantedRule { id, rule, by, at, approval, run, revoked } = granted;
        let granted = Granted { id, by, at, approval, run, revoked };
        Self { rule, source: Source::Granted, granted: Some(granted) }
    }
}

/// Rules.
#[derive(Serialize)]
pub(crate) struct Rules {
    rules: Vec<RuleObject>,
}

/// Which rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    /// Also those that were taken back.
    revoked: bool,
}

async fn rules(caller: &Caller) -> Result<Vec<PermissionRule>, Refused> {
    caller.services.approvals.rules().await.map_err(|error| caller.storage(&error))
}

/// Those of the configuration first, then the granted ones.
async fn listed(caller: &Caller, which: &Which) -> Result<Rules, Refused> {
    let store = &caller.services.approvals;
    let read = async { Ok::<_, StorageError>((store.rules().await?, store.grants(which.revoked).await?)) };
    let (mut own, granted) = read.await.map_err(|error| caller.storage(&error))?;
    for grant in granted.iter().filter(|grant| grant.revoked.is_none()) {
        if let Some(at) = own.iter().rposition(|rule| *rule == grant.rule) {
            own.remove(at);
        }
    }
    let own = own.into_iter().map(|rule| RuleObject { rule, source: Source::Configuration, granted: None });
    Ok(Rules { rules: own.chain(granted.into_iter().map(RuleObject::from)).collect() })
}

/// `GET /api/permissions`
pub(crate) async fn list(caller: Caller, Query(which): Query<Which>) -> Result<Json<Rules>, Refused> {
    let caller = caller.admin()?;
    listed(&caller, &which).await.map(Json)
}

/// `POST /api/permissions`: a rule for good.
pub(crate) async fn put(caller: Caller, Body(rule): Body<PermissionRule>) -> Result<Json<Rules>, Refused> {
    let caller = caller.admin()?;
    for (field, text) in [("name", &rule.name), ("tool", &rule.tool)] {
        if text.trim().is_empty() || text.chars().count() > 200 {
            return Err(caller.invalid(field, "1 to 200 characters"));
        }
    }
    if rules(&caller).await?.iter().any(|known| known.name == rule.name && *known != rule) {
        return Err(caller.invalid("name", "another rule has this name"));
    }
    caller.services.agent.grant(rule, &caller.by()).await.map_err(|error| caller.agent(&error))?;
    listed(&caller, &Which::default()).await.map(Json)
}

/// `DELETE /api/permissions/{id}`: takes a granted rule back, for runs that wait and runs at work as well.
pub(crate) async fn revoke(caller: Caller, Path(id): Path<u64>) -> Result<Json<RuleObject>, Refused> {
    let caller = caller.admin()?;
    let revoked = caller.services.agent.revoke(id, &caller.by()).await;
    revoked.map(|granted| Json(granted.into())).map_err(|error| caller.agent(&error))
}

/// A call to be judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    tool: String,
    #[serde(default)]
    arguments: Value,
    /// What the owner has said.
    #[serde(default)]
    owner_texts: Vec<String>,
    /// Whether somebody else's text is in the conversation.
    #[serde(default)]
    stranger: bool,
}

/// What would be decided, and by what.
#[derive(Serialize)]
pub(crate) struct Judged {
    #[serde(flatten)]
    decision: PermissionDecision,
    /// The decision as a sentence.
    explained: String,
    /// The rule that would allow just this call for good, where there is one.
    grant: Option<PermissionRule>,
}

/// `POST /api/permissions/explain`
pub(crate) async fn explain(caller: Caller, Body(call): Body<Call>) -> Result<Json<Judged>, Refused> {
    let caller = caller.admin()?;
    let Some(tool) = caller.services.desk.tools().find(&call.tool) else {
        return Err(caller.invalid("tool", format!("there is no tool \"{}\"", call.tool)));
    };
    let spec = tool.spec();
    let rules = rules(&caller).await?;
    let decision = decide_permission(&rules, &spec, &call.arguments, &call.owner_texts, call.stranger);
    let explained = decision.explain(caller.lang);
    Ok(Json(Judged { decision, explained, grant: offer_grant(&spec, &call.arguments) }))
}
