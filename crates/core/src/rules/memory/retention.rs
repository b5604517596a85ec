//! How facts fade: as people forget, slower with every use; and what falls out when there is too much.

use crate::words::{Fact, FactId, FactKind, FactState, HalfLife, MemoryBounds};
use jiff::{SignedDuration, Timestamp};

/// How much faster something that was said fades than a fact.
const TURNS_FASTER: f64 = 4.0;
const SECONDS_A_DAY: f64 = 86_400.0;
/// How long a forgotten fact can be brought back.
const FORGOTTEN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the rule of fading has to know of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fading {
    /// Its id.
    pub id: FactId,
    /// Its kind.
    pub kind: FactKind,
    /// Its state.
    pub state: FactState,
    /// How much it matters.
    pub importance: u8,
    /// How often it was of use.
    pub uses: u32,
    /// When it was last of use.
    pub last_used: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// Bytes of its texts.
    pub bytes: u64,
}

impl Fading {
    /// Of a fact whose texts have so many bytes.
    pub fn of(fact: &Fact, bytes: u64) -> Self {
        let &Fact { id, kind, state, importance, uses, last_used, changed, .. } = fact;
        Self { id, kind, state, importance, uses, last_used, changed, bytes }
    }

    fn left(&self, half_life: HalfLife, now: Timestamp) -> f64 {
        if self.importance >= Fact::LASTING {
            return 1.0;
        }
        let fact_days = f64::from(half_life.0.max(1)) / std::f64::consts::LN_2;
        let days = match self.kind {
            FactKind::Fact => fact_days,
            FactKind::Turn => fact_days / TURNS_FASTER,
        };
        let weight = 0.5 + f64::from(self.importance) / 100.0;
        let strength = days * (1.0 + f64::from(self.uses).ln_1p()) * weight;
        let idle = now.duration_since(self.last_used).as_secs_f64().max(0.0) / SECONDS_A_DAY;
        (-idle / strength).exp()
    }
}

/// How much of a fact is left, 0 to 1. What matters most does not fade.
///
/// Source: Ebbinghaus' curve, `exp(-time / strength)`; strength grows with the logarithm of uses and with importance.
pub fn retention(fact: &Fact, half_life: HalfLife, now: Timestamp) -> f64 {
    Fading::of(fact, 0).left(half_life, now)
}

/// What is to be erased so that the bounds hold: what was forgotten long ago, and of each class over its bound what has faded
/// most, a twentieth more than needed so that this is seldom. Vetoes stay: they must hold for ever.
pub fn faded(all: Vec<Fading>, bounds: MemoryBounds, now: Timestamp) -> Vec<FactId> {
    let mut gone = Vec::new();
    let mut classes: [Vec<(f64, Fading)>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for one in all {
        let class = match (one.state, one.kind) {
            (FactState::Vetoed, _) => continue,
            (FactState::Forgotten, _) if now.duration_since(one.changed) > FORGOTTEN_FOR => {
                gone.push(one.id);
                continue;
            }
            (FactState::Active, FactKind::Fact) => 0,
            (FactState::Active, FactKind::Turn) => 1,
            (FactState::Superseded | FactState::Forgotten, _) => 2,
        };
        classes[class].push((one.left(bounds.half_life, now), one));
    }
    let most = [bounds.facts, bounds.turns, bounds.history];
    let mut rest = Vec::new();
    for (mut class, most) in classes.into_iter().zip(most) {
        class.sort_by(weakest_first);
        let over = (class.len() as u64).saturating_sub(most);
        let out = if over == 0 { 0 } else { over + most / 20 };
        let out = usize::try_from(out).unwrap_or(usize::MAX).min(class.len());
        gone.extend(class.drain(..out).map(|(_, one)| one.id));
        rest.extend(class);
    }
    rest.sort_by(weakest_first);
    let mut bytes: u64 = rest.iter().map(|(_, one)| one.bytes).sum();
    if bytes > bounds.bytes {
        for (_, one) in rest {
            if bytes <= bounds.bytes - bounds.bytes / 20 {
                break;
            }
            bytes -= one.bytes;
            gone.push(one.id);
        }
    }
    gone
}

fn weakest_first(a: &(f64, Fading), b: &(f64, Fading)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.last_used.cmp(&b.1.last_used)).then(a.1.id.cmp(&b.1.id))
}

#[cfg(test)]
mod tests {
    use super::super::judging::tests::fact;
    use super::*;

    #[test]
    fn use_and_importance_slow_it_down() {
        let plain = fact(1, "x");
        let later = plain.last_used + SignedDuration::from_hours(24 * 60);
        let of = |change: fn(&mut Fact)| {
            let mut fact = plain.clone();
            change(&mut fact);
            retention(&fact, HalfLife::default(), later)
        };
        let order = [
            of(|fact| fact.kind = FactKind::Turn),
            of(|fact| fact.importance = 10),
            of(|_| {}),
            of(|fact| fact.uses = 3),
            of(|fact| fact.uses = 30),
            of(|fact| fact.importance = Fact::LASTING),
        ];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
        assert!((retention(&plain, HalfLife::default(), plain.last_used) - 1.0).abs() < 1e-9);
        let half = retention(&plain, HalfLife(60), later);
        assert!((half - 0.5).abs() < 1e-9, "60 days, of usual importance: {half}");
        assert!((order[5] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_falls_out() {
        let at = fact(1, "x").last_used;
        let one = |number: u128, state, uses, bytes| {
            let fact = Fact { state, uses, ..fact(number, "x") };
            Fading::of(&fact, bytes)
        };
        use FactState::{Active, Forgotten, Superseded, Vetoed};
        let all = vec![
            one(1, Active, 5, 10),
            one(2, Active, 0, 10),
            one(3, Active, 1, 10),
            one(4, Forgotten, 0, 10),
            one(5, Vetoed, 0, 10),
            one(6, Superseded, 0, 10),
        ];
        let ids = |gone: Vec<FactId>| gone.iter().map(|id| id.0.as_u128()).collect::<Vec<_>>();
        let wide = MemoryBounds { facts: 9, turns: 9, history: 9, bytes: 1_000, ..MemoryBounds::default() };
        let later = at + SignedDuration::from_hours(24);
        assert!(faded(all.clone(), wide, later).is_empty());
        assert_eq!(ids(faded(all.clone(), MemoryBounds { facts: 2, ..wide }, later)), [2]);
        assert_eq!(ids(faded(all.clone(), MemoryBounds { bytes: 35, ..wide }, later)), [2, 4]);
        assert_eq!(ids(faded(all.clone(), wide, at + SignedDuration::from_hours(31 * 24))), [4]);
        assert_eq!(
            ids(faded(all, MemoryBounds { facts: 0, history: 0, bytes: 0, turns: 0, ..wide }, later)),
            [2, 3, 1, 4, 6]
        );
    }
}
