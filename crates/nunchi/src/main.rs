//! `nunchi`: the command line, the configuration, the wiring. It decides nothing; the rules are elsewhere.

mod accept;
mod agents;
mod cli;
mod client;
mod commands;
mod config;
mod crew;
mod discovery;
mod failure;
mod home;
mod language;
mod learning;
mod local_currency;
mod local_models;
mod logging;
mod mcp;
mod memory;
mod metrics;
mod owner;
mod prices;
mod render;
mod runtime;
mod serve;
mod skill_shelf;
mod storage;
mod tls;
mod toolbox;
mod weights;
mod wiring;
mod workload;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use cli::{Cli, Command, LangArg, McpCommand, SkillsCommand, complaint, in_korean};
use client::Client;
use commands::Desk;
use config::{Config, Layers};
use failure::Failure;
use home::Home;
use language::{language, language_of_line};
use nunchi_core::Lang;
use nunchi_tools::{McpSecret, bridge_stdio, serve_stdio};
use owner::Owner;
use std::collections::BTreeMap;
use std::process::ExitCode;
use wiring::Service;

/// Exit codes: 0 done, 1 failed, 2 the command line cannot be understood.
fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return help(error),
    };
    let lang = language(cli.global.lang.map(LangArg::lang), cli.global.home.as_deref());
    let json = cli.global.json;
    let outcome = start(cli, lang);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&failure, lang, json);
            ExitCode::FAILURE
        }
    }
}

