//! One model call over HTTP, whatever the dialect: read, recognise, translate, call, write back.

use crate::agents::{self, AgentServices};
use crate::batches::accept;
use crate::failure::{Failure, Shape};
use crate::problem::Problem;
use crate::sse::{SseBody, Writer};
use crate::state::ApiState;
use crate::{body, door, headers};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, header};
use nunchi_core::{
    CallContext, Dialect, Frame, Lang, ModelError, ModelErrorKind, ModelRequest, RawFrame, Reply, ReplyBody,
    ReplyEvent, RequestId, assemble_reply,
};

/// Most bytes of a reply that is collected rather than streamed.
const MAX_WHOLE: usize = 64 << 20;

/// An inbound chat dialect.
pub(crate) trait Inbound: 'static {
    /// The dialect.
    const DIALECT: Dialect;
    /// How its errors look.
    const SHAPE: Shape;
    /// What the answer repeats of the request.
    type Echo: Send + 'static;
    /// Writes its streams.
    type Writer: Writer;

    /// Puts a body into our words.
    fn translate(
        state: &ApiState,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<(ModelRequest, Self::Echo), Problem>;
    /// Begins a stream.
    fn writer(head: Head, echo: Self::Echo) -> Self::Writer;
    /// Writes a whole answer.
    fn whole(head: &Head, echo: &Self::Echo, reply: &ReplyBody) -> Vec<u8>;
    /// Whether an upstream's bytes are a whole answer rather than a piece of a stream.
    fn is_whole(raw: &[u8]) -> bool;
}

/// What every answer says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The request it answers.
    pub(crate) request: RequestId,
    /// When, in seconds since 1970.
    pub(crate) created: i64,
    /// The model that answers, as its provider names it.
    pub(crate) model: String,
    /// The language of error messages.
    pub(crate) lang: Lang,
}

/// The request's id, put there by the outermost layer.
pub(crate) fn request_id(request: &Request) -> RequestId {
    request.extensions().get().copied().unwrap_or(RequestId(uuid::Uuid::nil()))
}

/// Serves one call.
pub(crate) async fn answer<D: Inbound>(state: ApiState, request: Request) -> Response {
    let id = request_id(&request);
    let lang = state.lang(request.headers());
    match try_answer::<D>(&state, request, id, lang).await {
        Ok(response) => response,
        Err(failure) => failure.response(D::SHAPE, Some(id)),
    }
}

async fn try_answer<D: Inbound>(
    state: &ApiState,
    request: Request,
    id: RequestId,
    lang: Lang,
) -> Result<Response, Failure> {
    let (asked, echo, context, headers) = admit::<D>(state, request, id, lang).await?;
    if let Some(services) = state.parts.agents.as_ref().filter(|_| agents::is_agent(&asked.model)) {
        return by_agent::<D>(state, services, &headers, (asked, echo, context), lang).await;
    }
    let (asked, context) = match accept(state, &headers, (asked, context), lang).await? {
        Ok(accepted) => return Ok(accepted),
        Err(now) => now,
    };
    let stream = asked.stream;
    // They are slices of the connection's read buffer, which would stay as long as they do.
    drop(headers);
    let reply =
        state.parts.model.call(asked, context).await.map_err(|error| Failure::of_model(&error, lang))?;
    let created = state.parts.clock.now().as_second();
    let head = Head { request: id, created, model: reply.info.model.clone(), lang };
    if stream { Ok(streamed::<D>(state, head, echo, reply)) } else { collected::<D>(head, echo, reply).await }
}

/// Serves one call by a run of an agent.
async fn by_agent<D: Inbound>(
    state: &ApiState,
    services: &AgentServices,
    headers: &HeaderMap,
    (asked, echo, context): (ModelRequest, D::Echo, CallContext),
    lang: Lang,
) -> Result<Response, Failure> {
    let (stream, request) = (asked.stream, context.request);
    let (reply, run) = agents::reply(state, services, headers, (asked, context), lang).await?;
    let created = state.parts.clock.now().as_second();
    let head = Head { request, created, model: reply.info.model.clone(), lang };
    let mut response = if stream {
        streamed::<D>(state, head, echo, reply)
    } else {
        collected::<D>(head, echo, reply).await?
    };
    headers::name_run(response.headers_mut(), run);
    Ok(response)
}

