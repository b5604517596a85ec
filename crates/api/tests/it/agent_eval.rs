//! Judging over HTTP: who may, what is refused, what is kept.

use crate::agent_world::{AgentWorld, says};
use nunchi_testkit::ScriptedReply;
use serde_json::json;

fn verdict() -> ScriptedReply {
    says(
        &json!({
            "claims": [{"claim": "I wrote it", "evidence": "", "verdict": "unsupported"}],
            "relevancy": {"reasoning": "it answers", "score": 0.75},
            "toxicity": {"reasoning": "kind", "score": 0.125},
        })
        .to_string(),
    )
}

#[tokio::test]
async fn a_pair_is_judged_and_not_kept() {
    let world = AgentWorld::new([verdict()]);
    let pair = json!({"question": "Did you?", "answer": "I wrote it.", "sources": ["Nothing was written."]});
    let got = world.post("/api/eval", pair).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let body = got.json();
    let scores = body["scores"].as_array().unwrap();
    let values: Vec<_> =
        scores.iter().map(|score| (score["name"].as_str().unwrap(), &score["value"])).collect();
    assert_eq!(
        values,
        [("relevancy", &json!(0.75)), ("hallucination", &json!(1.0)), ("toxicity", &json!(0.125))]
    );
    assert_eq!((&body["judge"], body.get("run")), (&json!("scripted/scripted-1"), None));
    assert_eq!(world.get("/api/runs/metrics").await.json()["scores"], json!([]));
}

#[tokio::test]
async fn a_run_is_judged_by_who_may_see_it() {
    let world = AgentWorld::new([says("I wrote it."), verdict()]);
    let (id, _) = world.run("write it").await;
    let wanted = json!({"run": id.to_string()});
    assert_eq!(world.post_as("nk-other", "/api/eval", wanted.clone()).await.status, 404);
    assert_eq!(world.get_as("nk-other", &format!("/api/runs/{id}/scores")).await.status, 404);
    let got = world.post("/api/eval", wanted).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json()["run"], json!(id));
    let kept = world.get(&format!("/api/runs/{id}/scores")).await.json();
    assert_eq!(kept, json!([got.json()]));
    assert_eq!(world.get(&format!("/api/runs/{id}")).await.json()["scores"], kept);
    let metrics = world.get("/api/runs/metrics").await.json();
    assert_eq!(metrics["scores"][0], json!({"name": "relevancy", "mean": 0.75, "count": 1}));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = AgentWorld::new([says("no judgement"), says("none either")]);
    let run = "0190f0f0-f0f0-7f0f-8f0f-0f0f0f0f0f0f";
    for (body, status) in [
        (json!({}), 400),
        (json!({"question": "a"}), 400),
        (json!({"run": run, "question": "a", "answer": "b"}), 400),
        (json!({"question": "a", "answer": "b", "sauces": []}), 400),
        (json!({"question": "a", "answer": "b", "sources": vec!["s"; 257]}), 400),
        (json!({"run": run}), 404),
    ] {
        let got = world.post("/api/eval", body.clone()).await;
        assert_eq!(got.status, status, "{body} {}", got.text());
    }
    assert_eq!(world.model.calls(), 0);
    let got = world.post("/api/eval", json!({"question": "a", "answer": "b"})).await;
    assert_eq!((got.status.as_u16(), got.json()["error"]["code"].as_str()), (502, Some("judge.unusable")));
}
