//! Anthropic's Batch API: one request with all of them in, one file of results out.
//!
//! Nothing can be stored beside a batch, so that a lost one is told by the ids in its results, once it has ended.

use super::anthropic_wire::{Batch, List, result_line};
use super::results::Reader;
use super::{CLOCK_SKEW, PAGE_LIMIT, ask, faults, is_known, is_past, requests, results, segment};
use crate::anthropic::{BETA, VERSION};
use crate::codec::Encoded;
use crate::provider::Provider;
use crate::shared::garbage;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use jiff::Timestamp;
use nunchi_core::{
    BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchSearch, BatchStatus, BatchTicket, BoxFuture,
    CallId, ModelError, ModelRequest, Note,
};
use std::sync::Arc;
use uuid::Uuid;

/// As Anthropic documents them: 100,000 requests or 256 MB, whichever is reached first.
const LIMITS: BatchLimits = BatchLimits { items: 100_000, bytes: 256_000_000 };

const PATH: &str = "/v1/messages/batches";

/// Batches on one page of a list.
const PAGE: usize = 100;

/// A provider's batches.
pub(super) struct AnthropicBatches {
    provider: Arc<Provider>,
}

impl AnthropicBatches {
    pub(super) fn new(provider: Arc<Provider>) -> Self {
        Self { provider }
    }

    fn message(&self, method: Method, path: &str) -> Result<Request<Bytes>, ModelError> {
        let mut message = self.provider.bare(method, path)?;
        let (name, value) = VERSION;
        message.headers_mut().insert(name, value);
        Ok(message)
    }

