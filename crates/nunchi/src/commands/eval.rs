//! `eval`: runs and answers are judged, one request each; means and the worst ones are shown.

use super::agents::{find, line, short};
use super::{Desk, json_lines};
use crate::cli::{EvalCommand, EvalRun};
use crate::failure::Failure;
use crate::render::{table, usd};
use futures_util::{StreamExt, stream};
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nunchi_core::{
    Judgement, Lang, MeanScore, NanoUsd, RunId, RunScore, Score, ScoreName, ScoreValue, mean_scores,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The worst that are shown.
const WORST: usize = 5;
/// What a line of a file may hold.
const KEYS: [&str; 6] = ["id", "run", "question", "answer", "sources", "expected"];
const SHAPE: &str = r#"{"question": "…", "answer": "…", "sources": ["…"], "expected": "…"} or {"run": "ID"}"#;

/// Something to be judged: how people call it, and the request.
struct Item {
    name: String,
    body: Value,
}

/// A judgement as the server answers it; of a pair there is no run.
#[derive(Deserialize)]
struct Answered {
    run: Option<RunId>,
    #[serde(flatten)]
    judgement: Judgement,
}

/// Something that was judged.
#[derive(Serialize)]
struct Judged {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    #[serde(flatten)]
    judgement: Judgement,
}

/// Something that could not be judged.
#[derive(Serialize)]
struct Unjudged {
    name: String,
    code: String,
    message: String,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    means: Vec<MeanScore>,
    /// What judging cost, in dollars.
    cost_usd: String,
    items: Vec<Judged>,
    failed: Vec<Unjudged>,
}

/// Runs an eval command.
pub(crate) async fn eval(desk: &Desk, command: &EvalCommand) -> Result<(), Failure> {
    match command {
        EvalCommand::Run(flags) => run(desk, flags).await,
        EvalCommand::Show { id } => {
            let id = find(desk, "/api/runs?limit=500&sub_agents=true", "runs", id).await?;
            let scores: Vec<RunScore> = desk.client.get(&format!("/api/runs/{id}/scores")).await?;
            desk.show(&scores, || shown(&scores, desk.lang))
        }
    }
}

async fn run(desk: &Desk, flags: &EvalRun) -> Result<(), Failure> {
    let items = match (&flags.file, flags.sample) {
        (Some(file), _) => json_lines(file, SHAPE, fits)?.into_iter().map(item).collect(),
        (None, count) => sample(desk, count.unwrap_or(1) as usize).await?,
    };
    if items.is_empty() {
        return Err(Failure::plain("eval.nothing", "there is nothing to judge", "평가할 것이 없습니다")
            .with_hint(
                "Runs are judged once they have ended; `nunchi runs list` shows them.",
                "실행은 끝난 뒤에 평가합니다. `nunchi runs list`로 보세요.",
            ));
    }
    let all = items.len();
    let report = judge(desk, items, flags).await;
    desk.show(&report, || text(&report, desk.lang))?;
    verdict(&report, all, flags.fail_under)
}

/// Whether a line is something that can be judged.
fn fits(value: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    let pair = value["question"].is_string() && value["answer"].is_string();
    fields.keys().all(|key| KEYS.contains(&key.as_str())) && (pair != value["run"].is_string())
}

fn item(mut body: Value) -> Item {
    let id = body.as_object_mut().and_then(|fields| fields.remove("id"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let name = match (id, body["run"].as_str(), body["question"].as_str()) {
        (Some(id), ..) => text(&id),
        (None, Some(run), _) => short(run).to_owned(),
        (None, None, question) => line(question.unwrap_or_default(), 40),
    };
    Item { name, body }
}

/// Finished runs, spread evenly over the last ones.
async fn sample(desk: &Desk, count: usize) -> Result<Vec<Item>, Failure> {
    let mut found: Vec<(String, String)> = Vec::new();
    for status in ["done", "failed"] {
        let page: Value = desk.client.get(&format!("/api/runs?limit=500&status={status}")).await?;
        let text = |run: &Value, name: &str| run[name].as_str().map(str::to_owned);
        let runs = page["runs"].as_array().into_iter().flatten();
        found.extend(runs.filter_map(|run| Some((text(run, "created")?, text(run, "id")?))));
    }
    found.sort();
    let picked = count.min(found.len());
    let spread = (0..picked).map(|at| &found[at * found.len() / picked].1);
    Ok(spread.map(|id| item(json!({ "run": id }))).collect())
}

/// Judges all, several at a time; the report keeps their order.
async fn judge(desk: &Desk, items: Vec<Item>, flags: &EvalRun) -> Report {
    let bar = ProgressBar::with_draw_target(Some(items.len() as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let asked = stream::iter(items).map(|Item { name, mut body }| {
        body["model"] = json!(flags.model);
        body["rules_only"] = json!(flags.rules_only);
        let bar = &bar;
        async move {
            let answer = desk.client.json::<Answered>(Method::POST, "/api/eval", &body).await;
            bar.inc(1);
            (name, answer)
        }
    });
    let answers: Vec<_> = asked.buffered(usize::from(flags.parallel)).collect().await;
    bar.finish_and_clear();
    let (mut items, mut failed) = (Vec::new(), Vec::new());
    for (name, answer) in answers {
        match answer {
            Ok(Answered { run, judgement }) => items.push(Judged { name, run, judgement }),
            Err(failure) => failed.push(Unjudged {
                name,
                code: failure.code().to_owned(),
                message: failure.message(desk.lang),
            }),
        }
    }
    let means = mean_scores(items.iter().map(|item| &item.judgement));
    let cost: NanoUsd = items.iter().map(|item| item.judgement.cost).sum();
    Report { means, cost_usd: cost.to_string(), items, failed }
}

/// Whether the command succeeds: everything was judged, and no mean is below the floor.
fn verdict(report: &Report, all: usize, floor: Option<ScoreValue>) -> Result<(), Failure> {
    let failed = report.failed.len();
    if failed > 0 {
        return Err(Failure::plain(
            "eval.failed",
            format!("{failed} of {all} could not be judged"),
            format!("{all}개 가운데 {failed}개를 평가하지 못했습니다"),
        ));
    }
    let Some(floor) = floor else { return Ok(()) };
    let below = |mean: &&MeanScore| mean.name.goodness(mean.mean) < floor;
    let told: Vec<_> = report
        .means
        .iter()
        .filter(below)
        .map(|mean| format!("{} {}", mean.name.as_str(), mean.mean))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let told = told.join(", ");
    Err(Failure::plain("eval.below", format!("below {floor}: {told}"), format!("{floor}보다 나쁨: {told}"))
        .with_hint(
            "For hallucination and toxicity 0 is best, so that they may be at most 1 less the floor.",
            "hallucination과 toxicity는 0이 가장 좋으므로 1에서 기준을 뺀 값까지 괜찮습니다.",
        ))
}

/// A score's name with the direction that is good.
fn named(name: ScoreName) -> String {
    format!("{} {}", name.as_str(), if name.lower_is_better() { "↓" } else { "↑" })
}

fn text(report: &Report, lang: Lang) -> String {
    let rows = report.means.iter().map(|mean| {
        let values = report.items.iter().filter_map(|item| item.judgement.score(mean.name));
        let worst = values.min_by_key(|score| score.goodness()).map(|score| score.value.to_string());
        vec![named(mean.name), mean.mean.to_string(), worst.unwrap_or_default(), mean.count.to_string()]
    });
    let headings = lang.pick(["score", ">mean", ">worst", ">of"], ["점수", ">평균", ">최저", ">개수"]);
    let mut page = table(&headings, rows);
    let mut worst: Vec<(&Judged, &Score)> = report
        .items
        .iter()
        .filter_map(|item| Some((item, item.judgement.scores.iter().min_by_key(|score| score.goodness())?)))
        .filter(|(_, score)| score.goodness() < ScoreValue::ONE)
        .collect();
    worst.sort_by_key(|(_, score)| score.goodness());
    if !worst.is_empty() {
        let rows = worst.iter().take(WORST).map(|(item, score)| {
            vec![item.name.clone(), named(score.name), score.value.to_string(), line(&score.reasoning, 90)]
        });
        let headings =
            lang.pick(["worst", "score", ">value", "why"], ["가장 나쁜 것", "점수", ">값", "이유"]);
        page.push_str(&format!("\n{}", table(&headings, rows)));
    }
    for one in &report.failed {
        page.push_str(&format!("\n{}: {} [{}]", one.name, one.message, one.code));
    }
    let withheld: u64 = report.items.iter().map(|item| u64::from(item.judgement.withheld)).sum();
    if withheld > 0 {
        page.push_str(&lang.pick(
            format!("\n{withheld} sentences that speak to the judge were kept from it."),
            format!("\n평가자에게 하는 말 {withheld}개는 평가자에게 보이지 않았습니다."),
        ));
    }
    let cost = usd(report.cost_usd.parse().unwrap_or_default());
    let judged = report.items.len();
    page.push_str(&lang.pick(
        format!("\n{judged} judged for {cost}; ↓: 0 is best."),
        format!("\n{judged}개 평가, 비용 {cost}. ↓는 0이 가장 좋습니다."),
    ));
    page
}

fn shown(scores: &[RunScore], lang: Lang) -> String {
    if scores.is_empty() {
        return lang.pick("It was not judged.", "평가하지 않았습니다.").to_owned();
    }
    let rows = scores.iter().flat_map(|RunScore { judgement, .. }| {
        let judge = judgement.judge.clone().unwrap_or_else(|| lang.pick("rules", "규칙").to_owned());
        let at = judgement.at.strftime("%Y-%m-%d %H:%M").to_string();
        judgement.scores.iter().map(move |score| {
            vec![
                at.clone(),
                judge.clone(),
                named(score.name),
                score.value.to_string(),
                score.reasoning.clone(),
            ]
        })
    });
    let headings = lang.pick(
        ["when (UTC)", "judge", "score", ">value", "why"],
        ["때(UTC)", "평가자", "점수", ">값", "이유"],
    );
    table(&headings, rows)
}