/// Shows the help that was asked for, or why the line cannot be understood.
fn help(mut error: clap::Error) -> ExitCode {
    let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let korean = language_of_line(&words) == Lang::Ko;
    if korean && let Err(told) = in_korean(Cli::command()).try_get_matches_from(std::env::args_os()) {
        error = told;
    }
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if korean && !asked && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprintln!("{}", complaint(&error));
    } else {
        // A reader who went away is no failure.
        let _reader_left = error.print();
    }
    if asked { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// Reads the configuration, then runs the command on a runtime as configured.
fn start(cli: Cli, lang: Lang) -> Result<(), Failure> {
    if let Command::Reference { page } = &cli.command {
        return commands::reference(page);
    }
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let home = Home::open(cli.global.home.as_deref())?;
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let environment = variables.get("NUNCHI_ENV").map(String::as_str);
    let mut layers = Layers::read(home.path(), environment, variables.clone().into_iter());
    if let Command::Config { command } = &cli.command {
        return commands::config(&home, layers, &variables, command, lang, cli.global.json);
    }
    match &cli.command {
        Command::Flow { command } => return commands::flow(command, lang, cli.global.json),
        Command::Skills { command } if !matches!(command, SkillsCommand::Distill { .. }) => {
            return commands::skills(&home, command, lang, cli.global.json);
        }
        _ => {}
    }
    if let Command::Up(flags) = &cli.command
        && let Some(listen) = flags.listen
    {
        layers.flag("server.listen", listen.to_string());
    }
    let config = Config::resolve(layers, &variables)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.workers > 0 {
        runtime.worker_threads(config.workers);
    }
    let runtime = runtime.enable_all().build().map_err(|error| Failure::system("the runtime", error))?;
    runtime.block_on(run(cli, home, config, lang))
}

async fn run(cli: Cli, home: Home, config: Config, lang: Lang) -> Result<(), Failure> {
    match &cli.command {
        Command::Up(flags) => serve::up(&home, &config, flags, (lang, cli.global.json)).await,
        Command::Restore { file } => commands::restore(&home, file, lang),
        Command::Mcp { command: McpCommand::Serve } => serve_mcp(&home, &config, lang).await,
        Command::Mcp { command } => commands::mcp(&home, &config, command, (lang, cli.global.json)).await,
        Command::Backup { file, salvage } => commands::backup(&home, file, *salvage, lang),
        _ => at_the_desk(cli, home, config, lang).await,
    }
}

/// Runs a command that speaks to the HTTP surface: of the running server, or built here for the occasion.
async fn at_the_desk(cli: Cli, home: Home, config: Config, lang: Lang) -> Result<(), Failure> {
    let json = cli.global.json;
    let _lock = match owner::find(&home).await? {
        Owner::Server(server, key) => {
            let client = Client::remote(&server, key, lang)?;
            return command(&Desk { home, config, client, lang, json }, &cli.command).await;
        }
        Owner::Me(lock) => lock,
    };
    let service = Service::build(&home, &config, lang).await?;
    if calls_models(&cli.command) {
        let offline = matches!(&cli.command, Command::Ask(flags) if flags.offline);
        make_ready(&service, offline, lang).await;
    }
    if matches!(&cli.command, Command::Batch { command } if command.waits()) {
        service.gateway.start_desk().await?;
    }
    let client = Client::here(service.router.clone(), service.admin_key.clone(), lang);
    let desk = Desk { home, config, client, lang, json };
    let outcome = command(&desk, &cli.command).await;
    drop(desk);
    serve::close_quietly(service).await;
    outcome
}

/// Whether a command may call models.
fn calls_models(command: &Command) -> bool {
    match command {
        Command::Ask(_) | Command::Chat(_) | Command::Run(_) => true,
        Command::Runs { command } => command.drives(),
        Command::Approvals { command } => command.drives(),
        Command::Eval { command } => command.asks(),
        _ => false,
    }
}

/// Offers our tools over standard input and output: by the server that owns the home folder, or by ourselves.
async fn serve_mcp(home: &Home, config: &Config, lang: Lang) -> Result<(), Failure> {
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let _lock = match owner::find(home).await? {
        Owner::Server(server, key) => {
            let (url, key) = (format!("{}/mcp", server.base()), McpSecret::new(key.as_str()));
            return Ok(bridge_stdio((&url, server.tls()?), &key, input, output).await?);
        }
        Owner::Me(lock) => lock,
    };
    let service = Service::build(home, config, lang).await?;
    let outcome = serve_stdio(service.mcp_offers.clone(), input, output).await;
    serve::close_quietly(service).await;
    Ok(outcome?)
}

/// Looks for models on this machine; the embedded one is fetched where no other could answer.
async fn make_ready(service: &Service, offline: bool, lang: Lang) {
    service.discovery.look(&service.gateway).await;
    let tiers = service.gateway.tiers();
    let others = [tiers.trivial, tiers.standard].concat().iter().any(|name| !name.starts_with("embedded/"));
    if let Some(local) = service.local.as_ref().filter(|_| !others) {
        local.fetch_chat(offline, lang).await;
    }
}

async fn command(desk: &Desk, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Ask(flags) => commands::ask(desk, flags).await,
        Command::Chat(flags) => commands::chat(desk, flags).await,
        Command::Run(flags) => commands::run(desk, flags).await,
        Command::Runs { command } => commands::runs(desk, command).await,
        Command::Approvals { command } => commands::approvals(desk, command).await,
        Command::Messages { upcoming: true, .. } => commands::upcoming(desk).await,
        Command::Messages { all, .. } => commands::messages(desk, *all).await,
        Command::Permissions { command } => commands::permissions(desk, command).await,
        Command::ExplainPermission(flags) => commands::explain_permission(desk, flags).await,
        Command::Eval { command } => commands::eval(desk, command).await,
        Command::Stats(flags) => commands::stats(desk, flags).await,
        Command::Batch { command } => commands::batch(desk, command).await,
        Command::Budget { command } => commands::budget(desk, command).await,
        Command::Replay(flags) => commands::replay(desk, flags).await,
        Command::Route { command } => commands::route(desk, command).await,
        Command::Compress { command } => commands::compress(desk, command).await,
        Command::Cache { command } => commands::cache(desk, command).await,
        Command::Prices { command } => commands::prices(desk, command).await,
        Command::Keys { command } => commands::keys(desk, command).await,
        Command::Memory { command } => commands::memory(desk, command).await,
        Command::Models { command } => commands::models(desk, command).await,
        Command::Doctor => commands::doctor(desk).await,
        Command::Top(flags) => commands::top(desk, flags).await,
        Command::Skills { command: SkillsCommand::Distill { runs, name, output } } => {
            commands::distill(desk, runs, name.as_deref(), output.as_deref()).await
        }
        _ => Ok(()),
    }
}

/// Tells a failure on standard error: message, hint, code.
fn tell(failure: &Failure, lang: Lang, json: bool) {
    let (message, hint, code) = (failure.message(lang), failure.hint(lang), failure.code());
    if json {
        let value = serde_json::json!({ "error": { "code": code, "message": message, "hint": hint } });
        eprintln!("{value}");
        return;
    }
    eprintln!("{}: {message} [{code}]", lang.pick("error", "오류"));
    if let Some(hint) = hint {
        eprintln!("{}: {hint}", lang.pick("hint", "도움말"));
    }
}
