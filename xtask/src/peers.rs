//! The real peers that tests need, installed by package name and only where they are missing.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian packages, each with the program that shows it is there.
const DEBIAN: [(&str, &str); 6] = [
    ("chromium", "chromium"),
    ("nginx-light", "nginx"),
    ("prometheus", "promtool"),
    ("redis-server", "redis-server"),
    ("wrk", "wrk"),
    ("fonts-noto-cjk", "-"),
];

/// PyPI packages of the black-box tests.
const PYPI: [&str; 5] =
    ["anthropic==2.11.0", "openai==3.52.0", "pydantic>=2", "pytest>=8", "litellm[proxy]==1.*"];

/// npm packages of the black-box tests.
const NPM: [&str; 2] = ["openai@6", "playwright-core@1"];

/// Where the peers were put.
pub(crate) struct Peers {
    /// A Python with the SDKs.
    pub(crate) python: PathBuf,
    /// A folder whose node_modules holds the npm packages.
    pub(crate) node: PathBuf,
}

/// Installs what is missing.
pub(crate) fn install(root: &Path) -> Result<Peers> {
    debian()?;
    let folder = root.join("target/test-peers");
    std::fs::create_dir_all(&folder)?;
    Ok(Peers { python: python(&folder)?, node: node(&folder)? })
}

fn is_there(program: &str) -> bool {
    let on_path = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .any(|folder| folder.join(program).is_file())
    });
    on_path || (program == "-" && Path::new("/usr/share/fonts/opentype/noto").is_dir())
}

fn debian() -> Result<()> {
    let missing: Vec<_> =
        DEBIAN.iter().filter(|(_, program)| !is_there(program)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let apt = |words: &[&str]| {
        Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive").status()
    };
    let installed = apt(&["update", "-qq"])?.success()
        && Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null())
            .status()?
            .success();
    if installed { Ok(()) } else { bail!("as root: apt-get install {}", missing.join(" ")) }
}

fn python(folder: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("installed.txt");
    let wanted = PYPI.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PYPI))?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

fn node(folder: &Path) -> Result<PathBuf> {
    let node = folder.join("node");
    let stamp = node.join("installed.txt");
    let wanted = NPM.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(node);
    }
    std::fs::create_dir_all(&node)?;
    std::fs::write(node.join("package.json"), "{\"private\": true}")?;
    run(Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund"])
        .args(NPM)
        .current_dir(&node))?;
    std::fs::write(stamp, wanted)?;
    Ok(node)
}

/// Runs a command and fails with its name.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("failed: {command:?}") }
}
