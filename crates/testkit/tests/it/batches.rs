//! The Batch APIs of the servers, in plain HTTP as the providers' own clients speak it.

use crate::support::{Got, client, post, send};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use nunchi_testkit::{BatchPace, BatchPhase, Bill, Dialect, Endpoint, Turn, Upstream, steer};
use serde_json::{Value, json};

/// A line of an input file.
fn line(id: &str, text: &str) -> Value {
    let body = json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]});
    json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body})
}

/// Uploads lines as a file.
async fn upload(upstream: &Upstream, lines: &[String]) -> Value {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\
         content-type: application/jsonl\r\n\r\n{}\r\n--b--\r\n",
        lines.join("\n")
    );
    let request = http::Request::post(format!("{}/v1/files", upstream.origin()))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let response = client().request(request).await.expect("a response");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

async fn create(upstream: &Upstream, lines: &[Value]) -> Value {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = upload(upstream, &lines).await;
    assert_eq!((&file["object"], &file["purpose"]), (&json!("file"), &json!("batch")), "{file}");
    let body = json!({
        "input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "metadata": {"name": "야간"},
    });
    post(&format!("{}/v1/batches", upstream.origin()), &body).await.json()
}

async fn get(upstream: &Upstream, path: &str) -> Got {
    send("GET", &format!("{}{path}", upstream.origin()), &Value::Null).await
}

async fn status(upstream: &Upstream, id: &Value) -> Value {
    get(upstream, &format!("/v1/batches/{}", id.as_str().expect("an id"))).await.json()
}

/// The lines of an output or error file, by custom id.
async fn lines(upstream: &Upstream, file: &Value) -> Vec<(String, Value)> {
    let got = get(upstream, &format!("/v1/files/{}/content", file.as_str().expect("a file"))).await;
    let values =
        got.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>();
    values.into_iter().map(|value| (value["custom_id"].as_str().expect("an id").to_owned(), value)).collect()
}

fn only_live(upstream: &Upstream) -> Bill {
    upstream.billed().live
}

#[tokio::test]
async fn openai_answers_what_live_calls_get_and_bills_once() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.respond_with(steer);
    let made =
        create(&upstream, &[line("a", "say: 안녕하세요"), line("b", "fail 400"), line("c", "use the cache")])
            .await;
    assert_eq!(
        (&made["status"], &made["metadata"]["name"]),
        (&json!("validating"), &json!("야간")),
        "{made}"
    );
    assert_eq!(made["request_counts"]["total"], 0);
    assert_eq!(upstream.billed().batch, Bill::default());
    let done = status(&upstream, &made["id"]).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["request_counts"], json!({"total": 3, "completed": 2, "failed": 1}));
    let output = lines(&upstream, &done["output_file_id"]).await;
    assert_eq!(output.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a"], "out of order");
    assert_eq!(output[1].1["response"]["body"]["choices"][0]["message"]["content"], "안녕하세요");
    let errors = lines(&upstream, &done["error_file_id"]).await;
    assert_eq!(errors[0].1["response"]["status_code"], 400);
    assert_eq!(errors[0].1["response"]["body"]["error"]["type"], "invalid_request_error");
    status(&upstream, &made["id"]).await;
    let billed = upstream.billed();
    assert_eq!((billed.batches, billed.batch.answers, billed.batch.input_tokens), (1, 2, 12 + 1_012));
    assert_eq!(billed.texts["say: 안녕하세요"], 1);
    assert_eq!(only_live(&upstream), Bill::default());
    upstream.reset();
    assert_eq!((upstream.billed(), upstream.batches().len()), (billed, 1), "what was made and billed stays");
}

