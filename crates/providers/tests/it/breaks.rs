//! Everything that can go wrong between us and an upstream.

use crate::support::{answer, ask, call, config, deps, drain, hasty, provider};
use futures_util::StreamExt;
use nunchi_core::{ModelErrorKind, ReplyEvent};
use nunchi_providers::{Provider, ProviderKind};
use nunchi_testkit::{ChunkPlan, Dialect as Wire, Turn, Upstream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

async fn failure(provider: &Provider, stream: bool) -> nunchi_core::ModelError {
    match call(provider, ask("Hi", stream)).await {
        Ok(reply) => drain(reply).await.error.expect("an error"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn statuses() {
    use ModelErrorKind as K;
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    for (turn, kind, wait) in [
        (Turn::status(429).retry_after(7), K::RateLimited, Some(7)),
        (Turn::status(429).code("insufficient_quota"), K::UpstreamAuth, None),
        (Turn::status(500), K::UpstreamFailed, None),
        (Turn::status(503).header("retry-after", "3"), K::UpstreamFailed, Some(3)),
        (Turn::status(529), K::UpstreamFailed, None),
        (Turn::status(401), K::UpstreamAuth, None),
        (Turn::status(403), K::UpstreamAuth, None),
        (Turn::status(404), K::UnknownModel, None),
        (Turn::status(400), K::InvalidRequest, None),
        (Turn::status(400).code("context_length_exceeded"), K::ContextTooLong, None),
        (Turn::status(413), K::ContextTooLong, None),
        (Turn::html(502), K::UpstreamFailed, None),
        (Turn::html(200), K::Garbage, None),
        (Turn::raw(302, "text/plain", "").header("location", "https://elsewhere.example"), K::Garbage, None),
        (Turn::raw(200, "application/json", "{\"choices\":[]}"), K::Garbage, None),
        (
            Turn::raw(200, "application/json", "{\"error\":{\"message\":\"x\",\"code\":429}}"),
            K::RateLimited,
            None,
        ),
        (Turn::raw(200, "application/json", b"\xff\xfe".to_vec()), K::Garbage, None),
    ] {
        for stream in [false, true] {
            upstream.script([turn.clone()]);
            let error = failure(&model, stream).await;
            assert_eq!(error.kind, kind, "{turn:?}: {error}");
            assert_eq!(error.provider.as_deref(), Some("up"));
            if kind == K::RateLimited || wait.is_some() {
                let waits = error.retry_after.map(|wait| wait.as_secs());
                assert!(wait.is_none() || waits == wait, "{turn:?}: {waits:?}");
            }
        }
    }
}

#[tokio::test]
async fn error_bodies_are_kept_and_masked() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    upstream.script([Turn::status(401).message("Incorrect API key provided: sk-proj-abcdefghijklmnop1234")]);
    let error = failure(&model, true).await;
    let body = String::from_utf8(error.body.clone().unwrap().1.to_vec()).unwrap();
    assert!(body.contains("invalid_api_key") && !body.contains("abcdefgh"), "{body}");
    assert!(!error.to_string().contains("abcdefgh"), "{error}");
    assert_eq!(error.status, Some(401));
}

#[tokio::test]
async fn silence_times_out() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = hasty(ProviderKind::OpenAi, &upstream);
    for (turn, stream) in [
        (Turn::hang(), false),
        (Turn::hang(), true),
        (Turn::text("one two three").hang_after(2), true),
        (Turn::text("one two three").hang_after(2), false),
    ] {
        upstream.script([turn]);
        let error = failure(&model, stream).await;
        assert_eq!(error.kind, ModelErrorKind::TimedOut, "{error}");
        assert!(error.may_be_charged());
    }
    upstream.wait_until(|seen| seen.iter().all(|seen| seen.aborted)).await;
}

#[tokio::test]
async fn a_slow_stream_that_moves_is_not_cut() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = hasty(ProviderKind::OpenAi, &upstream);
    upstream
        .script([Turn::text("one two three four five six").delay_between(60).chunks(ChunkPlan::PerEvent)]);
    let got = answer(&model, ask("Hi", true)).await;
    assert_eq!((got.text().as_str(), got.error), ("one two three four five six", None));
}

#[tokio::test]
async fn cut_broken_and_failing_streams() {
    use ModelErrorKind as K;
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    for (turn, kind) in [
        (Turn::text("one two three four").cut_after(3), K::Cut),
        (Turn::text("one two three four").without_terminator(), K::Cut),
        (Turn::text("one two three four").error_after(3, 500), K::MidStream),
        (Turn::text("one two three four").error_after(0, 429), K::RateLimited),
        (Turn::text("one two three four").garbage_after(3), K::Garbage),
    ] {
        upstream.script([turn.clone()]);
        let got = answer(&model, ask("Hi", true)).await;
        let error = got.error.unwrap_or_else(|| panic!("{turn:?}"));
        assert_eq!((&error.kind, error.provider.as_deref()), (&kind, Some("up")), "{turn:?}: {error}");
        assert!(
            !got.frames.iter().flat_map(|f| &f.events).any(|event| matches!(event, ReplyEvent::End(_)))
                || turn_is_only_unterminated(&kind)
        );
    }
    upstream.script([Turn::text("one").without_terminator()]);
    let lenient = answer(&provider(ProviderKind::Compatible, &upstream), ask("Hi", true)).await;
    assert_eq!(lenient.error, None);
}

/// Only a stream that lacks nothing but its end mark has told its reason to stop.
fn turn_is_only_unterminated(kind: &ModelErrorKind) -> bool {
    *kind == ModelErrorKind::Cut
}

#[tokio::test]
async fn whole_answers_that_break_off() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    upstream.script([Turn::text("one two").cut_after(1), Turn::garbage(), Turn::drop_connection()]);
    assert_eq!(failure(&model, false).await.kind, ModelErrorKind::Cut);
    assert_eq!(failure(&model, false).await.kind, ModelErrorKind::Garbage);
    assert_eq!(failure(&model, false).await.kind, ModelErrorKind::UpstreamFailed);
}