    async fn hand_over(&self, items: Vec<BatchItem>) -> Result<BatchTicket, ModelError> {
        let write = |out: &mut BytesMut, id: CallId, request: &Encoded| {
            let comma = if out.ends_with(b"}") { "," } else { "" };
            let head = format!(r#"{comma}{{"custom_id":"{id}","params":"#);
            for piece in [head.as_bytes(), &request.body, b"}"] {
                out.put_slice(piece);
            }
        };
        let head = r#"{"requests":["#;
        let mut requests = requests::encode(self.provider.codec(), items, LIMITS, head, write).await?;
        requests.text.put_slice(b"]}");
        let mut message = self.message(Method::POST, PATH)?;
        message.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        add_headers(message.headers_mut(), requests.headers)?;
        *message.body_mut() = requests.text.freeze();
        let made: Result<Batch, _> = ask(&self.provider, message, "the batch").await;
        let ticket = made.and_then(|batch| Ok(BatchTicket(segment(&batch.id)?.to_owned())));
        ticket.map_err(faults::perhaps_made)
    }

    async fn search(
        &self,
        since: Timestamp,
        items: &[CallId],
        known: &[BatchTicket],
    ) -> Result<BatchSearch, ModelError> {
        let since = since.as_second();
        let mut path = format!("{PATH}?limit={PAGE}");
        let mut otherwise = BatchSearch::Absent;
        for _ in 0..PAGE_LIMIT {
            let page: List = ask(&self.provider, self.message(Method::GET, &path)?, "the list").await?;
            let fresh = page.data.iter().filter(|batch| batch.created_at.as_second() + CLOCK_SKEW >= since);
            for batch in fresh.filter(|batch| !is_known(known, &batch.id)) {
                match self.is_of(batch, items).await? {
                    Some(true) => return Ok(BatchSearch::Found(BatchTicket(segment(&batch.id)?.to_owned()))),
                    Some(false) => {}
                    None => otherwise = BatchSearch::Undecided,
                }
            }
            let created: Vec<i64> = page.data.iter().map(|batch| batch.created_at.as_second()).collect();
            let last = page.data.last().filter(|_| page.has_more && !is_past(&created, since));
            let Some(last) = last else { return Ok(otherwise) };
            path = format!("{PATH}?limit={PAGE}&after_id={}", segment(&last.id)?);
        }
        Ok(BatchSearch::Undecided)
    }

    /// Whether a batch has these requests; `None` while it cannot be told.
    async fn is_of(&self, batch: &Batch, items: &[CallId]) -> Result<Option<bool>, ModelError> {
        if batch.size() != items.len() as u64 {
            return Ok(Some(false));
        }
        if !batch.is_readable() {
            return Ok(None);
        }
        // A batch is made in one piece, so that any of its ids tells.
        let first = match Reader::open(&self.provider, self.results(&batch.id)?).await {
            Ok(mut reader) => reader.first_id().await?,
            Err(error) if error.status == Some(404) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(first.map(|id| id.parse().is_ok_and(|id| items.contains(&id))))
    }

    /// Asked for at our own address: the key goes nowhere else, whatever `results_url` says.
    fn results(&self, id: &str) -> Result<Request<Bytes>, ModelError> {
        self.message(Method::GET, &format!("{PATH}/{}/results", segment(id)?))
    }

    async fn look(&self, BatchTicket(id): &BatchTicket) -> Result<Batch, ModelError> {
        let message = self.message(Method::GET, &format!("{PATH}/{}", segment(id)?))?;
        ask(&self.provider, message, "the batch").await.map_err(faults::about_a_batch)
    }

    async fn read(&self, ticket: &BatchTicket) -> Result<BatchAnswers, ModelError> {
        let files = [self.results(&ticket.0)?];
        let answers = results::answers(Arc::clone(&self.provider), files, Box::new(result_line)).await;
        answers.map_err(faults::about_a_batch)
    }

    async fn stop(&self, ticket: &BatchTicket) -> Result<(), ModelError> {
        let message = self.message(Method::POST, &format!("{PATH}/{}/cancel", segment(&ticket.0)?))?;
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

/// The headers of all requests; their betas in one list.
fn add_headers(headers: &mut HeaderMap, own: Vec<(HeaderName, HeaderValue)>) -> Result<(), ModelError> {
    let mut betas: Vec<String> = Vec::new();
    for (name, value) in own {
        if name != BETA {
            headers.insert(name, value);
            continue;
        }
        for beta in
            value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|beta| !beta.is_empty())
        {
            if !betas.iter().any(|known| known == beta) {
                betas.push(beta.to_owned());
            }
        }
    }
    if !betas.is_empty() {
        let value = HeaderValue::try_from(betas.join(",")).map_err(|error| garbage(error.to_string()))?;
        headers.insert(HeaderName::from_static(BETA), value);
    }
    Ok(())
}

impl BatchModel for AnthropicBatches {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn check(&self, request: &ModelRequest) -> Result<Vec<Note>, ModelError> {
        let encoded = requests::one(self.provider.codec(), request.clone());
        Ok(encoded.map_err(|error| self.provider.blame(error))?.notes)
    }

    fn submit(&self, _marker: Uuid, items: Vec<BatchItem>) -> BoxFuture<'_, Result<BatchTicket, ModelError>> {
        Box::pin(async move { self.hand_over(items).await.map_err(|error| self.provider.blame(error)) })
    }

    fn find<'a>(
        &'a self,
        _marker: Uuid,
        since: Timestamp,
        items: &'a [CallId],
        known: &'a [BatchTicket],
    ) -> BoxFuture<'a, Result<BatchSearch, ModelError>> {
        Box::pin(async move {
            let found = self.search(since, items, known).await.map_err(faults::about_a_batch);
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
    use super::*;

    #[test]
    fn the_betas_of_all_requests_are_one_list() {
        let mut headers = HeaderMap::new();
        let own = |text: &'static str| (HeaderName::from_static(BETA), HeaderValue::from_static(text));
        let other = (HeaderName::from_static("x-other"), HeaderValue::from_static("1"));
        add_headers(&mut headers, vec![own("a, b"), other, own("b,c")]).unwrap();
        assert_eq!(headers.get_all(BETA).iter().collect::<Vec<_>>(), ["a,b,c"]);
        assert_eq!(headers["x-other"], "1");
    }
}