#[tokio::test]
async fn openai_checks_the_input_before_it_begins() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let mut streamed = line("s", "Hi");
    streamed["body"]["stream"] = true.into();
    let mut other = line("m", "Hi");
    other["body"]["model"] = "gpt-5".into();
    for (lines, code) in [
        (vec!["{\"custom_id\":".to_owned()], "invalid_json_line"),
        (vec![line("a", "Hi").to_string(), line("a", "Hi").to_string()], "duplicate_custom_id"),
        (vec![line("a", "Hi").to_string(), other.to_string()], "mismatched_model"),
        (vec![streamed.to_string()], "invalid_request"),
        (vec![], "empty_file"),
    ] {
        let file = upload(&upstream, &lines).await;
        let body = json!({
            "input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h",
        });
        let made = post(&format!("{}/v1/batches", upstream.origin()), &body).await.json();
        let failed = status(&upstream, &made["id"]).await;
        assert_eq!(failed["status"], "failed", "{failed}");
        assert_eq!(failed["errors"]["data"][0]["code"], code);
        assert_eq!(failed["output_file_id"], Value::Null);
    }
    for body in [
        json!({"input_file_id": "file-none", "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
        json!({"endpoint": "/v1/chat/completions", "completion_window": "24h"}),
    ] {
        assert_eq!(post(&format!("{}/v1/batches", upstream.origin()), &body).await.status, 400);
    }
    assert_eq!(upstream.billed().batch, Bill::default());
}

#[tokio::test]
async fn a_test_moves_batches_through_every_phase() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.batch_pace(BatchPace::Manual);
    let asked = ["a", "b", "c"].map(|id| line(id, "Hi"));
    let made = create(&upstream, &asked).await;
    assert_eq!(status(&upstream, &made["id"]).await["status"], "validating");
    upstream.answer_in_batches(2);
    let running = status(&upstream, &made["id"]).await;
    assert_eq!(
        (&running["status"], &running["request_counts"]["completed"]),
        (&json!("in_progress"), &json!(2))
    );
    upstream.move_batches(BatchPhase::Expired);
    let expired = status(&upstream, &made["id"]).await;
    assert_eq!(expired["status"], "expired");
    assert_eq!(lines(&upstream, &expired["output_file_id"]).await.len(), 2);
    let errors = lines(&upstream, &expired["error_file_id"]).await;
    assert_eq!((errors[0].0.as_str(), &errors[0].1["error"]["code"]), ("c", &json!("batch_expired")));
    upstream.move_batches(BatchPhase::Completed);
    assert_eq!(upstream.batches()[0].phase, BatchPhase::Expired, "an ended batch stays");

    let made = create(&upstream, &asked).await;
    upstream.answer_in_batches(1);
    let path = format!("{}/v1/batches/{}/cancel", upstream.origin(), made["id"].as_str().expect("an id"));
    assert_eq!(post(&path, &Value::Null).await.json()["status"], "cancelling");
    upstream.move_batches(BatchPhase::Cancelled);
    let cancelled = status(&upstream, &made["id"]).await;
    assert_eq!(cancelled["status"], "cancelled");
    let errors = lines(&upstream, &cancelled["error_file_id"]).await;
    assert_eq!((errors.len(), &errors[0].1["error"]["code"]), (2, &json!("batch_cancelled")));
    assert_eq!(post(&path, &Value::Null).await.status, 409);
    assert_eq!(upstream.billed().batch.answers, 3);

    create(&upstream, &asked).await;
    upstream.move_batches(BatchPhase::Finalizing);
    upstream.move_batches(BatchPhase::Failed);
    let listed = get(&upstream, "/v1/batches?limit=2").await.json();
    assert_eq!((listed["data"].as_array().map(Vec::len), &listed["has_more"]), (Some(2), &json!(true)));
    let next = format!("/v1/batches?limit=2&after={}", listed["last_id"].as_str().expect("an id"));
    let rest = get(&upstream, &next).await.json();
    assert_eq!((&rest["data"][0]["status"], &rest["has_more"]), (&json!("expired"), &json!(false)));
    assert_eq!(get(&upstream, "/v1/batches?limit=101").await.status, 400);
}

async fn anthropic_batch(upstream: &Upstream, texts: &[(&str, &str)]) -> Got {
    let request = |(id, text): &(&str, &str)| {
        let params = json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]});
        json!({"custom_id": id, "params": params})
    };
    let requests: Vec<Value> = texts.iter().map(request).collect();
    post(&format!("{}/v1/messages/batches", upstream.origin()), &json!({"requests": requests})).await
}

