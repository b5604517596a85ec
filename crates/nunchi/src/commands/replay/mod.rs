//! `replay`: what a recorded workload would cost under other policies.

mod meaning;
mod policy;
mod show;

use super::Desk;
use crate::cli::Replay;
use crate::failure::Failure;
use crate::workload::{BadLine, Workload};
use indicatif::{ProgressBar, ProgressStyle};
use nunchi_gateway::count_prompt;
use nunchi_saving::{Meanings, ReplayInput, ReplayPolicy, ReplayReport, replay as replay_policy};
use serde::Serialize;
use std::path::PathBuf;

/// What is shown.
#[derive(Serialize)]
struct Answer {
    file: PathBuf,
    calls: usize,
    /// Calls whose time, and whose answer's length, was not given.
    undated: usize,
    unmeasured: usize,
    /// Whether the sentence encoder was at hand; without it rules route, and nothing is shared by meaning.
    meaning: bool,
    bad_lines: Vec<BadLine>,
    policies: Vec<ReplayReport>,
}

/// Replays a file.
pub(crate) async fn replay(desk: &Desk, flags: &Replay) -> Result<(), Failure> {
    let workload = Workload::read(&flags.file, desk.lang)?;
    if workload.calls.is_empty() {
        return Err(nothing(&workload));
    }
    let policies = policy::resolve(desk, &flags.policy, &workload.named_models()).await?;
    let meanings = meaning::of(desk, &workload.calls, &policies).await?;
    let Workload { calls, bad, undated, unmeasured } = workload;
    let known = meanings.is_some();
    let count = calls.len();
    let work = move || {
        let meanings = meanings.unwrap_or_default();
        policies.iter().map(|policy| run(&calls, policy, &meanings)).collect::<Vec<_>>()
    };
    let reports =
        tokio::task::spawn_blocking(work).await.map_err(|error| Failure::system("replay", error))?;
    let answer = Answer {
        file: flags.file.clone(),
        calls: count,
        undated,
        unmeasured,
        meaning: known,
        bad_lines: bad,
        policies: reports,
    };
    desk.show(&answer, || show::text(desk, &answer))
}

fn run(calls: &[nunchi_saving::ReplayCall], policy: &ReplayPolicy, meanings: &Meanings) -> ReplayReport {
    let bar = bar(calls.len(), &policy.name);
    let input = ReplayInput { calls, policy, meanings, count: &count_prompt };
    let report = replay_policy(&input, &mut |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    report
}

/// A bar on standard error, where a person looks.
fn bar(length: usize, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    let bar = ProgressBar::new(length as u64).with_message(what.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn nothing(workload: &Workload) -> Failure {
    let first = workload.bad.first().map(|bad| format!(" ({}: {})", bad.line, bad.what)).unwrap_or_default();
    Failure::plain(
        "replay.empty",
        format!("the file holds no call{first}"),
        format!("파일에 호출이 없습니다{first}"),
    )
    .with_hint(
        "docs/saving.md describes the lines; `nunchi stats --export FILE` writes them from the ledger.",
        "줄의 형식은 docs/saving.md에 있습니다. `nunchi stats --export FILE`이 장부에서 만들어 줍니다.",
    )
}
