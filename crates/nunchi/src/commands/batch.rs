//! `batch`: files of requests that can wait.

use super::{Desk, escaped, print_line};
use crate::cli::BatchCommand;
use crate::client::collect;
use crate::failure::Failure;
use crate::render::table;
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Pause between two looks at a batch that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Serialize, Deserialize)]
struct Batch {
    id: String,
    endpoint: String,
    status: String,
    input_file_id: String,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    created_at: i64,
    expires_at: i64,
    request_counts: Counts,
    metadata: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Counts {
    total: u64,
    completed: u64,
    failed: u64,
}

#[derive(Serialize, Deserialize)]
struct List {
    data: Vec<Batch>,
}

impl Batch {
    fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "cancelled")
    }
}

/// Runs a batch command.
pub(crate) async fn batch(desk: &Desk, command: &BatchCommand) -> Result<(), Failure> {
    match command {
        BatchCommand::Submit { file, endpoint, wait } => {
            let batch = submit(desk, file, endpoint).await?;
            let batch = if *wait { watch(desk, batch).await? } else { batch };
            desk.show(&batch, || text(desk, &batch))
        }
        BatchCommand::List { limit } => {
            let list: List = desk.client.get(&format!("/v1/batches?limit={limit}")).await?;
            desk.show(&list.data, || table_of(desk, &list.data))
        }
        BatchCommand::Show { id, answers } => {
            let batch = look(desk, id).await?;
            if *answers {
                print_answers(desk, &batch).await
            } else {
                desk.show(&batch, || text(desk, &batch))
            }
        }
        BatchCommand::Cancel { id } => {
            let path = format!("/v1/batches/{}/cancel", escaped(id));
            let batch: Batch = desk.client.json(Method::POST, &path, &Value::Null).await?;
            desk.show(&batch, || text(desk, &batch))
        }
    }
}

async fn submit(desk: &Desk, file: &Path, endpoint: &str) -> Result<Batch, Failure> {
    let bytes = tokio::fs::read(file).await;
    let bytes = bytes.map_err(|error| Failure::system(&file.display().to_string(), error))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().replace(['"', '\r', '\n'], "_");
    let uploaded: Value = desk.client.upload("/v1/files", &name, bytes).await?;
    let wish = json!({
        "input_file_id": uploaded["id"], "endpoint": endpoint, "completion_window": "24h",
        "metadata": { "file": name },
    });
    desk.client.json(Method::POST, "/v1/batches", &wish).await
}

async fn look(desk: &Desk, id: &str) -> Result<Batch, Failure> {
    desk.client.get(&format!("/v1/batches/{}", escaped(id))).await
}

/// Shows how a batch gets on, until it is over.
async fn watch(desk: &Desk, mut batch: Batch) -> Result<Batch, Failure> {
    let bar = ProgressBar::with_draw_target(Some(batch.request_counts.total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    loop {
        bar.set_position(batch.request_counts.completed + batch.request_counts.failed);
        if batch.is_over() {
            bar.finish_and_clear();
            return Ok(batch);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        batch = look(desk, &batch.id).await?;
    }
}

/// Prints the lines of the answers, then those of the errors, as they stand in their files.
async fn print_answers(desk: &Desk, batch: &Batch) -> Result<(), Failure> {
    for file in [&batch.output_file_id, &batch.error_file_id].into_iter().flatten() {
        let path = format!("/v1/files/{}/content", escaped(file));
        let (_, pieces) = desk.client.send(Method::GET, &path, &Value::Null, &[]).await?;
        let lines = collect(pieces).await?;
        print_line(String::from_utf8_lossy(&lines).trim_end())?;
    }
    Ok(())
}

fn time(desk: &Desk, seconds: i64) -> String {
    let at = Timestamp::from_second(seconds).unwrap_or_default();
    at.to_zoned(desk.config.time_zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn progress(counts: &Counts) -> String {
    format!("{} + {} / {}", counts.completed, counts.failed, counts.total)
}

fn text(desk: &Desk, batch: &Batch) -> String {
    let words = desk.lang.pick(
        ["batch", "state", "done + failed / all", "endpoint", "made", "due"],
        ["배치", "상태", "완료 + 실패 / 전체", "주소", "만든 때", "기한"],
    );
    let values = [
        batch.id.clone(),
        batch.status.clone(),
        progress(&batch.request_counts),
        batch.endpoint.clone(),
        time(desk, batch.created_at),
        time(desk, batch.expires_at),
    ];
    let rows: Vec<_> = words.iter().zip(values).map(|(word, value)| format!("{word}: {value}")).collect();
    let mut page = rows.join("\n");
    if batch.status == "in_progress" && !desk.client.is_remote() {
        page.push('\n');
        page.push_str(desk.lang.pick(
            "No server is running; `nunchi up` goes on with it.",
            "실행 중인 서버가 없습니다. `nunchi up`이 이어서 처리합니다.",
        ));
    }
    page
}

fn table_of(desk: &Desk, all: &[Batch]) -> String {
    let headings = desk.lang.pick(
        ["batch", "state", "done + failed / all", "endpoint", "made"],
        ["배치", "상태", "완료 + 실패 / 전체", "주소", "만든 때"],
    );
    let rows = all.iter().map(|batch| {
        vec![
            batch.id.clone(),
            batch.status.clone(),
            progress(&batch.request_counts),
            batch.endpoint.clone(),
            time(desk, batch.created_at),
        ]
    });
    table(&headings, rows)
}
