//! Money as an exact integer: billionths of a US dollar.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

/// Billionths of a US dollar. Arithmetic saturates: a sum that would overflow stays at the far end and never wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The most that can be said, about 9.2 billion dollars.
    pub const MAX: Self = Self(i64::MAX);
    /// Billionths in a dollar.
    pub const PER_USD: i64 = 1_000_000_000;

    /// Whole dollars.
    pub const fn from_usd(usd: i64) -> Self {
        Self(usd.saturating_mul(Self::PER_USD))
    }

    /// The nearest representable amount to an `i128` count of billionths.
    pub fn saturating_from(nanos: i128) -> Self {
        Self(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Dollars with `digits` decimals (0 to 9), rounded half away from zero, such as `0.0042`.
    pub fn usd_string(self, digits: u32) -> String {
        let digits = digits.min(9);
        let step = 10_i128.pow(9 - digits);
        let nanos = i128::from(self.0);
        let rounded = (nanos.abs() + step / 2) / step;
        let unit = 10_i128.pow(digits);
        let sign = if nanos < 0 && rounded != 0 { "-" } else { "" };
        if digits == 0 {
            return format!("{sign}{rounded}");
        }
        format!("{sign}{}.{:0width$}", rounded / unit, rounded % unit, width = digits as usize)
    }

    /// This amount in a local currency, given the price of one dollar in thousandths of that currency; rounded to whole units.
    pub fn to_local(self, milli_units_per_usd: i64) -> i64 {
        let product = i128::from(self.0) * i128::from(milli_units_per_usd);
        let unit = i128::from(Self::PER_USD) * 1_000;
        let rounded = (product.abs() + unit / 2) / unit;
        Self::saturating_from(if product < 0 { -rounded } else { rounded }).0
    }
}

impl fmt::Display for NanoUsd {
    /// Exact dollars without trailing zeros, at least two decimals: `0.00`, `1.50`, `0.000003`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = self.usd_string(9);
        let kept = full.trim_end_matches('0').len().max(full.find('.').unwrap_or(0) + 3);
        f.write_str(&full[..kept])
    }
}

/// The text is no amount of dollars that can be said exactly in billionths.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no amount in dollars with at most nine decimals")]
pub struct ParseMoneyError(pub String);

impl FromStr for NanoUsd {
    type Err = ParseMoneyError;

    /// Reads `5`, `0.25`, `$3`, `-1.5`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseMoneyError(text.to_owned());
        let body = text.trim();
        let (negative, body) = body.strip_prefix('-').map_or((false, body), |rest| (true, rest));
        let body = body.strip_prefix('$').unwrap_or(body);
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty())
            || !digits(whole)
            || !digits(fraction)
            || fraction.len() > 9
        {
            return Err(fail());
        }
        let joined = format!("{whole}{fraction:0<9}");
        let nanos = joined.parse::<i64>().map_err(|_| fail())?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

impl Add for NanoUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for NanoUsd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for NanoUsd {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for NanoUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for NanoUsd {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::NanoUsd;

    #[test]
    fn text_both_ways() {
        for (text, nanos, shown) in [
            ("5", 5_000_000_000, "5.00"),
            ("$3.5", 3_500_000_000, "3.50"),
            ("0.000003", 3_000, "0.000003"),
            (".25", 250_000_000, "0.25"),
            ("-1.5", -1_500_000_000, "-1.50"),
            ("0", 0, "0.00"),
        ] {
            let amount: NanoUsd = text.parse().unwrap();
            assert_eq!(amount, NanoUsd(nanos), "{text}");
            assert_eq!(amount.to_string(), shown, "{text}");
        }
        for bad in ["", ".", "1,000", "1e3", "five", "0.0000000001", "99999999999", "--1", "$"] {
            assert!(bad.parse::<NanoUsd>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rounding_and_local_currency() {
        assert_eq!(NanoUsd(1_550_000).usd_string(4), "0.0016");
        assert_eq!(NanoUsd(-1).usd_string(2), "0.00");
        assert_eq!(NanoUsd::from_usd(2).to_local(1_390_500), 2_781);
        assert_eq!(NanoUsd::MAX + NanoUsd(1), NanoUsd::MAX);
    }
}
