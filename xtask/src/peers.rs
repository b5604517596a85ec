//! The real peers that tests need, installed by package name and only where they are missing.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What shows that a Debian package is there.
enum Sign {
    Program(&'static str),
    Folder(&'static str),
    PythonModule(&'static str),
}

/// Debian packages, each with what shows that it is there, however it came.
const DEBIAN: [(&str, Sign); 11] = [
    ("chromium", Sign::Program("chromium")),
    ("fonts-noto-cjk", Sign::Folder("/usr/share/fonts/opentype/noto")),
    ("nginx-light", Sign::Program("nginx")),
    ("nodejs", Sign::Program("node")),
    ("npm", Sign::Program("npm")),
    ("openssl", Sign::Program("openssl")),
    ("postgresql", Sign::Folder("/usr/lib/postgresql")),
    ("prometheus", Sign::Program("promtool")),
    ("python3-venv", Sign::PythonModule("ensurepip")),
    ("redis-server", Sign::Program("redis-server")),
    ("wrk", Sign::Program("wrk")),
];

/// PyPI packages of the black-box tests.
const PYPI: [&str; 5] = ["anthropic==2.11.0", "mcp==2.*", "openai==3.52.0", "pydantic>=2", "pytest>=8"];

/// The proxy, in a Python of its own: it does not get on with the present `mcp`.
const PROXY: [&str; 1] = ["litellm[proxy]==1.*"];

/// npm packages of the black-box tests.
const NPM: [&str; 7] = [
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "@modelcontextprotocol/inspector@2.12.0",
    "@modelcontextprotocol/server-everything",
    "@modelcontextprotocol/server-filesystem",
    // What the conformance suite runs on.
    "node@22",
    "openai@6",
    "playwright-core@1",
];

/// Where the peers were put.
pub(crate) struct Peers {
    /// A Python with the SDKs.
    pub(crate) python: PathBuf,
    /// The LiteLLM proxy.
    pub(crate) litellm: PathBuf,
    /// A folder whose node_modules holds the npm packages.
    pub(crate) node: PathBuf,
}

/// Installs what is missing.
pub(crate) fn install(root: &Path) -> Result<Peers> {
    debian()?;
    let folder = root.join("target/test-peers");
    std::fs::create_dir_all(&folder)?;
    let python = environment(&folder, "venv", &PYPI)?;
    let litellm = environment(&folder, "venv-litellm", &PROXY)?.with_file_name("litellm");
    Ok(Peers { python, litellm, node: node(&folder)? })
}

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(program) => std::env::var_os("PATH").is_some_and(|path| {
                std::env::split_paths(&path)
                    .chain([PathBuf::from("/usr/sbin")])
                    .any(|folder| folder.join(program).is_file())
            }),
            Self::Folder(folder) => Path::new(folder).is_dir(),
            Self::PythonModule(module) => Command::new("python3")
                .args(["-c", &format!("import {module}")])
                .stderr(std::process::Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

fn debian() -> Result<()> {
    let missing: Vec<_> = DEBIAN.iter().filter(|(_, sign)| !sign.is_there()).map(|(name, _)| *name).collect();
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

/// A Python with these packages, in a folder of its own.
fn environment(folder: &Path, name: &str, packages: &[&str]) -> Result<PathBuf> {
    let venv = folder.join(name);
    let python = venv.join("bin/python");
    let stamp = venv.join("installed.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
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
