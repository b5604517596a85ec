//! `up`: the server, from its lock to its last stream.

use crate::accept::accept;
use crate::agents::tell_time;
use crate::cli::Up;
use crate::config::Config;
use crate::failure::Failure;
use crate::home::Home;
use crate::runtime::{Hangup, Signals};
use crate::storage::HomeLock;
use crate::tls::ServedTls;
use crate::wiring::{Service, price_refresh};
use nunchi_core::{Lang, Spawn, TaskName};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

/// What a call needs at most to be settled once nobody listens any more.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the server until it is told to stop.
pub(crate) async fn up(home: &Home, config: &Config, flags: &Up, told: (Lang, bool)) -> Result<(), Failure> {
    let (lang, json) = told;
    crate::logging::start(config);
    let mut signals = Signals::listen().map_err(|error| Failure::system("signals", error))?;
    let _lock = HomeLock::acquire(home.path())?;
    let tls = config.listening.tls.as_ref().map(|files| ServedTls::start(&files.within(home.path())));
    let tls = tls.transpose()?.map(Arc::new);
    let listener = listen(config).await?;
    let address = listener.local_addr().map_err(|error| Failure::system("the address", error))?;
    let service = Service::build(home, config, lang).await?;
    service.gateway.start_desk().await?;
    home.note_server(address, tls.as_ref().map(|tls| tls.certificate()).as_deref())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    greet(service.first_key().await?, &format!("{scheme}://{address}"), lang, json)?;
    if let Some(local) = &service.local {
        local.fetch_in_background(&service.tasks, flags.offline, lang);
    }
    let taken_up = service.agents.agent.recover().await?;
    if taken_up > 0 {
        tracing::info!(runs = taken_up, "runs are taken up again");
    }
    service.tasks.spawn(TaskName::AgentClock, Box::pin(tell_time(Arc::clone(&service.agents.agent))));
    let discovery = service.discovery.clone().run(service.gateway.clone());
    service.tasks.spawn(TaskName::ModelDiscovery, Box::pin(discovery));
    if let Some(refresh) =
        price_refresh(home, config).filter(|refresh| !(flags.offline && refresh.is_remote()))
    {
        service.tasks.spawn(TaskName::PriceRefresh, Box::pin(refresh.run(service.gateway.clone())));
    }
    service.tasks.spawn(TaskName::MetricsUpkeep, Box::pin(crate::metrics::upkeep()));
    if let Some(tls) = &tls {
        let renewal = Arc::clone(tls)
            .renew(home.clone(), Hangup::listen().map_err(|error| Failure::system("signals", error))?);
        service.tasks.spawn(TaskName::CertificateRenewal, Box::pin(renewal));
    }
    let acceptor = tls.as_ref().map(|tls| tls.acceptor());
    accept(&service, listener, acceptor, &mut signals).await;
    let patience = wind_down(&service, config.shutdown, &mut signals).await;
    home.forget_server();
    close(service, patience).await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(config: &Config) -> Result<TcpListener, Failure> {
    TcpListener::bind(config.listening.address).await.map_err(|error| {
        let address = config.listening.address;
        if error.kind() == std::io::ErrorKind::AddrInUse {
            return Failure::plain(
                "server.port_taken",
                format!("{address} is taken"),
                format!("{address}은(는) 이미 쓰이고 있습니다"),
            )
            .with_hint(
                "Another program listens there; choose another with --listen ADDR:PORT.",
                "다른 프로그램이 쓰고 있습니다. --listen 주소:포트로 바꾸세요.",
            );
        }
        Failure::plain(
            "server.listen",
            format!("cannot listen on {address}: {error}"),
            format!("{address}에서 대기할 수 없습니다: {error}"),
        )
    })
}

/// What the owner sees first: where the console is, the key if it is new, a line to try.
fn greet(new_key: Option<Zeroizing<String>>, base: &str, lang: Lang, json: bool) -> Result<(), Failure> {
    let key = new_key.as_ref().map(|key| key.as_str());
    if json {
        // One line, so that a script need not wait for more.
        let facts =
            serde_json::json!({ "address": format!("{base}/"), "console": format!("{base}/"), "key": key });
        return crate::commands::print_line(&facts.to_string());
    }
    let mut text = lang.pick(
        format!("Nunchi is up. Console: {base}/\n"),
        format!("Nunchi가 시작되었습니다. 콘솔: {base}/\n"),
    );
    if let Some(key) = key {
        text.push_str(&lang.pick(
            format!("Your key, for the API and the console, shown only now: {key}\n"),
            format!("API와 콘솔에 쓰는 키(지금만 보입니다): {key}\n"),
        ));
    }
    let key = key.unwrap_or("$NUNCHI_KEY");
    text.push_str(lang.pick("Try:\n", "시험:\n"));
    text.push_str(&format!(
        "  curl {base}/v1/chat/completions -H \"Authorization: Bearer {key}\" -H 'Content-Type: application/json' \\\n    -d '{{\"model\": \"auto\", \"messages\": [{{\"role\": \"user\", \"content\": \"What is 2+2?\"}}]}}'"
    ));
    crate::commands::print_line(&text)
}

/// Lets streams end, unless that takes too long or a second signal comes; tells how long calls may then take to settle.
async fn wind_down(service: &Service, patience: Duration, signals: &mut Signals) -> Duration {
    tracing::info!("stopping; streams may end");
    service.tasks.stopping().cancel();
    let left = tokio::select! {
        all = service.tasks.finish(TaskName::HttpServer, patience) => {
            if all {
                patience
            } else {
                tracing::warn!("some streams did not end in time");
                SETTLE_PATIENCE
            }
        }
        () = signals.next() => {
            tracing::warn!("ended at once");
            SETTLE_PATIENCE
        }
    };
    service.tasks.end_connections();
    left.max(SETTLE_PATIENCE)
}

/// Ends a service that had no socket.
pub(crate) async fn close_quietly(service: Service) {
    close(service, SETTLE_PATIENCE).await;
}

/// Ends what is left, in order: calls settle, then the cache and the ledger write what they have.
async fn close(service: Service, patience: Duration) {
    let Service { gateway, storage, agents, router, tasks, local, mcp, mcp_offers, .. } = service;
    // A run goes on where it was at the next start, so nobody waits for its end; what it has called still settles.
    tasks.stopping().cancel();
    tasks.finish(TaskName::AgentRun, SETTLE_PATIENCE).await;
    tasks.finish(TaskName::MemoryKeeper, SETTLE_PATIENCE).await;
    drop(agents);
    drop(mcp_offers);
    mcp.close().await;
    if !tasks.finish(TaskName::Call, patience).await {
        tracing::warn!("some calls did not end in time; they are settled at the next start");
    }
    drop((router, gateway, mcp));
    tasks.finish(TaskName::CacheWriter, Duration::from_secs(5)).await;
    storage.close().await;
    if let Some(local) = local {
        local.close();
    }
}
