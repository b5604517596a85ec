//! OpenAI's `/v1/files` and `/v1/batches`.

use super::book::{AnswerItem, Batch, BatchBook, BatchPhase};
use super::item::{End, Item};
use super::multipart;
use super::reply::{Asked, Reply, refused};
use crate::dialect::Endpoint;
use crate::turn::Fault;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Most requests of a batch, and most bytes of its file.
const LIMITS: (usize, usize) = (50_000, 200_000_000);

/// Endpoints that are played, of those that batches may name.
const ENDPOINTS: [(&str, Endpoint); 2] =
    [("/v1/chat/completions", Endpoint::Chat), ("/v1/responses", Endpoint::Responses)];

pub(super) fn answer(
    book: &mut BatchBook,
    asked: &Asked<'_>,
    answer: AnswerItem<'_>,
) -> Result<Reply, Fault> {
    match asked.endpoint {
        Endpoint::FileUpload => upload(book, asked),
        Endpoint::BatchCreate => create(book, asked),
        Endpoint::BatchList => list(book, asked),
        Endpoint::BatchResults => content(book, asked),
        Endpoint::BatchCancel => {
            let batch = book.batch(asked.id()).ok_or_else(|| unknown("batch", asked.id()))?;
            let word = batch.phase.word();
            if !book.cancel(asked.id(), answer) {
                return Err(refused(409, format!("Cannot cancel a batch with status '{word}'.")));
            }
            shown(book, asked.id())
        }
        _ => {
            book.poll(asked.id(), answer);
            shown(book, asked.id())
        }
    }
}

fn unknown(what: &str, id: &str) -> Fault {
    refused(404, format!("No {what} found with id '{id}'."))
}

fn shown(book: &BatchBook, id: &str) -> Result<Reply, Fault> {
    book.batch(id).map(|batch| Reply::Json(object(batch))).ok_or_else(|| unknown("batch", id))
}

fn upload(book: &mut BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let form = multipart::parts(asked.header("content-type").unwrap_or_default(), asked.raw);
    let form = form.ok_or_else(|| refused(400, "We could not parse your multipart form."))?;
    let field = |name: &str| form.iter().find(|part| part.name == name);
    let purpose = field("purpose").map(|part| String::from_utf8_lossy(&part.data).into_owned());
    if purpose.as_deref() != Some("batch") {
        return Err(refused(
            400,
            format!("'{}' is not one of ['batch'] - 'purpose'", purpose.unwrap_or_default()),
        ));
    }
    let file = field("file").filter(|part| part.file_name.is_some());
    let file = file.ok_or_else(|| refused(400, "'file' is a required property"))?;
    if file.data.len() > LIMITS.1 {
        return Err(refused(413, "The file is too large."));
    }
    let name = file.file_name.clone().unwrap_or_default();
    let id = book.add_file(&name, file.data.clone());
    let Some(file) = book.files.get(&id) else { return Err(unknown("file", &id)) };
    Ok(Reply::Json(json!({
        "id": id, "object": "file", "bytes": file.data.len(), "created_at": file.created.as_second(),
        "filename": file.name, "purpose": "batch", "status": "processed", "status_details": null,
    })))
}

fn content(book: &BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let file = book.files.get(asked.id()).ok_or_else(|| unknown("file", asked.id()))?;
    let mut lines: Vec<Bytes> = Vec::new();
    let mut start = 0;
    for (at, _) in file.data.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        lines.push(file.data.slice(start..=at));
        start = at + 1;
    }
    lines.extend(Some(file.data.slice(start..)).filter(|rest| !rest.is_empty()));
    Ok(Reply::Lines("application/octet-stream", lines))
}

fn create(book: &mut BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let body = asked.body;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (input_file, endpoint) = (text("input_file_id"), text("endpoint"));
    let file = book.files.get(&input_file);
    let file = file.ok_or_else(|| refused(400, format!("Invalid 'input_file_id': '{input_file}'.")))?;
    let Some((_, kind)) = ENDPOINTS.iter().find(|(path, _)| *path == endpoint) else {
        return Err(refused(400, format!("Invalid value: '{endpoint}' - 'endpoint'")));
    };
    if body["completion_window"] != "24h" {
        return Err(refused(400, "Invalid value: supported values are: '24h' - 'completion_window'"));
    }
    let metadata = &body["metadata"];
    let storable = metadata.as_object().is_none_or(|pairs| {
        let fits = |(key, value): (&String, &Value)| {
            key.len() <= 64 && value.as_str().is_some_and(|text| text.len() <= 512)
        };
        pairs.len() <= 16 && pairs.iter().all(fits)
    });
    if !storable || !(metadata.is_null() || metadata.is_object()) {
        return Err(refused(400, "Invalid 'metadata'."));
    }
    let (items, problems) = read_items(&file.data, &endpoint, *kind);
    let id = book.id("batch_");
    let made = Batch {
        endpoint,
        input_file,
        metadata: metadata.clone(),
        items,
        problems,
        ..Batch::new(id, Timestamp::now(), asked.headers.clone())
    };
    Ok(Reply::Json(object(book.add(made))))
}

