//! Takes an expression apart.

use super::Wrong;
use super::number::decimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use std::iter::Peekable;
use std::str::CharIndices;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(BigRational),
    Name(String),
    /// One of `+ - * / ^ % ! ( ) ,`.
    Sign(char),
}

const COMMAS: &str = "Put a space behind a comma between values, and none in long numbers inside a function.";
const NUMBERS: &str = "Write numbers like 1234.5, 1,234.5 or 3억 2천만.";

/// Ten to the power that a Korean numeral stands for.
fn unit(c: char) -> Option<u32> {
    Some(match c {
        '십' => 1,
        '백' => 2,
        '천' => 3,
        '만' => 4,
        '억' => 8,
        '조' => 12,
        '경' => 16,
        _ => return None,
    })
}

fn power_of_ten(power: u32) -> BigRational {
    BigRational::from_integer(BigInt::from(10).pow(power))
}

/// Takes an expression apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut reader = Reader { text, chars: text.char_indices().peekable(), inside: Vec::new() };
    let mut tokens = Vec::new();
    while let Some(&(at, c)) = reader.chars.peek() {
        match c {
            '0'..='9' | '.' => tokens.push(Token::Number(reader.number()?)),
            _ if unit(c).is_some() => tokens.push(Token::Number(reader.number()?)),
            _ if c.is_whitespace() || matches!(c, '원' | '₩' | '$' | '_') => drop(reader.chars.next()),
            'a'..='z' | 'A'..='Z' | 'π' => tokens.push(Token::Name(reader.name())),
            _ => {
                reader.chars.next();
                let sign = reader.sign(at, c)?;
                match sign {
                    '(' => reader.inside.push(matches!(tokens.last(), Some(Token::Name(_)))),
                    ')' => drop(reader.inside.pop()),
                    _ => {}
                }
                tokens.push(Token::Sign(sign));
            }
        }
    }
    Ok(tokens)
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    /// For each open parenthesis whether it holds a function's values.
    inside: Vec<bool>,
}

impl Reader<'_> {
    fn sign(&mut self, at: usize, c: char) -> Result<char, Wrong> {
        Ok(match c {
            '*' if self.text[at + 1..].starts_with('*') => {
                self.chars.next();
                '^'
            }
            '+' | '-' | '*' | '/' | '^' | '%' | '!' | '(' | ')' | ',' => c,
            '×' | '·' => '*',
            '÷' => '/',
            '−' | '–' => '-',
            ';' => ',',
            _ => {
                return Err(Wrong::new(
                    format!("`{c}` is not understood"),
                    "Use + - * / ^ % and functions only.",
                ));
            }
        })
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(&(_, c)) = self.chars.peek().filter(|(_, c)| c.is_ascii_alphanumeric() || *c == 'π') {
            name.extend(c.to_lowercase());
            self.chars.next();
        }
        name
    }

    /// A decimal, or a chain of them with Korean units, each smaller than the one before.
    fn number(&mut self) -> Result<BigRational, Wrong> {
        let (mut total, mut section) = (BigRational::zero(), BigRational::zero());
        let mut smallest: Option<u32> = None;
        loop {
            let current = match self.chars.peek() {
                Some((_, '0'..='9' | '.')) => Some(self.decimal()?),
                _ => None,
            };
            let Some(power) = self.take_unit() else {
                return Ok(total + section + current.unwrap_or_default());
            };
            if power < 4 {
                section += current.unwrap_or_else(BigRational::one) * power_of_ten(power);
            } else {
                let before = section + current.unwrap_or_default();
                let before = if before.is_zero() && smallest.is_none_or(|last| power < last) {
                    BigRational::one()
                } else {
                    before
                };
                total += before * power_of_ten(power);
                section = BigRational::zero();
            }
            smallest = Some(power);
            if !self.goes_on() {
                return Ok(total + section);
            }
        }
    }

    fn take_unit(&mut self) -> Option<u32> {
        let (_, c) = self.chars.peek()?;
        let power = unit(*c)?;
        self.chars.next();
        Some(power)
    }

    /// Whether digits or a unit follow, with at most a space between: `3억 2천만`.
    fn goes_on(&mut self) -> bool {
        let mut ahead = self.chars.clone();
        while ahead.peek().is_some_and(|(_, c)| *c == ' ') {
            ahead.next();
        }
        let follows = ahead.peek().is_some_and(|(_, c)| c.is_ascii_digit() || unit(*c).is_some());
        if follows {
            self.chars = ahead;
        }
        follows
    }

    /// Digits with thousands' commas, a fraction and an exponent.
    fn decimal(&mut self) -> Result<BigRational, Wrong> {
        let begin = self.chars.peek().map_or(0, |(at, _)| *at);
        let rest = &self.text[begin..];
        let bytes = rest.as_bytes();
        let mut end = 0;
        while end < bytes.len() {
            let comma = bytes[end] == b',' && self.thousands(&bytes[end..])?;
            let digit = bytes[end].is_ascii_digit() || bytes[end] == b'.';
            let exponent =
                matches!(bytes[end], b'e' | b'E') && end > 0 && exponent_follows(&bytes[end + 1..]);
            match (exponent, comma, digit) {
                (true, ..) => {
                    end += 2;
                    while end < bytes.len() && bytes[end].is_ascii_digit() {
                        end += 1;
                    }
                    break;
                }
                (_, true, _) | (_, _, true) => end += 1,
                _ => break,
            }
        }
        while self.chars.peek().is_some_and(|(at, _)| *at < begin + end) {
            self.chars.next();
        }
        decimal(&rest[..end].replace(',', ""))
            .ok_or_else(|| Wrong::new(format!("`{}` is no number", &rest[..end]), NUMBERS))
    }

    /// Whether a comma parts thousands. Inside a function it parts values, unless that cannot be told.
    fn thousands(&self, bytes: &[u8]) -> Result<bool, Wrong> {
        let digits = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        match (self.inside.last() == Some(&true), digits) {
            (true, 3) => Err(Wrong::new("A comma in a function may part thousands or values", COMMAS)),
            (true, _) | (false, 0) => Ok(false),
            (false, 3) => Ok(true),
            (false, _) => {
                let text = String::from_utf8_lossy(&bytes[..=digits]).into_owned();
                let whole = self.text.split_whitespace().find(|word| word.contains(&text)).unwrap_or(&text);
                Err(Wrong::new(format!("`{whole}` is no number"), NUMBERS))
            }
        }
    }
}

fn exponent_follows(rest: &[u8]) -> bool {
    match rest {
        [b'+' | b'-', digit, ..] | [digit, ..] => digit.is_ascii_digit(),
        [] => false,
    }
}
