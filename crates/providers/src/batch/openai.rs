//! OpenAI's Batch API: a file of requests is uploaded, a batch is made of it, answers and errors come back in two files.

use super::openai_wire::{Batch, Create, File, List, Metadata, not_ended, refused_line, result_line};
use super::{PAGE_LIMIT, ask, faults, is_known, is_past, requests, results, segment};
use crate::codec::Encoded;
use crate::provider::{Provider, ProviderKind};
use crate::shared::garbage;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use jiff::Timestamp;
use nunchi_core::{
    BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchSearch, BatchStatus, BatchTicket, BoxFuture,
    CallId, ModelError, ModelErrorKind, ModelRequest, Note,
};
use std::sync::Arc;
use uuid::Uuid;

/// As OpenAI documents them: 50,000 requests in a file of 200 MB.
const LIMITS: BatchLimits = BatchLimits { items: 50_000, bytes: 200_000_000 };

/// The only time that is offered.
const WINDOW: &str = "24h";

/// What stands before paths in a batch, wherever the API itself is.
const VERSION: &str = "/v1";

/// Batches on one page of a list.
const PAGE: usize = 100;

/// A provider's batches.
pub(super) struct OpenAiBatches {
    provider: Arc<Provider>,
}

impl OpenAiBatches {
    pub(super) fn new(provider: Arc<Provider>) -> Self {
        Self { provider }
    }

    async fn hand_over(&self, marker: Uuid, items: Vec<BatchItem>) -> Result<BatchTicket, ModelError> {
        one_model(&items)?;
        let boundary = format!("nunchi-{}", marker.simple());
        let (form, endpoint) = form(&self.provider, &boundary, items).await?;
        let mut upload = self.provider.bare(Method::POST, "/files")?;
        let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        let content_type = content_type.map_err(|error| garbage(error.to_string()))?;
        upload.headers_mut().insert(CONTENT_TYPE, content_type);
        *upload.body_mut() = form;
        let file: File = ask(&self.provider, upload, "the file").await.map_err(faults::made_nothing)?;
        let create = Create {
            input_file_id: segment(&file.id)?,
            endpoint: &endpoint,
            completion_window: WINDOW,
            metadata: Metadata { marker: marker.simple().to_string() },
        };
        let body = serde_json::to_vec(&create).map_err(|error| garbage(error.to_string()))?;
        let mut message = self.provider.bare(Method::POST, "/batches")?;
        message.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *message.body_mut() = body.into();
        let made: Result<Batch, _> = ask(&self.provider, message, "the batch").await;
        let ticket = made.and_then(|batch| Ok(BatchTicket(segment(&batch.id)?.to_owned())));
        ticket.map_err(faults::perhaps_made)
    }

    async fn search(
        &self,
        marker: Uuid,
        since: Timestamp,
        known: &[BatchTicket],
    ) -> Result<BatchSearch, ModelError> {
        let marker = marker.simple().to_string();
        // Of OpenAI it is known that the latest come first.
        let ordered = self.provider.kind() != ProviderKind::Compatible;
        let mut path = format!("/batches?limit={PAGE}");
        for _ in 0..PAGE_LIMIT {
            let page: List = ask(&self.provider, self.provider.bare(Method::GET, &path)?, "the list").await?;
            let ours = page.data.iter().find(|batch| batch.is_marked(&marker) && !is_known(known, &batch.id));
            if let Some(batch) = ours {
                return Ok(BatchSearch::Found(BatchTicket(segment(&batch.id)?.to_owned())));
            }
            let created: Vec<i64> = page.data.iter().map(|batch| batch.created_at).collect();
            let last = page.data.last().filter(|_| page.has_more);
            let Some(last) = last.filter(|_| !(ordered && is_past(&created, since.as_second()))) else {
                return Ok(BatchSearch::Absent);
            };
            path = format!("/batches?limit={PAGE}&after={}", segment(&last.id)?);
        }
        Ok(BatchSearch::Undecided)
    }

    async fn look(&self, BatchTicket(id): &BatchTicket) -> Result<Batch, ModelError> {
        let message = self.provider.bare(Method::GET, &format!("/batches/{}", segment(id)?))?;
        ask(&self.provider, message, "the batch").await.map_err(faults::about_a_batch)
    }

    fn content(&self, file: &str) -> Result<Request<Bytes>, ModelError> {
        self.provider.bare(Method::GET, &format!("/files/{}/content", segment(file)?))
    }

    async fn read(&self, ticket: &BatchTicket) -> Result<BatchAnswers, ModelError> {
        let batch = self.look(ticket).await?;
        if !batch.ended() {
            return Err(not_ended());
        }
        let refused = batch.status == "failed";
        let files = [batch.output_file_id, batch.error_file_id, batch.input_file_id.filter(|_| refused)];
        let files = files.iter().flatten().map(|file| self.content(file)).collect::<Result<Vec<_>, _>>()?;
        let problems = batch.errors.and_then(|errors| errors.data).unwrap_or_default();
        let read: results::ReadLine = if refused {
            // A refused batch has no files but its input, which tells who waits.
            Box::new(move |_, line, number| refused_line(&problems, line, number))
        } else {
            Box::new(result_line)
        };
        results::answers(Arc::clone(&self.provider), files, read).await.map_err(faults::about_a_batch)
    }

