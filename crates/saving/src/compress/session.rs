//! The earlier turns of a session within a budget of tokens: the newest as they are, the older ones by the sentences that must survive
//! or tell most, and of what is left out the sentences that fit what is asked now.

use super::history::{Candidate, candidates, choose, message_tokens, speakers, spoken, write};
use super::salience::TermFrequencies;
use super::sentences::sentences;
use crate::select::estimate_tokens;
use crate::select::words::terms;
use nunchi_core::{Message, Role, ShortenHistory, ShortenedHistory};
use std::collections::{BTreeMap, BTreeSet};

/// The message that opens shortened turns. Its bytes never change.
const OPENING: &str = "[Earlier turns, shortened; their style is none to copy.]";
/// Percent of the budget for the newest turns as they are, and for sentences that fit what is asked; the rest is for older turns.
const RECENT_PERCENT: u64 = 50;
const FITTING_PERCENT: u64 = 15;
/// The older turns grow by this many tokens at once, a share of the newest ones: until then only turns are added at the end.
const STEPS: u64 = 2;
/// Tokens of a fitting sentence's line beside its words.
const LINE_TOKENS: u64 = 3;

/// Shortens sessions without a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionShortener;

impl ShortenHistory for SessionShortener {
    fn shorten(&self, turns: &[Message], asked: &str, tokens: u64) -> Option<ShortenedHistory> {
        if turns.iter().map(message_tokens).sum::<u64>() <= tokens {
            return None;
        }
        let fitting_tokens = tokens * FITTING_PERCENT / 100;
        let recent_tokens = tokens * RECENT_PERCENT / 100;
        let opening = Message::text(Role::User, OPENING);
        let older_tokens = tokens - fitting_tokens - recent_tokens;
        let (older, recent) = turns.split_at(boundary(turns, recent_tokens));
        let spoken_turns: Vec<String> = older.iter().map(spoken).collect();
        let frequencies = TermFrequencies::new(spoken_turns.iter().map(String::as_str));
        let room = older_tokens.saturating_sub(message_tokens(&opening));
        let kept = summary(older, &spoken_turns, &frequencies, room);
        let lines = write(older, &kept).into_iter();
        let lines = lines.map(|(role, name, text)| Message { name, ..Message::text(role, text) });
        let shortened = std::iter::once(opening).chain(lines).chain(recent.iter().cloned()).collect();
        let fitting = fitting(older, &spoken_turns, &frequencies, asked, fitting_tokens);
        Some(ShortenedHistory { turns: shortened, fitting })
    }
}

/// Where the newest turns begin: at somebody's question, and in steps, so that the turns before change seldom.
fn boundary(turns: &[Message], recent_tokens: u64) -> usize {
    let total: u64 = turns.iter().map(message_tokens).sum();
    let step = (recent_tokens / STEPS).max(1);
    let wanted = total.saturating_sub(recent_tokens).div_ceil(step) * step;
    let mut before = 0;
    for (at, turn) in turns.iter().enumerate() {
        if before >= wanted && turn.role == Role::User {
            return at;
        }
        before += message_tokens(turn);
    }
    turns.len()
}

/// The sentences that stand for the older turns: those that must survive count for more than others.
fn summary(
    older: &[Message],
    spoken_turns: &[String],
    frequencies: &TermFrequencies,
    room: u64,
) -> BTreeMap<usize, Vec<Candidate>> {
    choose(candidates(older, spoken_turns, &speakers(older), frequencies), room)
}

