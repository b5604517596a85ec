//! One server: connected when it is first needed, connected anew with growing pauses after it fails, its tools compared with
//! what was accepted.

use super::change::{ToolChange, changes};
use super::config::{McpServerConfig, McpTransport};
use super::connect::{ConnectError, Line, connect, whole_reason};
use super::content::answer_text;
use super::ear::Ear;
use super::error::McpError;
use super::inverse::record_of;
use super::listing::{ListError, Listing, list_tools};
use super::login::{McpConsent, Tokens};
use super::pins::{PinFile, Pins};
use nunchi_core::{Clock, ToolError, ToolOutput};
use rmcp::model::{CallToolRequestParams, ErrorCode};
use rmcp::service::ServiceError;
use rmcp::transport::streamable_http_client::{AuthRequiredError, InsufficientScopeError};
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// First pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A list of tools older than this is read anew before a call: not every server says when it changes.
const LIST_AGE: Duration = Duration::from_secs(60);
/// How often a server may send its user to sign in again within one call.
const MOST_CONSENTS: usize = 2;
/// Longest text that is taken of an answer, in bytes.
const LONGEST_ANSWER: usize = 4 << 20;

/// What all servers share.
pub(crate) struct Shared {
    pub(crate) pins: PinFile,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) consent: Option<Arc<dyn McpConsent>>,
    pub(crate) show_errors: bool,
}

/// One server.
pub(crate) struct RemoteServer {
    pub(crate) config: McpServerConfig,
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// What it declared last; `None` before it was ever connected.
    seen: RwLock<Option<Arc<Listing>>>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    failures: u32,
    /// Not tried again before this time of the monotonic clock.
    not_before: Duration,
    detail: String,
}

/// Why a list of tools could not be read.
struct Unlisted {
    error: McpError,
    /// What the server said when it wants somebody to sign in.
    challenge: Option<String>,
}

struct Live {
    line: Arc<Line>,
    ear: Ear,
    listed: Duration,
}

impl RemoteServer {
    pub(crate) fn new(config: McpServerConfig, shared: Arc<Shared>) -> Self {
        Self { config, shared, state: Mutex::default(), seen: RwLock::new(None) }
    }

    fn name(&self) -> String {
        self.config.name.clone()
    }

    /// What it declared when it was last asked.
    pub(crate) fn seen(&self) -> Option<Arc<Listing>> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The accepted tools that are, as far as is known, what they were when they were accepted.
    pub(crate) fn usable(&self) -> Pins {
        let mut pins = self.shared.pins.of(&self.config.name);
        if let Some(seen) = self.seen() {
            pins.retain(|name, pin| seen.tools.get(name).is_some_and(|now| now.hash == pin.hash));
        }
        pins
    }

    /// How its tools differ from those accepted; connects it.
    pub(crate) async fn look(&self) -> Result<(Arc<Listing>, Vec<ToolChange>), McpError> {
        self.line(true).await?;
        let seen = self.seen().unwrap_or_default();
        let changes = changes(&self.shared.pins.of(&self.config.name), &seen.tools);
        Ok((seen, changes))
    }

    /// Whether it is connected at the moment.
    pub(crate) async fn is_connected(&self) -> bool {
        self.state.lock().await.live.as_ref().is_some_and(|live| !live.line.is_transport_closed())
    }

