//! Both Batch APIs against servers that keep batches, over real sockets.

use crate::support::{config, deps};
use bytes::Bytes;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    BatchAnswer, BatchItem, BatchModel, BatchOutcome, BatchSearch, BatchTicket, CallId, Dialect, Explain,
    Frame, Message, ModelError, ModelErrorKind, ModelRequest, Origin, Part, ReplyBody, Role, ToolDefinition,
    assemble_reply,
};
use nunchi_providers::{Provider, ProviderConfig, ProviderKind, Secret, Timeouts};
use nunchi_testkit::{BatchPace, BatchPhase, Dialect as Wire, Endpoint, Turn, Upstream, steer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The kinds that have batches, and what they speak to.
const KINDS: [(ProviderKind, Wire); 4] = [
    (ProviderKind::OpenAi, Wire::OpenAi),
    (ProviderKind::OpenAiResponses, Wire::OpenAi),
    (ProviderKind::Compatible, Wire::OpenAi),
    (ProviderKind::Anthropic, Wire::Anthropic),
];

const MARKER: Uuid = Uuid::from_u128(0xC0FFEE);

fn built(config: ProviderConfig) -> Arc<dyn BatchModel> {
    Arc::new(Provider::new(config, deps()).unwrap()).batch().expect("batches")
}

fn batches(kind: ProviderKind, upstream: &Upstream) -> Arc<dyn BatchModel> {
    built(ProviderConfig { batch: Some(true), ..config(kind, upstream.base_url()) })
}

fn id(number: u128) -> CallId {
    CallId(Uuid::from_u128(number))
}

fn ids(count: u128) -> Vec<CallId> {
    (1..=count).map(id).collect()
}

fn item(number: u128, text: &str) -> BatchItem {
    // Whoever asks for a stream gets none from a batch.
    let request = ModelRequest {
        stream: true,
        max_output_tokens: Some(64),
        ..ModelRequest::new("gpt-5-mini", vec![Message::text(Role::User, text)])
    };
    BatchItem { id: id(number), request }
}

fn items(texts: &[&str]) -> Vec<BatchItem> {
    texts.iter().enumerate().map(|(at, text)| item(at as u128 + 1, text)).collect()
}

async fn read(model: &dyn BatchModel, ticket: &BatchTicket) -> Vec<Result<BatchAnswer, ModelError>> {
    model.answers(ticket).await.expect("answers").collect().await
}

/// The outcomes of all requests; each comes once.
async fn outcomes(model: &dyn BatchModel, ticket: &BatchTicket) -> BTreeMap<CallId, BatchOutcome> {
    let answers = read(model, ticket).await;
    let count = answers.len();
    let map: BTreeMap<_, _> = answers
        .into_iter()
        .map(|answer| answer.expect("an answer"))
        .map(|answer| (answer.id, answer.outcome))
        .collect();
    assert_eq!(map.len(), count, "no answer comes twice");
    map
}

fn frames(outcome: &BatchOutcome) -> &[Frame] {
    let answered = match outcome {
        BatchOutcome::Answered(frames) => Ok(frames),
        other => Err(other),
    };
    answered.expect("an answer")
}

fn body(outcome: &BatchOutcome) -> ReplyBody {
    assemble_reply(frames(outcome).iter().flat_map(|frame| &frame.events))
}

fn text(outcome: &BatchOutcome) -> String {
    body(outcome).choices[0].parts.iter().filter_map(Part::as_text).collect()
}

fn failure(outcome: &BatchOutcome) -> &ModelError {
    let failed = match outcome {
        BatchOutcome::Failed(error) => Ok(error),
        other => Err(other),
    };
    failed.expect("a failure")
}

/// Since when a batch handed over now is looked for.
fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test]
async fn a_batch_is_handed_over_followed_and_read() {
    for (kind, wire) in KINDS {
        let upstream = Upstream::start(wire).await;
        upstream.require_key("sk-test");
        upstream.respond_with(steer);
        upstream.batch_pace(BatchPace::Polls(3));
        let model = batches(kind, &upstream);
        let texts = ["say: 안녕하세요, 배치입니다", "fail 400", "think", "fail 429"];
        let ticket = model.submit(MARKER, items(&texts)).await.expect("a ticket");
        let status = model.status(&ticket).await.expect("a status");
        assert!(!status.ended, "{kind:?}: {status:?}");
        assert!(status.expires.is_some_and(|at| at > now()));
        let early = model.answers(&ticket).await.err().expect("too early");
        assert_eq!(early.kind, ModelErrorKind::InvalidRequest, "{kind:?}: {early}");
        let mut ended = model.status(&ticket).await.expect("a status");
        while !ended.ended {
            ended = model.status(&ticket).await.expect("a status");
        }
        assert_eq!((ended.answered, ended.failed), (2, 2), "{kind:?}");
        let got = outcomes(&*model, &ticket).await;
        assert_eq!(got.keys().copied().collect::<Vec<_>>(), ids(4));
        assert_eq!(text(&got[&id(1)]), "안녕하세요, 배치입니다", "{kind:?}");
        assert_eq!(failure(&got[&id(2)]).kind, ModelErrorKind::InvalidRequest);
        assert_eq!(failure(&got[&id(4)]).kind, ModelErrorKind::RateLimited);
        assert_eq!(failure(&got[&id(4)]).provider.as_deref(), Some("up"));
        assert!(body(&got[&id(3)]).usage.reasoning > 0, "usage is read as of live calls");
        let raw = frames(&got[&id(1)])[0].raw.as_ref().expect("the provider's own bytes");
        assert!(String::from_utf8_lossy(&raw.data).contains("안녕하세요"));
        // Reading again from the start is safe.
        assert_eq!(outcomes(&*model, &ticket).await.len(), 4);
        let billed = upstream.billed();
        assert_eq!((billed.batches, billed.batch.answers, billed.live.answers), (1, 2, 0), "{kind:?}");
        assert_eq!(upstream.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_batched_answer_is_the_live_answer() {
    use nunchi_core::Model;
    for (kind, wire) in KINDS {
        let upstream = Upstream::start(wire).await;
        upstream.respond_with(steer);
        let parameters = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
        let tool = ToolDefinition {
            name: "get_weather".into(),
            description: None,
            parameters: Some(serde_json::value::RawValue::from_string(parameters.into()).unwrap()),
            strict: None,
            builtin: None,
        };
        for prompt in ["use the weather tool", "think", "use the cache", "refuse", "count to 3"] {
            let mut request = item(1, prompt).request;
            request.tools = vec![tool.clone()];
            let config = ProviderConfig { batch: Some(true), ..config(kind, upstream.base_url()) };
            let provider = Arc::new(Provider::new(config, deps()).unwrap());
            let live = ModelRequest { stream: false, ..request.clone() };
            let reply = provider.call(live, nunchi_testkit::owner_context()).await.expect("a reply");
            let live = crate::support::drain(reply).await.body();
            let model = provider.batch().expect("batches");
            let ticket =
                model.submit(MARKER, vec![BatchItem { id: id(1), request }]).await.expect("a ticket");
            model.status(&ticket).await.expect("a status");
            let batched = body(&outcomes(&*model, &ticket).await[&id(1)]);
            assert_eq!(batched.choices, live.choices, "{kind:?} {prompt}");
            assert_eq!(batched.usage, live.usage, "{kind:?} {prompt}");
        }
    }
}

#[tokio::test]
async fn a_thousand_requests_in_one_batch() {
    for (kind, wire) in [(ProviderKind::OpenAi, Wire::OpenAi), (ProviderKind::Anthropic, Wire::Anthropic)] {
        let upstream = Upstream::start(wire).await;
        upstream.respond_with(steer);
        let model = batches(kind, &upstream);
        let many = (1..=1_000).map(|number| item(number, &format!("say: {number}번째 답"))).collect();
        let ticket = model.submit(MARKER, many).await.expect("a ticket");
        assert_eq!(model.status(&ticket).await.expect("a status").answered, 1_000);
        let got = outcomes(&*model, &ticket).await;
        assert_eq!(got.len(), 1_000);
        for (number, outcome) in (1..=1_000_u128).zip(got.values()) {
            assert_eq!(text(outcome), format!("{number}번째 답"));
        }
        let billed = upstream.billed();
        assert_eq!((billed.batches, billed.batch.answers), (1, 1_000));
        assert!(billed.texts.values().all(|count| *count == 1));
    }
}

#[tokio::test]
async fn the_callers_own_bytes_go_into_the_batch() {
    for (kind, wire, dialect, path) in [
        (ProviderKind::OpenAi, Wire::OpenAi, Dialect::OpenAiChat, "body"),
        (ProviderKind::Anthropic, Wire::Anthropic, Dialect::Anthropic, "params"),
    ] {
        let upstream = Upstream::start(wire).await;
        let model = batches(kind, &upstream);
        let own = "{\n  \"messages\": [{\"role\":\"user\",\"content\":\"줄\\n바꿈\"}],\r\n  \"stream\": true,\n  \
                   \"metadata\": {\"user_id\": \"u\"},\n  \"max_tokens\": 64, \"model\": \"x\"}";
        let mut request = item(1, "줄\n바꿈").request;
        request.origin = Some(Origin { dialect, body: Bytes::from_static(own.as_bytes()) });
        model.submit(MARKER, vec![BatchItem { id: id(1), request }]).await.expect("a ticket");
        let sent = upstream.requests().remove(0);
        let raw = String::from_utf8(sent.raw.to_vec()).expect("UTF-8");
        let line = raw.lines().find(|line| line.contains("custom_id")).expect("a request");
        assert!(line.contains("\"metadata\": {\"user_id\": \"u\"}"), "spelling is kept: {line}");
        assert!(!line.contains("stream"), "{line}");
        let parsed: serde_json::Value = serde_json::from_str(line).expect("one request on one line");
        let request = parsed["requests"].get(0).unwrap_or(&parsed);
        assert_eq!(request[path]["messages"][0]["content"], "줄\n바꿈");
        assert_eq!(request[path]["model"], "gpt-5-mini");
        assert_eq!(request["custom_id"], id(1).to_string());
    }
}

#[tokio::test]
async fn expired_and_cancelled_requests_are_told() {
    for (kind, wire) in KINDS {
        let upstream = Upstream::start(wire).await;
        upstream.batch_pace(BatchPace::Manual);
        let model = batches(kind, &upstream);
        let ticket = model.submit(MARKER, items(&["a", "b", "c"])).await.expect("a ticket");
        upstream.answer_in_batches(1);
        upstream.move_batches(BatchPhase::Expired);
        let status = model.status(&ticket).await.expect("a status");
        assert_eq!((status.ended, status.answered, status.failed), (true, 1, 2), "{kind:?}");
        let got = outcomes(&*model, &ticket).await;
        assert!(matches!(got[&id(1)], BatchOutcome::Answered(_)));
        assert!(
            matches!((&got[&id(2)], &got[&id(3)]), (BatchOutcome::Expired, BatchOutcome::Expired)),
            "{got:?}"
        );

        let ticket = model.submit(MARKER, items(&["a", "b"])).await.expect("a ticket");
        upstream.answer_in_batches(1);
        model.cancel(&ticket).await.expect("asked to stop");
        assert!(!model.status(&ticket).await.expect("a status").ended, "{kind:?}: it is still stopping");
        upstream.move_batches(BatchPhase::Cancelled);
        assert!(model.status(&ticket).await.expect("a status").ended);
        let got = outcomes(&*model, &ticket).await;
        assert!(matches!((&got[&id(1)], &got[&id(2)]), (BatchOutcome::Answered(_), BatchOutcome::Cancelled)));
        model.cancel(&ticket).await.expect("stopping what has ended is no error");
        let nowhere = BatchTicket("batch_none".into());
        assert_eq!(model.cancel(&nowhere).await.unwrap_err().kind, ModelErrorKind::InvalidRequest);
        assert_eq!(model.status(&nowhere).await.unwrap_err().kind, ModelErrorKind::InvalidRequest);
        assert!(model.answers(&nowhere).await.is_err());
        assert!(model.status(&BatchTicket("../models".into())).await.is_err());
    }
}

#[tokio::test]
async fn a_refused_input_fails_every_request_of_it() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    upstream.batch_pace(BatchPace::Manual);
    let model = batches(ProviderKind::OpenAi, &upstream);
    let ticket = model.submit(MARKER, items(&["a", "b"])).await.expect("a ticket");
    upstream.move_batches(BatchPhase::Failed);
    assert!(model.status(&ticket).await.expect("a status").ended);
    let got = outcomes(&*model, &ticket).await;
    assert_eq!(got.keys().copied().collect::<Vec<_>>(), ids(2));
    for outcome in got.values() {
        // Too many queued tokens: another time it may be taken.
        assert_eq!(failure(outcome).kind, ModelErrorKind::RateLimited);
    }
    let mut mixed = items(&["a", "b"]);
    mixed[1].request.model = "gpt-5".into();
    let error = model.submit(MARKER, mixed).await.unwrap_err();
    assert_eq!(
        (error.kind.clone(), error.may_be_charged()),
        (ModelErrorKind::InvalidRequest, false),
        "{error}"
    );
    for wrong in [items(&[]), vec![item(1, "a"), item(1, "b")]] {
        assert_eq!(model.submit(MARKER, wrong).await.unwrap_err().kind, ModelErrorKind::InvalidRequest);
    }
    assert_eq!(upstream.billed().batches, 1);
}

#[tokio::test]
async fn a_batch_whose_ticket_was_lost_is_found() {
    for (kind, wire) in KINDS {
        let upstream = Upstream::start(wire).await;
        upstream.batch_pace(BatchPace::Manual);
        let model = batches(kind, &upstream);
        let since = now();
        assert_eq!(model.find(MARKER, since, &ids(2), &[]).await.unwrap(), BatchSearch::Absent, "{kind:?}");
        // Others: of another size, and of the same.
        let larger = model.submit(Uuid::from_u128(1), items(&["a", "b", "c"])).await.expect("a ticket");
        let same =
            model.submit(Uuid::from_u128(2), vec![item(8, "x"), item(9, "y")]).await.expect("a ticket");
        upstream.script_for(Endpoint::BatchCreate, [Turn::drop_connection()]);
        let lost = model.submit(MARKER, items(&["a", "b"])).await.unwrap_err();
        assert!(lost.may_be_charged(), "{kind:?}: {lost}");
        assert_eq!(lost.provider.as_deref(), Some("up"));
        let made = BatchTicket(upstream.batches()[2].id.clone());
        let look = async |known: &[BatchTicket]| model.find(MARKER, since, &ids(2), known).await.unwrap();
        if kind == ProviderKind::Anthropic {
            assert_eq!(look(&[larger.clone(), same.clone()]).await, BatchSearch::Undecided);
            upstream.move_batch(&same.0, BatchPhase::Completed);
            upstream.move_batch(&larger.0, BatchPhase::Completed);
            assert_eq!(look(&[]).await, BatchSearch::Undecided, "{kind:?}: one is still running");
            assert_eq!(look(std::slice::from_ref(&made)).await, BatchSearch::Absent);
            upstream.move_batches(BatchPhase::Completed);
            // A search does not fail over to "absent" when results cannot be had.
            upstream.script_for(Endpoint::BatchResults, [Turn::status(500)]);
            assert!(model.find(MARKER, since, &ids(2), &[]).await.is_err());
        }
        assert_eq!(look(&[]).await, BatchSearch::Found(made.clone()), "{kind:?}");
        assert_eq!(look(&[larger, same, made]).await, BatchSearch::Absent, "{kind:?}: known to be others");
        let later = since + SignedDuration::from_hours(1);
        let found = model.find(MARKER, later, &ids(2), &[]).await.unwrap();
        if kind == ProviderKind::Anthropic {
            assert_eq!(found, BatchSearch::Absent, "{kind:?}: made before");
        }
    }
}

#[tokio::test]
async fn a_search_reads_every_page() {
    for (kind, wire) in [(ProviderKind::OpenAi, Wire::OpenAi), (ProviderKind::Anthropic, Wire::Anthropic)] {
        let upstream = Upstream::start(wire).await;
        let model = batches(kind, &upstream);
        let since = now();
        let first = model.submit(MARKER, items(&["a"])).await.expect("a ticket");
        let (pages, size) = (3, 100);
        for number in 0..(pages - 1) * size {
            model.submit(Uuid::from_u128(number + 1), vec![item(number + 10, "x")]).await.expect("a ticket");
        }
        upstream.move_batch(&first.0, BatchPhase::Completed);
        upstream.reset();
        // Those of the same size that are still running are known to be others.
        let known: Vec<BatchTicket> =
            upstream.batches().into_iter().skip(1).map(|batch| BatchTicket(batch.id)).collect();
        assert_eq!(model.find(MARKER, since, &ids(1), &known).await.unwrap(), BatchSearch::Found(first));
        let lists =
            upstream.requests().iter().filter(|seen| seen.endpoint == Some(Endpoint::BatchList)).count();
        assert_eq!(lists as u128, pages, "{kind:?}");
        let later = since + SignedDuration::from_hours(1);
        upstream.reset();
        let none = model.find(Uuid::from_u128(0xDEAD), later, &ids(1), &known).await.unwrap();
        assert_eq!(none, BatchSearch::Absent);
    }
}

#[tokio::test]
async fn refusals_are_what_they_are_live() {
    use ModelErrorKind as K;
    for (kind, wire) in KINDS {
        let upstream = Upstream::start(wire).await;
        let model = batches(kind, &upstream);
        for (turn, expected, wait, charged) in [
            (Turn::status(429).retry_after(7), K::RateLimited, Some(7), false),
            (Turn::status(401).message("bad key sk-proj-abcdefghijklmnop1234"), K::UpstreamAuth, None, false),
            (Turn::status(400), K::InvalidRequest, None, false),
            (Turn::status(404), K::Unsupported, None, false),
            (Turn::status(503), K::UpstreamFailed, None, false),
            (Turn::status(500), K::TimedOut, None, true),
            (Turn::raw(200, "application/json", "{\"object\":"), K::TimedOut, None, true),
            (Turn::html(200), K::TimedOut, None, true),
        ] {
            upstream.script_for(Endpoint::BatchCreate, [turn.clone()]);
            let error = model.submit(MARKER, items(&["a"])).await.unwrap_err();
            assert_eq!(
                (&error.kind, error.may_be_charged()),
                (&expected, charged),
                "{kind:?} {turn:?}: {error}"
            );
            assert_eq!(
                error.retry_after.map(|wait| wait.as_secs()),
                wait.or(error.retry_after.map(|w| w.as_secs()))
            );
            assert!(!format!("{error:?}").contains("abcdefgh"), "{error:?}");
            assert!(!error.message(nunchi_core::Lang::Ko).is_empty());
        }
        assert_eq!(upstream.batches().len(), 0);
        let ticket = model.submit(MARKER, items(&["a"])).await.expect("a ticket");
        upstream.script_for(Endpoint::BatchStatus, [Turn::status(429).retry_after(9)]);
        let error = model.status(&ticket).await.unwrap_err();
        assert_eq!((error.kind, error.retry_after), (K::RateLimited, Some(Duration::from_secs(9))));
        upstream.script_for(Endpoint::BatchList, [Turn::status(500)]);
        assert_eq!(model.find(MARKER, now(), &ids(1), &[]).await.unwrap_err().kind, K::UpstreamFailed);
        upstream.script_for(Endpoint::BatchCancel, [Turn::status(503).header("retry-after", "4")]);
        let error = model.cancel(&ticket).await.unwrap_err();
        assert_eq!((error.kind, error.retry_after), (K::UpstreamFailed, Some(Duration::from_secs(4))));
    }
}

#[tokio::test]
async fn an_upload_that_fails_has_made_no_batch() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = batches(ProviderKind::OpenAi, &upstream);
    for turn in [Turn::drop_connection(), Turn::status(500), Turn::status(429).retry_after(1)] {
        upstream.script_for(Endpoint::FileUpload, [turn]);
        let error = model.submit(MARKER, items(&["a"])).await.unwrap_err();
        assert!(!error.may_be_charged(), "{error}");
    }
    assert_eq!(upstream.billed().batches, 0);
}

#[tokio::test]
async fn silence_behind_a_submission_may_be_charged() {
    for (kind, wire) in KINDS {
        let upstream = Upstream::start(wire).await;
        upstream.script_for(Endpoint::BatchCreate, [Turn::hang()]);
        let short = Duration::from_millis(300);
        let timeouts = Timeouts { connect: short, first_byte: short, between_bytes: short };
        let model =
            built(ProviderConfig { batch: Some(true), timeouts, ..config(kind, upstream.base_url()) });
        let error = model.submit(MARKER, items(&["a"])).await.unwrap_err();
        assert!(error.kind == ModelErrorKind::TimedOut && error.may_be_charged(), "{error}");
        assert_eq!(upstream.batches().len(), 1, "{kind:?}: and it was made");
    }
    let mut upstream = Upstream::start(Wire::Anthropic).await;
    let model = batches(ProviderKind::Anthropic, &upstream);
    upstream.stop().await;
    let error = model.submit(MARKER, items(&["a"])).await.unwrap_err();
    assert_eq!((error.kind.clone(), error.may_be_charged()), (ModelErrorKind::Unreachable, false));
}

#[tokio::test]
async fn results_that_break_can_be_read_again() {
    for (kind, wire) in [(ProviderKind::OpenAi, Wire::OpenAi), (ProviderKind::Anthropic, Wire::Anthropic)] {
        let upstream = Upstream::start(wire).await;
        let model = batches(kind, &upstream);
        let ticket = model.submit(MARKER, items(&["a", "b", "c"])).await.expect("a ticket");
        model.status(&ticket).await.expect("a status");
        upstream.script_for(Endpoint::BatchResults, [Turn::status(500), Turn::empty().cut_after(1)]);
        assert_eq!(model.answers(&ticket).await.err().expect("a 500").kind, ModelErrorKind::UpstreamFailed);
        let cut = read(&*model, &ticket).await;
        assert_eq!(cut.len(), 2, "one answer, then the end: {cut:?}");
        assert_eq!(cut[0].as_ref().expect("an answer").id, id(3));
        let error = cut[1].as_ref().unwrap_err();
        assert_eq!((error.kind.clone(), error.provider.as_deref()), (ModelErrorKind::Cut, Some("up")));

        upstream.script_for(Endpoint::BatchResults, [Turn::empty().garbage_after(1)]);
        let got = outcomes(&*model, &ticket).await;
        assert_eq!(
            failure(&got[&id(2)]).kind,
            ModelErrorKind::Garbage,
            "a broken line is its request's failure"
        );
        assert!(matches!(
            (&got[&id(1)], &got[&id(3)]),
            (BatchOutcome::Answered(_), BatchOutcome::Answered(_))
        ));

        let half = r#"{"custom_id":"00000000000000000000000000000001","response":{"status"#;
        for (lines, kind) in
            [(half.to_owned(), ModelErrorKind::Cut), ("{}\n".to_owned(), ModelErrorKind::Garbage)]
        {
            upstream.script_for(Endpoint::BatchResults, [Turn::raw(200, "application/x-jsonl", lines)]);
            let got = read(&*model, &ticket).await;
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].as_ref().unwrap_err().kind, kind);
        }
        assert_eq!(outcomes(&*model, &ticket).await.len(), 3);
        assert_eq!(upstream.billed().batch.answers, 3, "reading costs nothing");
    }
}

