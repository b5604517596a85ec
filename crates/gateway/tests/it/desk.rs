//! Calls that can wait: collected, handed over, billed once at the batch price, and answered live when that fails.

use crate::bench::{Answer, hear};
use crate::desk_bench::{BATCH_COST, LIVE_COST, Process, Submission, World, ask, batch_of, hand_in};
use jiff::SignedDuration;
use nunchi_core::{
    CallContext, Explain, JobAnswer, JobStore, KeyId, KeyLimits, Model, ModelError, ModelErrorKind, NanoUsd,
    Outcome, Part, Principal, assemble_reply,
};
use nunchi_testkit::{Fuse, MemoryLedger, ScriptedReply, owner_context};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

async fn call(process: &Process, text: &str, context: CallContext) -> Result<Answer, ModelError> {
    hear(process.gateway.call(ask("cloud/m", text), context).await?).await
}

/// The texts of a batch's answers, or their errors' codes, by line.
async fn lines(world: &World, batch: nunchi_core::BatchId) -> Vec<String> {
    let all = world.jobs.lines(batch, 0, 1_000).await.unwrap();
    all.into_iter()
        .map(|stored| match stored.answer {
            Some(JobAnswer::Answered { frames, .. }) => {
                let reply = assemble_reply(frames.iter().flat_map(|frame| &frame.events));
                reply.choices[0].parts.iter().filter_map(Part::as_text).collect()
            }
            Some(JobAnswer::Failed(error)) => error.code().to_owned(),
            Some(JobAnswer::Cancelled) => "cancelled".to_owned(),
            None => "open".to_owned(),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_can_wait_costs_the_batch_price() {
    let world = World::new();
    let process = world.start().await;
    let answer = call(&process, "hello", world.within(120)).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.cache), ("batch: hello", "miss"));
    assert_eq!((answer.summary.cost, answer.summary.saved), (BATCH_COST, LIVE_COST - BATCH_COST));
    assert!(answer.reason.contains("Batch API"), "{}", answer.reason);
    world.all_over().await;
    let rows = world.ledger.rows();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].batch && rows[0].outcome == Outcome::Ok);
    assert_eq!(rows[0].saved.batch, LIVE_COST - BATCH_COST);
    assert_eq!(rows[0].baseline_cost, rows[0].cost + rows[0].saved.total(), "the causes add up");
    assert_eq!((world.ledger.open_holds(), world.cloud.calls()), (0, 0));
    // The answer is kept like a live one.
    let again = call(&process, "hello", owner_context()).await.unwrap();
    assert_eq!((again.cache, again.text.as_str()), ("exact", "batch: hello"));
    assert_eq!(world.jobs.stages(), ["queued", "submitting", "submitted", "answered", "done"]);
}