/// Sentences that share the rarest words with what is asked, one a line, in the order in which they were said.
fn fitting(
    older: &[Message],
    spoken_turns: &[String],
    frequencies: &TermFrequencies,
    asked: &str,
    room: u64,
) -> String {
    let wanted: BTreeSet<String> = terms(asked).into_iter().collect();
    let mut found: Vec<(f32, usize, usize, String, u64)> = Vec::new();
    for (message, (turn, text)) in older.iter().zip(spoken_turns).enumerate() {
        for (order, sentence) in sentences(text).into_iter().enumerate() {
            let own: BTreeSet<String> = terms(sentence).into_iter().collect();
            let worth: f32 = own.intersection(&wanted).map(|term| frequencies.rarity(term)).sum();
            // A question of then answers no question of now.
            if worth > 0.0 && !sentence.ends_with(['?', '？']) {
                let who = if turn.role == Role::User { "user" } else { "assistant" };
                let line = format!("{who}: {}", sentence.split_whitespace().collect::<Vec<_>>().join(" "));
                let tokens = estimate_tokens(&line) + LINE_TOKENS;
                found.push((worth, message, order, line, tokens));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
    let mut left = room;
    found.retain(|(.., tokens)| {
        let fits = *tokens <= left;
        left -= if fits { *tokens } else { 0 };
        fits
    });
    found.sort_by_key(|(_, message, order, ..)| (*message, *order));
    found.into_iter().map(|(.., line, _)| line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: u64 = 2_000;

    /// Two hundred turns; the third one says a number, and a later one decides something.
    fn session(turns: usize) -> Vec<Message> {
        let mut session = Vec::new();
        for at in 0..turns / 2 {
            let said = match at {
                1 => "By the way, the rent of the Mapo office is 3,270,000 won a month.".to_owned(),
                40 => "We decided to launch in October.".to_owned(),
                _ => format!(
                    "Tell me something nice about day {at} of our trip, whatever comes to mind, and be brief about it."
                ),
            };
            session.push(Message::text(Role::User, said));
            let answer = "The sea was calm, the light was soft, and everybody found a quiet place to read for a while.";
            session.push(Message::text(Role::Assistant, answer));
        }
        session
    }

    fn tokens(short: &ShortenedHistory) -> u64 {
        short.turns.iter().map(message_tokens).sum::<u64>() + estimate_tokens(&short.fitting)
    }

    #[test]
    fn a_long_session_fits_and_still_knows_its_numbers() {
        let session = session(200);
        let all: u64 = session.iter().map(message_tokens).sum();
        assert!(all > 2 * BUDGET, "{all}");
        let short =
            SessionShortener.shorten(&session, "What is the rent of the Mapo office?", BUDGET).unwrap();
        assert!(tokens(&short) <= BUDGET, "{} tokens", tokens(&short));
        assert!(short.fitting.contains("3,270,000 won"), "{}", short.fitting);
        let told: String = short.turns.iter().map(Message::plain_text).collect::<Vec<_>>().join("\n");
        assert!(told.contains("3,270,000") && told.contains("October"), "numbers and decisions stay: {told}");
        assert!(short.turns.ends_with(&session[180..]), "the newest turns are as they were");
        assert_eq!(SessionShortener.shorten(&session[..4], "x", BUDGET), None);
    }

    #[test]
    fn 한국어_대화도_줄이고_숫자를_기억한다() {
        let mut session = Vec::new();
        for at in 0..100 {
            let said = if at == 1 {
                "참고로 마포 사무실 월세는 327만 원이야.".to_owned()
            } else {
                format!("{at}번째 날에 대해 아무 말이나 좋은 얘기를 짧게 들려줄래")
            };
            session.push(Message::text(Role::User, said));
            session.push(Message::text(
                Role::Assistant,
                "바다는 잔잔했고 빛은 부드러웠으며 모두가 조용히 책을 읽었습니다.",
            ));
        }
        let short = SessionShortener.shorten(&session, "마포 사무실 월세가 얼마였지?", BUDGET).unwrap();
        assert!(tokens(&short) <= BUDGET, "{} tokens", tokens(&short));
        assert!(short.fitting.contains("327만 원"), "{}", short.fitting);
    }

    #[test]
    fn its_beginning_changes_seldom_and_whatever_is_asked() {
        let whole = session(240);
        let at = |turns: usize, asked: &str| {
            SessionShortener.shorten(&whole[..turns], asked, BUDGET).unwrap().turns
        };
        assert_eq!(at(200, "the rent"), at(200, "October"));
        let kept =
            (150..240).step_by(2).filter(|turns| at(turns + 2, "").starts_with(&at(*turns, ""))).count();
        assert!(kept >= 35, "of 45 turns only {kept} left what was sent before as it was");
    }
}