#[tokio::test]
async fn nobody_there() {
    let mut upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    assert_eq!(answer(&model, ask("Hi", false)).await.text(), "Hello from the scripted upstream.");
    upstream.stop().await;
    // The connection kept alive is gone as well: nothing may be sent into the void.
    assert_eq!(failure(&model, false).await.kind, ModelErrorKind::Unreachable);
    let nowhere = config(ProviderKind::OpenAi, "http://nunchi.invalid/v1".into());
    let error = failure(&Provider::new(nowhere, deps()).unwrap(), true).await;
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
}

#[tokio::test]
async fn a_dropped_reply_closes_the_upstream_connection() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    upstream.script([Turn::text("one two three four").hang_after(3)]);
    let mut reply = call(&model, ask("Hi", true)).await.unwrap();
    assert!(reply.stream.next().await.unwrap().is_ok());
    drop(reply);
    upstream.wait_for_abort().await;
    upstream.script([Turn::hang()]);
    let waiting = call(&model, ask("Hi", false));
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    upstream.wait_until(|seen| seen.iter().filter(|seen| seen.aborted).count() == 2).await;
}

/// Hands connections on to an upstream and counts them.
async fn counting(upstream: &Upstream) -> (SocketAddr, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, target) = (listener.local_addr().unwrap(), upstream.address());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut pipes = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            pipes.spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, count, tasks)
}

#[tokio::test]
async fn connections_are_used_again() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let (address, count, _tasks) = counting(&upstream).await;
    let model = Provider::new(config(ProviderKind::OpenAi, format!("http://{address}/v1")), deps()).unwrap();
    for round in 0..50 {
        if round % 10 == 0 {
            // A refusal leaves the connection as good as an answer does.
            upstream.script([Turn::status(429)]);
            assert_eq!(failure(&model, true).await.kind, ModelErrorKind::RateLimited);
        }
        let got = answer(&model, ask("Hi", round % 2 == 0)).await;
        assert_eq!((got.text().as_str(), got.error), ("Hello from the scripted upstream.", None));
    }
    assert_eq!((upstream.calls(), count.load(Ordering::SeqCst)), (55, 1));
}

#[tokio::test]
async fn many_at_once() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = Arc::new(provider(ProviderKind::OpenAi, &upstream));
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let model = Arc::clone(&model);
        tasks.spawn(async move { answer(&model, ask("Hi", number % 2 == 0)).await.text() });
    }
    let texts = tasks.join_all().await;
    assert!(texts.len() == 200 && texts.iter().all(|text| text == "Hello from the scripted upstream."));
}
