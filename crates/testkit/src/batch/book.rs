//! Files and batches, and how a batch moves on.

use super::bill::Billed;
use super::item::{End, Item};
use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Where a batch stands, in OpenAI's words; Anthropic shows the first three as `in_progress` and the last ones as `ended`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchPhase {
    /// The input is being checked.
    Validating,
    /// Requests are being answered.
    InProgress,
    /// Every request is answered, the results are being written.
    Finalizing,
    /// Ended: every request was answered.
    Completed,
    /// Ended: the input was refused (OpenAI only).
    Failed,
    /// Ended: time ran out before every request was answered.
    Expired,
    /// It is to end early.
    Cancelling,
    /// Ended early.
    Cancelled,
}

impl BatchPhase {
    const ALL: [Self; 8] = [
        Self::Validating,
        Self::InProgress,
        Self::Finalizing,
        Self::Completed,
        Self::Failed,
        Self::Expired,
        Self::Cancelling,
        Self::Cancelled,
    ];

    /// OpenAI's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.word() == word)
    }

    /// Whether nothing more happens.
    pub fn ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }
}

/// How batches move on by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchPace {
    /// They do not: the test moves them.
    Manual,
    /// The status request of this number finds a batch completed (a cancelling one cancelled); earlier ones find it in progress.
    Polls(u32),
}

/// A batch as the server knows it.
#[derive(Clone, Debug)]
pub struct BatchSeen {
    /// The provider's id.
    pub id: String,
    /// Where it stands.
    pub phase: BatchPhase,
    /// What the caller stored beside it (OpenAI).
    pub metadata: Value,
    /// The ids of its requests, in order.
    pub custom_ids: Vec<String>,
    /// Requests answered with a success.
    pub answered: usize,
    /// Requests that failed, expired or were cancelled.
    pub failed: usize,
    /// How often its status was asked for.
    pub polls: u32,
}

impl BatchSeen {
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id, "status": self.phase.word(), "metadata": self.metadata, "custom_ids": self.custom_ids,
            "requests": self.custom_ids.len(), "answered": self.answered, "failed": self.failed, "polls": self.polls,
        })
    }
}

/// An uploaded or written file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) created: Timestamp,
    pub(super) data: Bytes,
}

/// A batch.
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) phase: BatchPhase,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) cancel_asked: Option<Timestamp>,
    pub(super) endpoint: String,
    pub(super) input_file: String,
    pub(super) metadata: Value,
    /// What a check of the input finds wrong; not shown before the check.
    pub(super) problems: Vec<Value>,
    pub(super) items: Vec<Item>,
    pub(super) output_file: Option<String>,
    pub(super) error_file: Option<String>,
    /// The headers it was made with.
    pub(super) headers: HeaderMap,
    pub(super) polls: u32,
}

impl Batch {
    pub(super) fn new(id: String, now: Timestamp, headers: HeaderMap) -> Self {
        Self {
            id,
            phase: BatchPhase::Validating,
            created: now,
            ended: None,
            cancel_asked: None,
            endpoint: String::new(),
            input_file: String::new(),
            metadata: Value::Null,
            problems: Vec::new(),
            items: Vec::new(),
            output_file: None,
            error_file: None,
            headers,
            polls: 0,
        }
    }

    /// How many requests have ended in a way.
    pub(super) fn count(&self, ended: impl Fn(&End) -> bool) -> usize {
        self.items.iter().filter_map(|item| item.end.as_ref()).filter(|end| ended(end)).count()
    }

    fn answer(&mut self, most: usize, answer: AnswerItem<'_>) {
        let open = self.items.iter_mut().filter(|item| item.end.is_none()).take(most);
        for item in open {
            item.end = Some(answer(item, &self.headers));
        }
    }

    fn end_open(&mut self, end: &End) {
        for item in self.items.iter_mut().filter(|item| item.end.is_none()) {
            item.end = Some(end.clone());
        }
    }

    /// Moves on. An ended batch stays; one with a wrong input fails as soon as it is checked.
    fn move_to(&mut self, to: BatchPhase, answer: AnswerItem<'_>) {
        if self.phase.ended() {
            return;
        }
        let checked = !matches!(to, BatchPhase::Validating | BatchPhase::Cancelling | BatchPhase::Cancelled);
        let to = if checked && !self.problems.is_empty() { BatchPhase::Failed } else { to };
        match to {
            BatchPhase::Finalizing | BatchPhase::Completed => self.answer(usize::MAX, answer),
            BatchPhase::Expired => self.end_open(&End::Expired),
            BatchPhase::Cancelled => self.end_open(&End::Cancelled),
            BatchPhase::Failed if self.problems.is_empty() => {
                self.problems.push(json!({
                    "code": "token_limit_exceeded", "message": "Too many tokens are queued.", "param": null, "line": null,
                }));
            }
            _ => {}
        }
        if to == BatchPhase::Failed {
            self.items.clear();
        }
        self.phase = to;
    }

    fn seen(&self) -> BatchSeen {
        let answered = self.count(End::succeeded);
        BatchSeen {
            id: self.id.clone(),
            phase: self.phase,
            metadata: self.metadata.clone(),
            custom_ids: self.items.iter().map(|item| item.custom_id.clone()).collect(),
            answered,
            failed: self.count(|_| true) - answered,
            polls: self.polls,
        }
    }
}

/// Answers one request, given the headers that its batch came with.
pub(crate) type AnswerItem<'a> = &'a dyn Fn(&Item, &HeaderMap) -> End;

/// An order to the book, as a test gives it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steering {
    /// The batch; all that have not ended when `None`.
    pub(crate) batch: Option<String>,
    /// Answer this many more requests first.
    pub(crate) answer: usize,
    /// Then move there.
    pub(crate) to: Option<BatchPhase>,
    /// From now on move at this pace.
    pub(crate) pace: Option<BatchPace>,
}

