//! Sees a run that goes round in circles.

use nunchi_core::{ContentHash, Lang};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// The last N calls repeating the N before is a loop; so are N equal calls with equal results.
const N: usize = 3;
/// Errors in a row, of at most two kinds, that are a loop.
const ERRORS: usize = 4;
/// Results in a row that all were seen before.
const STALE: usize = 8;
/// Calls remembered.
const KEPT: usize = 32;

/// One ended call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turned {
    /// Tool and exact arguments.
    pub(crate) call: ContentHash,
    /// What came out.
    pub(crate) result: ContentHash,
    /// Tool and error code, when it failed.
    pub(crate) error: Option<String>,
    /// Whether another result of the same call is progress: a poll, a page that changes.
    pub(crate) reading: bool,
}

impl Turned {
    /// What makes two calls the same step of a circle.
    fn step(&self) -> (ContentHash, Option<ContentHash>) {
        (self.call, self.reading.then_some(self.result))
    }
}

/// The kind of circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Circle {
    /// The same call with the same result, again and again.
    SameCall,
    /// The last three calls repeat the three before.
    Pattern,
    /// One error after the other, of at most two kinds.
    Errors,
    /// Nothing new has come up for long.
    NoProgress,
}

impl Circle {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::SameCall => "loop.same_call",
            Self::Pattern => "loop.pattern",
            Self::Errors => "loop.errors",
            Self::NoProgress => "loop.no_progress",
        }
    }

    pub(crate) fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::SameCall => lang.pick(
                "the same call gave the same result three times",
                "같은 호출이 세 번 같은 결과를 냈습니다",
            ),
            Self::Pattern => lang.pick(
                "the last three calls repeat the three before",
                "마지막 세 호출이 그 앞의 세 호출과 같습니다",
            ),
            Self::Errors => lang.pick("the same errors keep coming", "같은 오류가 되풀이됩니다"),
            Self::NoProgress => lang.pick(
                "nothing new has come up for eight calls",
                "여덟 번 호출하는 동안 새로운 것이 나오지 않았습니다",
            ),
        }
    }
}

/// The calls of a run that ended last, and what was done about circles so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoopWindow {
    turned: VecDeque<Turned>,
    /// 0: nothing; 1: the model was told; 2: another model was tried; then a person is asked.
    pub(crate) stage: u8,
}

impl LoopWindow {
    /// Remembers a call.
    pub(crate) fn push(&mut self, turned: Turned) {
        if self.turned.len() == KEPT {
            self.turned.pop_front();
        }
        self.turned.push_back(turned);
    }

    /// Begins anew: somebody has changed the course.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The circle that the last call closed, if any.
    pub(crate) fn circle(&self) -> Option<Circle> {
        let all: Vec<_> = self.turned.iter().collect();
        let last = |count: usize| all.len().checked_sub(count).map(|from| &all[from..]);
        let same = |calls: &[&Turned]| {
            calls.windows(2).all(|pair| pair[0].call == pair[1].call && pair[0].result == pair[1].result)
        };
        if last(N).is_some_and(same) {
            return Some(Circle::SameCall);
        }
        let repeats = |calls: &[&Turned]| (0..N).all(|at| calls[at].step() == calls[at + N].step());
        if last(2 * N).is_some_and(repeats) {
            return Some(Circle::Pattern);
        }
        let errors = |calls: &[&Turned]| {
            let kinds: Option<BTreeSet<_>> = calls.iter().map(|call| call.error.as_ref()).collect();
            kinds.is_some_and(|kinds| kinds.len() <= 2)
        };
        if last(ERRORS).is_some_and(errors) {
            return Some(Circle::Errors);
        }
        let stale = |calls: &[&Turned]| {
            let before = &all[..all.len() - STALE];
            let known = |result| before.iter().any(|earlier| earlier.result == result);
            calls.iter().all(|call| known(call.result))
        };
        last(STALE).is_some_and(stale).then_some(Circle::NoProgress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls as `call:result`; a result that begins with `!` is an error, a call in capitals writes.
    fn circle(calls: &str) -> Option<Circle> {
        let mut window = LoopWindow::default();
        for word in calls.split_whitespace() {
            let (call, result) = word.split_once(':').unwrap();
            window.push(Turned {
                call: ContentHash::of(call),
                result: ContentHash::of(result),
                error: result.starts_with('!').then(|| format!("{}{result}", &call[..1])),
                reading: call.chars().all(char::is_lowercase),
            });
        }
        window.circle()
    }

    #[test]
    fn circles() {
        for (calls, found) in [
            ("a:1 a:1", None),
            ("a:1 a:1 a:1", Some(Circle::SameCall)),
            ("a:1 a:2 a:3 a:4 a:5 a:6", None),
            ("a:1 b:2 c:3 a:1 b:2 c:3", Some(Circle::Pattern)),
            ("a:1 b:2 c:3 a:1 b:2 c:4", None),
            ("A:1 b:2 C:3 A:4 b:2 C:5", Some(Circle::Pattern)),
            ("a:!x b:!y a:!x b:!y", Some(Circle::Errors)),
            ("a:!x b:!y c:!z a:!x", None),
            ("aa:!x ab:!x ac:!x ad:!x", Some(Circle::Errors)),
            ("a:!x b:1 a:!x b:1", None),
            ("a:1 b:2 c:3 c:1 d:2 e:3 f:1 g:2 h:1 i:3 j:2", Some(Circle::NoProgress)),
            ("a:1 b:2 c:3 c:1 d:2 e:9 f:1 g:2 h:1 i:3 j:2", None),
        ] {
            assert_eq!(circle(calls), found, "{calls}");
        }
    }

    #[test]
    fn the_same_poll_1535_times_is_seen_at_the_third() {
        let polls = vec!["p:pending"; 1_535];
        let seen = (1..=polls.len()).find(|count| circle(&polls[..*count].join(" ")).is_some());
        assert_eq!(seen, Some(3));
    }
}
