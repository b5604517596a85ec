//! Reads the answers of a batch line by line as they come.

use super::lines::{LINE_LIMIT, Line, Lines};
use crate::provider::{Provider, whole_frame};
use crate::shared::{cut, garbage};
use crate::splice::leading_field;
use crate::transport::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use nunchi_core::{
    BatchAnswer, BatchAnswers, BatchOutcome, CallId, ModelError, ModelErrorKind, ModelRequest,
};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

/// Reads one line; the number counts from 1 in each file. `None` when it is not JSON of the expected shape.
pub(super) type ReadLine = Box<dyn Fn(&Provider, &[u8], usize) -> Option<BatchAnswer> + Send + Sync>;

/// Files of results, one after the other.
struct Results {
    provider: Arc<Provider>,
    waiting: VecDeque<Request<Bytes>>,
    open: Option<Reader>,
    read: ReadLine,
}

/// A file that is being read.
pub(super) struct Reader {
    body: Body,
    lines: Lines,
    number: usize,
}

/// The answers in some files. The first is asked for here, so that its failures come before any answer.
pub(super) async fn answers(
    provider: Arc<Provider>,
    files: impl IntoIterator<Item = Request<Bytes>>,
    read: ReadLine,
) -> Result<BatchAnswers, ModelError> {
    let mut results = Results { provider, waiting: files.into_iter().collect(), open: None, read };
    results.open_next().await?;
    Ok(Box::pin(stream::try_unfold(results, |mut results| async move {
        let answer = results.next().await.map_err(|error| results.provider.blame(error))?;
        Ok(answer.map(|answer| (answer, results)))
    })))
}

impl Results {
    async fn open_next(&mut self) -> Result<(), ModelError> {
        self.open = match self.waiting.pop_front() {
            Some(message) => Some(Reader::open(&self.provider, message).await?),
            None => None,
        };
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<BatchAnswer>, ModelError> {
        loop {
            let Some(open) = &mut self.open else { return Ok(None) };
            match open.next().await? {
                Some((Line::Whole(line), ended)) => match (self.read)(&self.provider, &line, open.number) {
                    Some(answer) => return Ok(Some(blamed(&self.provider, answer))),
                    // Half a line, as bodies end that are cut without an error.
                    None if !ended => return Err(cut()),
                    None => return broken(&self.provider, &line, "a line that is no result").map(Some),
                },
                Some((Line::TooLong(start), _)) => {
                    let what = format!("a result of more than {LINE_LIMIT} bytes");
                    return broken(&self.provider, &start, &what).map(Some);
                }
                None => self.open_next().await?,
            }
        }
    }
}

impl Reader {
    /// Asks for a file.
    pub(super) async fn open(provider: &Provider, message: Request<Bytes>) -> Result<Self, ModelError> {
        let body = provider.exchange(message).await?.into_body();
        Ok(Self { body, lines: Lines::new(LINE_LIMIT), number: 0 })
    }

    /// The id on the first line that shows one; `None` when no line does.
    pub(super) async fn first_id(&mut self) -> Result<Option<String>, ModelError> {
        while let Some((Line::Whole(line) | Line::TooLong(line), _)) = self.next().await? {
            if let Some(id) = leading_text(&line) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The next line, and whether its end came with it.
    async fn next(&mut self) -> Result<Option<(Line, bool)>, ModelError> {
        loop {
            if let Some(line) = self.lines.next_line() {
                self.number += 1;
                return Ok(Some((line, true)));
            }
            match poll_fn(|cx| self.body.poll_piece(cx)).await.transpose()? {
                Some(piece) => self.lines.push(piece),
                None => {
                    self.number += 1;
                    return Ok(self.lines.finish().map(|line| (line, false)));
                }
            }
        }
    }
}

/// A line that cannot be read is the failure of its request, if it can be told whose it is.
fn broken(provider: &Provider, line: &[u8], what: &str) -> Result<BatchAnswer, ModelError> {
    let error = garbage(what);
    match leading_id(line) {
        Some(id) => Ok(blamed(provider, BatchAnswer { id, outcome: BatchOutcome::Failed(error) })),
        None => Err(error),
    }
}

/// Whose line it is, as far as its front tells.
pub(super) fn leading_id(line: &[u8]) -> Option<CallId> {
    leading_text(line)?.parse().ok()
}

fn leading_text(line: &[u8]) -> Option<String> {
    serde_json::from_slice(leading_field(line, "custom_id")?).ok()
}

fn blamed(provider: &Provider, mut answer: BatchAnswer) -> BatchAnswer {
    if let BatchOutcome::Failed(error) = answer.outcome {
        answer.outcome = BatchOutcome::Failed(provider.blame(error));
    }
    answer
}

/// A reply of a request, read as a live one that was not streamed.
pub(super) fn reply(provider: &Provider, body: &str) -> BatchOutcome {
    let codec = provider.codec();
    // No decoder of a dialect with batches looks at the request.
    let mut decoder = codec.decoder(&ModelRequest::new("", Vec::new()));
    // A copy, since an answer that is kept would keep the buffer that it was read into.
    let body = Bytes::copy_from_slice(body.as_bytes());
    match whole_frame(codec.dialect(), &mut *decoder, body) {
        Ok(frame) => BatchOutcome::Answered(vec![frame]),
        Err(error) => BatchOutcome::Failed(error),
    }
}

/// A request that the provider gave up for a reason of its own.
pub(super) fn failed(kind: ModelErrorKind, message: &str) -> BatchOutcome {
    BatchOutcome::Failed(ModelError::new(kind, crate::shared::masked(message)))
}
