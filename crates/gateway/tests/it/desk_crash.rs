//! Killed at every step there is: each job is answered once, and paid for once.

use crate::desk_bench::{BATCH_COST, LIVE_COST, Submission, World, ask, hand_in};
use nunchi_core::{JobAnswer, JobState, NanoUsd, Outcome, Principal};
use nunchi_testkit::Fuse;
use std::collections::BTreeMap;

/// Runs a world's work, killing its process after so many steps, then lets another process finish; tells whether the fuse blew.
async fn killed_after(world: &World, steps: u64, texts: &[&str]) -> bool {
    let process = world.start_with(Fuse::after(steps), |_| {}).await;
    let work = async {
        hand_in(world, &process.gateway, "cloud/m", texts, &Principal::owner()).await;
        let _single = process.gateway.take_job(ask("cloud/m", "single"), world.within(600)).await;
        world.all_over().await;
    };
    let blown = tokio::select! {
        () = work => false,
        () = process.fuse.blown() => true,
    };
    process.kill().await;
    world.ledger.restart();
    let _process = world.start().await;
    world.all_over().await;
    blown
}

/// How often each question was answered.
fn answers(world: &World) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for stored in world.jobs.all() {
        assert_eq!(stored.state, JobState::Done);
        assert!(matches!(stored.answer, Some(JobAnswer::Answered { .. })), "{stored:?}");
        *answers.entry(stored.job.request.last_user_text().unwrap()).or_default() += 1;
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn every_job_is_answered_and_billed_once_whenever_the_process_dies() {
    let mut steps = 0;
    loop {
        let world = World::new();
        let blown = killed_after(&world, steps, &["one", "two", "three"]).await;
        for (text, count) in answers(&world) {
            assert_eq!(count, 1, "{text} after {steps} steps");
        }
        for (text, paid) in world.provider.paid() {
            assert_eq!(paid, 1, "{text} after {steps} steps");
        }
        let (batch, live) = world.costs();
        let jobs = world.jobs.all().len();
        assert_eq!((batch, live), (vec![BATCH_COST; jobs], vec![]), "after {steps} steps");
        assert_eq!(world.ledger.open_holds(), 0, "after {steps} steps");
        if !blown {
            assert_eq!(jobs, 4);
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "{steps}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_submission_is_found_again_by_the_next_process() {
    for lost in [Submission::LostBefore, Submission::LostAfter] {
        for steps in 0..24 {
            let world = World::new();
            world.provider.book().submissions.push_back(lost);
            world.provider.book().undecided = 2;
            killed_after(&world, steps, &["one"]).await;
            answers(&world);
            assert!(world.provider.paid().values().all(|paid| *paid == 1), "{lost:?} after {steps} steps");
            let (batch, live) = world.costs();
            assert!(batch.iter().all(|cost| *cost == BATCH_COST) && live.is_empty());
            assert_eq!(batch.len(), world.jobs.all().len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fall_back_that_is_cut_short_is_paid_for_as_often_as_it_was_asked() {
    let mut steps = 0;
    loop {
        let world = World::new();
        let blown = killed_after(&world, steps, &["fail one", "two"]).await;
        answers(&world);
        // A plain call whose process died is booked as crashed, at what was held; its answer never came, so it is asked again.
        let rows = world.ledger.rows();
        let crashed = rows.iter().filter(|row| row.outcome == Outcome::Crashed && !row.batch).count();
        let live = rows.iter().filter(|row| row.cost == LIVE_COST && !row.batch).count();
        let jobs = world.jobs.all();
        let fell = jobs
            .iter()
            .filter(|stored| stored.job.request.last_user_text().unwrap().starts_with("fail"))
            .count();
        assert_eq!(live, fell, "after {steps} steps: {rows:#?}");
        assert!(
            world.cloud.calls() <= live + crashed,
            "after {steps} steps: every plain call is on the books"
        );
        let batched = rows.iter().filter(|row| row.batch && row.cost > NanoUsd::ZERO).count();
        assert_eq!(batched, jobs.len() - fell, "after {steps} steps");
        assert_eq!(world.ledger.open_holds(), 0, "after {steps} steps");
        if !blown {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20, "{steps}");
}