#[tokio::test]
async fn anthropic_keeps_batches_as_well() {
    let upstream = Upstream::start(Dialect::Anthropic).await;
    upstream.respond_with(steer);
    upstream.batch_pace(BatchPace::Manual);
    let made =
        anthropic_batch(&upstream, &[("a", "say: 네"), ("b", "fail 529"), ("c", "say: never")]).await.json();
    assert_eq!((&made["type"], &made["processing_status"]), (&json!("message_batch"), &json!("in_progress")));
    assert_eq!(made["request_counts"]["processing"], 3);
    let path = format!("/v1/messages/batches/{}", made["id"].as_str().expect("an id"));
    assert_eq!(get(&upstream, &format!("{path}/results")).await.status, 404);
    upstream.answer_in_batches(2);
    assert_eq!(get(&upstream, &path).await.json()["request_counts"]["succeeded"], 0, "counted at the end");
    upstream.move_batches(BatchPhase::Expired);
    let ended = get(&upstream, &path).await.json();
    assert_eq!(ended["processing_status"], "ended");
    let counts = json!({"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 1});
    assert_eq!(ended["request_counts"], counts);
    assert!(
        ended["results_url"]
            .as_str()
            .is_some_and(|url| url == format!("{}{path}/results", upstream.origin()))
    );
    let text = get(&upstream, &format!("{path}/results")).await.text();
    let results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(results[0], json!({"custom_id": "c", "result": {"type": "expired"}}));
    assert_eq!(results[1]["result"]["error"]["error"]["type"], "overloaded_error");
    assert_eq!(results[2]["result"]["message"]["content"][0]["text"], "네");
    assert_eq!(results[2]["result"]["message"]["usage"]["service_tier"], "batch");
    for texts in [&[][..], &[("a b", "Hi")], &[("a", "Hi"), ("a", "Hi")]] {
        assert_eq!(anthropic_batch(&upstream, texts).await.status, 400);
    }
    assert_eq!(upstream.billed().batches, 1);
}

#[tokio::test]
async fn faults_come_instead_of_the_request_or_behind_it() {
    let upstream = Upstream::start(Dialect::Anthropic).await;
    upstream.script_for(Endpoint::BatchCreate, [Turn::status(429).retry_after(3), Turn::drop_connection()]);
    let refused = anthropic_batch(&upstream, &[("a", "Hi")]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("3")));
    assert_eq!(upstream.batches().len(), 0);
    let request = json!({"requests": [{"custom_id": "a", "params": {
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}],
    }}]});
    let url = format!("{}/v1/messages/batches", upstream.origin());
    let lost = client().request(crate::support::request("POST", &url, &request)).await;
    assert!(lost.is_err(), "the connection drops");
    let batch = upstream.batches().remove(0);
    assert_eq!(batch.custom_ids, ["a"], "and the batch was made");
    upstream.move_batches(BatchPhase::Completed);
    let results = format!("/v1/messages/batches/{}/results", batch.id);
    upstream.script_for(
        Endpoint::BatchResults,
        [Turn::status(500), Turn::empty().cut_after(0), Turn::empty().garbage_after(0)],
    );
    assert_eq!(get(&upstream, &results).await.status, 500);
    let cut = get(&upstream, &results).await;
    assert!(cut.broken && cut.text().starts_with("{\"custom_id\":\"a\"") && !cut.text().contains('\n'));
    let spoilt = get(&upstream, &results).await;
    assert!(!spoilt.broken && spoilt.text().ends_with('\n'));
    assert!(serde_json::from_str::<Value>(&spoilt.text()).is_err());
    let whole = get(&upstream, &results).await.text();
    assert!(serde_json::from_str::<Value>(&whole).is_ok(), "{whole}");
}

#[tokio::test]
async fn batches_are_steered_over_http() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let admin = format!("{}/__batches", upstream.origin());
    assert_eq!(post(&admin, &json!({"pace": "manual"})).await.status, 200);
    let made = create(&upstream, &[line("a", "Hi"), line("b", "Ho")]).await;
    let told = post(&admin, &json!({"batch": made["id"], "answer": 1, "to": "expired"})).await.json();
    let batch = &told["batches"][0];
    assert_eq!(
        (&batch["status"], &batch["answered"], &batch["failed"]),
        (&json!("expired"), &json!(1), &json!(1))
    );
    let billed = json!({
        "batches": 1, "texts": {"Hi": 1}, "live": {"answers": 0, "input_tokens": 0, "output_tokens": 0},
        "batch": {"answers": 1, "input_tokens": 12, "output_tokens": 8},
    });
    assert_eq!(get(&upstream, "/__batches").await.json()["billed"], billed);
    for wrong in [json!({"to": "nowhere"}), json!([]), json!({"batches": 1})] {
        assert_eq!(post(&admin, &wrong).await.status, 400);
    }
    let script = format!("{}/__script", upstream.origin());
    let scripted = json!({"endpoint": "batch_list", "turns": [{"status": 503}]});
    assert_eq!(post(&script, &scripted).await.status, 200);
    assert_eq!(get(&upstream, "/v1/batches").await.status, 503);
    assert_eq!(get(&upstream, "/v1/batches").await.status, 200);
    assert_eq!(post(&script, &json!({"endpoint": "nothing", "turns": []})).await.status, 400);
}
