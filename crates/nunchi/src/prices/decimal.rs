//! Decimal text as exact integers: prices never pass through a float.

use nunchi_core::NanoUsd;

/// The value of decimal text times ten to the power `exponent`, rounded up; `None` when it is no number or too large.
pub(crate) fn scaled_decimal(text: &str, exponent: i32) -> Option<i64> {
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let plain = !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value: i128 = if plain { digits.parse().ok()? } else { return None };
    let shift = power.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let factor = 10_i128.checked_pow(shift.unsigned_abs())?;
    let scaled =
        if shift >= 0 { value.checked_mul(factor)? } else { value.checked_add(factor - 1)? / factor };
    i64::try_from(scaled).ok()
}

/// Dollars per million tokens as text.
pub(crate) fn usd_per_million(text: &str) -> Option<NanoUsd> {
    scaled_decimal(text.trim().trim_start_matches('$'), 9).map(NanoUsd)
}

#[cfg(test)]
mod tests {
    use super::scaled_decimal;

    #[test]
    fn exact() {
        for (text, exponent, value) in [
            ("3", 9, Some(3_000_000_000)),
            ("0.0375", 9, Some(37_500_000)),
            ("2.5e-06", 15, Some(2_500_000_000)),
            ("1E-7", 15, Some(100_000_000)),
            ("0.0000000001", 9, Some(1)),
            ("0", 9, Some(0)),
            ("-1", 9, None),
            ("1e400", 9, None),
            ("NaN", 9, None),
            ("", 9, None),
            ("99999999999999999999", 9, None),
        ] {
            assert_eq!(scaled_decimal(text, exponent), value, "{text}");
        }
    }
}
