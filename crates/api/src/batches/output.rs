//! The answers of a batch as lines of a file, written while it is read.

use super::BatchServices;
use super::lines::{Endpoint, error_body};
use super::wire::FileRef;
use crate::answer::{Head, Inbound, whole_body};
use crate::anthropic::messages::Messages;
use crate::openai::chat::Chat;
use crate::openai::responses::Responses;
use crate::state::ApiState;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::HeaderMap;
use nunchi_core::{BatchId, Frame, Job, JobAnswer, Lang, ModelError, StorageError, StoredBatch, StoredJob};
use serde::Serialize;
use serde_json::value::RawValue;

/// Answers that are in memory at once.
const TOGETHER: u32 = 64;

/// An answer, with its status.
#[derive(Serialize)]
pub(super) struct Response {
    pub(super) status_code: u16,
    request_id: String,
    body: Box<RawValue>,
}

#[derive(Serialize)]
struct LineError {
    code: &'static str,
    message: &'static str,
}

/// A line of an output or error file.
#[derive(Serialize)]
struct Line {
    id: String,
    custom_id: Option<String>,
    response: Option<Response>,
    error: Option<LineError>,
}

/// Writes answers in the dialect of their endpoint.
#[derive(Clone)]
pub(super) struct Renderer {
    pub(super) state: ApiState,
    pub(super) lang: Lang,
}

impl Renderer {
    /// The file that an id stands for, piece by piece.
    pub(super) fn file(
        self,
        services: BatchServices,
        batch: StoredBatch,
        file: FileRef,
    ) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + 'static {
        let errors = matches!(file, FileRef::Errors(_));
        let endpoint = Endpoint::of_path(&batch.endpoint).unwrap_or(Endpoint::Chat);
        stream::unfold(Some(0_u32), move |from| {
            let (jobs, renderer, id) = (services.jobs.clone(), self.clone(), batch.id);
            async move {
                let from = from?;
                match jobs.lines(id, from, TOGETHER).await {
                    Err(error) => Some((Err(error), None)),
                    Ok(some) if some.is_empty() => None,
                    Ok(some) => {
                        let next = some.iter().filter_map(line_of).max().map(|last| last + 1);
                        Some((Ok(renderer.lines(endpoint, some, errors)), next))
                    }
                }
            }
        })
        .filter(|piece| {
            let empty = piece.as_ref().is_ok_and(Bytes::is_empty);
            std::future::ready(!empty)
        })
    }

    /// Bytes of such a file.
    pub(super) async fn length(
        self,
        services: BatchServices,
        batch: StoredBatch,
        file: FileRef,
    ) -> Result<u64, StorageError> {
        let mut pieces = Box::pin(self.file(services, batch, file));
        let mut length = 0;
        while let Some(piece) = pieces.next().await {
            length += piece?.len() as u64;
        }
        Ok(length)
    }

    fn lines(&self, endpoint: Endpoint, jobs: Vec<StoredJob>, errors: bool) -> Bytes {
        let mut text = Vec::new();
        for StoredJob { job, answer, .. } in jobs {
            let Some(answer) = answer else { continue };
            let line = self.line(endpoint, job, answer);
            let failed = line.response.as_ref().is_none_or(|response| response.status_code != 200);
            if failed == errors && serde_json::to_writer(&mut text, &line).is_ok() {
                text.push(b'\n');
            }
        }
        text.into()
    }

    fn line(&self, endpoint: Endpoint, job: Job, answer: JobAnswer) -> Line {
        let id = format!("batch_req_{}", job.id);
        let name = job.place.as_ref().map(|place| place.name.clone()).filter(|name| !name.is_empty());
        if answer == JobAnswer::Cancelled {
            let error =
                LineError { code: "batch_cancelled", message: "The batch was cancelled before it began." };
            return Line { id, custom_id: name, response: None, error: Some(error) };
        }
        Line { id, custom_id: name, response: Some(self.response(endpoint, &job, answer)), error: None }
    }

    /// The answer of a job as it would have been answered at once.
    pub(super) fn response(&self, endpoint: Endpoint, job: &Job, answer: JobAnswer) -> Response {
        let request_id = job.context.request.to_string();
        let body = match answer {
            JobAnswer::Answered { model, frames, .. } => self.body(endpoint, job, model, frames),
            JobAnswer::Failed(error) => Err(error),
            JobAnswer::Cancelled => {
                Err(ModelError::new(nunchi_core::ModelErrorKind::ClientGone, "it was cancelled"))
            }
        };
        match body {
            Ok(body) => Response { status_code: 200, request_id, body },
            Err(error) => {
                let (status_code, body) = error_body(&error, self.lang);
                Response { status_code, request_id, body }
            }
        }
    }

    fn body(
        &self,
        endpoint: Endpoint,
        job: &Job,
        model: String,
        frames: Vec<Frame>,
    ) -> Result<Box<RawValue>, ModelError> {
        let created = job.created.as_second();
        let head = Head { request: job.context.request, created, model, lang: self.lang };
        match endpoint {
            Endpoint::Chat => self.body_in::<Chat>(&head, job, frames),
            Endpoint::Responses => self.body_in::<Responses>(&head, job, frames),
            Endpoint::Messages => self.body_in::<Messages>(&head, job, frames),
        }
    }

    fn body_in<D: Inbound>(
        &self,
        head: &Head,
        job: &Job,
        frames: Vec<Frame>,
    ) -> Result<Box<RawValue>, ModelError> {
        let garbage = |detail: String| ModelError::new(nunchi_core::ModelErrorKind::Garbage, detail);
        let origin = job.request.origin.as_ref().map(|origin| origin.body.clone()).unwrap_or_default();
        let (_, echo) = D::translate(&self.state, &HeaderMap::new(), origin)
            .map_err(|problem| garbage(problem.to_string()))?;
        let body = whole_body::<D>(head, &echo, frames)?;
        let text = String::from_utf8(body.to_vec()).map_err(|error| garbage(error.to_string()))?;
        // Lines must not hold line ends; an upstream's own bytes may.
        let text = text.replace(['\n', '\r'], " ");
        RawValue::from_string(text).map_err(|error| garbage(error.to_string()))
    }
}

fn line_of(stored: &StoredJob) -> Option<u32> {
    stored.job.place.as_ref().map(|place| place.line)
}

/// The batch that a written file belongs to.
pub(super) const fn batch_of(file: FileRef) -> Option<BatchId> {
    match file {
        FileRef::Uploaded(_) => None,
        FileRef::Output(batch) | FileRef::Errors(batch) => Some(batch),
    }
}
