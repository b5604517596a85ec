//! Files and batches as OpenAI writes them, and their ids.

use jiff::Timestamp;
use nunchi_core::{BatchId, FileId, JobCounts, StoredBatch, StoredFile};
use serde::Serialize;
use std::collections::BTreeMap;

const FILE: &str = "file-";
const BATCH: &str = "batch_";
const OUTPUT: &str = "-output";
const ERRORS: &str = "-errors";

/// What a file's id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileRef {
    /// A file that was uploaded.
    Uploaded(FileId),
    /// The answers of a batch, written when they are read.
    Output(BatchId),
    /// The errors of a batch, written when they are read.
    Errors(BatchId),
}

impl FileRef {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix(FILE)?;
        if let Some(batch) = name.strip_suffix(OUTPUT) {
            return batch.parse().ok().map(Self::Output);
        }
        if let Some(batch) = name.strip_suffix(ERRORS) {
            return batch.parse().ok().map(Self::Errors);
        }
        name.parse().ok().map(Self::Uploaded)
    }
}

impl std::fmt::Display for FileRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uploaded(id) => write!(f, "{FILE}{id}"),
            Self::Output(batch) => write!(f, "{FILE}{batch}{OUTPUT}"),
            Self::Errors(batch) => write!(f, "{FILE}{batch}{ERRORS}"),
        }
    }
}

pub(super) fn parse_batch(text: &str) -> Option<BatchId> {
    text.strip_prefix(BATCH)?.parse().ok()
}

/// A file.
#[derive(Debug, Serialize)]
pub(super) struct FileObject {
    pub(super) id: String,
    object: &'static str,
    bytes: u64,
    created_at: i64,
    filename: String,
    purpose: String,
    status: &'static str,
}

impl FileObject {
    pub(super) fn of(file: &StoredFile) -> Self {
        Self {
            id: FileRef::Uploaded(file.id).to_string(),
            object: "file",
            bytes: file.bytes,
            created_at: file.created.as_second(),
            filename: file.name.clone(),
            purpose: file.purpose.clone(),
            status: "processed",
        }
    }

    /// A file that is written when it is read.
    pub(super) fn written(file: FileRef, batch: &StoredBatch, bytes: u64) -> Self {
        let kind = if matches!(file, FileRef::Errors(_)) { "error" } else { "output" };
        let created = batch.ended.unwrap_or(batch.created);
        Self {
            id: file.to_string(),
            object: "file",
            bytes,
            created_at: created.as_second(),
            filename: format!("{BATCH}{}_{kind}.jsonl", batch.id),
            purpose: "batch_output".to_owned(),
            status: "processed",
        }
    }
}

/// How many requests of a batch are how far.
#[derive(Debug, Serialize)]
struct RequestCounts {
    total: u64,
    completed: u64,
    failed: u64,
}

/// A batch.
#[derive(Debug, Serialize)]
pub(super) struct BatchObject {
    pub(super) id: String,
    object: &'static str,
    endpoint: String,
    errors: Option<()>,
    input_file_id: String,
    completion_window: &'static str,
    pub(super) status: &'static str,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    created_at: i64,
    in_progress_at: Option<i64>,
    expires_at: i64,
    finalizing_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    cancelling_at: Option<i64>,
    cancelled_at: Option<i64>,
    request_counts: RequestCounts,
    metadata: Option<BTreeMap<String, String>>,
}

impl BatchObject {
    pub(super) fn of(batch: &StoredBatch, counts: JobCounts) -> Self {
        let seconds = |at: Option<Timestamp>| at.map(Timestamp::as_second);
        let cancelled = batch.cancelled.is_some();
        let ended = seconds(batch.ended);
        let file = |file: FileRef, any: bool| (batch.ended.is_some() && any).then(|| file.to_string());
        Self {
            id: format!("{BATCH}{}", batch.id),
            object: "batch",
            endpoint: batch.endpoint.clone(),
            errors: None,
            input_file_id: FileRef::Uploaded(batch.input).to_string(),
            completion_window: "24h",
            status: match (cancelled, batch.ended) {
                (true, Some(_)) => "cancelled",
                (true, None) => "cancelling",
                (false, Some(_)) => "completed",
                (false, None) => "in_progress",
            },
            output_file_id: file(FileRef::Output(batch.id), counts.completed > 0),
            error_file_id: file(FileRef::Errors(batch.id), counts.failed > 0),
            created_at: batch.created.as_second(),
            in_progress_at: Some(batch.created.as_second()),
            expires_at: batch.deadline.as_second(),
            finalizing_at: ended,
            completed_at: ended.filter(|_| !cancelled),
            failed_at: None,
            expired_at: None,
            cancelling_at: seconds(batch.cancelled),
            cancelled_at: ended.filter(|_| cancelled),
            request_counts: RequestCounts {
                total: counts.total,
                completed: counts.completed,
                failed: counts.failed,
            },
            metadata: (!batch.metadata.is_empty()).then(|| batch.metadata.clone()),
        }
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl<T> Page<T> {
    /// The part of `all` behind the element `after`, at most so many.
    pub(super) fn of(all: Vec<T>, id: impl Fn(&T) -> String, after: Option<&str>, limit: usize) -> Self {
        let start =
            after.and_then(|after| all.iter().position(|one| id(one) == after)).map_or(0, |at| at + 1);
        let has_more = all.len() > start.saturating_add(limit);
        let data: Vec<T> = all.into_iter().skip(start).take(limit).collect();
        Self {
            object: "list",
            first_id: data.first().map(&id),
            last_id: data.last().map(&id),
            has_more,
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn ids_of_files_read_back() {
        let (file, batch) = (FileId(Uuid::from_u128(1)), BatchId(Uuid::from_u128(2)));
        for id in [FileRef::Uploaded(file), FileRef::Output(batch), FileRef::Errors(batch)] {
            assert_eq!(FileRef::parse(&id.to_string()), Some(id));
        }
        for text in ["", "file-", "file-x", "batch_1", "file-x-output"] {
            assert_eq!(FileRef::parse(text), None, "{text}");
        }
    }

    #[test]
    fn pages() {
        let page = |after: Option<&str>, limit| {
            let page = Page::of(vec!["a", "b", "c"], |one| (*one).to_owned(), after, limit);
            (page.data, page.has_more)
        };
        assert_eq!(page(None, 2), (vec!["a", "b"], true));
        assert_eq!(page(Some("b"), 2), (vec!["c"], false));
        assert_eq!(page(Some("c"), 2), (vec![], false));
    }
}