/// Everything before the call: key, headers, body, in this order, so that strangers cannot make us read. Gives the headers back.
pub(crate) async fn admit<D: Inbound>(
    state: &ApiState,
    request: Request,
    id: RequestId,
    lang: Lang,
) -> Result<(ModelRequest, D::Echo, CallContext, HeaderMap), Failure> {
    let (parts, body) = request.into_parts();
    let principal = door::principal(state, &parts.headers, lang)?;
    let fail = |problem| Failure::of_problem(&problem, lang);
    let context = door::context(&parts.headers, id, principal).map_err(fail)?;
    let settings = &state.parts.settings;
    let body = body::read(&parts.headers, body, settings.max_body_bytes, settings.body_patience).await;
    let (asked, echo) = D::translate(state, &parts.headers, body.map_err(fail)?).map_err(fail)?;
    Ok((asked, echo, context, parts.headers))
}

fn streamed<D: Inbound>(state: &ApiState, head: Head, echo: D::Echo, reply: Reply) -> Response {
    let body = SseBody::new(reply.stream, D::writer(head, echo), state.parts.settings.keep_alive);
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would hold the stream back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers::tell_info(headers, &reply.info);
    response
}

async fn collected<D: Inbound>(head: Head, echo: D::Echo, reply: Reply) -> Result<Response, Failure> {
    let Reply { info, stream } = reply;
    let lang = head.lang;
    let collected = collect(stream).await.map_err(|error| Failure::of_model(&error, lang))?;
    let summary = collected.events.iter().find_map(|event| match event {
        ReplyEvent::Settled(summary) => Some(summary),
        _ => None,
    });
    let body = written::<D>(&head, &echo, &collected)
        .map_err(|error| Failure::of_model(&error.from_provider(info.provider.clone()), lang))?;
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::tell_info(headers, &info);
    if let Some(summary) = summary {
        headers::tell_summary(headers, summary);
    }
    Ok(response)
}

/// The body of a whole answer: the upstream's own bytes where it speaks the dialect, else ours.
fn written<D: Inbound>(head: &Head, echo: &D::Echo, collected: &Collected) -> Result<Bytes, ModelError> {
    if let Some(raw) = &collected.raw
        && raw.dialect == D::DIALECT
        && D::is_whole(&raw.data)
    {
        return Ok(raw.data.clone());
    }
    let whole = assemble_reply(&collected.events);
    if whole.choices.iter().any(|choice| choice.stop.is_none()) {
        return Err(ModelError::new(ModelErrorKind::Cut, "it ended without saying why"));
    }
    Ok(D::whole(head, echo, &whole).into())
}

/// The body of an answer whose frames were kept.
pub(crate) fn whole_body<D: Inbound>(
    head: &Head,
    echo: &D::Echo,
    frames: Vec<Frame>,
) -> Result<Bytes, ModelError> {
    let mut collected = Collected { events: Vec::new(), raw: None };
    let mut raws = 0_usize;
    for frame in frames {
        collected.events.extend(frame.events);
        if let Some(bytes) = frame.raw {
            raws += 1;
            collected.raw = (raws == 1).then_some(bytes);
        }
    }
    written::<D>(head, echo, &collected)
}

/// A reply, collected: its events, and the upstream's bytes if they came in one piece.
struct Collected {
    events: Vec<ReplyEvent>,
    raw: Option<RawFrame>,
}

async fn collect(mut stream: nunchi_core::ReplyStream) -> Result<Collected, ModelError> {
    let mut events = Vec::new();
    let mut raw: Option<RawFrame> = None;
    let (mut raws, mut size) = (0_usize, 0_usize);
    while let Some(frame) = stream.next().await {
        let frame = frame?;
        size += frame.raw.as_ref().map_or(0, |raw| raw.data.len())
            + frame.events.iter().map(weight).sum::<usize>();
        if size > MAX_WHOLE {
            return Err(ModelError::new(
                ModelErrorKind::Garbage,
                format!("the answer exceeds {MAX_WHOLE} bytes"),
            ));
        }
        events.extend(frame.events);
        if let Some(bytes) = frame.raw {
            raws += 1;
            raw = (raws == 1).then_some(bytes);
        }
    }
    Ok(Collected { events, raw })
}

fn weight(event: &ReplyEvent) -> usize {
    let text = match event {
        ReplyEvent::Text(text) | ReplyEvent::Thinking(text) | ReplyEvent::Refusal(text) => text.len(),
        ReplyEvent::RedactedThinking(data) | ReplyEvent::ThinkingSignature(data) => data.len(),
        ReplyEvent::ToolArguments { delta, .. } => delta.len(),
        _ => 0,
    };
    size_of::<ReplyEvent>() + text
}