#[tokio::test(start_paused = true)]
async fn calls_are_handed_over_together_and_each_hears_its_own_answer() {
    let world = World::new();
    let process = world.start().await;
    let texts: Vec<_> = (0..7).map(|n| format!("question {n}")).collect();
    let calls = texts.iter().map(|text| call(&process, text, world.within(120)));
    let answers = futures_util::future::join_all(calls).await;
    for (text, answer) in texts.iter().zip(answers) {
        assert_eq!(answer.unwrap().text, format!("batch: {text}"));
    }
    assert_eq!(world.provider.sizes(), [5, 2], "five at once, the rest after two seconds");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_wait_is_answered_at_once() {
    let world = World::new();
    let process = world.start().await;
    let phase = |name: &str| CallContext { phase: Some(name.into()), ..owner_context() };
    for (text, context, batched) in [
        ("no deadline", owner_context(), false),
        ("too near", world.within(29), false),
        ("passed", world.within(-5), false),
        ("far enough", world.within(31), true),
        ("another phase", phase("plan"), false),
        ("a background phase", phase("nightly"), true),
    ] {
        let answer = call(&process, text, context).await.unwrap();
        assert_eq!(answer.text.starts_with("batch"), batched, "{text}");
    }
    let plain = process.gateway.call(ask("plain/m", "no Batch API"), world.within(120)).await.unwrap();
    assert_eq!(hear(plain).await.unwrap().text, "live");
    let off = world.start_with(Fuse::default(), |settings| settings.batch.enabled = false).await;
    assert_eq!(call(&off, "switched off", world.within(120)).await.unwrap().text, "live");
    let others = |settings: &mut nunchi_gateway::Settings| settings.batch.providers = vec!["other".into()];
    let other = world.start_with(Fuse::default(), others).await;
    assert_eq!(call(&other, "another provider", world.within(120)).await.unwrap().text, "live");
}

/// Something that goes wrong, and what is to come of it.
struct Case {
    name: &'static str,
    setup: fn(&World),
    text: &'static str,
    answer: &'static str,
    /// Batches accepted, and plain calls.
    calls: (usize, usize),
    /// Rows that cost something: of batches, and live.
    rows: (usize, usize),
}

/// It is answered by one batch all the same.
const fn survived(name: &'static str, setup: fn(&World)) -> Case {
    Case { name, setup, text: "q", answer: "batch: q", calls: (1, 0), rows: (1, 0) }
}

/// It is answered live.
const fn fell(name: &'static str, setup: fn(&World), text: &'static str, batches: usize) -> Case {
    Case { name, setup, text, answer: "live", calls: (batches, 1), rows: (0, 1) }
}

fn submission(world: &World, what: Submission) {
    world.provider.book().submissions.push_back(what);
}

#[tokio::test(start_paused = true)]
async fn faults() {
    let cases = [
        survived("nothing", |_| {}),
        survived("the request was lost", |world| submission(world, Submission::LostBefore)),
        survived("the answer was lost", |world| submission(world, Submission::LostAfter)),
        survived("it cannot be told for a while", |world| {
            submission(world, Submission::LostAfter);
            world.provider.book().undecided = 4;
        }),
        survived("turned down for now", |world| submission(world, Submission::Busy)),
        survived("the provider does not answer for a while", |world| world.provider.book().silent = 5),
        survived("the answers break off", |world| world.provider.book().broken = 3),
        fell("turned down", |world| submission(world, Submission::Refused), "q", 0),
        fell("the item failed", |_| {}, "fail q", 1),
        fell("the item expired", |_| {}, "expire q", 1),
    ];
    for Case { name, setup, text, answer, calls, rows } in cases {
        let world = World::new();
        setup(&world);
        let process = world.start().await;
        let heard = call(&process, text, world.within(600)).await.unwrap();
        world.all_over().await;
        assert_eq!(heard.text, answer, "{name}");
        assert_eq!((world.provider.sizes().len(), world.cloud.calls()), calls, "{name}");
        let (batch, plain) = world.costs();
        assert_eq!((batch.len(), plain.len()), rows, "{name}");
        assert!(batch.iter().all(|cost| *cost == BATCH_COST) && plain.iter().all(|cost| *cost == LIVE_COST));
        assert_eq!(world.ledger.open_holds(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_wrong_is_not_asked_again() {
    let world = World::new();
    let process = world.start().await;
    let error = call(&process, "bad q", world.within(120)).await.unwrap_err();
    assert_eq!((error.kind, world.cloud.calls()), (ModelErrorKind::InvalidRequest, 0));
    world.all_over().await;
    assert_eq!(world.costs(), (vec![], vec![]));
    assert_eq!(world.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn near_the_deadline_a_call_is_taken_back_and_answered_live() {
    let world = World::new();
    world.provider.book().polls = 100_000;
    let process = world.start().await;
    let began = Instant::now();
    let answer = call(&process, "q", world.within(60)).await.unwrap();
    assert_eq!(answer.text, "live");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(50 * 60) && waited < Duration::from_secs(60 * 60), "{waited:?}");
    world.all_over().await;
    assert_eq!(world.costs(), (vec![], vec![LIVE_COST]));
    assert!(world.provider.paid().is_empty(), "the batch was cancelled before the live call");
    assert_eq!((world.provider.book().cancels, world.ledger.open_holds()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_for_anothers_sake_waits_again() {
    let world = World::new();
    world.provider.book().polls = 40;
    let process = world.start().await;
    let (urgent, patient) = tokio::join!(
        call(&process, "urgent", world.within(40)),
        call(&process, "patient", world.within(1_000))
    );
    assert_eq!((urgent.unwrap().text.as_str(), patient.unwrap().text.as_str()), ("live", "batch: patient"));
    world.all_over().await;
    assert_eq!(world.costs(), (vec![BATCH_COST], vec![LIVE_COST]));
    assert_eq!(world.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_a_call_live_early_and_never_twice() {
    for hours in [-30, 2, 30] {
        let world = World::new();
        world.provider.book().polls = 12;
        let process = world.start().await;
        let jump = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            world.clock.jump(SignedDuration::from_hours(hours));
        };
        let (answer, ()) = tokio::join!(call(&process, "q", world.within(120)), jump);
        let expected = if hours < 0 { "batch: q" } else { "live" };
        assert_eq!(answer.unwrap().text, expected, "{hours}");
        world.all_over().await;
        let (batch, live) = world.costs();
        assert_eq!(batch.len() + live.len(), 1, "{hours}");
        assert_eq!(world.provider.paid().values().sum::<usize>(), batch.len(), "{hours}");
        assert_eq!(world.ledger.open_holds(), 0, "{hours}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_finds_the_answer_later() {
    let world = World::new();
    let process = world.start().await;
    let left = process.gateway.call(ask("cloud/m", "q"), world.within(120)).await.unwrap();
    drop(left);
    // Long enough for the batch to be with its provider.
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Asked again it is the same job; a third one is answered at once and does not wait for it.
    let (again, live) =
        tokio::join!(call(&process, "q", world.within(120)), call(&process, "q", owner_context()));
    assert_eq!(again.unwrap().text, "batch: q");
    assert_eq!(live.unwrap().text, "live");
    world.all_over().await;
    assert_eq!(world.provider.sizes(), [1]);
    assert_eq!(world.costs(), (vec![BATCH_COST], vec![LIVE_COST]));
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_lines() {
    let world = World::new();
    world.provider.book().most_items = Some(3);
    let process = world.start().await;
    let texts = ["one", "two", "broken", "fail three", "four", "bad five", "expire six", "seven"];
    let batch = hand_in(&world, &process.gateway, "cloud/m", &texts, &Principal::owner()).await;
    world.all_over().await;
    assert_eq!(
        lines(&world, batch).await,
        [
            "batch: one",
            "batch: two",
            "request.invalid",
            "live",
            "batch: four",
            "request.invalid",
            "live",
            "batch: seven"
        ]
    );
    let mut sizes = world.provider.sizes();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 3, 3], "batches of the provider's size");
    assert_eq!(world.costs(), (vec![BATCH_COST; 4], vec![LIVE_COST; 2]));
    let counts = world.jobs.counts(batch).await.unwrap();
    assert_eq!((counts.total, counts.completed, counts.failed), (8, 6, 2));
    assert!(batch_of(&world, batch).await.ended.is_some());
    assert_eq!(world.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn lines_wait_for_a_budget_that_others_hold_and_never_exceed_it() {
    // One line holds about 1.6 million and costs 600 thousand: not all fit at once.
    let limit = NanoUsd(12_000_000);
    let world = World::with_ledger(MemoryLedger::with_limit(limit));
    let process = world.start().await;
    let texts: Vec<_> = (0..16).map(|n| format!("line {n}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let batch = hand_in(&world, &process.gateway, "cloud/m", &texts, &Principal::owner()).await;
    world.all_over().await;
    assert!(world.ledger.most_committed() <= limit);
    let answers = lines(&world, batch).await;
    let answered = answers.iter().filter(|text| text.starts_with("batch")).count();
    assert!(
        answers.iter().all(|text| text.starts_with("batch") || text == "budget.exhausted"),
        "{answers:?}"
    );
    assert!(answered >= 15, "{answers:?}");
    assert!(world.provider.sizes().len() > 1, "{:?}", world.provider.sizes());
    assert_eq!(world.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_key_apply_to_every_line() {
    let world = World::new();
    let process = world.start().await;
    let limits = KeyLimits { requests_per_minute: Some(2), ..KeyLimits::default() };
    let few = Principal { key: Some(KeyId(Uuid::from_u128(5))), limits, ..Principal::owner() };
    let began = Instant::now();
    let batch = hand_in(&world, &process.gateway, "cloud/m", &["a", "b", "c", "d", "e", "f"], &few).await;
    world.all_over().await;
    assert!(lines(&world, batch).await.iter().all(|text| text.starts_with("batch")));
    assert!(began.elapsed() >= Duration::from_secs(110), "two a minute: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn models_without_a_batch_api_are_asked_a_few_at_a_time() {
    let world = World::new();
    world.plain.always(ScriptedReply::text("live").after(Duration::from_secs(1)));
    let process = world.start_with(Fuse::default(), |settings| settings.batch.concurrent = 3).await;
    let texts: Vec<_> = (0..10).map(|n| format!("line {n}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let batch = hand_in(&world, &process.gateway, "plain/m", &texts, &Principal::owner()).await;
    world.all_over().await;
    assert_eq!(lines(&world, batch).await, vec!["live"; 10]);
    assert_eq!((world.plain.calls(), world.plain.most_open()), (10, 3));
    assert!(world.provider.sizes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_cancelled_ends_what_was_not_begun() {
    let world = World::new();
    world.provider.book().polls = 1_000;
    world.provider.book().most_items = Some(2);
    let process = world.start().await;
    let batch = hand_in(&world, &process.gateway, "cloud/m", &["a", "b", "c"], &Principal::owner()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let open = process.gateway.open_jobs_of(batch);
    process.gateway.cancel_jobs(&open).await;
    world.all_over().await;
    assert_eq!(lines(&world, batch).await, vec!["cancelled"; 3]);
    assert_eq!(world.costs(), (vec![], vec![]));
    assert!(world.provider.paid().is_empty());
    assert_eq!(world.ledger.open_holds(), 0);
    assert!(batch_of(&world, batch).await.ended.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_caller_comes_back() {
    let world = World::new();
    let process = world.start().await;
    let first = process.gateway.take_job(ask("cloud/m", "q"), world.within(120)).await.unwrap();
    let again = process.gateway.take_job(ask("cloud/m", "q"), world.within(120)).await.unwrap();
    assert_eq!(first, again, "the same question is the same job");
    let live = process.gateway.take_job(ask("plain/m", "q"), owner_context()).await.unwrap();
    world.all_over().await;
    for (id, provider) in [(first, "cloud"), (live, "plain")] {
        let stored = process.gateway.job(id).await.unwrap().unwrap();
        let Some(JobAnswer::Answered { provider: by, .. }) = stored.answer else { panic!("{stored:?}") };
        assert_eq!(by, provider);
    }
    let unknown = process.gateway.take_job(ask("nobody/m", "q"), owner_context()).await.unwrap_err();
    assert_eq!(unknown.kind, ModelErrorKind::UnknownModel);
}

#[tokio::test(start_paused = true)]
async fn callers_that_wait_are_told_when_the_server_ends_and_their_jobs_go_on() {
    let world = World::new();
    let process = world.start().await;
    let reply = process.gateway.call(ask("cloud/m", "q"), world.within(120)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    process.kill().await;
    assert_eq!(hear(reply).await.unwrap_err().kind, ModelErrorKind::ShuttingDown);
    world.ledger.restart();
    let _process = world.start().await;
    world.all_over().await;
    assert_eq!(world.costs(), (vec![BATCH_COST], vec![]));
}
