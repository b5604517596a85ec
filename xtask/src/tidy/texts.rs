//! Texts that no file of the project may contain: machine paths and the hosts of registries.

use super::{Finding, Source};

/// Folders that exist on somebody's machine only.
const MACHINE_FOLDERS: [&str; 3] = ["/work/", "/root/", "/home/"];

/// Hosts of registries, in halves so that this file does not name them.
const REGISTRY_HOSTS: [(&str, &str); 5] = [
    ("crates", ".io"),
    ("pypi", ".org"),
    ("files.pythonhosted", ".org"),
    ("registry.npmjs", ".org"),
    ("deb.debian", ".org"),
];

/// Checks one file; the lock file names its source by its nature.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    if source.path.ends_with(".lock")
        || source.path.ends_with("package-lock.json")
        || source.path.starts_with("xtask/src/tidy/")
    {
        return Vec::new();
    }
    source.text.lines().enumerate().flat_map(|(at, line)| line_findings(source, at + 1, line)).collect()
}

fn line_findings(source: &Source, at: usize, line: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if MACHINE_FOLDERS.iter().any(|folder| names_folder(line, folder)) {
        findings.push(Finding::new(&source.path, at, "machine-path", "a path of one machine"));
    }
    if REGISTRY_HOSTS.iter().any(|(name, end)| line.contains(&format!("{name}{end}"))) {
        findings.push(Finding::new(
            &source.path,
            at,
            "registry-host",
            "packages are named, never their registry's host",
        ));
    }
    findings
}

/// Whether a line names a path that begins with this folder, not one that merely contains it.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let inside_longer_path =
            before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '/' | '}'));
        let after = line[at + folder.len()..].chars().next();
        !inside_longer_path && after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        check(&Source { path: "a.md".into(), text: text.into() }).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn paths_and_hosts() {
        for folder in ["root", "work"] {
            assert_eq!(rules(&format!("see /{folder}/x")), ["machine-path"], "{folder}");
        }
        assert_eq!(rules(&format!("https://crates{}/x", ".io")), ["registry-host"]);
        assert_eq!(rules("docs/work/plan ~/.nunchi frame/work/x"), Vec::<&str>::new());
    }
}