#[tokio::test]
async fn who_has_batches() {
    let has = |kind, url: &str, batch| {
        let own = ProviderConfig {
            base_url: url.into(),
            batch,
            secret: Some(Secret::new("k")),
            ..ProviderConfig::new("p", kind)
        };
        Arc::new(Provider::new(own, deps()).unwrap()).batch().is_some()
    };
    use ProviderKind as K;
    for (kind, url, batch, expected) in [
        (K::OpenAi, "https://api.openai.com/v1", None, true),
        (K::OpenAi, "https://api.openai.com/v1/", None, true),
        (K::OpenAiResponses, "https://api.openai.com/v1", None, true),
        (K::Anthropic, "https://api.anthropic.com", None, true),
        (K::OpenAi, "https://api.openai.com/v1", Some(false), false),
        (K::OpenAi, "http://127.0.0.1:1/v1", None, false),
        (K::Compatible, "http://127.0.0.1:1/v1", None, false),
        (K::Compatible, "http://127.0.0.1:1/v1", Some(true), true),
        (K::Anthropic, "http://127.0.0.1:1", Some(true), true),
        (K::Gemini, "https://generativelanguage.googleapis.com", Some(true), false),
        (K::Ollama, "http://127.0.0.1:11434", Some(true), false),
        (K::Perplexity, "https://api.perplexity.ai", Some(true), false),
    ] {
        assert_eq!(has(kind, url, batch), expected, "{kind:?} {url} {batch:?}");
    }
    let upstream = Upstream::start(Wire::OpenAi).await;
    let limits = batches(K::OpenAi, &upstream).limits();
    assert_eq!((limits.items, limits.bytes), (50_000, 200_000_000));
    let limits = batches(K::Anthropic, &upstream).limits();
    assert_eq!((limits.items, limits.bytes), (100_000, 256_000_000));
}
