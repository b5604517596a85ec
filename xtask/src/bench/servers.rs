//! What a bench runs against: the fixed-answer upstream, nginx in front of it, and Nunchi in front of it.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A release without optimisation across crates.
pub(crate) const QUICK: [&str; 4] =
    ["--config", "profile.release.lto=false", "--config", "profile.release.codegen-units=16"];

/// The release binaries.
pub(crate) struct Bench {
    pub(crate) nunchi: PathBuf,
    upstream: PathBuf,
}

/// A child process that ends with its owner.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What authorises a request, if anything must.
    pub(crate) key: Option<String>,
    pub(crate) home: Option<PathBuf>,
}

impl Server {
    /// Resident memory now, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }
}

// drop: sends a message (the signal that ends the child)
impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        if let Some(home) = &self.home {
            let _left = std::fs::remove_dir_all(home);
        }
    }
}

impl Bench {
    /// Builds the binaries as they are shipped.
    pub(crate) fn build(root: &Path) -> Result<Self> {
        Self::built(root, &[])
    }

    /// Builds them with less optimisation across crates, in a fraction of the time.
    pub(crate) fn quick(root: &Path) -> Result<Self> {
        Self::built(root, &QUICK)
    }

    fn built(root: &Path, flags: &[&str]) -> Result<Self> {
        let build = ["build", "--release", "--package", "nunchi", "--package", "nunchi-testkit"];
        crate::peers::run(Command::new(env!("CARGO")).args(build).args(flags).current_dir(root))?;
        let built = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), PathBuf::from)
            .join("release");
        Ok(Self { nunchi: built.join("nunchi"), upstream: built.join("scripted-upstream") })
    }

    /// The upstream that gives the same answer of about 1 KB to everything.
    pub(crate) fn fixed_upstream(&self) -> Result<Server> {
        let address = free_address()?;
        let child = Command::new(&self.upstream)
            .args(["--fixed", &address.to_string(), "--workers", "1"])
            .stdout(Stdio::null())
            .spawn()?;
        ready(Server { child, address, key: None, home: None })
    }

    /// An upstream that streams so many chunks, so far apart.
    pub(crate) fn streaming_upstream(&self, chunks: u32, apart: Duration) -> Result<Server> {
        let address = free_address()?;
        let (chunks, apart) = (chunks.to_string(), apart.as_millis().to_string());
        let child = Command::new(&self.upstream)
            .args([
                "--openai",
                &address.to_string(),
                "--chunks",
                &chunks,
                "--chunk-delay-ms",
                &apart,
                "--forget",
            ])
            .stdout(Stdio::null())
            .spawn()?;
        ready(Server { child, address, key: None, home: None })
    }

    /// An upstream that says a few words and does not say how many tokens they were.
    pub(crate) fn silent_upstream(&self) -> Result<Server> {
        let address = free_address()?;
        let child = Command::new(&self.upstream)
            .args(["--openai", &address.to_string(), "--no-usage", "--lenient", "--forget"])
            .stdout(Stdio::null())
            .spawn()?;
        ready(Server { child, address, key: None, home: None })
    }

    /// Nunchi with these settings; every provider named is the same upstream, with its own prices.
    pub(crate) fn nunchi_with(
        &self,
        upstream: &Server,
        settings: &str,
        providers: &[&str],
    ) -> Result<Server> {
        let (address, home) = (free_address()?, scratch("nunchi")?);
        let mut config =
            format!("[limits]\nchat_per_minute = 0\n\n[budget]\ndaily_cap_usd = 1000\n\n{settings}");
        for name in providers {
            let (url, local) = (upstream.address, *name == "ollama");
            config.push_str(&format!("\n[[providers]]\nname = \"{name}\"\ndialect = \"openai\"\nbase_url = \"http://{url}/v1\"\napi_key_env = \"BENCH_KEY\"\nprice_from = \"{name}\"\nlocal = {local}\n"));
        }
        std::fs::write(home.join("nunchi.toml"), config)?;
        self.started(home, address)
    }

    /// nginx as a plain reverse proxy with one worker and kept connections.
    pub(crate) fn nginx(&self, upstream: &Server) -> Result<Server> {
        let (address, home) = (free_address()?, scratch("nginx")?);
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {home}/pid; error_log {home}/error.log crit;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_buffer_size 1m; client_max_body_size 64m; keepalive_requests 100000000;
client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
upstream fixed {{ server {upstream}; keepalive 4096; keepalive_requests 100000000; }}
server {{ listen {address} backlog=4096; location / {{ proxy_pass http://fixed; proxy_http_version 1.1;
proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}",
            home = home.display(),
            upstream = upstream.address,
        );
        std::fs::write(home.join("nginx.conf"), config)?;
        let binary = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let child =
            Command::new(binary).arg("-p").arg(&home).arg("-c").arg(home.join("nginx.conf")).spawn()?;
        ready(Server { child, address, key: None, home: Some(home) })
    }

    /// Nunchi with accounting, budgets and the exact cache on.
    pub(crate) fn nunchi(&self, upstream: &Server) -> Result<Server> {
        let (address, home) = (free_address()?, scratch("nunchi")?);
        let config = format!(
            "[limits]\nchat_per_minute = 0\n\n[cache]\nsemantic = false\n\n[[providers]]\nname = \"bench\"\ndialect = \"openai\"\nbase_url = \"http://{}/v1\"\napi_key_env = \"BENCH_KEY\"\n",
            upstream.address
        );
        std::fs::write(home.join("nunchi.toml"), config)?;
        self.cli(&home, &["prices", "set", "bench/fixed", "--input", "0.000001", "--output", "0.000001"])?;
        self.started(home, address)
    }

    /// The server of a home folder, with a key.
    fn started(&self, home: PathBuf, address: SocketAddr) -> Result<Server> {
        let made = self.cli(&home, &["keys", "create", "bench", "--json"])?;
        let key = made
            .split("\"key\"")
            .nth(1)
            .and_then(|rest| rest.split('"').nth(1))
            .context("no key was made")?
            .to_owned();
        let child = self.start(&home, address)?;
        ready(Server { child, address, key: Some(key), home: Some(home) })
    }

    /// Starts the server in a prepared home folder; it may not listen yet.
    pub(crate) fn start(&self, home: &Path, address: SocketAddr) -> Result<Child> {
        let child = Command::new(&self.nunchi)
            .args(["up", "--offline", "--listen", &address.to_string(), "--home"])
            .arg(home)
            .env("BENCH_KEY", "sk-bench")
            .env("NUNCHI_LOG__LEVEL", "error")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(child)
    }

    fn cli(&self, home: &Path, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.nunchi).args(words).arg("--home").arg(home).output()?;
        if !output.status.success() {
            bail!("nunchi {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// An address nobody listens on just now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A new folder for a server's files.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!(
        "nunchi-bench-{name}-{}-{}",
        std::process::id(),
        free_address()?.port()
    ));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn ready(mut server: Server) -> Result<Server> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(server.address).is_err() {
        if let Some(status) = server.child.try_wait()? {
            bail!("a server ended early: {status}");
        }
        if Instant::now() > deadline {
            bail!("a server does not listen");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(server)
}

/// The lines a command prints.
pub(crate) fn lines_of(command: &mut Command) -> Result<Vec<String>> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {command:?}"))?;
    let out = child.stdout.take().context("no output")?;
    let lines = BufReader::new(out).lines().collect::<Result<Vec<_>, _>>()?;
    if child.wait()?.success() { Ok(lines) } else { bail!("failed: {command:?}") }
}
