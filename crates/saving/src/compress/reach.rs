//! What of a conversation may be shortened at all, and how far its tool results have aged. Both depend on nothing but the
//! conversation, and what has aged stays aged when it grows: so the same parts are shortened again in every later call.

use super::history::{HistoryPolicy, is_instruction, message_tokens};
use nunchi_core::{Message, Part, Role};

/// What may be shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionReach {
    /// Instructions at the head; they are never touched.
    pub instructions: usize,
    /// The first message whose tool results may be shortened: behind the caller's last cache mark.
    pub results_from: usize,
    /// How far the results have aged: those of the messages before this one may be shortened.
    pub results_to: usize,
    /// Older turns may be shortened up to here: not the last human turn nor what follows it, nothing that a signature or a
    /// picture would have to go along with, and nothing at all where the caller has marked turns for the prompt cache.
    pub history_to: usize,
}

/// Looks at a conversation.
pub fn compression_reach(messages: &[Message], policy: &HistoryPolicy) -> CompressionReach {
    let instructions = messages.iter().take_while(|message| is_instruction(message)).count();
    let has = |message: &Message, wanted: fn(&Part) -> bool| message.parts.iter().any(wanted);
    let marked = messages
        .iter()
        .skip(instructions)
        .rposition(|message| has(message, |part| matches!(part, Part::CachePoint(_))))
        .map(|at| at + instructions);
    let results_from = marked.map_or(instructions, |at| at + 1);
    let unread = messages.iter().rposition(|message| message.role == Role::Assistant).unwrap_or(instructions);
    let results_to = aged(messages, results_from, policy).min(unread.max(results_from));
    let last_human = messages
        .iter()
        .rposition(|message| message.role == Role::User && !message.plain_text().trim().is_empty())
        .unwrap_or(instructions);
    let fixed = messages.iter().skip(instructions).position(|message| has(message, is_fixed));
    let history_to = match marked {
        Some(_) => instructions,
        None => last_human.min(fixed.map_or(usize::MAX, |at| at + instructions)).max(instructions),
    };
    CompressionReach { instructions, results_from, results_to, history_to }
}

/// What must go back as it came: signed reasoning and calls; and what no text can stand for.
const fn is_fixed(part: &Part) -> bool {
    match part {
        Part::Thinking { signature, .. } | Part::ToolCall { signature, .. } => signature.is_some(),
        Part::RedactedThinking(_) | Part::Media(_) => true,
        _ => false,
    }
}

/// The end of the last whole segment that leaves the policy's recent tokens alone.
fn aged(messages: &[Message], from: usize, policy: &HistoryPolicy) -> usize {
    let sizes: Vec<u64> = messages.iter().skip(from).map(message_tokens).collect();
    let spare = sizes.iter().sum::<u64>().saturating_sub(policy.recent_tokens);
    let (mut end, mut used, mut segment) = (from, 0, 0);
    for (at, size) in sizes.iter().enumerate() {
        used += size;
        segment += size;
        if used > spare {
            break;
        }
        if segment >= policy.segment_tokens.max(1) {
            (end, segment) = (from + at + 1, 0);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{call, result, say};
    use super::*;
    use nunchi_core::CacheTtl;
    use proptest::prelude::*;

    const POLICY: HistoryPolicy = HistoryPolicy { recent_tokens: 100, segment_tokens: 200, kept_percent: 26 };

    fn talk(rounds: usize) -> Vec<Message> {
        let mut messages = vec![say(Role::System, "Be brief."), say(Role::User, "Look at all of it.")];
        for at in 0..rounds {
            messages.push(call(&format!("c{at}")));
            messages.push(result(&format!("c{at}"), &"word ".repeat(50)));
        }
        messages
    }

    #[test]
    fn fresh_results_and_the_last_question_stay() {
        let messages = talk(20);
        let reach = compression_reach(&messages, &POLICY);
        assert_eq!((reach.instructions, reach.results_from, reach.history_to), (1, 1, 1));
        assert!(reach.results_to > 20 && reach.results_to < messages.len() - 1, "{reach:?}");
        let mut asked = messages.clone();
        asked.push(say(Role::Assistant, "Done."));
        asked.push(say(Role::User, "And now?"));
        assert_eq!(compression_reach(&asked, &POLICY).history_to, asked.len() - 1);
        assert_eq!(compression_reach(&talk(1), &POLICY).results_to, 1);
        assert_eq!(compression_reach(&[], &POLICY).results_to, 0);
    }

    #[test]
    fn marks_and_signatures_are_not_crossed() {
        let mut messages = talk(20);
        messages.push(say(Role::User, "And now?"));
        messages[11].parts.push(Part::CachePoint(CacheTtl::FiveMinutes));
        let reach = compression_reach(&messages, &POLICY);
        assert_eq!((reach.results_from, reach.history_to), (12, 1));
        messages[11].parts.pop();
        messages[5].parts.push(Part::Thinking { text: "so".into(), signature: Some("proof".into()) });
        assert_eq!(compression_reach(&messages, &POLICY).history_to, 5);
    }

    proptest! {
        #[test]
        fn what_has_aged_stays_aged(rounds in 0..40_usize, more in 0..20_usize) {
            let all = talk(rounds + more);
            let before = compression_reach(&all[..2 + 2 * rounds], &POLICY);
            prop_assert!(compression_reach(&all, &POLICY).results_to >= before.results_to);
        }
    }
}
