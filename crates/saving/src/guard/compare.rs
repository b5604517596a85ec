//! Compares the slots of two questions.

use super::question::Question;
use super::slot::{Agreement, Slot, SlotVerdict};

/// The verdict on every slot.
pub(super) fn slots(asked: &Question, stored: &Question) -> Vec<SlotVerdict> {
    Slot::ALL.into_iter().map(|slot| compare(slot, asked, stored)).collect()
}

fn compare(slot: Slot, asked: &Question, stored: &Question) -> SlotVerdict {
    let (a, b) = (of(slot, asked), of(slot, stored));
    let agreement = match slot {
        Slot::Number => numbers(&a, &b),
        Slot::Date | Slot::Time => by_category(&a, &b),
        Slot::Polarity => polarity(&a, &b, asked, stored),
        Slot::State => state(&a, &b, asked, stored),
        Slot::Comparison => comparison(&a, &b, asked, stored),
        Slot::Order => order(&a, &b, asked, stored),
        Slot::Entity | Slot::Literal => names(&a, &b, asked, stored),
        Slot::Asked => asked_for(&a, &b),
        Slot::Quantifier | Slot::Act => sets(&a, &b),
    };
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    SlotVerdict { slot, agreement, asked: owned(&a), stored: owned(&b) }
}

fn of(slot: Slot, question: &Question) -> Vec<&str> {
    question.values(slot).collect()
}

/// Sets agree when equal, are one-sided when one holds the other, and conflict otherwise.
fn sets(a: &[&str], b: &[&str]) -> Agreement {
    judge(a.is_empty(), b.is_empty(), a.iter().any(|v| !b.contains(v)), b.iter().any(|v| !a.contains(v)))
}

fn judge(a_empty: bool, b_empty: bool, a_more: bool, b_more: bool) -> Agreement {
    match (a_more, b_more) {
        _ if a_empty && b_empty => Agreement::Absent,
        (false, false) => Agreement::Agree,
        (true, true) => Agreement::Conflict,
        _ => Agreement::OneSided,
    }
}

/// Numbers match by value, and by unit where both name one.
fn numbers(a: &[&str], b: &[&str]) -> Agreement {
    let split = |text: &str| {
        let (value, unit) = text.split_once(' ').unwrap_or((text, ""));
        (value.to_owned(), unit.to_owned())
    };
    let matches = |x: &str, y: &str| {
        let ((value, unit), (other, its)) = (split(x), split(y));
        value == other && (unit == its || unit.is_empty() || its.is_empty())
    };
    let lacks = |x: &&&str, in_: &[&str]| !in_.iter().any(|y| matches(x, y));
    judge(a.is_empty(), b.is_empty(), a.iter().any(|x| lacks(&x, b)), b.iter().any(|x| lacks(&x, a)))
}

