//! A model that cannot call tools still answers where no tool is needed.

use crate::support::{World, run, says};
use nunchi_core::{ModelError, ModelErrorKind, RunStatus, StepKind};
use nunchi_testkit::ScriptedReply;

#[tokio::test]
async fn it_answers_without_them_and_the_record_says_so() {
    let world = World::new();
    let cannot = || ScriptedReply::error(ModelError::new(ModelErrorKind::Unsupported, "tools"));
    let script = vec![cannot(), says("Paris.")];
    let model = nunchi_testkit::ScriptedModel::new(script);
    let process = world.process(std::sync::Arc::new(model.clone()));
    let id = process.agent.start(world.order("What is the capital of France?")).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!(record.status, RunStatus::Done, "{record:?}");
    assert_eq!(record.outcome.unwrap().text, "Paris.");
    let calls = model.requests();
    assert!(!calls[0].0.tools.is_empty() && calls[1].0.tools.is_empty());
    assert_eq!(calls[1].0.messages.len(), 1, "nor is it told how to use them");
    let steps = world.runs.all_steps(id);
    assert!(
        steps
            .iter()
            .any(|step| step.kind == StepKind::Guard && step.code.as_deref() == Some("model.toolless"))
    );

    // A plan needs them: it is not pretended.
    let mut order = world.order("Write a.md and then send it to kim.");
    order.mode = nunchi_core::Mode::Deliberate;
    let (record, _) = run(&world, order, vec![cannot(), cannot(), cannot()]).await;
    assert_eq!(record.status, RunStatus::Failed);
}
