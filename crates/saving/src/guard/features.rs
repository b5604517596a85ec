//! What the verifier sees of a pair of questions: numbers, the same whichever of the two came first.

use super::hangul::push_jamo;
use super::question::{Question, Tongue, Word};
use super::slot::{Agreement, Slot, SlotVerdict};

/// Names of the features, in order.
pub const FEATURE_NAMES: [&str; FEATURES] = [
    "cosine",
    "coverage_min",
    "coverage_max",
    "missing_min",
    "missing_max",
    "gap_min",
    "gap_max",
    "strange_min",
    "strange_max",
    "shared_weight",
    "dice",
    "order",
    "length_ratio",
    "words_min",
    "words_max",
    "same_tongue",
    "noun_gap_min",
    "noun_gap_max",
    "known_gap_min",
    "pole_gap_min",
    "same_reading",
    "swaps",
    "pure_swap",
    "acts",
    "instead_differs",
    "number",
    "date",
    "time",
    "polarity",
    "state",
    "comparison",
    "order_slot",
    "entity",
    "literal",
    "asked",
    "quantifier",
    "act",
    "conflicts",
    "one_sided",
];
/// Where the lower of the two coverages stands.
pub(super) const COVERAGE_MIN: usize = 1;
/// Where it stands whether both questions come to the same words.
pub(super) const SAME_READING: usize = 20;
const SLOTS_AT: usize = 25;
/// How many numbers describe a pair.
pub const FEATURES: usize = SLOTS_AT + Slot::ALL.len() + 2;

/// A word with its letters hashed in pairs, for likeness of spelling.
struct Spelled<'q> {
    word: &'q Word,
    grams: Vec<u32>,
}

/// How well one question's words are found in the other.
#[derive(Default)]
struct Coverage {
    /// Part of the weight that is found.
    part: f32,
    /// Weight that is not found.
    missing: f32,
    /// The largest weight of one word that is not found.
    gap: f32,
    /// The same among words that are no verbs of a list.
    noun_gap: f32,
    /// The same among words whose concept a list knows, opposites and comparisons apart.
    known_gap: f32,
    /// The same among opposites and comparisons.
    pole_gap: f32,
    /// For each word, where it is found.
    places: Vec<Option<usize>>,
    /// Words not found at all.
    strange: f32,
    /// Weight that is found.
    shared: f32,
}

/// Describes a pair; `verdicts` are the slots of the same pair in the order of [`Slot::ALL`].
pub(super) fn describe(a: &Question, b: &Question, cosine: f32, verdicts: &[SlotVerdict]) -> [f32; FEATURES] {
    let (words_a, words_b) = (spelled(a), spelled(b));
    let (whole_a, whole_b) = (whole(a), whole(b));
    let ab = coverage(&words_a, &words_b, &whole_b);
    let ba = coverage(&words_b, &words_a, &whole_a);
    let (len_a, len_b) = (words_a.len() as f32, words_b.len() as f32);
    let mut features = [0.0; FEATURES];
    let head = [
        cosine,
        ab.part.min(ba.part),
        ab.part.max(ba.part),
        ab.missing.min(ba.missing),
        ab.missing.max(ba.missing),
        ab.gap.min(ba.gap),
        ab.gap.max(ba.gap),
        ab.strange.min(ba.strange),
        ab.strange.max(ba.strange),
        (ab.shared + ba.shared) / 2.0,
        dice(&whole_a, &whole_b),
        in_order(&ab.places).min(in_order(&ba.places)),
        ratio(a.letters as f32, b.letters as f32),
        len_a.min(len_b),
        len_a.max(len_b),
        f32::from(u8::from(a.tongue == b.tongue && a.tongue != Tongue::Other)),
        ab.noun_gap.min(ba.noun_gap),
        ab.noun_gap.max(ba.noun_gap),
        ab.known_gap.min(ba.known_gap),
        ab.pole_gap.min(ba.pole_gap),
        f32::from(u8::from(same_reading(a, b))),
        swaps(&ab, &ba),
        f32::from(u8::from(lost(&ab) == 1 && lost(&ba) == 1)),
        acts(a, b),
        f32::from(u8::from(act(a) != act(b) && (act(a) == "instead" || act(b) == "instead"))),
    ];
    features[..SLOTS_AT].copy_from_slice(&head);
    for (at, verdict) in verdicts.iter().enumerate() {
        let value = match verdict.agreement {
            Agreement::Absent => 0.0,
            Agreement::Agree => 1.0,
            Agreement::OneSided => -1.0,
            Agreement::Conflict => -2.0,
        };
        features[SLOTS_AT + at] = value;
    }
    let count = |of: Agreement| verdicts.iter().filter(|verdict| verdict.agreement == of).count() as f32;
    features[FEATURES - 2] = count(Agreement::Conflict);
    features[FEATURES - 1] = count(Agreement::OneSided);
    features
}

