//! How streams flow: as they come, no faster than they are read, never silent for long, ended when the client goes.

use crate::rendering::ask;
use crate::support::{World, info, post, start};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use nunchi_core::{Frame, Reply, ReplyEvent, StopReason};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::ServiceExt;

const CHAT: &str = "/v1/chat/completions";

fn text(n: usize) -> Frame {
    Frame::of(vec![ReplyEvent::Text(format!("piece {n} "))])
}

#[tokio::test(start_paused = true)]
async fn each_piece_is_sent_when_it_comes() {
    let world = World::new(|| {
        let frames = stream::unfold(0_usize, |n| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (n < 5).then(|| (Ok(text(n)), n + 1))
        });
        Ok(Reply { info: info(), stream: frames.boxed() })
    });
    let response = world.router.clone().oneshot(post(CHAT, ask(CHAT, true))).await.unwrap();
    for (header, value) in [("cache-control", "no-cache"), ("x-accel-buffering", "no")] {
        assert_eq!(response.headers()[header], value);
    }
    let began = tokio::time::Instant::now();
    let mut body = response.into_body();
    for n in 0..5 {
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(String::from_utf8_lossy(&piece).contains(&format!("piece {n}")));
        assert_eq!(began.elapsed().as_secs(), n + 1);
    }
}

#[tokio::test]
async fn what_is_ready_together_is_sent_together() {
    let frames = (0..200).map(text).chain([Frame::of(vec![ReplyEvent::End(StopReason::EndTurn)])]).collect();
    let world = World::frames(frames);
    let response = world.router.clone().oneshot(post(CHAT, ask(CHAT, true))).await.unwrap();
    let mut body = response.into_body();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap().len());
    }
    assert!(pieces.len() < 20 && pieces.iter().all(|size| *size < 20 << 10), "{pieces:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_comments() {
    let world = World::new(|| {
        let late = stream::once(async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            Ok(Frame::of(vec![start(), ReplyEvent::Text("x".into()), ReplyEvent::End(StopReason::EndTurn)]))
        });
        Ok(Reply { info: info(), stream: late.boxed() })
    });
    let got = world.post(CHAT, ask(CHAT, true)).await;
    assert_eq!(got.text().matches(": keep-alive\n\n").count(), 2);
    assert!(got.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_lively_stream_needs_no_comments() {
    let world = World::new(|| {
        let frames = stream::unfold(0_usize, |n| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            (n < 6).then(|| (Ok(text(n)), n + 1))
        });
        Ok(Reply { info: info(), stream: frames.boxed() })
    });
    assert!(!world.post(CHAT, ask(CHAT, true)).await.text().contains("keep-alive"));
}

/// A client that does not read holds the upstream back; nothing piles up here.
#[tokio::test]
async fn no_faster_than_it_is_read() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&pulled);
    let world = World::new(move || {
        let counter = Arc::clone(&counter);
        let endless = stream::iter(0..).map(move |n| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(text(n))
        });
        Ok(Reply { info: info(), stream: endless.boxed() })
    });
    let response = world.router.clone().oneshot(post(CHAT, ask(CHAT, true))).await.unwrap();
    assert_eq!(pulled.load(Ordering::Relaxed), 0);
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    let after_one = pulled.load(Ordering::Relaxed);
    assert!(after_one > 0 && after_one < 200, "{after_one}");
    tokio::task::yield_now().await;
    assert_eq!(pulled.load(Ordering::Relaxed), after_one);
}

struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// When the client goes, the reply is dropped at once, whether it is streamed or collected.
#[tokio::test(start_paused = true)]
async fn a_client_that_goes_ends_the_call() {
    let gone = Arc::new(AtomicUsize::new(0));
    let witness = Arc::clone(&gone);
    let world = World::new(move || {
        let guard = Gone(Arc::clone(&witness));
        let frames = stream::iter([Ok(text(0))]).chain(stream::pending()).map(move |frame| {
            let _ = &guard;
            frame
        });
        Ok(Reply { info: info(), stream: frames.boxed() })
    });
    let response = world.router.clone().oneshot(post(CHAT, ask(CHAT, true))).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(gone.load(Ordering::Relaxed), 0);
    drop(body);
    assert_eq!(gone.load(Ordering::Relaxed), 1);
    let collected = world.router.clone().oneshot(post(CHAT, ask(CHAT, false)));
    assert!(tokio::time::timeout(Duration::from_secs(5), collected).await.is_err());
    assert_eq!(gone.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn two_thousand_streams() {
    let world = Arc::new(World::new(|| {
        let frames = (0..20).map(text).chain([Frame::of(vec![ReplyEvent::End(StopReason::EndTurn)])]);
        Ok(crate::support::reply(frames.map(Ok).collect()))
    }));
    let streams = (0..2_000).map(|_| {
        let world = Arc::clone(&world);
        async move { world.post(CHAT, ask(CHAT, true)).await.text().matches("piece").count() }
    });
    let counts: Vec<usize> = stream::iter(streams).buffer_unordered(500).collect().await;
    assert_eq!(counts, vec![20; 2_000]);
}
