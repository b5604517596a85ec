//! Who may depend on whom. A crate exists to forbid a dependency; this table says which.

use super::{Finding, Source};

/// A crate's allowed workspace dependencies and its forbidden outside ones.
struct Edges {
    name: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
}

/// What runs, waits, reads a clock or draws lots.
const PURE: [&str; 10] =
    ["tokio", "axum", "hyper", "reqwest", "sqlx", "redis", "rand", "getrandom", "tracing", "metrics"];
const HTTP: [&str; 4] = ["axum", "hyper", "reqwest", "tower-http"];

const TABLE: [Edges; 12] = [
    Edges { name: "core", may: &[], never: &PURE },
    Edges {
        name: "gateway",
        may: &["core", "saving"],
        never: &["axum", "hyper", "reqwest", "tower-http", "sqlx", "redis"],
    },
    Edges {
        name: "agent",
        may: &["core"],
        never: &["axum", "hyper", "reqwest", "tower-http", "sqlx", "rusqlite", "redis"],
    },
    Edges { name: "saving", may: &["core"], never: &PURE },
    Edges { name: "providers", may: &["core"], never: &["axum", "sqlx", "redis", "reqwest"] },
    Edges { name: "local", may: &["core"], never: &["axum", "sqlx", "redis"] },
    Edges { name: "store", may: &["core"], never: &HTTP },
    Edges { name: "api", may: &["agent", "core", "gateway"], never: &["sqlx", "redis", "reqwest"] },
    Edges {
        name: "nunchi",
        may: &["agent", "api", "core", "gateway", "local", "providers", "saving", "store", "tools"],
        never: &["sqlx", "redis", "candle-core"],
    },
    Edges { name: "tools", may: &["core"], never: &["redis"] },
    Edges { name: "testkit", may: &["core"], never: &["sqlx", "reqwest"] },
    Edges { name: "xtask", may: &[], never: &["sqlx", "axum"] },
];

/// Packages whose TLS or build is not ours.
const BANNED: [&str; 4] = ["openssl", "native-tls", "aws-lc-rs", "aws-lc-sys"];

/// Checks every manifest against the table.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|source| source.path.ends_with("Cargo.toml") && source.path != "Cargo.toml")
        .flat_map(manifest)
        .collect()
}

fn manifest(source: &Source) -> Vec<Finding> {
    let folder = source.path.trim_end_matches("/Cargo.toml");
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let Some(edges) = TABLE.iter().find(|edges| edges.name == name) else {
        return vec![Finding::new(
            &source.path,
            1,
            "unknown-crate",
            "add it to DESIGN's table and to xtask/src/tidy/edges.rs",
        )];
    };
    let Ok(table) = source.text.parse::<toml::Table>() else {
        return vec![Finding::new(&source.path, 1, "manifest", "it is no TOML")];
    };
    let mut findings = Vec::new();
    for (section, dev) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else { continue };
        for dependency in dependencies.keys() {
            if let Some(hint) = objection(edges, dependency, dev) {
                let line = source
                    .text
                    .lines()
                    .position(|line| line.starts_with(dependency.as_str()))
                    .map_or(1, |at| at + 1);
                findings.push(Finding::new(&source.path, line, "edge", hint));
            }
        }
    }
    if let Some(features) = table.get("features").and_then(toml::Value::as_table) {
        for feature in features.keys().filter(|feature| *feature != "test-support") {
            findings.push(Finding::new(
                &source.path,
                1,
                "feature",
                format!("`{feature}`: no features but test-support"),
            ));
        }
    }
    findings
}

fn objection(edges: &Edges, dependency: &str, dev: bool) -> Option<String> {
    if BANNED.contains(&dependency) {
        return Some(format!("`{dependency}` is not used here: TLS is rustls with ring"));
    }
    match dependency.strip_prefix("nunchi-") {
        Some("testkit") if dev => None,
        // Trainers and measurements read texts through the real encoder.
        Some("local") if dev && matches!(edges.name, "saving" | "store") => None,
        Some(sibling) if dev && edges.name == "nunchi" => {
            (sibling == "xtask").then(|| "xtask is a tool".to_owned())
        }
        Some(sibling) => {
            (!edges.may.contains(&sibling)).then(|| format!("{} may not see {sibling}", edges.name))
        }
        None => (!dev && edges.never.contains(&dependency))
            .then(|| format!("{} may never use {dependency}", edges.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&[Source { path: path.into(), text: text.into() }])
    }

    #[test]
    fn siblings_and_io_are_refused() {
        let bad = "[dependencies]\nnunchi-store.workspace = true\nsqlx.workspace = true\n";
        let rules: Vec<_> =
            findings("crates/gateway/Cargo.toml", bad).iter().map(|f| (f.line, f.rule)).collect();
        assert_eq!(rules, [(2, "edge"), (3, "edge")]);
        assert_eq!(findings("crates/new/Cargo.toml", "")[0].rule, "unknown-crate");
        assert_eq!(findings("crates/core/Cargo.toml", "[features]\nx = []\n")[0].rule, "feature");
    }

    #[test]
    fn the_table_is_allowed() {
        let good = "[dependencies]\nnunchi-core.workspace = true\ntokio.workspace = true\n[dev-dependencies]\nnunchi-testkit.workspace = true\n";
        assert_eq!(findings("crates/gateway/Cargo.toml", good), []);
    }
}