fn act(question: &Question) -> &str {
    question.values(Slot::Act).next().unwrap_or("")
}

/// Whether two questions come to the same words in the same order and fill every slot alike: only what says nothing, or
/// goes by another name of the same concept, is worded otherwise.
fn same_reading(a: &Question, b: &Question) -> bool {
    let names =
        |question: &Question| question.words.iter().map(|word| word.name().to_owned()).collect::<Vec<_>>();
    !a.words.is_empty() && a.values == b.values && names(a) == names(b)
}

/// How far apart two speech acts are: 0 the same, more the less alike.
fn acts(a: &Question, b: &Question) -> f32 {
    let (a, b) = (act(a), act(b));
    let pair = (a.min(b), a.max(b));
    match pair {
        _ if a == b => 0.0,
        ("ask", "choose") => 1.0,
        ("do", "instead") => 2.0,
        ("forbid", "instead") => 3.0,
        ("do", "forbid") => 4.0,
        ("ask", "do") => 5.0,
        _ => 6.0,
    }
}

fn ratio(a: f32, b: f32) -> f32 {
    if a.max(b) > 0.0 { a.min(b) / a.max(b) } else { 1.0 }
}

fn spelled(question: &Question) -> Vec<Spelled<'_>> {
    question
        .words
        .iter()
        .map(|word| Spelled { word, grams: grams([word.stem.as_str()].into_iter(), 2) })
        .collect()
}

fn whole(question: &Question) -> Vec<u32> {
    grams(question.words.iter().map(|word| word.stem.as_str()), 3)
}

/// Hashed runs of `length` letters (jamo for Korean) of the texts joined without spaces, sorted, each once.
fn grams<'t>(texts: impl Iterator<Item = &'t str>, length: usize) -> Vec<u32> {
    let mut letters = Vec::with_capacity(48);
    for text in texts {
        for c in text.chars().filter(|c| !c.is_whitespace()) {
            push_jamo(c, &mut letters);
        }
    }
    let hash = |run: &[u32]| run.iter().fold(0x811c_9dc5_u32, |hash, c| (hash ^ c).wrapping_mul(0x0100_0193));
    let mut grams: Vec<u32> = letters.windows(length).map(hash).collect();
    if grams.is_empty() && !letters.is_empty() {
        grams.push(hash(&letters));
    }
    grams.sort_unstable();
    grams.dedup();
    grams
}

fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut at, mut other, mut count) = (0, 0, 0);
    while at < a.len() && other < b.len() {
        match a[at].cmp(&b[other]) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => (at, other, count) = (at + 1, other + 1, count + 1),
        }
    }
    count
}

fn dice(a: &[u32], b: &[u32]) -> f32 {
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    2.0 * common(a, b) as f32 / (a.len() + b.len()) as f32
}