impl Steering {
    /// Reads `{"batch": "…", "answer": 3, "to": "expired", "pace": "manual" | 2}`; every field may be left out.
    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or("an object is wanted")?;
        let mut steering = Self::default();
        for (name, value) in fields {
            let wrong = || format!("{name}: {value} was not understood");
            match name.as_str() {
                "batch" => steering.batch = Some(value.as_str().ok_or_else(wrong)?.to_owned()),
                "answer" => steering.answer = usize_of(value).ok_or_else(wrong)?,
                "to" => {
                    steering.to = Some(value.as_str().and_then(BatchPhase::of_word).ok_or_else(wrong)?);
                }
                "pace" if value == "manual" => steering.pace = Some(BatchPace::Manual),
                "pace" => {
                    let polls = usize_of(value).and_then(|polls| u32::try_from(polls).ok());
                    steering.pace = Some(BatchPace::Polls(polls.ok_or_else(wrong)?));
                }
                _ => return Err(format!("there is no {name}; known are batch, answer, to and pace")),
            }
        }
        Ok(steering)
    }
}

fn usize_of(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// Everything a server knows of batches. It lives as long as the server: what was seen may be forgotten, this may not.
pub(crate) struct BatchBook {
    pub(super) files: HashMap<String, File>,
    /// The oldest first.
    pub(super) batches: Vec<Batch>,
    pace: BatchPace,
    made: u64,
    pub(crate) billed: Billed,
}

impl BatchBook {
    pub(crate) fn new() -> Self {
        Self {
            files: HashMap::new(),
            batches: Vec::new(),
            pace: BatchPace::Polls(1),
            made: 0,
            billed: Billed::default(),
        }
    }

    /// An id that was not given before.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}scripted{:08}", self.made)
    }

    pub(super) fn add_file(&mut self, name: &str, data: Bytes) -> String {
        let id = self.id("file-");
        self.files.insert(id.clone(), File { name: name.to_owned(), created: Timestamp::now(), data });
        id
    }

    pub(super) fn add(&mut self, batch: Batch) -> &Batch {
        self.billed.batches += 1;
        self.batches.push(batch);
        let last = self.batches.len() - 1;
        &self.batches[last]
    }

    pub(super) fn batch(&self, id: &str) -> Option<&Batch> {
        self.batches.iter().find(|batch| batch.id == id)
    }

    /// Counts a status request and moves the batch on as the pace says.
    pub(super) fn poll(&mut self, id: &str, answer: AnswerItem<'_>) {
        let pace = self.pace;
        let Some(batch) = self.batches.iter_mut().find(|batch| batch.id == id) else { return };
        batch.polls += 1;
        let to = match pace {
            BatchPace::Manual => return,
            BatchPace::Polls(_) if batch.phase == BatchPhase::Cancelling => BatchPhase::Cancelled,
            BatchPace::Polls(count) if batch.polls >= count => BatchPhase::Completed,
            BatchPace::Polls(_) if batch.phase != BatchPhase::Validating => return,
            BatchPace::Polls(_) => BatchPhase::InProgress,
        };
        batch.move_to(to, answer);
        self.close();
    }

    /// Asks a batch to end early; whether it had not ended yet.
    pub(super) fn cancel(&mut self, id: &str, answer: AnswerItem<'_>) -> bool {
        let Some(batch) = self.batches.iter_mut().find(|batch| batch.id == id) else { return false };
        let open = !batch.phase.ended();
        if open {
            batch.cancel_asked.get_or_insert_with(Timestamp::now);
            batch.move_to(BatchPhase::Cancelling, answer);
        }
        open
    }

    /// Does what a test orders.
    pub(crate) fn steer(&mut self, steering: &Steering, answer: AnswerItem<'_>) {
        self.pace = steering.pace.unwrap_or(self.pace);
        let wanted = |batch: &&mut Batch| steering.batch.as_ref().is_none_or(|id| *id == batch.id);
        for batch in self.batches.iter_mut().filter(wanted) {
            if steering.answer > 0 && batch.phase == BatchPhase::Validating {
                batch.move_to(BatchPhase::InProgress, answer);
            }
            batch.answer(steering.answer, answer);
            if let Some(to) = steering.to {
                batch.move_to(to, answer);
            }
        }
        self.close();
    }

    /// Writes the results of batches that have just ended, in another order than the requests came.
    fn close(&mut self) {
        for at in 0..self.batches.len() {
            let batch = &mut self.batches[at];
            if !batch.phase.ended() || batch.ended.is_some() {
                continue;
            }
            batch.ended = Some(Timestamp::now());
            if batch.input_file.is_empty() {
                continue;
            }
            let write = |succeeded: bool| {
                let ends = batch.items.iter().rev().filter_map(|item| Some((item, item.end.as_ref()?)));
                let chosen = ends.filter(|(_, end)| end.succeeded() == succeeded);
                let lines = chosen.map(|(item, end)| format!("{}\n", end.openai_line(&item.custom_id)));
                Some(lines.collect::<String>()).filter(|text| !text.is_empty())
            };
            let (output, errors) = (write(true), write(false));
            let name = |kind: &str| format!("{}_{kind}.jsonl", self.batches[at].id);
            let (output_name, error_name) = (name("output"), name("error"));
            let output = output.map(|text| self.add_file(&output_name, text.into()));
            let errors = errors.map(|text| self.add_file(&error_name, text.into()));
            (self.batches[at].output_file, self.batches[at].error_file) = (output, errors);
        }
    }

    /// All batches, the oldest first.
    pub(crate) fn seen(&self) -> Vec<BatchSeen> {
        self.batches.iter().map(Batch::seen).collect()
    }
}
