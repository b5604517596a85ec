//! The handle of a running scripted server.

use super::batches;
use super::handle::handle;
use super::seen::Seen;
use super::state::State;
use crate::batch::{BatchPace, BatchPhase, BatchSeen, Billed, Steering};
use crate::dialect::{Dialect, Endpoint};
use crate::turn::Turn;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// How long [`Upstream::wait_until`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// A scripted provider on a real socket. Dropping it closes the port and every connection.
pub struct Upstream {
    state: Arc<State>,
    address: SocketAddr,
    /// Owns the accept loop, which owns its connections.
    tasks: JoinSet<()>,
}

impl Upstream {
    /// Starts a provider on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(dialect: Dialect) -> Self {
        Self::start_at(dialect, (Ipv4Addr::LOCALHOST, 0).into()).await.expect("a free port on 127.0.0.1")
    }

    /// Starts a provider at an address.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start_at(dialect: Dialect, address: SocketAddr) -> std::io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(dialect));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { state, address, tasks })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL in the form the provider's SDKs want it: with `/v1` for OpenAI, bare for the others.
    pub fn base_url(&self) -> String {
        match self.state.dialect {
            Dialect::OpenAi => format!("{}/v1", self.origin()),
            _ => self.origin(),
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> Dialect {
        self.state.dialect
    }

    /// Stops: connections drop, new ones are refused. What was seen stays readable.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// The script.
impl Upstream {
    /// Appends answers; each POST takes one.
    pub fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        self.state.book().script.extend(turns);
    }

    /// Appends answers for one endpoint only; they go first, and GET endpoints take only these.
    pub fn script_for(&self, endpoint: Endpoint, turns: impl IntoIterator<Item = Turn>) {
        self.state.book().script_for.entry(endpoint).or_default().extend(turns);
    }

    /// The answer when the script is empty.
    pub fn always(&self, turn: Turn) {
        let mut book = self.state.book();
        book.always = turn;
        book.handler = None;
    }

    /// Makes the answer from the request when the script is empty. It must not ask this server about its batches: it may be
    /// called while they move.
    pub fn respond_with(&self, handler: impl Fn(&Seen) -> Turn + Send + Sync + 'static) {
        self.state.book().handler = Some(Arc::new(handler));
    }

    /// The models to list.
    pub fn models<T: Into<String>>(&self, models: impl IntoIterator<Item = T>) {
        self.state.book().models = models.into_iter().map(Into::into).collect();
    }

    /// Refuses every request without this key, in the place where the provider wants it.
    pub fn require_key(&self, key: &str) {
        self.state.book().key = Some(key.to_owned());
    }

    /// Switches off the checks that a provider makes of a request (see [`Upstream::violations`]).
    pub fn lenient(&self) {
        self.state.book().lenient = true;
    }

    /// Keeps no requests, for benches and long runs.
    pub fn forget_requests(&self) {
        self.state.book().forgetful = true;
    }

    /// Forgets what was seen and what was scripted; settings stay.
    pub fn reset(&self) {
        self.state.book().reset();
    }
}

/// Batches. Faults are scripted with [`Upstream::script_for`]: an error status refuses a request, any other turn lets it happen
/// and shapes how that is told ([`Turn::drop_connection`], [`Turn::hang`], [`Turn::cut_after`] so many lines of results).
impl Upstream {
    /// How batches move on by themselves; at the first status request until said otherwise.
    pub fn batch_pace(&self, pace: BatchPace) {
        batches::steer(&self.state, &Steering { pace: Some(pace), ..Steering::default() });
    }

    /// Answers this many more requests of every batch that has not ended.
    pub fn answer_in_batches(&self, count: usize) {
        batches::steer(&self.state, &Steering { answer: count, ..Steering::default() });
    }

    /// Moves every batch that has not ended.
    pub fn move_batches(&self, to: BatchPhase) {
        batches::steer(&self.state, &Steering { to: Some(to), ..Steering::default() });
    }

    /// Moves one batch.
    pub fn move_batch(&self, id: &str, to: BatchPhase) {
        let steering = Steering { batch: Some(id.to_owned()), to: Some(to), ..Steering::default() };
        batches::steer(&self.state, &steering);
    }

    /// All batches, the oldest first. [`Upstream::reset`] does not forget them.
    pub fn batches(&self) -> Vec<BatchSeen> {
        self.state.batches().seen()
    }

    /// What was charged for since the start. [`Upstream::reset`] does not forget it.
    pub fn billed(&self) -> Billed {
        self.state.batches().billed.clone()
    }
}

/// What was seen.
impl Upstream {
    /// All requests, in order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.book().requests.clone()
    }

    /// The latest request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last_request(&self) -> Seen {
        self.state.book().requests.last().cloned().expect("a request")
    }

    /// How many POST requests came.
    pub fn calls(&self) -> usize {
        self.state.book().calls
    }

    /// How many scripted answers were not taken yet.
    pub fn turns_left(&self) -> usize {
        let book = self.state.book();
        book.script.len() + book.script_for.values().map(std::collections::VecDeque::len).sum::<usize>()
    }

    /// What in the requests a real provider would have answered with 400 (and this one did).
    pub fn violations(&self) -> Vec<String> {
        self.state.book().violations.clone()
    }

    /// Waits until the requests seen so far satisfy a condition.
    ///
    /// # Panics
    /// After ten seconds.
    pub async fn wait_until(&self, condition: impl Fn(&[Seen]) -> bool) {
        let mut changed = self.state.subscribe();
        let wait = async {
            while !condition(&self.state.book().requests) {
                changed.changed().await.expect("the state lives as long as the handle");
            }
        };
        let patient = tokio::time::timeout(PATIENCE, wait).await;
        patient.expect("the condition on the requests did not come true within ten seconds");
    }

    /// Waits until this many requests came.
    pub async fn wait_for_requests(&self, count: usize) {
        self.wait_until(|requests| requests.len() >= count).await;
    }

    /// Waits until a client went away in the middle of an answer.
    pub async fn wait_for_abort(&self) {
        self.wait_until(|requests| requests.iter().any(|seen| seen.aborted)).await;
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    connections.spawn(serve(socket, Arc::clone(&state)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(socket: TcpStream, state: Arc<State>) {
    // Small writes must not wait for each other.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| handle(Arc::clone(&state), request));
    // A client that breaks off is no error of the server; the request's `aborted` says so.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}