    async fn stop(&self, ticket: &BatchTicket) -> Result<(), ModelError> {
        let path = format!("/batches/{}/cancel", segment(&ticket.0)?);
        let message = self.provider.bare(Method::POST, &path)?;
        let asked: Result<Batch, _> = ask(&self.provider, message, "the batch").await;
        let Err(error) = asked else { return Ok(()) };
        // It is refused for a batch that has ended, and then nothing is left to be stopped.
        let refused = matches!(error.status, Some(400 | 409));
        if refused && self.look(ticket).await.is_ok_and(|batch| batch.ended()) {
            return Ok(());
        }
        Err(faults::about_a_batch(error))
    }
}

/// OpenAI refuses a whole batch of several models, hours later.
fn one_model(items: &[BatchItem]) -> Result<(), ModelError> {
    let mut models = items.iter().map(|item| item.request.model.as_str());
    let first = models.next();
    match models.find(|model| Some(*model) != first) {
        Some(other) => Err(ModelError::new(
            ModelErrorKind::InvalidRequest,
            format!("a batch names one model, not {} and {other}", first.unwrap_or_default()),
        )),
        None => Ok(()),
    }
}

/// An upload: its form, and the endpoint of its requests.
async fn form(
    provider: &Provider,
    boundary: &str,
    items: Vec<BatchItem>,
) -> Result<(Bytes, String), ModelError> {
    // No line of a request begins like the boundary: each is an object.
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{boundary}.jsonl\"\r\n\
         Content-Type: application/jsonl\r\n\r\n"
    );
    let write = |out: &mut BytesMut, id: CallId, request: &Encoded| {
        let url = format!("{VERSION}{}", request.path);
        let head = format!(r#"{{"custom_id":"{id}","method":"POST","url":"{url}","body":"#);
        for piece in [head.as_bytes(), &request.body, b"}\n"] {
            out.put_slice(piece);
        }
    };
    let mut requests = requests::encode(provider.codec(), items, LIMITS, &head, write).await?;
    requests.text.put_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok((requests.text.freeze(), format!("{VERSION}{}", requests.path)))
}

impl BatchModel for OpenAiBatches {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn check(&self, request: &ModelRequest) -> Result<Vec<Note>, ModelError> {
        let encoded = requests::one(self.provider.codec(), request.clone());
        Ok(encoded.map_err(|error| self.provider.blame(error))?.notes)
    }

    fn submit(&self, marker: Uuid, items: Vec<BatchItem>) -> BoxFuture<'_, Result<BatchTicket, ModelError>> {
        Box::pin(
            async move { self.hand_over(marker, items).await.map_err(|error| self.provider.blame(error)) },
        )
    }

    fn find<'a>(
        &'a self,
        marker: Uuid,
        since: Timestamp,
        _items: &'a [CallId],
        known: &'a [BatchTicket],
    ) -> BoxFuture<'a, Result<BatchSearch, ModelError>> {
        Box::pin(async move {
            let found = self.search(marker, since, known).await.map_err(faults::about_a_batch);
            found.map_err(|error| self.provider.blame(error))
        })
    }

    fn status<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<BatchStatus, ModelError>> {
        Box::pin(async move {
            let batch = self.look(ticket).await.map_err(|error| self.provider.blame(error))?;
            Ok(batch.status())
        })
    }

    fn answers<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<BatchAnswers, ModelError>> {
        Box::pin(async move { self.read(ticket).await.map_err(|error| self.provider.blame(error)) })
    }

    fn cancel<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<(), ModelError>> {
        Box::pin(async move { self.stop(ticket).await.map_err(|error| self.provider.blame(error)) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{item, provider};
    use super::*;

    #[tokio::test]
    async fn an_upload_as_it_is_written() {
        let items = vec![item(1, "gpt-4.1", "안녕"), item(2, "gpt-4.1", "줄\n바꿈")];
        let (form, endpoint) = form(&provider(ProviderKind::OpenAi), "mark", items).await.unwrap();
        assert_eq!(endpoint, "/v1/chat/completions");
        let wanted = [
            "--mark",
            "Content-Disposition: form-data; name=\"purpose\"",
            "",
            "batch",
            "--mark",
            "Content-Disposition: form-data; name=\"file\"; filename=\"mark.jsonl\"",
            "Content-Type: application/jsonl",
            "",
            concat!(
                r#"{"custom_id":"00000000000000000000000000000001","method":"POST","url":"/v1/chat/completions","#,
                r#""body":{"model":"gpt-4.1","messages":[{"role":"user","content":"안녕"}]}}"#,
                "\n",
                r#"{"custom_id":"00000000000000000000000000000002","method":"POST","url":"/v1/chat/completions","#,
                r#""body":{"model":"gpt-4.1","messages":[{"role":"user","content":"줄\n바꿈"}]}}"#,
                "\n"
            ),
            "--mark--",
            "",
        ];
        assert_eq!(std::str::from_utf8(&form).unwrap(), wanted.join("\r\n"));
        let items = vec![item(1, "gpt-4.1", "Hi")];
        let (_, endpoint) =
            self::form(&provider(ProviderKind::OpenAiResponses), "mark", items).await.unwrap();
        assert_eq!(endpoint, "/v1/responses");
    }
}
