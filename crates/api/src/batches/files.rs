//! `/v1/files`: uploaded, listed, read, removed.

use super::caller::{Caller, Refused};
use super::list::ListQuery;
use super::output::{Renderer, batch_of};
use super::wire::{FileObject, FileRef, Page};
use crate::problem::Problem;
use axum::Json;
use axum::body::Body;
use axum::extract::multipart::Field;
use axum::extract::{Multipart, Path, Query};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, header};
use nunchi_core::{FileId, StorageError, StoredBatch, StoredFile};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Longest value of a plain field.
const LONGEST_FIELD: usize = 1_024;
/// Pieces that wait between the connection and the disk.
const PIECES: usize = 4;

type Pieces = mpsc::Sender<Result<Bytes, StorageError>>;

/// `POST /v1/files`
pub(super) async fn upload(caller: Caller, body: Multipart) -> Result<Json<FileObject>, Refused> {
    let file = take(&caller, body).await?;
    Ok(Json(FileObject::of(&file)))
}

async fn take(caller: &Caller, mut body: Multipart) -> Result<StoredFile, Refused> {
    let mut stored = None;
    let unread = |error: axum::extract::multipart::MultipartError| {
        caller.problem(&Problem::Malformed { detail: error.body_text(), line: 0, column: 0 })
    };
    while let Some(field) = body.next_field().await.map_err(unread)? {
        match field.name() {
            Some("file") if stored.is_none() => stored = Some(keep(caller, field).await?),
            Some("purpose") => {
                let purpose = short(caller, field).await?;
                if purpose != "batch" {
                    let detail = format!("\"{purpose}\": files are for batches here");
                    return Err(caller.problem(&Problem::unsupported("purpose", detail)));
                }
            }
            _ => {
                short(caller, field).await?;
            }
        }
    }
    stored.ok_or_else(|| caller.problem(&Problem::missing("file")))
}

/// Passes the bytes on to the disk as they come.
async fn keep(caller: &Caller, field: Field<'_>) -> Result<StoredFile, Refused> {
    let name: String = field.file_name().unwrap_or("file").chars().take(256).collect();
    let file = StoredFile {
        id: FileId(caller.state.parts.ids.new_id()),
        owner: caller.principal.key,
        name,
        purpose: "batch".to_owned(),
        bytes: 0,
        created: caller.state.parts.clock.now(),
    };
    let (pieces, coming) = mpsc::channel(PIECES);
    let patience = caller.state.parts.settings.body_patience;
    let stream = ReceiverStream::new(coming).boxed();
    let limit = caller.services.max_file_bytes;
    let (stored, ()) =
        tokio::join!(caller.services.files.put_file(file, stream, limit), pass_on(field, pieces, patience));
    stored.map_err(|error| match error {
        StorageError::TooLarge(limit) => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            caller.problem(&Problem::TooLarge { limit })
        }
        error => caller.storage(&error),
    })
}

/// A connection that breaks or is silent for too long ends the file with an error, so that half of it is not kept.
async fn pass_on(mut field: Field<'_>, pieces: Pieces, patience: Duration) {
    loop {
        let piece = match tokio::time::timeout(patience, field.chunk()).await {
            Ok(Ok(Some(piece))) => Ok(piece),
            Ok(Ok(None)) => return,
            Ok(Err(error)) => Err(StorageError::Other(error.body_text())),
            Err(_) => Err(StorageError::Other("the file did not arrive in time".into())),
        };
        let last = piece.is_err();
        if pieces.send(piece).await.is_err() || last {
            return;
        }
    }
}

async fn short(caller: &Caller, mut field: Field<'_>) -> Result<String, Refused> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut text = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|_| caller.problem(&Problem::Broken))? {
        text.extend_from_slice(&piece);
        if text.len() > LONGEST_FIELD {
            return Err(caller.problem(&Problem::invalid(name, format!("longer than {LONGEST_FIELD} bytes"))));
        }
    }
    String::from_utf8(text).map_err(|_| caller.problem(&Problem::invalid(name, "it is not UTF-8")))
}

