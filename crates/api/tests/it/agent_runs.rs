//! Runs over HTTP, with a real agent: begun, listed, shown, watched, answered, cancelled, undone, measured.

use crate::agent_world::{AgentWorld, calls, plan, says};
use axum::body::Body;
use futures_util::StreamExt;
use http::Request;
use http_body_util::BodyExt;
use nunchi_core::TaskName;
use nunchi_testkit::ScriptedReply;
use serde_json::{Value, json};
use tower::ServiceExt;

fn mail(to: &str) -> ScriptedReply {
    calls("", &[("send_mail", json!({"to": to, "body": "hi"}))])
}

fn write(path: &str, text: &str) -> ScriptedReply {
    calls("Writing.", &[("write_file", json!({"path": path, "text": text}))])
}

/// The events of a stream: name, id, data.
fn parsed(text: &str) -> Vec<(String, Option<u32>, Value)> {
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = serde_json::from_str(field("data")?).expect("JSON");
        Some((field("event")?.to_owned(), field("id").and_then(|id| id.parse().ok()), data))
    };
    text.split("\n\n").filter_map(event).collect()
}

fn step_numbers(events: &[(String, Option<u32>, Value)]) -> Vec<u64> {
    events
        .iter()
        .filter(|(name, ..)| name == "step")
        .map(|(.., data)| data["step"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_run_is_begun_and_shown() {
    let world = AgentWorld::new([write("a.md", "hello"), says("I wrote a.md.")]);
    let (id, run) = world.run("write a.md").await;
    assert_eq!(world.read("a.md"), "hello");
    assert_eq!(
        (run["status"].as_str(), run["outcome"]["text"].as_str()),
        (Some("done"), Some("I wrote a.md."))
    );
    assert_eq!(run["total_tokens"], 240);
    assert_eq!(run["total_cost_usd"], "0.003");
    assert_eq!(run["user_input"], "write a.md");
    let kinds: Vec<_> = run["steps"].as_array().unwrap().iter().map(|step| step["kind"].clone()).collect();
    assert_eq!(json!(kinds), json!(["message", "model", "tool", "model", "message"]));
    let tool = &run["steps"][2];
    assert_eq!((tool["tool"].as_str(), tool["status"].as_str()), (Some("write_file"), Some("ok")));
    assert_eq!(world.get(&format!("/api/runs/{id}")).await.json(), run);
    assert_eq!((run["plan"].clone(), run["approvals"].clone()), (Value::Null, json!([])));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = AgentWorld::new([]);
    for (body, field) in [
        (json!({"goal": " "}), "goal"),
        (json!({"goal": "x", "turns": 0}), "turns"),
        (json!({"goal": "x", "money": "lots"}), "money"),
        (json!({"goal": "x", "money": -1}), "money"),
        (json!({"goal": "x", "session": "a\nb"}), "session"),
    ] {
        let got = world.post("/api/runs", body).await;
        assert_eq!((got.status.as_u16(), got.json()["error"]["param"].as_str()), (400, Some(field)));
    }
    assert_eq!(world.post("/api/runs", json!({"goal": "x", "colour": 1})).await.status, 400);
    assert_eq!(world.post_as("nk-few", "/api/runs", json!({"goal": "x"})).await.status, 403);
    assert_eq!(world.post_as("nk-wrong", "/api/runs", json!({"goal": "x"})).await.status, 401);
    assert_eq!(world.get("/api/runs/00000000000000000000000000000009").await.status, 404);
    assert_eq!(world.model.calls(), 0);
}

#[tokio::test]
async fn runs_are_listed_in_pages_and_by_filters() {
    let world = AgentWorld::new([]);
    for goal in ["one apple", "two", "three apples"] {
        world.run(goal).await;
    }
    let goals = |value: &Value| -> Vec<String> {
        value["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["user_input"].as_str().unwrap().into())
            .collect()
    };
    let first = world.get("/api/runs?limit=2").await.json();
    assert_eq!(goals(&first), ["three apples", "two"]);
    let rest =
        world.get(&format!("/api/runs?limit=2&after={}", first["next"].as_str().unwrap())).await.json();
    assert_eq!((goals(&rest), &rest["next"]), (vec!["one apple".to_owned()], &Value::Null));
    assert_eq!(goals(&world.get("/api/runs?q=APPLE").await.json()).len(), 2);
    assert_eq!(goals(&world.get("/api/runs?status=failed").await.json()).len(), 0);
    assert_eq!(goals(&world.get("/api/runs?mode=reflexive&status=done").await.json()).len(), 3);
    assert_eq!(world.get("/api/runs?status=lost").await.status, 400);
}

#[tokio::test]
async fn a_key_sees_its_own_runs_only() {
    let world = AgentWorld::new([says("a"), says("b")]);
    let (admins, _) = world.run("mine").await;
    let body = json!({"goal": "theirs", "wait": true});
    let theirs =
        world.post_as("nk-caller", "/api/runs", body).await.json()["run_id"].as_str().unwrap().to_owned();
    let listed = |got: Value| got["runs"].as_array().unwrap().len();
    assert_eq!(listed(world.get_as("nk-caller", "/api/runs").await.json()), 1);
    assert_eq!(listed(world.get_as("nk-other", "/api/runs").await.json()), 0);
    assert_eq!(listed(world.get("/api/runs").await.json()), 2);
    for path in ["", "/events", "/cancel", "/resume", "/undo"] {
        for (key, run) in [("nk-caller", admins.to_string()), ("nk-other", theirs.clone())] {
            let path = format!("/api/runs/{run}{path}");
            let got = match path.rsplit('/').next() {
                Some("cancel" | "resume" | "undo") => world.post_as(key, &path, json!({})).await,
                _ => world.get_as(key, &path).await,
            };
            assert_eq!(got.status, 404, "{key} {path}");
        }
    }
    assert_eq!(world.get_as("nk-caller", &format!("/api/runs/{theirs}")).await.status, 200);
    let metrics = |got: Value| got["all"]["runs"].as_u64().unwrap();
    assert_eq!(metrics(world.get_as("nk-caller", "/api/runs/metrics").await.json()), 1);
    assert_eq!(metrics(world.get("/api/runs/metrics").await.json()), 2);
    for path in ["/api/permissions", "/api/permissions/explain"] {
        let got =
            world.post_as("nk-caller", path, json!({"name": "n", "tool": "t", "verdict": "allow"})).await;
        assert_ne!(got.status, 200, "{path}");
    }
    assert_eq!(world.get_as("nk-caller", "/api/permissions").await.status, 403);
}

#[tokio::test]
async fn events_replay_and_then_go_on_without_gap_or_double() {
    let world = AgentWorld::new([write("a", "1"), mail("kim@example.com"), says("I sent it.")]);
    let (id, run) = world.run("write a and mail kim@example.com").await;
    assert_eq!(run["status"], "parked");
    let parked_steps = run["steps"].as_array().unwrap().len() as u64;
    let request = Request::get(format!("/api/runs/{id}/events")).header("x-api-key", "nk-good");
    let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains("event: run") {
        text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
    }
    let stored = parsed(&text);
    assert_eq!(step_numbers(&stored), (1..=parked_steps).collect::<Vec<_>>());
    let question =
        stored.iter().find(|(name, ..)| name == "asked").unwrap().2["id"].as_str().unwrap().to_owned();
    let answered = world.post(&format!("/api/approvals/{question}"), json!({"answer": "approve"})).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    while let Some(more) = body.next().await {
        text.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
    }
    let events = parsed(&text);
    let all = world.runs.all_steps(id).len() as u64;
    assert!(all > parked_steps);
    assert_eq!(step_numbers(&events), (1..=all).collect::<Vec<_>>());
    let (name, _, last) = events.last().unwrap();
    assert_eq!((name.as_str(), last["status"].as_str()), ("end", Some("done")));
    let said: String = events
        .iter()
        .filter(|(name, ..)| name == "text")
        .map(|(.., data)| data["text"].as_str().unwrap())
        .collect();
    assert_eq!(said, "I sent it.");
    assert_eq!(world.read("outbox"), "kim@example.com: hi\n");

    // Whoever reconnects says what they know.
    let request = Request::get(format!("/api/runs/{id}/events")).header("x-api-key", "nk-good");
    let request = request.header("last-event-id", parked_steps.to_string()).body(Body::empty()).unwrap();
    let rest = world.send(request).await;
    assert_eq!(step_numbers(&parsed(rest.text())), (parked_steps + 1..=all).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_run_is_replayed_whole() {
    // More than a page of the store holds.
    let turn = |from: usize| {
        let write = |n| ("write_file", json!({"path": format!("f{n}"), "text": "x"}));
        calls("", &(from..from + 32).map(write).collect::<Vec<_>>())
    };
    let world = AgentWorld::new([turn(0), turn(32), says("I wrote them.")]);
    let body = json!({"goal": "write files", "mode": "reflexive", "wait": true});
    let run = world.post("/api/runs", body).await.json();
    let all = run["steps"].as_array().unwrap().len() as u64;
    assert_eq!(run["status"], "done");
    assert!(all > 60, "{all}");
    let got = world.get(&format!("/api/runs/{}/events", run["run_id"].as_str().unwrap())).await;
    assert_eq!(step_numbers(&parsed(got.text())), (1..=all).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_web_socket_tells_the_same() {
    let world = AgentWorld::new([write("a", "1"), says("I wrote it.")]);
    let (id, run) = world.run("write a").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = world.router.clone();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await });
    let request = |key: &str| {
        let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(
            format!("ws://{address}/api/runs/{id}/ws"),
        )
        .unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        request
    };
    let refused = tokio_tungstenite::connect_async(request("nk-other")).await;
    assert!(refused.unwrap_err().to_string().contains("404"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request("nk-good")).await.unwrap();
    let mut events: Vec<Value> = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        if let Ok(text) = message.to_text()
            && !message.is_close()
        {
            events.push(serde_json::from_str(text).unwrap());
        }
    }
    let steps = events.iter().filter(|event| event["event"] == "step").count();
    assert_eq!(steps, run["steps"].as_array().unwrap().len());
    let last = events.last().unwrap();
    assert_eq!((last["event"].as_str(), last["data"]["status"].as_str()), (Some("end"), Some("done")));
    // Without an upgrade it is a faulty request, not a failure.
    assert_eq!(world.get(&format!("/api/runs/{id}/ws")).await.status, 400);
    server.shutdown().await;
}

#[tokio::test]
async fn questions_are_listed_answered_and_granted() {
    let world = AgentWorld::new([
        mail("kim@example.com"),
        says("I sent it."),
        mail("kim@example.com"),
        says("I sent it."),
    ]);
    let (id, _) = world.run("mail kim@example.com").await;
    let open = world.get("/api/approvals").await.json();
    let question = &open[0];
    assert_eq!(open.as_array().unwrap().len(), 1);
    let call = &question["subject"]["calls"][0];
    assert_eq!((call["tool"].as_str(), call["effect"].as_str()), (Some("send_mail"), Some("final")));
    assert!(call["diff"].as_str().unwrap().contains("+ To: kim@example.com"));
    assert!(question["explained"][0].as_str().unwrap().contains("needs your approval"));
    let path = format!("/api/approvals/{}", question["id"].as_str().unwrap());
    assert_eq!(world.post(&path, json!({"answer": "reply", "text": "hm"})).await.status, 400);
    assert_eq!(world.post(&path, json!({"answer": "reply"})).await.status, 400);
    assert_eq!(world.get_as("nk-caller", &path).await.status, 404);
    let granted = world.post(&path, json!({"answer": "approve", "grant": true})).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    world.agent.wait(id).await.unwrap();
    let rules = world.get("/api/permissions").await.json();
    assert_eq!(rules["rules"][0]["arguments"], json!({"to": "kim@example.com"}));
    let granted = &rules["rules"][0];
    assert_eq!((&granted["source"], &granted["run"]), (&json!("granted"), &json!(id)));
    assert!(granted["by"].as_str().unwrap().ends_with("(API)") && granted["at"].is_string(), "{granted}");
    // A second answer is too late, the same one changes nothing.
    assert_eq!(world.post(&path, json!({"answer": "deny"})).await.status, 409);
    // What was granted is not asked again.
    let (_, again) = world.run("mail kim@example.com again").await;
    assert_eq!(again["status"], "done");
    assert_eq!(world.get("/api/approvals").await.json(), json!([]));
    assert_eq!(world.get("/api/approvals?all=true").await.json().as_array().unwrap().len(), 1);

    let path = format!("/api/permissions/{}", granted["id"]);
    assert_eq!(world.delete_as("nk-caller", &path).await.status, 403);
    let revoked = world.delete_as("nk-good", &path).await.json();
    assert!(revoked["revoked"]["by"].is_string() && revoked["name"] == granted["name"], "{revoked}");
    assert_eq!(world.delete_as("nk-good", "/api/permissions/99").await.status, 404);
    assert_eq!(world.get("/api/permissions").await.json()["rules"], json!([]));
    let record = world.get("/api/permissions?revoked=true").await.json();
    assert_eq!(record["rules"][0]["revoked"], revoked["revoked"], "the record is kept");
    world.model.script([mail("kim@example.com"), says("-")]);
    let (_, asks) = world.run("mail kim@example.com once more").await;
    assert_eq!(asks["status"], "parked", "what was taken back is asked about");
}

#[tokio::test]
async fn what_no_rule_says_is_not_granted() {
    // In a rule the star would stand for everybody.
    let world = AgentWorld::new([mail("*@example.com"), says("No mail.")]);
    let (id, _) = world.run("mail all").await;
    let asked = world.get("/api/approvals").await.json()[0].clone();
    assert_eq!(asked["subject"]["calls"][0]["grant"], Value::Null);
    let path = format!("/api/approvals/{}", asked["id"].as_str().unwrap());
    let always = json!({"answer": "approve", "grant": true});
    assert_eq!(world.post(&path, always).await.status, 400);
    assert_eq!(world.post(&path, json!({"answer": "deny"})).await.status, 200);
    world.agent.wait(id).await.unwrap();
    assert_eq!(world.get("/api/permissions").await.json()["rules"], json!([]));
}

#[tokio::test]
async fn like_questions_are_answered_together() {
    let world = AgentWorld::new([]);
    for to in ["a@x.org", "b@x.org"] {
        world.model.script([mail(to)]);
        world.run(&format!("mail {to}")).await;
    }
    world.model.script([says("No mail."), says("No mail.")]);
    let batch = world.get("/api/approvals").await.json()[0]["batch"].as_str().unwrap().to_owned();
    let came =
        world.post("/api/approvals", json!({"batch": batch, "answer": "deny", "reason": "not today"})).await;
    let came = came.json();
    assert_eq!(came.as_array().unwrap().len(), 2);
    assert!(came.as_array().unwrap().iter().all(|one| one["ok"] == true), "{came}");
    world.spawn.finish().await;
    assert_eq!(world.read("outbox"), "");
    let runs = world.get("/api/runs").await.json();
    assert!(runs["runs"].as_array().unwrap().iter().all(|run| run["text"] == "No mail."), "{runs}");
    assert_eq!(world.post("/api/approvals", json!({"ids": [], "answer": "deny"})).await.status, 400);
}

#[tokio::test]
async fn an_expired_question_says_so() {
    let world = AgentWorld::new([mail("a@x.org")]);
    world.run("mail a@x.org").await;
    let id = world.get("/api/approvals").await.json()[0]["id"].as_str().unwrap().to_owned();
    world.clock.advance(std::time::Duration::from_secs(2 * 24 * 3_600));
    assert_eq!(world.get("/api/approvals").await.json(), json!([]));
    let late = world.post(&format!("/api/approvals/{id}"), json!({"answer": "approve"})).await;
    assert_eq!(
        (late.status.as_u16(), late.json()["error"]["code"].as_str()),
        (409, Some("approval.expired"))
    );
    assert_eq!(world.read("outbox"), "");
}

#[tokio::test]
async fn a_caller_may_say_no_but_not_yes() {
    let world = AgentWorld::new([mail("a@x.org"), says("No mail.")]);
    let body = json!({"goal": "mail a@x.org", "mode": "reflexive", "wait": true});
    let run = world.post_as("nk-caller", "/api/runs", body).await.json();
    assert_eq!(run["status"], "parked");
    let path = format!("/api/approvals/{}", run["approvals"][0]["id"].as_str().unwrap());
    assert_eq!(world.post_as("nk-caller", &path, json!({"answer": "approve"})).await.status, 403);
    assert_eq!(world.post_as("nk-other", &path, json!({"answer": "deny"})).await.status, 404);
    assert_eq!(world.post_as("nk-caller", &path, json!({"answer": "deny"})).await.status, 200);
    world.spawn.finish().await;
    assert_eq!(world.read("outbox"), "");
}

#[tokio::test]
async fn what_another_keys_holder_chooses_is_asked_about() {
    let world = AgentWorld::new([write("a", "1")]);
    let body = json!({"goal": "write a", "mode": "reflexive", "wait": true});
    let run = world.post_as("nk-caller", "/api/runs", body).await.json();
    assert_eq!(run["status"], "parked");
    let ground = &run["approvals"][0]["subject"]["calls"][0]["decision"]["ground"];
    assert_eq!(*ground, json!({"stranger": "path"}));
    assert_eq!(world.read("a"), "");
}

#[tokio::test]
async fn a_strangers_words_stay_a_strangers_in_the_next_turn() {
    let world = AgentWorld::new([says("The page says eve.md."), write("eve.md", "1")]);
    let turn = |goal: &str| json!({"goal": goal, "mode": "reflexive", "session": "s", "wait": true});
    // Who administers goes on with what another key's holder has begun.
    world.post_as("nk-caller", "/api/runs", turn("look at eve.md")).await;
    let run = world.post("/api/runs", turn("ok, write it")).await.json();
    assert_eq!(run["status"], "parked");
    let ground = &run["approvals"][0]["subject"]["calls"][0]["decision"]["ground"];
    assert_eq!(*ground, json!({"stranger": "path"}));
    assert_eq!(world.read("eve.md"), "");
}

#[tokio::test]
async fn a_run_is_cancelled_while_it_works() {
    let world = AgentWorld::new([ScriptedReply::hang()]);
    let started = world.post("/api/runs", json!({"goal": "wait"})).await;
    let id = started.json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(started.json()["status"], "running");
    let got = world.post(&format!("/api/runs/{id}/cancel"), json!({})).await;
    assert_eq!((got.status.as_u16(), got.json()["status"].as_str()), (200, Some("cancelled")));
    let again = world.post(&format!("/api/runs/{id}/cancel"), json!({})).await;
    assert_eq!(again.json()["status"], "cancelled");
    world.spawn.finish().await;
    assert_eq!(world.spawn.running(TaskName::AgentRun), 0);
}

#[tokio::test]
async fn an_undo_shows_first_what_it_would_do() {
    let world = AgentWorld::new([write("a", "1"), write("b", "2"), says("I wrote both.")]);
    let (id, _) = world.run("write a and b").await;
    let path = format!("/api/runs/{id}/undo");
    let look = world.post(&path, json!({"dry_run": true})).await.json();
    assert_eq!((look["dry_run"].as_bool(), look["steps"].as_array().unwrap().len()), (Some(true), 2));
    assert_eq!((world.read("a"), world.read("b")), ("1".into(), "2".into()));
    let step = look["steps"][0]["number"].clone();
    let one = world.post(&path, json!({"step": step})).await.json();
    assert_eq!(one["steps"].as_array().unwrap().len(), 1);
    assert_eq!((world.read("a"), world.read("b")), ("1".into(), String::new()));
}

#[tokio::test]
async fn a_plan_is_shown_and_resumed() {
    let world = AgentWorld::new([plan(&["write_file", "send_mail"])]);
    let body = json!({"goal": "write and mail", "mode": "deliberate", "wait": true});
    let run = world.post("/api/runs", body).await.json();
    assert_eq!(run["status"], "parked");
    let ids: Vec<_> =
        run["plan"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    assert_eq!(json!(ids), json!(["g0", "g1"]));
    assert_eq!(run["approvals"][0]["subject"]["plan"], run["plan"]);
    let id = run["run_id"].as_str().unwrap();
    // Nothing has changed: it parks again, with the same question.
    assert_eq!(world.post(&format!("/api/runs/{id}/resume"), json!({})).await.status, 200);
    world.spawn.finish().await;
    let again = world.get(&format!("/api/runs/{id}")).await.json();
    assert_eq!((&again["status"], &again["approvals"]), (&run["status"], &run["approvals"]));
}

#[tokio::test]
async fn permissions_are_written_and_explained() {
    let world = AgentWorld::new([]);
    let call = json!({"tool": "send_mail", "arguments": {"to": "kim@example.com", "body": "x"}});
    let before = world.post("/api/permissions/explain", call.clone()).await.json();
    assert_eq!((before["verdict"].as_str(), before["ground"].as_str()), (Some("ask"), Some("grave")));
    let rule = json!({"name": "kim", "tool": "send_mail", "arguments": {"to": "kim@*"}, "verdict": "allow"});
    let rules = world.post("/api/permissions", rule.clone()).await;
    let written = &rules.json()["rules"][0];
    for field in ["name", "tool", "arguments", "verdict"] {
        assert_eq!(written[field], rule[field], "{}", rules.text());
    }
    assert_eq!((&written["source"], &written["run"]), (&json!("granted"), &Value::Null));
    let after = world.post("/api/permissions/explain", call).await.json();
    assert_eq!((after["verdict"].as_str(), after["ground"].clone()), (Some("allow"), json!({"rule": "kim"})));
    let mut other = rule.clone();
    other["verdict"] = "deny".into();
    assert_eq!(world.post("/api/permissions", other).await.status, 400);
    assert_eq!(world.post("/api/permissions/explain", json!({"tool": "fly"})).await.status, 400);
    // The rule's own question is nobody's to see.
    assert_eq!(world.get("/api/approvals?all=true").await.json(), json!([]));
}

#[tokio::test]
async fn conversations_are_remembered() {
    let world = AgentWorld::new([says("Paris."), says("About two million.")]);
    for goal in ["What is the capital of France?", "How many live there?"] {
        let got = world.post("/api/runs", json!({"goal": goal, "session": "s 1/x", "wait": true})).await;
        assert_eq!(got.status, 201, "{}", got.text());
    }
    let requests = world.model.requests();
    let told: Vec<_> = requests[1].0.messages.iter().skip(1).map(|turn| turn.plain_text()).collect();
    assert_eq!(told, ["What is the capital of France?", "Paris.", "How many live there?"]);
    let list = world.get("/api/sessions").await.json();
    assert_eq!((list[0]["id"].as_str(), list[0]["runs"].as_array().unwrap().len()), (Some("s 1/x"), 2));
    assert_eq!(list[0]["total_cost_usd"], "0.003");
    let shown = world.get("/api/sessions/s%201%2Fx").await.json();
    let texts: Vec<_> =
        shown["messages"].as_array().unwrap().iter().map(|turn| turn["text"].clone()).collect();
    assert_eq!(
        json!(texts),
        json!(["What is the capital of France?", "Paris.", "How many live there?", "About two million."])
    );
    assert_eq!(world.get_as("nk-caller", "/api/sessions/s%201%2Fx").await.status, 404);
}

#[tokio::test]
async fn activity_is_measured() {
    let refused = calls("", &[("write_file", json!({"path": "a"}))]);
    let world = AgentWorld::new([write("a", "1"), says("I wrote it."), refused, says("I could not.")]);
    world.run("write a").await;
    world.run("write b").await;
    world.model.always(ScriptedReply::error(nunchi_core::ModelError::new(
        nunchi_core::ModelErrorKind::UpstreamFailed,
        "down",
    )));
    world.run("What is the weather?").await;
    let got = world.get("/api/runs/metrics?days=7").await.json();
    assert_eq!((got["all"]["runs"].as_u64(), got["all"]["failed"].as_u64()), (Some(3), Some(1)));
    assert_eq!(got["all"]["total_cost_usd"], "0.006");
    assert_eq!(got["by_mode"][0]["name"], "reflexive");
    let class =
        |name: &str| got["by_class"].as_array().unwrap().iter().find(|group| group["name"] == name).cloned();
    assert_eq!(class("write").unwrap()["failure_rate"], 0.0);
    assert_eq!(class("question").unwrap()["failure_rate"], 1.0);
    let tool = &got["tools"][0];
    assert_eq!((tool["tool"].as_str(), tool["calls"].as_u64()), (Some("write_file"), Some(2)));
    assert_eq!(tool["refused"].as_u64().unwrap() + tool["failed"].as_u64().unwrap(), 1);
    assert_eq!(got["days"][0]["total_tokens"], 480);
}

#[tokio::test]
async fn without_agents_there_is_nothing() {
    let world = crate::support::World::frames(crate::support::hello());
    for path in ["/api/runs", "/api/approvals", "/api/sessions", "/api/permissions", "/api/runs/metrics"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    let collected =
        world.router.clone().oneshot(Request::get("/api/runs").body(Body::empty()).unwrap()).await;
    let body = collected.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&body).unwrap().contains("key.missing"));
}
