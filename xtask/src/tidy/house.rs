//! House numbers of Rust files: their head, their length, what a lib.rs holds, what a source may not contain.

use super::{Finding, Source};
use regex::Regex;
use std::sync::LazyLock;

/// Lines of a file before its tests.
const MAX_LINES: usize = 500;

/// Patterns that no source may contain outside its tests: rule, pattern, hint.
static PATTERNS: LazyLock<Vec<(&'static str, Regex, &'static str)>> = LazyLock::new(|| {
    let money = "(cost|price|usd|spend|budget)[a-z_]*: *f(32|64)";
    [
        ("allow", r"#!?\[allow\(".to_owned(), "use #[expect(.., reason = \"..\")]"),
        (
            "stub",
            format!("{}|{}|{}", r"todo!\(", r"unimplemented!\(", r"#\[ignore"),
            "nothing is left for later",
        ),
        ("glob", r"pub use .*::\*;".to_owned(), "name what is exported"),
        ("money", money.to_owned(), "money is NanoUsd"),
    ]
    .into_iter()
    .filter_map(|(rule, pattern, hint)| Some((rule, Regex::new(&pattern).ok()?, hint)))
    .collect()
});

/// What core's rules may not touch.
static OUTSIDE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"SystemTime::now|Instant::now|Timestamp::now|Zoned::now|Uuid::(now|new)_|std::(env|fs|net|process)::").ok()
});

/// Checks one file.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with(".rs") {
        return length_of_architecture(source);
    }
    let mut findings = Vec::new();
    if !source.text.lines().take(3).any(|line| line.starts_with("//!")) {
        findings.push(Finding::new(&source.path, 1, "head", "a file opens with `//!` saying what it is for"));
    }
    let in_tests = source.path.contains("/tests/") || source.path.ends_with("/tests.rs");
    if in_tests {
        return findings;
    }
    let body: Vec<&str> =
        source.text.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]")).collect();
    if body.len() > MAX_LINES {
        findings.push(Finding::new(
            &source.path,
            body.len(),
            "length",
            "where is the second idea that wants a room of its own?",
        ));
    }
    if !source.path.starts_with("xtask/src/tidy/") {
        findings.extend(body.iter().enumerate().flat_map(|(at, line)| patterns(source, at + 1, line)));
    }
    findings.extend(drops(source, &body));
    if source.path.ends_with("src/lib.rs") {
        findings.extend(lib(source, &body));
    }
    findings
}

fn patterns(source: &Source, at: usize, line: &str) -> Vec<Finding> {
    let mut findings: Vec<_> = PATTERNS
        .iter()
        .filter(|(_, pattern, _)| pattern.is_match(line))
        .map(|(rule, _, hint)| Finding::new(&source.path, at, rule, *hint))
        .collect();
    let outside = source.path.starts_with("crates/core/")
        && OUTSIDE.as_ref().is_some_and(|outside| outside.is_match(line));
    if outside {
        findings.push(Finding::new(&source.path, at, "pure", "core reads no clock, no chance, no outside"));
    }
    findings
}

/// `Drop` does no work: each one says above it what message it sends.
fn drops(source: &Source, body: &[&str]) -> Vec<Finding> {
    let explained = |at: usize| at > 0 && body[at - 1].trim_start().starts_with("// drop:");
    body.iter()
        .enumerate()
        .filter(|(at, line)| {
            line.contains(" Drop for ") && line.trim_start().starts_with("impl") && !explained(*at)
        })
        .filter(|_| !source.path.starts_with("crates/testkit/"))
        .map(|(at, _)| {
            Finding::new(
                &source.path,
                at + 1,
                "drop",
                "say above it what it does: `// drop: sends a message`",
            )
        })
        .collect()
}

/// A lib.rs is a table of contents: private modules and sorted exports.
fn lib(source: &Source, body: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last = String::new();
    for (at, line) in body.iter().enumerate() {
        if line.starts_with("pub mod ") {
            findings.push(Finding::new(
                &source.path,
                at + 1,
                "lib",
                "modules are private; export names with `pub use`",
            ));
        }
        if let Some(name) = line.strip_prefix("pub use ") {
            let module = name.split("::").next().unwrap_or(name).to_owned();
            if module < last {
                findings.push(Finding::new(&source.path, at + 1, "lib", "exports are sorted by module"));
            }
            last = module;
        }
    }
    findings
}

fn length_of_architecture(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let too_long = source.path == "ARCHITECTURE.md" && lines > 250;
    too_long.then(|| Finding::new(&source.path, lines, "length", "at most 250 lines")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Source { path: path.into(), text: text.into() }).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn each_rule_catches_its_sample() {
        assert!(PATTERNS.len() == 4 && OUTSIDE.is_some());
        for (path, text, rule) in [
            ("crates/a/src/b.rs", "fn x() {}\n", "head"),
            ("crates/a/src/b.rs", "//! B.\n#[allow(dead_code)]\n", "allow"),
            ("crates/a/src/b.rs", "//! B.\nfn x() { todo!() }\n", "stub"),
            ("crates/a/src/b.rs", "//! B.\npub use c::*;\n", "glob"),
            ("crates/a/src/b.rs", "//! B.\nstruct X { cost_usd: f64 }\n", "money"),
            ("crates/core/src/b.rs", "//! B.\nlet now = Timestamp::now();\n", "pure"),
            ("crates/a/src/b.rs", "//! B.\nimpl Drop for X {\n", "drop"),
            ("crates/a/src/lib.rs", "//! A.\npub mod b;\n", "lib"),
            ("crates/a/src/lib.rs", "//! A.\npub use c::C;\npub use b::B;\n", "lib"),
        ] {
            assert_eq!(rules(path, text), [rule], "{text}");
        }
        assert_eq!(rules("crates/a/src/b.rs", &format!("//! B.\n{}", "x\n".repeat(501))), ["length"]);
        assert_eq!(rules("ARCHITECTURE.md", &"x\n".repeat(251)), ["length"]);
    }

    #[test]
    fn a_good_file_passes() {
        let good =
            "//! B.\n// drop: sends a message\nimpl Drop for X {\n#[cfg(test)]\nmod tests { #[allow(x)] }\n";
        assert_eq!(rules("crates/a/src/b.rs", good), Vec::<&str>::new());
    }
}
