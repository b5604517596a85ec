//! Which candidates a request gets, and why.

use crate::bench::{Bench, request};
use nunchi_core::{BudgetAction, CallContext, KeyId, ModelErrorKind as Kind, Principal, Tier};
use nunchi_testkit::owner_context;
use std::sync::Arc;
use uuid::Uuid;

fn names(bench: &Bench, model: &str, text: &str) -> (Option<Tier>, Vec<String>) {
    let plan = bench.gateway.explain_route(&request(model, text), &owner_context()).unwrap();
    (plan.tier, plan.candidates.iter().map(|candidate| candidate.provider.clone()).collect())
}

#[tokio::test]
async fn auto_follows_the_words() {
    let bench = Bench::new();
    assert_eq!(
        names(&bench, "auto", "hi!"),
        (Some(Tier::Trivial), vec!["home".into(), "cloud".into(), "spare".into()])
    );
    assert_eq!(names(&bench, "auto", "Write a mail to my landlord").0, Some(Tier::Standard));
    assert_eq!(names(&bench, "auto", "Prove that 2 is prime").1[0], "cloud");
    assert_eq!(names(&bench, "auto:complex", "hi!").0, Some(Tier::Complex));
}

#[tokio::test]
async fn named_models() {
    let bench = Bench::new();
    assert_eq!(names(&bench, "spare/m", "hi"), (None, vec!["spare".into()]));
    assert_eq!(names(&bench, "m", "hi").1, ["cloud", "spare", "home"]);
    for model in ["nope", "nope/m", "auto:huge"] {
        let error = bench.gateway.explain_route(&request(model, "hi"), &owner_context()).unwrap_err();
        assert_eq!(error.kind, Kind::UnknownModel, "{model}");
    }
}

#[tokio::test]
async fn budgets_lower_the_tier_or_keep_it_at_home() {
    let bench = Bench::new();
    bench.ledger.ask_for(Some(BudgetAction::Downgrade));
    assert_eq!(names(&bench, "auto", "Write a mail to my landlord").0, Some(Tier::Trivial));
    bench.ledger.ask_for(Some(BudgetAction::LocalOnly));
    assert_eq!(names(&bench, "auto", "Write a mail to my landlord").1, ["home"]);
    let refused = bench.gateway.explain_route(&request("cloud/m", "hi"), &owner_context()).unwrap_err();
    assert!(matches!(refused.kind, Kind::BudgetRefused(_)));
    bench.ledger.ask_for(Some(BudgetAction::Stop));
    assert!(bench.gateway.explain_route(&request("home/m", "hi"), &owner_context()).is_err());
}

#[tokio::test]
async fn a_key_uses_only_its_models() {
    let bench = Bench::new();
    let principal = Principal {
        key: Some(KeyId(Uuid::max())),
        allowed_models: Arc::from(["spare/*".to_owned()]),
        ..Principal::owner()
    };
    let context = CallContext { principal: Arc::new(principal), ..owner_context() };
    let plan = bench.gateway.explain_route(&request("auto", "write"), &context).unwrap();
    assert_eq!(plan.candidates.len(), 1);
    let error = bench.gateway.explain_route(&request("cloud/m", "hi"), &context).unwrap_err();
    assert_eq!(error.kind, Kind::ModelNotAllowed);
}