/// How alike two words are, 0 to 1. Words of two known concepts are alike or not, however they are spelled.
fn alike(a: &Spelled<'_>, b: &Spelled<'_>) -> f32 {
    let (x, y) = (a.word, b.word);
    if x.stem == y.stem {
        return 1.0;
    }
    if prefixed(&x.stem, &y.stem) || prefixed(&y.stem, &x.stem) {
        return 0.0;
    }
    if !x.concept.is_empty() && !y.concept.is_empty() {
        return if x.concept == y.concept { 1.0 } else { 0.0 };
    }
    let dice = dice(&a.grams, &b.grams);
    if dice < 0.4 { 0.0 } else { dice }
}

/// Whether a word is the other with a prefix that negates it.
fn prefixed(long: &str, short: &str) -> bool {
    ["un", "dis", "in", "im", "non", "de", "비", "불", "미"]
        .iter()
        .any(|prefix| long.strip_prefix(prefix) == Some(short))
}

/// Words that are found nowhere.
fn lost(coverage: &Coverage) -> usize {
    coverage.places.iter().filter(|place| place.is_none()).count()
}

/// Places where one word stands for another between the same neighbours: the mark of a near miss.
fn swaps(ab: &Coverage, ba: &Coverage) -> f32 {
    // A word that is said twice may be found from one side only.
    swaps_seen_from(ab, ba).max(swaps_seen_from(ba, ab))
}

fn swaps_seen_from(ab: &Coverage, ba: &Coverage) -> f32 {
    let (a, b) = (&ab.places, &ba.places);
    let mut count = 0.0;
    for i in (0..a.len()).filter(|i| a[*i].is_none()) {
        for j in (0..b.len()).filter(|j| b[*j].is_none()) {
            let before = match (i.checked_sub(1), j.checked_sub(1)) {
                (Some(i), Some(j)) => a[i] == Some(j),
                (None, None) => true,
                _ => false,
            };
            let after = match (a.get(i + 1), b.get(j + 1)) {
                (Some(next), Some(_)) => *next == Some(j + 1),
                (None, None) => true,
                _ => false,
            };
            count += if before && after { 1.0 } else { 0.0 };
        }
    }
    count
}

/// Finds each word of `of` in the other question.
fn coverage(of: &[Spelled<'_>], other: &[Spelled<'_>], whole: &[u32]) -> Coverage {
    let mut found = Coverage { places: Vec::with_capacity(of.len()), ..Coverage::default() };
    let mut total = 0.0;
    for word in of {
        let weight = f32::from(word.word.weight) / 10.0;
        let mut best = 0.0_f32;
        let mut place = None;
        for (at, candidate) in other.iter().enumerate() {
            let likeness = alike(word, candidate);
            if likeness > best {
                (best, place) = (likeness, Some(at));
            }
        }
        // A compound may be written apart: its letters are then found across words.
        if best < 0.9 {
            let letters = grams([word.word.stem.as_str()].into_iter(), 3);
            let inside = common(&letters, whole) as f32 / letters.len().max(1) as f32;
            if letters.len() > 2 && inside > best.max(0.6) {
                best = inside;
            }
        }
        found.places.push(place.filter(|_| best > 0.6));
        let lost = weight * (1.0 - best);
        total += weight;
        found.shared += weight * best;
        found.missing += lost;
        found.gap = found.gap.max(lost);
        let pole = word.word.concept.ends_with(['+', '-']);
        if pole {
            found.pole_gap = found.pole_gap.max(lost);
        } else {
            found.noun_gap = found.noun_gap.max(lost);
        }
        if !pole && !word.word.concept.is_empty() && word.word.weight > 5 {
            found.known_gap = found.known_gap.max(lost);
        }
        found.strange += f32::from(u8::from(best < 0.5 && word.word.weight >= 8));
    }
    found.part = if total > 0.0 { found.shared / total } else { 1.0 };
    found
}

/// The part of neighbouring matches that keep their order; 1 when there are none to compare.
fn in_order(places: &[Option<usize>]) -> f32 {
    let places: Vec<usize> = places.iter().filter_map(|place| *place).collect();
    if places.len() < 2 {
        return 1.0;
    }
    let kept = places.windows(2).filter(|pair| pair[0] <= pair[1]).count();
    kept as f32 / (places.len() - 1) as f32
}
