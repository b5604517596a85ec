//! Exact numbers, how they are read and how they are written.

use super::Wrong;
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};
use std::fmt;

/// Most bits of a number.
const MOST_BITS: u64 = 40_000;
/// Digits of what is not exact.
const DIGITS: u32 = 20;
/// Digits of what came through floating point, which has no more.
const FLOAT_DIGITS: u32 = 15;
/// Most digits that are written out.
const MOST_DIGITS: usize = 400;
/// Most digits of a fraction that is shown beside its decimal.
const MOST_FRACTION: usize = 12;

/// A value, and whether it is exact.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) number: BigRational,
    /// How many digits can be relied on, if not all.
    pub(super) digits: Option<u32>,
}

const SMALLER: &str = "Reckon with smaller numbers.";

impl Value {
    pub(super) fn exact(number: BigRational) -> Self {
        Self { number, digits: None }
    }

    /// What floating point gives.
    pub(super) fn float(value: f64) -> Result<Self, Wrong> {
        let number =
            Some(value).filter(|value| value.is_finite()).and_then(|value| decimal(&format!("{value:e}")));
        let number = number.ok_or_else(|| Wrong::new("The value is too large", SMALLER))?;
        Ok(Self { number, digits: Some(FLOAT_DIGITS) })
    }

    pub(super) fn to_f64(&self) -> f64 {
        self.number.to_f64().unwrap_or(f64::NAN)
    }

    /// Joins two values.
    pub(super) fn with(&self, other: &Self, number: BigRational) -> Result<Self, Wrong> {
        let digits = match (self.digits, other.digits) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { number, digits }.within_bounds()
    }

    fn within_bounds(self) -> Result<Self, Wrong> {
        if self.number.numer().bits().max(self.number.denom().bits()) > MOST_BITS {
            return Err(Wrong::new("The value is too large", SMALLER));
        }
        Ok(self)
    }

    /// A power: exact for a whole exponent.
    pub(super) fn power(&self, exponent: &Self) -> Result<Self, Wrong> {
        if !exponent.number.is_integer() {
            return Self::float(self.to_f64().powf(exponent.to_f64()));
        }
        let Some(times) = exponent.number.to_integer().to_i32() else {
            return Err(Wrong::new("The exponent is too large", SMALLER));
        };
        if self.number.is_zero() && times < 0 {
            return Err(Wrong::new("It divides by zero", "Check the divisor."));
        }
        let bits = self.number.numer().bits().max(self.number.denom().bits());
        if bits.saturating_mul(u64::from(times.unsigned_abs())) > MOST_BITS {
            return Err(Wrong::new("The value is too large", SMALLER));
        }
        self.with(exponent, self.number.pow(times))
    }

    /// A square root: exact where it is a fraction, and to twenty digits otherwise.
    pub(super) fn root(&self) -> Result<Self, Wrong> {
        if self.number.is_negative() {
            return Err(Wrong::new("It takes the root of a negative number", "Check the sign."));
        }
        let (top, bottom) = (self.number.numer(), self.number.denom());
        let (root_top, root_bottom) = (top.sqrt(), bottom.sqrt());
        if &root_top * &root_top == *top && &root_bottom * &root_bottom == *bottom {
            return Ok(Self { number: BigRational::new(root_top, root_bottom), digits: self.digits });
        }
        // Scaled so that the root of the whole number has the digits wanted, however small the value.
        let small = bottom.bits().saturating_sub(top.bits()) / 3;
        let scale = BigInt::from(10).pow(DIGITS + 5 + u32::try_from(small).unwrap_or(u32::MAX));
        let scaled = (top * &scale * &scale / bottom).sqrt();
        let digits = Some(self.digits.map_or(DIGITS, |digits| digits.min(DIGITS)));
        Self { number: BigRational::new(scaled, scale), digits }.within_bounds()
    }

    /// Rounded to so many places, halves away from zero.
    pub(super) fn round(&self, places: i32) -> Self {
        let scale = BigInt::from(10).pow(places.unsigned_abs());
        let scale = BigRational::from_integer(scale);
        let number = if places < 0 {
            (&self.number / &scale).round() * scale
        } else {
            (&self.number * &scale).round() / scale
        };
        Self { number, digits: self.digits }
    }
}

/// Reads digits, a fraction and an exponent.
pub(super) fn decimal(text: &str) -> Option<BigRational> {
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= 5_000)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let plain = digits.strip_prefix('-').unwrap_or(&digits);
    if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let places = exponent - i32::try_from(fraction.len()).ok()?;
    let number = BigRational::from_integer(digits.parse().ok()?);
    let scale = BigRational::from_integer(BigInt::from(10).pow(places.unsigned_abs()));
    Some(if places < 0 { number / scale } else { number * scale })
}

/// The places of a fraction that ends; `None` for one that goes on for ever.
fn places(denominator: &BigInt) -> Option<usize> {
    let mut rest = denominator.clone();
    let mut count = [0, 0];
    for (at, prime) in [2_u32, 5].into_iter().enumerate() {
        while (&rest % prime).is_zero() {
            rest /= prime;
            count[at] += 1;
        }
    }
    (rest == BigInt::from(1)).then_some(count[0].max(count[1]))
}

/// Written with so many places, cut there.
fn written(number: &BigRational, places: usize) -> String {
    let scale = BigInt::from(10).pow(u32::try_from(places).unwrap_or(u32::MAX));
    let scaled = (number * BigRational::from_integer(scale)).round().to_integer();
    let minus = if scaled.sign() == Sign::Minus { "-" } else { "" };
    let digits = format!("{:0>width$}", scaled.abs().to_string(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { format!("{minus}{whole}") } else { format!("{minus}{whole}.{fraction}") }
}

/// Written with so many digits in all.
fn significant(number: &BigRational, digits: u32) -> String {
    if number.is_zero() {
        return "0".into();
    }
    // The place of the first digit, within one: corrected by looking.
    let abs = number.abs();
    let estimate = (abs.numer().bits() as f64 - abs.denom().bits() as f64) * std::f64::consts::LOG10_2;
    let mut first = estimate.floor() as i64;
    let ten = |power: i64| {
        let scale =
            BigRational::from_integer(BigInt::from(10).pow(u32::try_from(power.unsigned_abs()).unwrap_or(0)));
        if power < 0 { scale.recip() } else { scale }
    };
    while ten(first + 1) <= abs {
        first += 1;
    }
    while ten(first) > abs {
        first -= 1;
    }
    let digits = i64::from(digits);
    if !(-12..=30).contains(&first) {
        let mantissa = written(&(number / ten(first)), usize::try_from(digits - 1).unwrap_or(0));
        return format!("{}e{first}", trimmed(&mantissa));
    }
    let places = usize::try_from(digits - 1 - first).unwrap_or(0);
    trimmed(&written(number, places)).to_owned()
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(digits) = self.digits {
            return write!(f, "≈ {}", significant(&self.number, digits));
        }
        let ends = places(self.number.denom()).filter(|places| *places <= MOST_DIGITS);
        let whole = ends.map(|places| written(&self.number, places)).filter(|text| text.len() <= MOST_DIGITS);
        if let Some(text) = whole {
            return f.write_str(&text);
        }
        let fraction = self.number.to_string();
        let decimal = significant(&self.number, DIGITS);
        if fraction.len() <= MOST_FRACTION {
            write!(f, "{fraction} ≈ {decimal}")
        } else {
            write!(f, "≈ {decimal}")
        }
    }
}