/// The requests of an input file, and what is wrong with it.
fn read_items(data: &[u8], endpoint: &str, kind: Endpoint) -> (Vec<Item>, Vec<Value>) {
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    let mut ids: HashSet<String> = HashSet::new();
    let mut model: Option<String> = None;
    for (number, line) in data.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        match read_item(line, endpoint, kind, &mut ids, &mut model) {
            Ok(item) => items.push(item),
            Err((code, message)) => problems.push(problem(code, message, Some(number + 1))),
        }
    }
    if items.is_empty() && problems.is_empty() {
        problems.push(problem("empty_file", "The input file has no requests.", None));
    }
    if items.len() > LIMITS.0 {
        problems.push(problem("too_many_tasks", "The batch has too many requests.", None));
    }
    (items, problems)
}

type Wrong = (&'static str, &'static str);

fn read_item(
    line: &[u8],
    endpoint: &str,
    kind: Endpoint,
    ids: &mut HashSet<String>,
    model: &mut Option<String>,
) -> Result<Item, Wrong> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|_| ("invalid_json_line", "This line is not parseable as valid JSON."))?;
    let custom_id = value["custom_id"].as_str().filter(|id| !id.is_empty() && id.len() <= 64);
    let custom_id = custom_id.ok_or(("missing_required_parameter", "custom_id is missing."))?.to_owned();
    if !ids.insert(custom_id.clone()) {
        return Err(("duplicate_custom_id", "The custom_id of this line was used before."));
    }
    if value["method"] != "POST" || value["url"] != endpoint {
        return Err(("mismatched_endpoint", "Method and url of this line are not those of the batch."));
    }
    let body = value["body"].clone();
    let named = body["model"].as_str().ok_or(("invalid_request", "body.model is missing."))?;
    if model.get_or_insert_with(|| named.to_owned()) != named {
        return Err(("mismatched_model", "All requests of a batch must name one model."));
    }
    if body["stream"] == true {
        return Err(("invalid_request", "Requests of a batch cannot be streamed."));
    }
    Ok(Item { custom_id, endpoint: kind, path: endpoint.to_owned(), body, end: None })
}

fn problem(code: &str, message: &str, line: Option<usize>) -> Value {
    json!({"code": code, "message": message, "param": null, "line": line})
}

fn list(book: &BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let (page, more) = asked.page(book.batches.iter(), |batch| batch.id.clone(), ("after", 100))?;
    Ok(Reply::Json(json!({
        "object": "list", "data": page.iter().map(|batch| object(batch)).collect::<Vec<_>>(),
        "first_id": page.first().map(|batch| &batch.id), "last_id": page.last().map(|batch| &batch.id),
        "has_more": more,
    })))
}

fn object(batch: &Batch) -> Value {
    let at = |phases: &[BatchPhase]| {
        batch.ended.filter(|_| phases.contains(&batch.phase)).map(Timestamp::as_second)
    };
    let failed = batch.phase == BatchPhase::Failed;
    let begun = batch.phase != BatchPhase::Validating && !failed;
    let expires = batch.created.saturating_add(SignedDuration::from_hours(24)).unwrap_or(batch.created);
    let succeeded = batch.count(End::succeeded);
    let answered = batch.count(|end| matches!(end, End::Answered { .. }));
    json!({
        "id": batch.id, "object": "batch", "endpoint": batch.endpoint, "input_file_id": batch.input_file,
        "errors": failed.then(|| json!({"object": "list", "data": batch.problems})),
        "completion_window": "24h", "status": batch.phase.word(), "metadata": batch.metadata,
        "output_file_id": batch.output_file, "error_file_id": batch.error_file,
        "created_at": batch.created.as_second(), "expires_at": expires.as_second(),
        "in_progress_at": begun.then(|| batch.created.as_second()),
        "finalizing_at": at(&[BatchPhase::Completed]), "completed_at": at(&[BatchPhase::Completed]),
        "failed_at": at(&[BatchPhase::Failed]), "expired_at": at(&[BatchPhase::Expired]),
        "cancelling_at": batch.cancel_asked.map(Timestamp::as_second), "cancelled_at": at(&[BatchPhase::Cancelled]),
        "request_counts": {
            "total": if begun { batch.items.len() } else { 0 }, "completed": succeeded, "failed": answered - succeeded,
        },
    })
}
