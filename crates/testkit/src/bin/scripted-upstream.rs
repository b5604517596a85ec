//! Runs scripted providers from the command line, for SDK tests in other languages and for benches.

use clap::Parser;
use nunchi_testkit::{BatchPace, Dialect, FixedAnswer, Seen, Turn, Upstream, UsageShape, steer_or};
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// Scripted LLM providers on real sockets.
///
/// Prints one line per server, `<name> <base URL>`, once all of them listen. The last user text of a request
/// chooses the answer ("fail 429", "use the weather tool", "think", "slow", `[[turn: {"text":"Hi"}]]`, ...; the
/// whole table is in the documentation of `nunchi_testkit::steer`). `POST /__script` queues turns (for one endpoint:
/// `{"endpoint":"batch_create","turns":[{"drop":true}]}`), `GET /__seen` tells what came, `DELETE /__seen` forgets it.
///
/// OpenAI and Anthropic keep batches as well. `GET /__batches` tells of them and of what was billed;
/// `POST /__batches {"batch":ID,"answer":N,"to":"expired","pace":"manual"}` moves them (every field may be left out).
#[derive(Parser)]
#[command(name = "scripted-upstream")]
struct Arguments {
    /// Address of an OpenAI server (port 0 takes a free one).
    #[arg(long, value_name = "ADDR:PORT")]
    openai: Option<SocketAddr>,
    /// Address of an Anthropic server.
    #[arg(long, value_name = "ADDR:PORT")]
    anthropic: Option<SocketAddr>,
    /// Address of a Gemini server.
    #[arg(long, value_name = "ADDR:PORT")]
    gemini: Option<SocketAddr>,
    /// Address of an Ollama server.
    #[arg(long, value_name = "ADDR:PORT")]
    ollama: Option<SocketAddr>,
    /// Address of a Perplexity server.
    #[arg(long, value_name = "ADDR:PORT")]
    perplexity: Option<SocketAddr>,
    /// Starts every provider that got no address on a free port of 127.0.0.1.
    #[arg(long)]
    all: bool,
    /// Address of a server that gives one rendered answer as fast as it can.
    #[arg(long, value_name = "ADDR:PORT")]
    fixed: Option<SocketAddr>,
    /// Size of the body of --fixed, roughly.
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    fixed_bytes: usize,
    /// Threads that serve.
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// Milliseconds before the headers of the usual answer.
    #[arg(long, value_name = "N", default_value_t = 0)]
    delay_ms: u64,
    /// Number of text deltas of the usual answer.
    #[arg(long, value_name = "N")]
    chunks: Option<usize>,
    /// Milliseconds between the deltas of the usual answer.
    #[arg(long, value_name = "N", default_value_t = 0)]
    chunk_delay_ms: u64,
    /// Refuse requests without this key.
    #[arg(long, value_name = "KEY")]
    require_key: Option<String>,
    /// Accept requests that a real provider would answer with 400.
    #[arg(long)]
    lenient: bool,
    /// The status request of this number finds a batch completed; 0 leaves batches to `POST /__batches`.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch_polls: u32,
    /// Give every prompt the usual answer, and do not say how many tokens it was.
    #[arg(long)]
    no_usage: bool,
    /// Keep no requests (for long benches).
    #[arg(long)]
    forget: bool,
}

impl Arguments {
    /// The providers to start.
    fn providers(&self) -> Vec<(Dialect, SocketAddr)> {
        let free = self.all.then_some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let given = [self.openai, self.anthropic, self.gemini, self.ollama, self.perplexity];
        Dialect::ALL
            .into_iter()
            .zip(given)
            .filter_map(|(dialect, own)| Some((dialect, own.or(free)?)))
            .collect()
    }

    /// The answer when the prompt does not steer.
    fn usual(&self) -> Turn {
        let text = match self.chunks {
            Some(count) => (1..=count).map(|word| format!("word{word} ")).collect(),
            None => "Hello from the scripted upstream.".to_owned(),
        };
        let turn = Turn::text(text).delay_headers(self.delay_ms).delay_between(self.chunk_delay_ms);
        if self.no_usage { turn.usage(UsageShape::Missing) } else { turn }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = runtime(arguments.workers).and_then(|runtime| runtime.block_on(run(arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scripted-upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime(workers: usize) -> std::io::Result<Runtime> {
    match workers {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        more => Builder::new_multi_thread().worker_threads(more).enable_all().build(),
    }
}

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut upstreams = Vec::new();
    for (dialect, address) in arguments.providers() {
        let upstream = Upstream::start_at(dialect, address).await?;
        if let Some(key) = &arguments.require_key {
            upstream.require_key(key);
        }
        if arguments.lenient {
            upstream.lenient();
        }
        if arguments.forget {
            upstream.forget_requests();
        }
        upstream.batch_pace(match arguments.batch_polls {
            0 => BatchPace::Manual,
            polls => BatchPace::Polls(polls),
        });
        let usual = arguments.usual();
        let steered = !arguments.no_usage;
        upstream.respond_with(
            move |seen: &Seen| {
                if steered { steer_or(seen, || usual.clone()) } else { usual.clone() }
            },
        );
        upstreams.push(upstream);
    }
    let fixed = match arguments.fixed {
        Some(address) => Some(FixedAnswer::start(address, arguments.fixed_bytes).await?),
        None => None,
    };
    for upstream in &upstreams {
        println!("{} {}", upstream.dialect().name(), upstream.base_url());
    }
    if let Some(fixed) = &fixed {
        println!("fixed http://{}/v1", fixed.address());
    }
    if upstreams.is_empty() && fixed.is_none() {
        return Err(std::io::Error::other("nothing to start; try --all, or --help"));
    }
    tokio::signal::ctrl_c().await
}
