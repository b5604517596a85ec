//! Reckons exactly: decimals and fractions without rounding, percent, powers, functions, and Korean numerals such as 3억 2천만.

mod number;
mod parse;
mod token;

use crate::arguments::arguments;
use nunchi_core::{BoxFuture, Deed, Tool, ToolCall, ToolError, ToolOutput, ToolSpec};
use parse::evaluate;
use serde::Deserialize;
use serde_json::json;

/// Longest expression in bytes.
const LONGEST: usize = 2_000;

/// The tool.
pub(crate) struct Calculator;

#[derive(Deserialize)]
struct Asked {
    expression: String,
}

/// Why an expression has no value: what is wrong, and how to write it.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    what: String,
    hint: &'static str,
}

impl Wrong {
    fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint }
    }
}

fn answer(expression: &str) -> Result<String, ToolError> {
    let value = if expression.len() > LONGEST {
        Err(Wrong::new(format!("The expression is over {LONGEST} bytes"), "Reckon it in parts."))
    } else {
        evaluate(expression)
    };
    value
        .map(|value| value.to_string())
        .map_err(|wrong| ToolError::new("calculator.expression", format!("{}.", wrong.what)).hint(wrong.hint))
}

impl Tool for Calculator {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["expression"], "additionalProperties": false,
            "properties": {"expression": {"type": "string"}},
        });
        let description = "Exact arithmetic: + - * / ^ %, parentheses, 만 억 조, sum avg min max round floor ceil abs sqrt ln log exp sin cos tan mod.";
        ToolSpec { deeds: vec![Deed::Read], ..ToolSpec::new("calculator", description, schema) }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let told = arguments::<Asked>(&call).and_then(|asked| answer(&asked.expression));
        Box::pin(std::future::ready(told.map(ToolOutput::text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exact_answers() {
        for (expression, value) in [
            ("0.1 + 0.2", "0.3"),
            ("1/3 + 1/3 + 1/3", "1"),
            ("19.99 * 3", "59.97"),
            ("1,234,567 + 1", "1234568"),
            ("-2^2", "-4"),
            ("(-2)^2", "4"),
            ("2^3^2", "512"),
            ("2^-2", "0.25"),
            ("2**10", "1024"),
            ("10 % 3", "1"),
            ("-7 % 3", "2"),
            ("15%", "0.15"),
            ("200 * 15%", "30"),
            ("100 + 10% - 5", "95.1"),
            ("50% * (4)", "2"),
            ("3만 5천", "35000"),
            ("3억 2,000만원", "320000000"),
            ("1조 / 4", "250000000000"),
            ("2천만 + 5백", "20000500"),
            ("1.5억", "150000000"),
            ("만", "10000"),
            ("12,000원 × 3 ÷ 2", "18000"),
            ("₩1,000 + 1", "1001"),
            ("sum(1, 2, 3.5)", "6.5"),
            ("avg(1, 2)", "1.5"),
            ("max(1, 1,5) ", "5"),
            ("round(2.5)", "3"),
            ("round(-2.5)", "-3"),
            ("round(1234.5678, 2)", "1234.57"),
            ("round(1250, -2)", "1300"),
            ("floor(-1.5) + ceil(1.2)", "0"),
            ("sqrt(2.25)", "1.5"),
            ("mod(10, 4)", "2"),
            ("5!", "120"),
            ("1e3 + 2.5E-1", "1000.25"),
            ("2^100", "1267650600228229401496703205376"),
            ("1/3", "1/3 ≈ 0.33333333333333333333"),
            ("-22/7", "-22/7 ≈ -3.1428571428571428571"),
            ("sqrt(2)", "≈ 1.4142135623730950488"),
            ("ln(e)", "≈ 1"),
            ("10^0.5", "≈ 3.16227766016838"),
            ("sin(0)", "≈ 0"),
        ] {
            assert_eq!(answer(expression).unwrap(), value, "{expression}");
        }
    }

    #[test]
    fn what_has_no_value() {
        for (expression, word) in [
            ("", "ends"),
            ("1 +", "ends"),
            ("1 2", "2"),
            ("(1", "ends"),
            ("1)", ")"),
            ("1/0", "zero"),
            ("0^-1", "zero"),
            ("5 % 0", "zero"),
            ("9^9^9", "too large"),
            ("10001!", "too large"),
            ("sqrt(-1)", "negative"),
            ("ln(0)", "positive"),
            ("max(1,200)", "comma"),
            ("foo(1)", "foo"),
            ("x + 1", "x"),
            ("round(1, 2, 3)", "round"),
            ("min()", "min"),
            ("1..2", "1..2"),
            ("12,34", "12,34"),
            ("exp(1000)", "too large"),
        ] {
            let error = answer(expression).unwrap_err();
            assert!(error.message.contains(word), "{expression}: {error}");
            assert!(error.hint.is_some());
        }
        let deep = "(".repeat(900);
        assert!(answer(&deep).unwrap_err().message.contains("deep"));
        assert!(answer(&"-".repeat(1_900)).unwrap_err().message.contains("deep"));
    }

    proptest! {
        #[test]
        fn sums_of_cents_are_exact(cents in proptest::collection::vec(-1_000_000_i64..1_000_000, 1..30)) {
            let text: Vec<_> = cents.iter().map(|cents| format!("({}{}.{:02})", if *cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)).collect();
            let told = answer(&format!("({}) * 100", text.join(" + "))).unwrap();
            prop_assert_eq!(told, cents.iter().sum::<i64>().to_string());
        }

        #[test]
        fn nothing_makes_it_fall_over(expression in "[0-9+*/%^(), .만억천a-z!-]{0,40}") {
            drop(answer(&expression));
        }
    }
}
