//! Files of requests that can wait, against providers that keep batches: answered once, billed once, whenever the server is killed.

use crate::support::{Home, Server, one_provider};
use nunchi_testkit::{BatchPace, BatchPhase, Billed, Dialect, Endpoint, Turn, Upstream};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longest time that anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// One provider with a Batch API, looked at often.
fn config(upstream: &Upstream) -> String {
    let provider = match upstream.dialect() {
        Dialect::Anthropic => one_provider(&upstream.base_url()).replace("openai", "anthropic"),
        _ => one_provider(&upstream.base_url()),
    };
    format!(
        "{provider}batch = true\n\n[batch]\nfirst_poll = \"20ms\"\nlongest_poll = \"50ms\"\nmax_wait = \"50ms\"\n"
    )
}

fn model(upstream: &Upstream) -> &'static str {
    if upstream.dialect() == Dialect::Anthropic { "up/claude-haiku-4-5" } else { "up/gpt-5-mini" }
}

fn line(model: &str, number: usize) -> String {
    let messages = json!([{ "role": "user", "content": format!("line {number}") }]);
    let body = json!({ "model": model, "max_tokens": 200, "messages": messages });
    let line = json!({ "custom_id": format!("id-{number}"), "method": "POST", "url": "/v1/chat/completions", "body": body });
    line.to_string()
}

/// Writes a file with so many lines into the home folder.
fn file(home: &Home, model: &str, lines: usize) -> String {
    let text: Vec<String> = (0..lines).map(|number| line(model, number)).collect();
    home.write("in.jsonl", &text.join("\n"));
    home.path("in.jsonl").to_str().expect("UTF-8").to_owned()
}

/// Waits until something is so; a wait that never ends is told.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn finished(home: &Home, id: &str) -> Value {
    let mut batch = Value::Null;
    until("the batch ends", || {
        batch = home.json(&["batch", "show", id]);
        batch["status"] == "completed" || batch["status"] == "cancelled"
    });
    batch
}