    /// A connection whose list of tools is fresh.
    async fn line(&self, relist: bool) -> Result<Arc<Line>, McpError> {
        self.may_run()?;
        let mut state = self.state.lock().await;
        let now = self.shared.clock.monotonic();
        if let Some(live) = state.live.as_mut().filter(|live| !live.line.is_transport_closed()) {
            let stale = live.ear.take_stale();
            if !(stale || relist || now.saturating_sub(live.listed) > LIST_AGE) {
                return Ok(Arc::clone(&live.line));
            }
            if let Ok(listing) = self.list(&live.line).await {
                live.listed = now;
                self.keep(listing);
                return Ok(Arc::clone(&live.line));
            }
        }
        if let Some(dead) = state.live.take() {
            end(dead.line).await;
        }
        if now < state.not_before {
            let seconds = (state.not_before - now).as_secs().max(1);
            return Err(McpError::Waiting { server: self.name(), seconds, detail: state.detail.clone() });
        }
        match self.connect().await {
            Ok(live) => {
                let line = Arc::clone(&live.line);
                *state = State { live: Some(live), ..State::default() };
                Ok(line)
            }
            Err(error) => {
                // Somebody must sign in: waiting changes nothing, and signing in should count at once.
                if !matches!(error, McpError::LoginNeeded(_) | McpError::LoginFailed { .. }) {
                    let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(16)).min(LONGEST_PAUSE);
                    state.failures = state.failures.saturating_add(1);
                    state.not_before = self.shared.clock.monotonic() + pause;
                    state.detail = error.to_string();
                }
                Err(error)
            }
        }
    }

    fn may_run(&self) -> Result<(), McpError> {
        if !self.config.enabled {
            return Err(McpError::Disabled(self.name()));
        }
        let program = matches!(self.config.transport, McpTransport::Stdio { .. });
        if program && !self.config.trusted { Err(McpError::Untrusted(self.name())) } else { Ok(()) }
    }

    async fn connect(&self) -> Result<Live, McpError> {
        let ear = Ear::new(self.config.elicitation);
        let mut consents = 0;
        loop {
            let challenge = match self.dial(&ear).await {
                Err(ConnectError { challenge: None, detail }) => {
                    return Err(McpError::Unreachable { server: self.name(), detail });
                }
                Err(ConnectError { challenge: Some(challenge), .. }) => challenge,
                Ok(line) => match self.list(&line).await {
                    Ok(listing) => {
                        self.keep(listing);
                        let listed = self.shared.clock.monotonic();
                        return Ok(Live { line: Arc::new(line), ear, listed });
                    }
                    // Some servers let everybody in and ask for a token at the first real request.
                    Err(Unlisted { challenge: Some(challenge), .. }) => {
                        end(Arc::new(line)).await;
                        challenge
                    }
                    Err(Unlisted { error, .. }) => {
                        end(Arc::new(line)).await;
                        return Err(error);
                    }
                },
            };
            if consents == MOST_CONSENTS {
                return Err(McpError::LoginNeeded(self.name()));
            }
            consents += 1;
            self.sign_in(Some(&challenge)).await?;
        }
    }

    async fn dial(&self, ear: &Ear) -> Result<Line, ConnectError> {
        let shared = &self.shared;
        let dialling = connect(&self.config, ear, &shared.tokens, shared.show_errors);
        tokio::time::timeout(self.config.connect_timeout, dialling).await.unwrap_or_else(|_| {
            Err(ConnectError { detail: "it did not answer in time".into(), challenge: None })
        })
    }

    async fn list(&self, line: &Line) -> Result<Listing, Unlisted> {
        let server = self.name();
        let unreachable = |detail: String| McpError::Unreachable { server: self.name(), detail };
        match tokio::time::timeout(self.config.connect_timeout, list_tools(line.peer())).await {
            Ok(Ok(listing)) => Ok(listing),
            Ok(Err(ListError::Hostile(detail))) => {
                Err(Unlisted { error: McpError::Hostile { server, detail }, challenge: None })
            }
            Ok(Err(ListError::Failed(error))) => {
                Err(Unlisted { error: unreachable(whole_reason(&error)), challenge: auth_challenge(&error) })
            }
            Err(_) => {
                let error = unreachable("it did not list its tools in time".into());
                Err(Unlisted { error, challenge: None })
            }
        }
    }

    fn keep(&self, listing: Listing) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(listing));
    }

    /// Sends the owner to sign in, where somebody is there to do it.
    pub(crate) async fn sign_in(&self, challenge: Option<&str>) -> Result<(), McpError> {
        let McpTransport::Http { url, oauth: Some(oauth), .. } = &self.config.transport else {
            return Err(McpError::LoginNeeded(self.name()));
        };
        let Some(consent) = &self.shared.consent else { return Err(McpError::LoginNeeded(self.name())) };
        let signing = self.shared.tokens.sign_in(&self.config.name, url, oauth, challenge, &**consent);
        signing.await.map_err(|detail| McpError::LoginFailed { server: self.name(), detail })
    }

    /// Calls a tool that was accepted.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        let mut consents = 0;
        loop {
            let line = self.line(false).await.map_err(|error| error.refusal())?;
            self.check(tool).map_err(|error| error.refusal())?;
            let mut params = CallToolRequestParams::new(tool.to_owned());
            if let Value::Object(arguments) = arguments.clone() {
                params = params.with_arguments(arguments);
            }
            // A call that is given up is cancelled at the server as well: the request's own end sends word of it.
            let answer = tokio::time::timeout(self.config.call_timeout, line.call_tool(params)).await;
            return match answer {
                Err(_) => Err(self.timed_out()),
                Ok(Ok(result)) => {
                    if result.is_error == Some(true) {
                        let text = answer_text(&result, self.config.max_output_bytes);
                        Err(ToolError::new("mcp.tool_failed", text))
                    } else {
                        let undo = record_of(&self.config, tool, &arguments, &result);
                        // What the model is shown of it is the caller's to cut, who can keep the whole.
                        Ok(ToolOutput { undo, ..ToolOutput::text(answer_text(&result, LONGEST_ANSWER)) })
                    }
                }
                Ok(Err(error)) => match missing_scope(&error) {
                    Some(challenge) if consents < MOST_CONSENTS && self.shared.consent.is_some() => {
                        consents += 1;
                        self.sign_in(Some(&challenge)).await.map_err(|error| error.refusal())?;
                        self.hang_up().await;
                        continue;
                    }
                    Some(_) => Err(McpError::LoginNeeded(self.name()).refusal()),
                    None => {
                        line.service().doubt();
                        Err(self.failed(&error))
                    }
                },
            };
        }
    }

    fn check(&self, tool: &str) -> Result<(), McpError> {
        let (server, name) = (self.name(), tool.to_owned());
        let pins = self.shared.pins.of(&self.config.name);
        let Some(pin) = pins.get(tool) else {
            return Err(McpError::NotAccepted { server, tool: name });
        };
        let seen = self.seen();
        match seen.as_ref().and_then(|seen| seen.tools.get(tool)) {
            Some(now) if now.hash == pin.hash => Ok(()),
            _ => Err(McpError::Changed { server, tool: name }),
        }
    }

    fn timed_out(&self) -> ToolError {
        let seconds = self.config.call_timeout.as_secs();
        let message = format!("The MCP server \"{}\" did not answer within {seconds} s.", self.config.name);
        ToolError::new("mcp.timed_out", message).uncertain()
    }

    /// A failed call as the model reads it: whether it may have happened all the same is what matters most.
    fn failed(&self, error: &ServiceError) -> ToolError {
        let message = format!("The MCP server \"{}\" failed: {}", self.config.name, whole_reason(error));
        let (code, certain) = match error {
            ServiceError::McpError(said) => ("mcp.refused", said.code != ErrorCode::INTERNAL_ERROR),
            // What failed may have been the reading of an answer on its way, not the sending of the request.
            ServiceError::TransportSend(_) | ServiceError::TransportClosed => ("mcp.connection_lost", false),
            _ => ("mcp.failed", false),
        };
        let failure = ToolError::new(code, message);
        if certain { failure } else { failure.uncertain() }
    }

    /// Ends the connection; the next call makes a new one.
    pub(crate) async fn hang_up(&self) {
        let live = self.state.lock().await.live.take();
        if let Some(live) = live {
            end(live.line).await;
        }
    }
}

