//! The o200k vocabulary and its merges, in a few megabytes: the usual automata weigh sixty, for speed that counting does not need.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::LazyLock;

/// Lengths and tokens, written by the build script.
static LIST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let list: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/o200k.tokens"));
    zstd::decode_all(list).unwrap_or_default()
});

static RANKS: LazyLock<HashMap<&'static [u8], u32>> = LazyLock::new(|| {
    let mut ranks = HashMap::with_capacity(200_000);
    let mut rest = LIST.as_slice();
    while let Some((length, tokens)) = rest.split_first() {
        let Some((token, left)) = tokens.split_at_checked(usize::from(*length)) else { break };
        let rank = u32::try_from(ranks.len()).unwrap_or(u32::MAX);
        ranks.insert(token, rank);
        rest = left;
    }
    ranks
});

/// No neighbour.
const NONE: u32 = u32::MAX;

/// A run of bytes that has become one token.
#[derive(Clone, Copy)]
struct Run {
    end: u32,
    before: u32,
    after: u32,
}

/// Tokens of a piece: neighbours are merged, the lowest rank first and of equals the first, until none can be.
pub(super) fn count(piece: &[u8]) -> u64 {
    if piece.len() < 2 || RANKS.contains_key(piece) {
        return u64::from(!piece.is_empty());
    }
    let Ok(length) = u32::try_from(piece.len()) else { return piece.len() as u64 };
    let mut runs: Vec<Run> = (0..length)
        .map(|at| Run {
            end: at + 1,
            before: at.checked_sub(1).unwrap_or(NONE),
            after: if at + 1 < length { at + 1 } else { NONE },
        })
        .collect();
    let mut heap: BinaryHeap<Reverse<(u32, u32, u32)>> =
        (0..length).filter_map(|at| pair(piece, &runs, at)).collect();
    let mut tokens = u64::from(length);
    while let Some(Reverse((_, at, end))) = heap.pop() {
        let left = runs[at as usize];
        // An entry is out of date when one of its two runs has been merged since.
        let fresh = left.end > at && left.after != NONE && runs[left.after as usize].end == end;
        if !fresh {
            continue;
        }
        let gone = left.after as usize;
        let Run { after, .. } = runs[gone];
        runs[at as usize] = Run { end, after, ..left };
        // An end at its own beginning marks a run that is part of another.
        runs[gone].end = 0;
        if after != NONE {
            runs[after as usize].before = at;
        }
        tokens -= 1;
        heap.extend(pair(piece, &runs, at));
        if left.before != NONE {
            heap.extend(pair(piece, &runs, left.before));
        }
    }
    tokens
}

/// The token that a run and the next one would become: its rank, where it begins and ends.
fn pair(piece: &[u8], runs: &[Run], at: u32) -> Option<Reverse<(u32, u32, u32)>> {
    let next = runs.get(runs[at as usize].after as usize)?;
    let rank = RANKS.get(&piece[at as usize..next.end as usize])?;
    Some(Reverse((*rank, at, next.end)))
}