/// Values `category:value`: the categories are compared one by one, and the worst decides.
fn by_category(a: &[&str], b: &[&str]) -> Agreement {
    let category = |value: &str| value.split(':').next().unwrap_or("").to_owned();
    let mut worst = Agreement::Absent;
    for name in a.iter().chain(b).map(|value| category(value)) {
        let within = |values: &[&str]| -> Vec<String> {
            values.iter().filter(|value| category(value) == name).map(|value| (*value).to_owned()).collect()
        };
        let (a, b) = (within(a), within(b));
        let (a, b): (Vec<&str>, Vec<&str>) =
            (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
        worst = worse(worst, sets(&a, &b));
    }
    worst
}

fn worse(a: Agreement, b: Agreement) -> Agreement {
    let rank = |agreement| match agreement {
        Agreement::Absent => 0,
        Agreement::Agree => 1,
        Agreement::OneSided => 2,
        Agreement::Conflict => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Whether some axis stands at opposite poles.
fn opposite_poles(a: &[&str], b: &[&str]) -> bool {
    let flipped = |value: &str| {
        let (axis, sign) = value.split_at(value.len() - 1);
        format!("{axis}{}", if sign == "+" { "-" } else { "+" })
    };
    a.iter().any(|value| {
        let other = flipped(value);
        b.contains(&other.as_str()) && !b.contains(value) && !a.contains(&other.as_str())
    })
}

fn negations_differ(asked: &Question, stored: &Question) -> bool {
    of(Slot::Polarity, asked) != of(Slot::Polarity, stored)
}

/// Negation may differ only where a pole differs as well: `do not turn it off` says `keep it on`.
fn polarity(a: &[&str], b: &[&str], asked: &Question, stored: &Question) -> Agreement {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Agreement::Absent,
        (false, false) => Agreement::Agree,
        _ if opposite_poles(&of(Slot::State, asked), &of(Slot::State, stored)) => Agreement::OneSided,
        _ => Agreement::Conflict,
    }
}

fn state(a: &[&str], b: &[&str], asked: &Question, stored: &Question) -> Agreement {
    match opposite_poles(a, b) {
        true if negations_differ(asked, stored) => Agreement::OneSided,
        true => Agreement::Conflict,
        // Words of different axes often mean the same (연결 and 켜다): that is for the verifier.
        false => match sets(a, b) {
            Agreement::Conflict => Agreement::OneSided,
            other => other,
        },
    }
}

/// A direction may turn only where the arguments turn as well: `A is bigger than B` says `B is smaller than A`.
fn comparison(a: &[&str], b: &[&str], asked: &Question, stored: &Question) -> Agreement {
    let turned = opposite_poles(a, b);
    let (more, less) = (a.iter().any(|v| v.ends_with('+')), b.iter().any(|v| v.ends_with('+')));
    match (turned, swapped(asked, stored)) {
        (true, true) => Agreement::Agree,
        (true, false) => Agreement::Conflict,
        (false, _) if !a.is_empty() && !b.is_empty() && more != less => Agreement::OneSided,
        (false, _) => match sets(a, b) {
            Agreement::Conflict => Agreement::OneSided,
            other => other,
        },
    }
}

/// Whether one question rules out what the other speaks of without ruling it out.
fn ruled_out(a: &[&str], b: &[&str], of_b: &Question) -> bool {
    let excepted =
        |values: &[&str], name: &str| values.iter().any(|v| v.strip_prefix("except:") == Some(name));
    a.iter()
        .filter_map(|value| value.strip_prefix("except:"))
        .any(|name| !excepted(b, name) && of_b.mentions(name))
}

/// Whether an argument of one question plays the opposite role in the other.
fn swapped(asked: &Question, stored: &Question) -> bool {
    let (a, b) = (of(Slot::Order, asked), of(Slot::Order, stored));
    crossed(&a, &b, asked, stored) || crossed(&b, &a, stored, asked)
}

fn crossed(a: &[&str], b: &[&str], of_a: &Question, of_b: &Question) -> bool {
    a.iter().filter_map(|value| value.split_once(':')).any(|(role, name)| {
        let same_role: Vec<&str> = b
            .iter()
            .filter_map(|other| other.split_once(':'))
            .filter(|(r, _)| *r == role)
            .map(|(_, n)| n)
            .collect();
        let opposite = match role {
            "from" => "to",
            "to" => "from",
            _ => "",
        };
        let turned = b.contains(&format!("{opposite}:{name}").as_str()) && !same_role.contains(&name);
        // `than A` against `than B`, where both questions speak of A and B.
        let exchanged = !same_role.is_empty()
            && !same_role.contains(&name)
            && of_b.mentions(name)
            && same_role.iter().any(|other| of_a.mentions(other));
        turned || exchanged
    })
}

fn order(a: &[&str], b: &[&str], asked: &Question, stored: &Question) -> Agreement {
    let turned = opposite_poles(&of(Slot::Comparison, asked), &of(Slot::Comparison, stored));
    if ruled_out(a, b, stored) || ruled_out(b, a, asked) {
        return Agreement::Conflict;
    }
    match swapped(asked, stored) {
        true if turned => Agreement::Agree,
        true => Agreement::Conflict,
        // Roles that one question leaves to its word order are no conflict.
        false => match sets(a, b) {
            Agreement::Conflict => Agreement::OneSided,
            other => other,
        },
    }
}

/// Names conflict when each question has one that the other does not mention in any form.
fn names(a: &[&str], b: &[&str], asked: &Question, stored: &Question) -> Agreement {
    let lacks = |name: &&str, question: &Question| !question.mentions(name);
    judge(a.is_empty(), b.is_empty(), a.iter().any(|v| lacks(v, stored)), b.iter().any(|v| lacks(v, asked)))
}

/// What is asked for: a vague question (`what`, `which`) may be any other.
fn asked_for(a: &[&str], b: &[&str]) -> Agreement {
    let vague = |values: &[&str]| values.iter().all(|value| matches!(*value, "what" | "which"));
    // What something is says neither why nor when nor where.
    let what = |a: &[&str], b: &[&str]| {
        (a == ["what"] || a == ["which"]) && b.iter().all(|v| matches!(*v, "why" | "when"))
            || a == ["what"] && b == ["where"]
    };
    // `which players` is not `how many players`.
    let which =
        |a: &[&str], b: &[&str]| a == ["which"] && b.iter().any(|v| v.starts_with("how") || *v == "why");
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Agreement::Absent,
        (false, false) if a.iter().any(|value| b.contains(value)) => Agreement::Agree,
        (false, false)
            if (!vague(a) && !vague(b)) || which(a, b) || which(b, a) || what(a, b) || what(b, a) =>
        {
            Agreement::Conflict
        }
        _ => Agreement::OneSided,
    }
}
