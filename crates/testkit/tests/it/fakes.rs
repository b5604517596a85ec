//! Proves the fakes of the core's ports.

use nunchi_core::{
    Clock, Ids, Message, Model, ModelError, ModelErrorKind, ModelRequest, Reply, ReplyEvent, Role, Spawn,
    TaskName, assemble_reply,
};
use nunchi_testkit::{ManualClock, ScriptedModel, ScriptedReply, SequentialIds, TokioSpawn, owner_context};
use std::pin::Pin;
use std::time::Duration;

async fn call(model: &ScriptedModel) -> Result<Reply, ModelError> {
    let request = ModelRequest::new("m", vec![Message::text(Role::User, "Hi")]);
    model.call(request, owner_context()).await
}

/// Reads a reply: its events, and the error it ended with.
async fn read(mut reply: Reply) -> (Vec<ReplyEvent>, Option<ModelError>) {
    let mut events = Vec::new();
    loop {
        let next =
            std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::as_mut(&mut reply.stream), cx));
        match next.await {
            Some(Ok(frame)) => events.extend(frame.events),
            Some(Err(error)) => return (events, Some(error)),
            None => return (events, None),
        }
    }
}

#[tokio::test]
async fn a_scripted_model_follows_its_script() {
    let cut = || ModelError::new(ModelErrorKind::Cut, "");
    let model = ScriptedModel::new([
        ScriptedReply::error(ModelError::new(ModelErrorKind::RateLimited, "")),
        ScriptedReply::text("one two three").fail_after(2, cut()),
    ]);
    assert_eq!(call(&model).await.expect_err("a refusal").kind, ModelErrorKind::RateLimited);
    let (events, error) = read(call(&model).await.expect("a reply")).await;
    assert_eq!((events.len(), error), (2, Some(cut())));
    let (events, error) = read(call(&model).await.expect("a reply")).await;
    assert_eq!((assemble_reply(&events).usage.output, error), (8, None));
    drop(call(&model).await.expect("a reply"));
    assert_eq!((model.calls(), model.completed(), model.dropped(), model.most_open()), (4, 3, 1, 1));
}

#[test]
fn time_and_ids_are_under_control() {
    let clock = ManualClock::at("2026-03-29T00:59:59Z");
    clock.advance(Duration::from_secs(1));
    assert_eq!(clock.now().to_string(), "2026-03-29T01:00:00Z");
    clock.jump(ManualClock::new().now());
    assert_eq!(clock.monotonic(), Duration::from_secs(1));
    let ids = SequentialIds::new();
    let (first, second) = (ids.new_id(), ids.new_id());
    assert!(first < second && first == SequentialIds::nth(1));
    assert_eq!(first.get_version_num(), 7);
}

#[tokio::test]
async fn tasks_are_remembered_by_name() {
    let spawn = TokioSpawn::new();
    spawn.spawn(TaskName::Call, Box::pin(async {}));
    spawn.finish().await;
    spawn.spawn(TaskName::CacheSweeper, Box::pin(std::future::pending()));
    assert_eq!((spawn.started(TaskName::Call), spawn.running(TaskName::Call)), (1, 0));
    assert_eq!(spawn.running(TaskName::CacheSweeper), 1);
    spawn.cancel().await;
    assert_eq!(spawn.running(TaskName::CacheSweeper), 0);
    assert_eq!(spawn.names(), [TaskName::Call, TaskName::CacheSweeper]);
}