/// `GET /v1/files`
pub(super) async fn list(
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<FileObject>>, Refused> {
    let all = caller.services.files.files().await.map_err(|error| caller.storage(&error))?;
    let mine = all.iter().filter(|file| {
        caller.owns(file.owner) && query.purpose.as_ref().is_none_or(|purpose| file.purpose == *purpose)
    });
    let mine = mine.map(FileObject::of).collect();
    Ok(Json(Page::of(mine, |file: &FileObject| file.id.clone(), query.after.as_deref(), query.limit())))
}

/// `GET /v1/files/{id}`
pub(super) async fn show(caller: Caller, Path(id): Path<String>) -> Result<Json<FileObject>, Refused> {
    let Some(file) = FileRef::parse(&id) else { return Err(caller.absent("file", &id)) };
    if let FileRef::Uploaded(uploaded) = file {
        return Ok(Json(FileObject::of(&own_file(&caller, uploaded, &id).await?)));
    }
    let batch = written_batch(&caller, file, &id).await?;
    let renderer = Renderer { state: caller.state.clone(), lang: caller.lang };
    let length = renderer.length(caller.services.clone(), batch.clone(), file).await;
    let length = length.map_err(|error| caller.storage(&error))?;
    Ok(Json(FileObject::written(file, &batch, length)))
}

/// `GET /v1/files/{id}/content`
pub(super) async fn content(caller: Caller, Path(id): Path<String>) -> Result<Response, Refused> {
    let Some(file) = FileRef::parse(&id) else { return Err(caller.absent("file", &id)) };
    let body = if let FileRef::Uploaded(uploaded) = file {
        own_file(&caller, uploaded, &id).await?;
        let bytes = caller.services.files.read_file(uploaded).await;
        Body::from_stream(bytes.map_err(|error| caller.storage(&error))?)
    } else {
        let batch = written_batch(&caller, file, &id).await?;
        let renderer = Renderer { state: caller.state.clone(), lang: caller.lang };
        Body::from_stream(renderer.file(caller.services.clone(), batch, file))
    };
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    Ok(response)
}

/// `DELETE /v1/files/{id}`. The answers of a batch go with the batch.
pub(super) async fn remove(caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, Refused> {
    let Some(file) = FileRef::parse(&id) else { return Err(caller.absent("file", &id)) };
    match file {
        FileRef::Uploaded(uploaded) => {
            own_file(&caller, uploaded, &id).await?;
            let gone = caller.services.files.remove_file(uploaded).await;
            gone.map_err(|error| caller.storage(&error))?;
        }
        FileRef::Output(_) | FileRef::Errors(_) => {
            let batch = written_batch(&caller, file, &id).await?;
            let gone = caller.services.files.remove_batch(batch.id).await;
            gone.map_err(|error| caller.storage(&error))?;
        }
    }
    Ok(Json(json!({ "id": id, "object": "file", "deleted": true })))
}

pub(super) async fn own_file(caller: &Caller, file: FileId, id: &str) -> Result<StoredFile, Refused> {
    let found = caller.services.files.file(file).await.map_err(|error| caller.storage(&error))?;
    found.filter(|file| caller.owns(file.owner)).ok_or_else(|| caller.absent("file", id))
}

/// The ended batch whose answers a file holds.
async fn written_batch(caller: &Caller, file: FileRef, id: &str) -> Result<StoredBatch, Refused> {
    let Some(batch) = batch_of(file) else { return Err(caller.absent("file", id)) };
    let found = caller.services.files.batch(batch).await.map_err(|error| caller.storage(&error))?;
    found
        .filter(|batch| caller.owns(batch.owner) && batch.ended.is_some())
        .ok_or_else(|| caller.absent("file", id))
}
