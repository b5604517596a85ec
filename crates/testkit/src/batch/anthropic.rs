//! Anthropic's `/v1/messages/batches`.

use super::book::{AnswerItem, Batch, BatchBook, BatchPhase};
use super::item::{End, Item};
use super::reply::{Asked, Reply, refused};
use crate::dialect::Endpoint;
use crate::turn::Fault;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Most requests of a batch, and most bytes of its body.
const LIMITS: (usize, usize) = (100_000, 256_000_000);

pub(super) fn answer(
    book: &mut BatchBook,
    asked: &Asked<'_>,
    answer: AnswerItem<'_>,
) -> Result<Reply, Fault> {
    if asked.header("anthropic-version").is_none() {
        return Err(refused(400, "anthropic-version: header is required"));
    }
    match asked.endpoint {
        Endpoint::BatchCreate => create(book, asked),
        Endpoint::BatchList => list(book, asked),
        Endpoint::BatchResults => results(book, asked),
        Endpoint::BatchCancel => {
            book.batch(asked.id()).ok_or_else(|| unknown(asked.id()))?;
            if !book.cancel(asked.id(), answer) {
                return Err(refused(400, "The batch has ended and cannot be canceled."));
            }
            shown(book, asked)
        }
        _ => {
            book.poll(asked.id(), answer);
            shown(book, asked)
        }
    }
}

fn unknown(id: &str) -> Fault {
    refused(404, format!("Message batch not found: {id}"))
}

fn shown(book: &BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let batch = book.batch(asked.id()).ok_or_else(|| unknown(asked.id()))?;
    Ok(Reply::Json(object(batch, asked)))
}

fn create(book: &mut BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    if asked.raw.len() > LIMITS.1 {
        return Err(refused(413, "Request exceeds the maximum size"));
    }
    let requests = asked.body["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() || requests.len() > LIMITS.0 {
        return Err(refused(400, format!("requests: must have between 1 and {} items", LIMITS.0)));
    }
    let mut ids = HashSet::new();
    let items = requests.iter().enumerate().map(|(index, request)| read_item(index, request, &mut ids));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    let id = book.id("msgbatch_");
    let mut made = Batch { items, ..Batch::new(id, Timestamp::now(), asked.headers.clone()) };
    // Nothing is checked later: a wrong request is an error of its own.
    made.phase = BatchPhase::InProgress;
    Ok(Reply::Json(object(book.add(made), asked)))
}

fn read_item(index: usize, request: &Value, ids: &mut HashSet<String>) -> Result<Item, Fault> {
    let custom_id = request["custom_id"].as_str().unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if custom_id.is_empty() || custom_id.len() > 64 || !custom_id.bytes().all(fits) {
        let message =
            format!("requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'");
        return Err(refused(400, message));
    }
    if !ids.insert(custom_id.to_owned()) {
        return Err(refused(400, format!("requests.{index}.custom_id: must be unique: {custom_id}")));
    }
    if !request["params"].is_object() {
        return Err(refused(400, format!("requests.{index}.params: Field required")));
    }
    Ok(Item {
        custom_id: custom_id.to_owned(),
        endpoint: Endpoint::Chat,
        path: "/v1/messages".into(),
        body: request["params"].clone(),
        end: None,
    })
}

fn list(book: &BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let (page, more) = asked.page(book.batches.iter(), |batch| batch.id.clone(), ("after_id", 1_000))?;
    Ok(Reply::Json(json!({
        "data": page.iter().map(|batch| object(batch, asked)).collect::<Vec<_>>(), "has_more": more,
        "first_id": page.first().map(|batch| &batch.id), "last_id": page.last().map(|batch| &batch.id),
    })))
}

fn results(book: &BatchBook, asked: &Asked<'_>) -> Result<Reply, Fault> {
    let batch = book.batch(asked.id()).ok_or_else(|| unknown(asked.id()))?;
    if !batch.phase.ended() {
        return Err(refused(404, format!("The results of {} are not available yet.", batch.id)));
    }
    let ends = batch.items.iter().rev().filter_map(|item| Some((&item.custom_id, item.end.as_ref()?)));
    let lines = ends.map(|(id, end)| Bytes::from(format!("{}\n", end.anthropic_line(id))));
    Ok(Reply::Lines("application/x-jsonl", lines.collect()))
}

fn object(batch: &Batch, asked: &Asked<'_>) -> Value {
    let ended = batch.phase.ended();
    let status = match batch.phase {
        _ if ended => "ended",
        BatchPhase::Cancelling => "canceling",
        _ => "in_progress",
    };
    // The counts move only when the whole batch has ended.
    let count = |of: &dyn Fn(&End) -> bool| if ended { batch.count(of) } else { 0 };
    let succeeded = count(&End::succeeded);
    let expires = batch.created.saturating_add(SignedDuration::from_hours(24)).unwrap_or(batch.created);
    let host = asked.header("host").unwrap_or_default();
    let results = ended.then(|| format!("http://{host}/v1/messages/batches/{}/results", batch.id));
    json!({
        "id": batch.id, "type": "message_batch", "processing_status": status,
        "request_counts": {
            "processing": if ended { 0 } else { batch.items.len() }, "succeeded": succeeded,
            "errored": count(&|end| matches!(end, End::Answered { .. })) - succeeded,
            "canceled": count(&|end| matches!(end, End::Cancelled)),
            "expired": count(&|end| matches!(end, End::Expired)),
        },
        "created_at": batch.created.to_string(), "expires_at": expires.to_string(),
        "ended_at": batch.ended.map(|at| at.to_string()), "archived_at": null,
        "cancel_initiated_at": batch.cancel_asked.map(|at| at.to_string()), "results_url": results,
    })
}