/// The lines of a batch's answers, by the caller's names.
fn answers(home: &Home, id: &str) -> Vec<(String, Value)> {
    let ran = home.run(["batch", "show", id, "--answers"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut lines: Vec<_> = ran
        .out
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|line| (line["custom_id"].as_str().unwrap_or_default().to_owned(), line))
        .collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

/// Costs of the booked rows that cost something, in billionths of a dollar: those of batches, and live ones.
fn costs(server: &Server, key: &str) -> (Vec<i64>, Vec<i64>) {
    let rows = server.get("/api/calls?limit=1000", key).json();
    let rows: Vec<_> =
        rows.as_array().expect("rows").iter().filter(|row| row["cost"] != 0).cloned().collect();
    let (batch, live): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row["batch"] == true);
    let costs = |rows: Vec<Value>| rows.iter().map(|row| row["cost"].as_i64().expect("a cost")).collect();
    (costs(batch), costs(live))
}

/// What the provider charged for in batches, at the batch price of the model, in billionths of a dollar.
fn batch_price(upstream: &Upstream, billed: &Billed) -> i64 {
    let (input, output) = if upstream.dialect() == Dialect::Anthropic { (500, 2_500) } else { (125, 1_000) };
    let tokens = |count: u64| i64::try_from(count).expect("few tokens");
    tokens(billed.batch.input_tokens) * input + tokens(billed.batch.output_tokens) * output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_answered_at_the_batch_price() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        let upstream = Upstream::start(dialect).await;
        upstream.batch_pace(BatchPace::Polls(3));
        let home = Home::with_config(&config(&upstream));
        let server = home.up();
        let key = server.first_key();
        let path = file(&home, model(&upstream), 4);
        let batch = home.json(&["batch", "submit", &path, "--wait"]);
        assert_eq!(
            (&batch["status"], &batch["request_counts"]["completed"]),
            (&json!("completed"), &json!(4))
        );
        let id = batch["id"].as_str().unwrap();
        let answers = answers(&home, id);
        assert_eq!(answers.len(), 4);
        for (_, line) in &answers {
            let message = &line["response"]["body"]["choices"][0]["message"];
            assert_eq!(line["response"]["status_code"], 200, "{line}");
            assert!(message["content"].as_str().is_some_and(|text| !text.is_empty()), "{line}");
        }
        let billed = upstream.billed();
        assert_eq!((billed.batches, billed.batch.answers, billed.live.answers), (1, 4, 0));
        let (batch, live) = costs(&server, &key);
        assert_eq!((batch.iter().sum::<i64>(), live), (batch_price(&upstream, &billed), vec![]));
        let savings = home.json(&["stats", "--savings", "--period", "all"]);
        assert!(savings["batch"].as_i64().is_some_and(|saved| saved > 0), "{savings}");
        assert_eq!(home.json(&["budget", "list"])[0]["state"]["held"], 0);
        server.stop();
        assert_eq!(upstream.violations(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_anywhere_answers_and_pays_once() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        let mut requests = 0;
        loop {
            let upstream = Upstream::start(dialect).await;
            upstream.batch_pace(BatchPace::Polls(2));
            let home = Home::with_config(&config(&upstream));
            let mut server = home.up();
            let key = server.first_key();
            let path = file(&home, model(&upstream), 3);
            let id = home.json(&["batch", "submit", &path])["id"].as_str().unwrap().to_owned();
            let mut over = false;
            until("the provider is asked", || {
                over = home.json(&["batch", "show", &id])["status"] == "completed";
                over || upstream.requests().len() >= requests
            });
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            let server = home.up();
            finished(&home, &id);
            let name = format!("{dialect:?}, killed after {requests} requests");
            let billed = upstream.billed();
            assert_eq!((billed.batches, billed.batch.answers, billed.live.answers), (1, 3, 0), "{name}");
            assert!(billed.texts.values().all(|count| *count == 1), "{name}: {:?}", billed.texts);
            let (batch, live) = costs(&server, &key);
            assert_eq!(batch.len(), 3, "{name}");
            assert_eq!(
                (batch.iter().sum::<i64>(), live),
                (batch_price(&upstream, &billed), vec![]),
                "{name}"
            );
            assert_eq!(answers(&home, &id).len(), 3, "{name}");
            assert_eq!(home.json(&["budget", "list"])[0]["state"]["held"], 0, "{name}");
            server.stop();
            if over {
                break;
            }
            requests += 1;
        }
        assert!(requests >= 4, "{requests}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_whose_answer_was_lost_is_found_after_a_kill() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.batch_pace(BatchPace::Polls(1));
    // The provider makes the batch and never says so.
    upstream.script_for(Endpoint::BatchCreate, [Turn::hang()]);
    let home = Home::with_config(&config(&upstream));
    let mut server = home.up();
    let key = server.first_key();
    let path = file(&home, "up/gpt-5-mini", 2);
    let id = home.json(&["batch", "submit", &path])["id"].as_str().unwrap().to_owned();
    until("the batch is made", || upstream.billed().batches == 1);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = home.up();
    finished(&home, &id);
    let billed = upstream.billed();
    assert_eq!((billed.batches, billed.batch.answers, billed.live.answers), (1, 2, 0));
    assert_eq!(costs(&server, &key).0.iter().sum::<i64>(), batch_price(&upstream, &billed));
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_lines_fail_alone_and_what_expires_is_answered_live() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.batch_pace(BatchPace::Manual);
    let home = Home::with_config(&config(&upstream));
    let server = home.up();
    let key = server.first_key();
    let twice = line("up/gpt-5-mini", 1);
    let lines = [
        line("up/gpt-5-mini", 1),
        "{ no JSON".to_owned(),
        line("nobody/there", 2),
        twice,
        r#"{"custom_id":"id-3","body":{"model":"up/gpt-5-mini"}}"#.to_owned(),
        line("up/gpt-5-mini", 4),
    ];
    home.write("in.jsonl", &lines.join("\n"));
    let path = home.path("in.jsonl").to_str().unwrap().to_owned();
    let id = home.json(&["batch", "submit", &path])["id"].as_str().unwrap().to_owned();
    until("the provider has it", || upstream.billed().batches == 1);
    // One of the two is answered, the other one is not begun in time.
    upstream.answer_in_batches(1);
    upstream.move_batches(BatchPhase::Expired);
    let batch = finished(&home, &id);
    assert_eq!(batch["request_counts"], json!({ "total": 6, "completed": 2, "failed": 4 }));
    let answers = answers(&home, &id);
    let status = |line: &Value| line["response"]["status_code"].as_u64().unwrap_or_default();
    let good: Vec<_> =
        answers.iter().filter(|(_, line)| status(line) == 200).map(|(name, _)| name.as_str()).collect();
    assert_eq!(good, ["id-1", "id-4"]);
    let wrong: Vec<_> = answers.iter().filter(|(_, line)| status(line) != 200).collect();
    assert_eq!(wrong.len(), 4, "{answers:?}");
    assert!(
        wrong.iter().all(|(_, line)| line["response"]["body"]["error"]["message"].is_string()),
        "{wrong:?}"
    );
    let billed = upstream.billed();
    assert_eq!((billed.batch.answers, billed.live.answers), (1, 1));
    let (batch, live) = costs(&server, &key);
    assert_eq!((batch.len(), live.len(), batch.iter().sum::<i64>()), (1, 1, batch_price(&upstream, &billed)));
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_can_wait_is_streamed_or_fetched_later() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.batch_pace(BatchPace::Polls(2));
    let home = Home::with_config(&config(&upstream));
    let server = home.up();
    let key = server.first_key();
    let ask = |text: &str, stream: bool| json!({ "model": "up/gpt-5-mini", "stream": stream, "messages": [{ "role": "user", "content": text }] });
    let deadline = ("x-nunchi-deadline", "2099-01-01T00:00:00Z");
    let streamed = server.send("POST", "/v1/chat/completions", &key, &[deadline], &ask("first", true));
    assert!(streamed.body.trim_end().ends_with("data: [DONE]"), "{}", streamed.body);
    assert!(
        streamed.header("x-nunchi-notes").is_some_and(|notes| notes.contains("waits as job")),
        "{}",
        streamed.head
    );
    let later = [deadline, ("prefer", "respond-async")];
    let accepted = server.send("POST", "/v1/chat/completions", &key, &later, &ask("second", false));
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let place = accepted.header("location").expect("a place").to_owned();
    let mut job = Value::Null;
    until("the job ends", || {
        job = server.get(&place, &key).json();
        job["status"] == "completed"
    });
    assert_eq!(job["response"]["status_code"], 200, "{job}");
    assert_eq!(job["response"]["body"]["object"], "chat.completion", "{job}");
    let stranger = home.json(&["keys", "create", "stranger"])["key"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&place, &stranger).status, 404);
    assert_eq!(server.get("/v1/batches", &stranger).json()["data"], json!([]));
    let billed = upstream.billed();
    assert_eq!((billed.batches, billed.batch.answers, billed.live.answers), (2, 2, 0));
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_pays_for_what_was_answered() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.batch_pace(BatchPace::Manual);
    let home = Home::with_config(&config(&upstream));
    let server = home.up();
    let key = server.first_key();
    let path = file(&home, "up/gpt-5-mini", 3);
    let id = home.json(&["batch", "submit", &path])["id"].as_str().unwrap().to_owned();
    until("the provider has it", || upstream.billed().batches == 1);
    upstream.answer_in_batches(1);
    home.json(&["batch", "cancel", &id]);
    until("the provider is told", || {
        upstream.batches().iter().any(|batch| batch.phase == BatchPhase::Cancelling)
    });
    upstream.move_batches(BatchPhase::Cancelled);
    let batch = finished(&home, &id);
    assert_eq!(
        (&batch["status"], &batch["request_counts"]),
        (&json!("cancelled"), &json!({ "total": 3, "completed": 1, "failed": 2 }))
    );
    let billed = upstream.billed();
    assert_eq!((billed.batch.answers, billed.live.answers), (1, 0));
    let (batch, live) = costs(&server, &key);
    assert_eq!((batch.iter().sum::<i64>(), live), (batch_price(&upstream, &billed), vec![]));
    assert_eq!(home.json(&["budget", "list"])[0]["state"]["held"], 0);
    server.stop();
}
