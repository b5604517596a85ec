//! Numbers, digit by digit.

use super::NumberRule;

/// Most digits before and after the point: a small model may otherwise never come to an end.
const MOST_DIGITS: u8 = 15;

/// A number being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    rule: NumberRule,
    place: Place,
    negative: bool,
    /// The whole part without its sign.
    whole: i64,
    digits: u8,
}

/// Where in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Sign,
    Zero,
    Whole,
    Point,
    Fraction,
}

impl Number {
    /// A number that begins with `byte`; `None` if none does.
    pub(super) fn begin(rule: NumberRule, byte: u8) -> Option<Self> {
        let empty = Self { rule, place: Place::Sign, negative: false, whole: 0, digits: 0 };
        if byte == b'-' {
            return rule.least.is_none_or(|least| least < 0).then_some(Self { negative: true, ..empty });
        }
        empty.next(byte)
    }

    /// The number with one byte more; `None` if it cannot follow.
    pub(super) fn next(mut self, byte: u8) -> Option<Self> {
        self.place = match (self.place, byte) {
            (Place::Sign, b'0') => Place::Zero,
            (Place::Sign, b'1'..=b'9') | (Place::Whole, b'0'..=b'9') => Place::Whole,
            (Place::Zero | Place::Whole, b'.') if !self.rule.integer => Place::Point,
            (Place::Point | Place::Fraction, b'0'..=b'9') => Place::Fraction,
            _ => return None,
        };
        self.digits = if self.place == Place::Point { 0 } else { self.digits + 1 };
        if self.place == Place::Whole {
            self.whole = self.whole * 10 + i64::from(byte - b'0');
        }
        (self.digits <= MOST_DIGITS && self.can_fit()).then_some(self)
    }

    /// Whether the number may end here.
    pub(super) fn may_end(&self) -> bool {
        match self.place {
            Place::Sign | Place::Point => false,
            Place::Fraction => true,
            Place::Zero | Place::Whole => !self.rule.integer || self.fits(self.whole, self.whole),
        }
    }

    /// Whether more digits can still lead into the bounds.
    fn can_fit(&self) -> bool {
        if !self.rule.integer || (self.rule.least.is_none() && self.rule.most.is_none()) {
            return true;
        }
        let (mut low, mut high) = (self.whole, self.whole);
        for _ in self.digits..=MOST_DIGITS {
            if self.fits(low, high) {
                return true;
            }
            if self.place == Place::Zero {
                return false;
            }
            (low, high) = (low * 10, high * 10 + 9);
        }
        false
    }

    /// Whether a whole part from `low` to `high` lies within the bounds.
    fn fits(&self, low: i64, high: i64) -> bool {
        let (low, high) = if self.negative { (-high, -low) } else { (low, high) };
        self.rule.least.is_none_or(|least| high >= least) && self.rule.most.is_none_or(|most| low <= most)
    }
}
