//! Reads an expression and reckons it at once.

use super::Wrong;
use super::number::{Value, decimal};
use super::token::{Token, tokens};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// Deepest nesting.
const DEEPEST: usize = 60;
/// Largest number whose factorial is reckoned.
const LARGEST_FACTORIAL: u32 = 1_000;

const WRITE_IT: &str = "Write it like (1.5 + 2) * 3^2, 15% * 200 or sum(1, 2, 3).";

/// The value of an expression.
pub(super) fn evaluate(text: &str) -> Result<Value, Wrong> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let value = parser.sum()?;
    match parser.peek() {
        None => Ok(value),
        Some(token) => Err(Wrong::new(format!("`{}` does not belong there", shown(token)), WRITE_IT)),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(number) => number.to_string(),
        Token::Name(name) => name.clone(),
        Token::Sign(sign) => sign.to_string(),
    }
}

fn by_zero() -> Wrong {
    Wrong::new("It divides by zero", "Check the divisor.")
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn sign(&self) -> Option<char> {
        match self.peek() {
            Some(Token::Sign(sign)) => Some(*sign),
            _ => None,
        }
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.sign() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Wrong::new("It is nested too deep", "Reckon it in parts."));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn sum(&mut self) -> Result<Value, Wrong> {
        let mut value = self.product()?;
        loop {
            if self.take('+') {
                let other = self.product()?;
                value = value.with(&other, &value.number + &other.number)?;
            } else if self.take('-') {
                let other = self.product()?;
                value = value.with(&other, &value.number - &other.number)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<Value, Wrong> {
        let mut value = self.signed()?;
        loop {
            if self.take('*') {
                let other = self.signed()?;
                value = value.with(&other, &value.number * &other.number)?;
            } else if self.take('/') {
                let other = self.signed()?;
                if other.number.is_zero() {
                    return Err(by_zero());
                }
                value = value.with(&other, &value.number / &other.number)?;
            } else if self.take('%') {
                let other = self.signed()?;
                value = remainder(&value, &other)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn signed(&mut self) -> Result<Value, Wrong> {
        if self.take('-') {
            let value = self.deeper(Self::signed)?;
            return Ok(Value { number: -value.number, ..value });
        }
        if self.take('+') {
            return self.deeper(Self::signed);
        }
        let base = self.postfix()?;
        if self.take('^') {
            let exponent = self.deeper(Self::signed)?;
            return base.power(&exponent);
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Result<Value, Wrong> {
        let mut value = self.primary()?;
        loop {
            if self.take('!') {
                value = factorial(&value)?;
            } else if self.sign() == Some('%') && !self.operand_follows() {
                self.at += 1;
                value.number /= BigRational::from_integer(BigInt::from(100));
            } else {
                return Ok(value);
            }
        }
    }

    /// Whether `%` stands between two values and so means the remainder.
    fn operand_follows(&self) -> bool {
        match self.tokens.get(self.at + 1) {
            Some(Token::Number(_) | Token::Name(_)) => true,
            Some(Token::Sign(sign)) => *sign == '(',
            None => false,
        }
    }

    fn primary(&mut self) -> Result<Value, Wrong> {
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            None => Err(Wrong::new("It ends too early", WRITE_IT)),
            Some(Token::Number(number)) => Ok(Value::exact(number)),
            Some(Token::Sign('(')) => {
                let value = self.deeper(Self::sum)?;
                self.close()?;
                Ok(value)
            }
            Some(Token::Name(name)) if self.take('(') => {
                let values = self.deeper(Self::values)?;
                apply(&name, &values)
            }
            Some(Token::Name(name)) => match name.as_str() {
                "pi" | "π" => constant("3.14159265358979323846264338327950288"),
                "e" => constant("2.71828182845904523536028747135266250"),
                _ => Err(Wrong::new(format!("`{name}` is not known"), "Put its value in.")),
            },
            Some(token) => Err(Wrong::new(format!("`{}` does not belong there", shown(&token)), WRITE_IT)),
        }
    }

    fn values(&mut self) -> Result<Vec<Value>, Wrong> {
        let mut values = Vec::new();
        if self.take(')') {
            return Ok(values);
        }
        loop {
            values.push(self.sum()?);
            if !self.take(',') {
                self.close()?;
                return Ok(values);
            }
        }
    }

    fn close(&mut self) -> Result<(), Wrong> {
        if self.take(')') {
            return Ok(());
        }
        match self.peek() {
            None => Err(Wrong::new("It ends before its `)`", WRITE_IT)),
            Some(token) => Err(Wrong::new(format!("`{}` does not belong there", shown(token)), WRITE_IT)),
        }
    }
}

fn constant(digits: &str) -> Result<Value, Wrong> {
    let number = decimal(digits).unwrap_or_default();
    Ok(Value { number, digits: Some(20) })
}

/// The remainder that has the sign of the divisor.
fn remainder(value: &Value, by: &Value) -> Result<Value, Wrong> {
    if by.number.is_zero() {
        return Err(by_zero());
    }
    let times = (&value.number / &by.number).floor();
    value.with(by, &value.number - times * &by.number)
}

fn factorial(value: &Value) -> Result<Value, Wrong> {
    let whole = Some(&value.number).filter(|number| number.is_integer() && !number.is_negative());
    let count = whole.and_then(|number| number.to_integer().to_u32());
    match count {
        Some(count) if count <= LARGEST_FACTORIAL => {
            let product = (1..=count).fold(BigInt::from(1), |product, factor| product * factor);
            Ok(Value::exact(BigRational::from_integer(product)))
        }
        _ => Err(Wrong::new("The factorial is too large or not of a whole number", "Use a smaller number.")),
    }
}

fn apply(name: &str, values: &[Value]) -> Result<Value, Wrong> {
    let wrong = || Wrong::new(format!("`{name}` does not take {} values", values.len()), WRITE_IT);
    let fold = |join: fn(BigRational, BigRational) -> BigRational| {
        let (first, rest) = values.split_first().ok_or_else(wrong)?;
        rest.iter().try_fold(first.clone(), |all, value| {
            let number = join(all.number.clone(), value.number.clone());
            all.with(value, number)
        })
    };
    match (name, values) {
        ("sum", _) => fold(|all, value| all + value),
        ("min", _) => fold(|all, value| all.min(value)),
        ("max", _) => fold(|all, value| all.max(value)),
        ("avg" | "mean", _) => {
            let sum = fold(|all, value| all + value)?;
            let count = BigRational::from_integer(BigInt::from(values.len()));
            Ok(Value { number: sum.number / count, digits: sum.digits })
        }
        ("round", [value]) => Ok(value.round(0)),
        ("round", [value, places]) => {
            let places = places.number.is_integer().then(|| places.number.to_integer().to_i32()).flatten();
            let places = places.filter(|places| places.abs() <= 100).ok_or_else(wrong)?;
            Ok(value.round(places))
        }
        ("mod", [value, by]) => remainder(value, by),
        (_, [value]) => of_one(name, value).unwrap_or_else(|| Err(unknown(name))),
        (
            "sqrt" | "abs" | "floor" | "ceil" | "ln" | "log" | "exp" | "sin" | "cos" | "tan" | "round"
            | "mod",
            _,
        ) => Err(wrong()),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Wrong {
    Wrong::new(
        format!("There is no function `{name}`"),
        "There are sum, avg, min, max, round, floor, ceil, abs, sqrt, ln, log, exp, sin, cos, tan and mod.",
    )
}

fn of_one(name: &str, value: &Value) -> Option<Result<Value, Wrong>> {
    let with = |number: BigRational| Ok(Value { number, digits: value.digits });
    let positive = |take: fn(f64) -> f64| {
        if value.number.is_positive() {
            Value::float(take(value.to_f64()))
        } else {
            Err(Wrong::new("A logarithm is taken of a positive number only", "Check the value."))
        }
    };
    Some(match name {
        "sqrt" => value.root(),
        "abs" => with(value.number.abs()),
        "floor" => with(value.number.floor()),
        "ceil" => with(value.number.ceil()),
        "ln" => positive(f64::ln),
        "log" => positive(f64::log10),
        "exp" => Value::float(value.to_f64().exp()),
        "sin" => Value::float(value.to_f64().sin()),
        "cos" => Value::float(value.to_f64().cos()),
        "tan" => Value::float(value.to_f64().tan()),
        _ => return None,
    })
}
