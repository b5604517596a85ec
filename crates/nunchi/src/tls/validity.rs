//! Until when a certificate is valid (RFC 5280, 4.1.2.5): the only field of it that we read ourselves.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of a certificate's validity; `None` when it is no X.509 certificate.
pub(crate) fn valid_until(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, signature algorithm and issuer stand before the validity.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, not_after) = element(validity)?;
    let (tag, text, _) = element(not_after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// Tag, content and what stands behind one DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from 2050 on.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = digits[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let two = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    if !((1..=12).contains(&two(0)?)
        && (1..=31).contains(&two(2)?)
        && two(4)? < 24
        && two(6)? < 60
        && two(8)? < 60)
    {
        return None;
    }
    let day = Date::new(year, two(0)?, two(2)?).ok()?;
    let zoned = day.at(two(4)?, two(6)?, two(8)?, 0).to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn issued_until(year: i32, month: u8, day: u8) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        wanted.not_after = rcgen::date_time_ymd(year, month, day);
        wanted.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_ways_to_write_a_time() {
        for (year, month, day) in [(2031, 2, 28), (2049, 12, 31), (2050, 1, 1), (4096, 1, 1)] {
            let found = valid_until(&issued_until(year.into(), month, day)).unwrap();
            let wanted = date(year, month.try_into().unwrap(), day.try_into().unwrap());
            assert_eq!(found.to_zoned(TimeZone::UTC).date(), wanted);
        }
    }

    #[test]
    fn what_is_cut_or_wrong_is_none() {
        let der = issued_until(2031, 2, 28);
        for length in 0..der.len() {
            assert_eq!(valid_until(&der[..length]), None, "{length}");
        }
        assert_eq!(time(UTC_TIME, "991301000000Z"), None);
        assert_eq!(time(UTC_TIME, "990229000000Z"), None);
        assert_eq!(time(UTC_TIME, "9902290000é0Z"), None);
        assert_eq!(time(GENERALIZED_TIME, "990228000000Z"), None);
    }
}