/// Ends a connection; whoever still waits on it hears that it is closed.
async fn end(line: Arc<Line>) {
    match Arc::try_unwrap(line) {
        // How it ended changes nothing for us.
        Ok(line) => drop(line.cancel().await),
        Err(shared) => shared.cancellation_token().cancel(),
    }
}

fn causes<'a>(error: &'a ServiceError) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let first: Option<&(dyn std::error::Error + 'static)> = match error {
        ServiceError::TransportSend(lost) => Some(lost.error.as_ref()),
        _ => None,
    };
    std::iter::successors(first, |error| error.source())
}

/// What a server said that wants a token, or more rights than were granted.
fn auth_challenge(error: &ServiceError) -> Option<String> {
    causes(error).find_map(|cause| {
        let missing = cause.downcast_ref::<InsufficientScopeError>();
        let required = cause.downcast_ref::<AuthRequiredError>();
        missing
            .map(|error| error.www_authenticate_header.clone())
            .or_else(|| required.map(|error| error.www_authenticate_header.clone()))
    })
}

/// What a server said that misses a right in our token: such a request was surely not carried out. (One that misses the token
/// itself may have been the reading of an answer.)
fn missing_scope(error: &ServiceError) -> Option<String> {
    let missing = causes(error).find_map(|cause| cause.downcast_ref::<InsufficientScopeError>());
    missing.map(|error| error.www_authenticate_header.clone())
}
