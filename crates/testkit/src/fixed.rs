//! A server that gives one answer, already rendered, as fast as a socket allows: the upstream of throughput benches.

use crate::dialect::{Dialect, Endpoint};
use crate::turn::{ChunkPlan, Turn};
use crate::wire::wire;
use bytes::{Bytes, BytesMut};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes around the text in an OpenAI answer, roughly.
const ENVELOPE: usize = 560;

/// Three rendered responses: OpenAI chat, Anthropic messages, the list of models.
struct Rendered {
    chat: Bytes,
    messages: Bytes,
    models: Bytes,
}

/// A server that answers every request with the same bytes.
///
/// `POST …/messages` gets Anthropic's shape, any other POST OpenAI's chat completion, GET the list of models.
pub struct FixedAnswer {
    address: SocketAddr,
    /// Owns the accept loop, which owns its connections.
    tasks: JoinSet<()>,
}

impl FixedAnswer {
    /// Starts it; `size` is the length of the OpenAI body in bytes, roughly.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr, size: usize) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let text: String =
            "lorem ipsum ".chars().cycle().take(size.saturating_sub(ENVELOPE).max(1)).collect();
        let turn = Turn::text(text).chunks(ChunkPlan::Whole);
        let rendered = Arc::new(Rendered {
            chat: response(&wire(Dialect::OpenAi, Endpoint::Chat, &turn, false).concat()),
            messages: response(&wire(Dialect::Anthropic, Endpoint::Chat, &turn, false).concat()),
            models: response(&wire(Dialect::OpenAi, Endpoint::Models, &turn, false).concat()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, rendered));
        Ok(Self { address, tasks })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until it is dropped.
    pub async fn serve(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

fn response(body: &[u8]) -> Bytes {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_fixed\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}

async fn accept(listener: TcpListener, rendered: Arc<Rendered>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    let _ = socket.set_nodelay(true);
                    connections.spawn(answer_all(socket, Arc::clone(&rendered)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers every request of a connection until the client closes it.
async fn answer_all(mut socket: TcpStream, rendered: Arc<Rendered>) {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        match socket.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while let Some(length) = request_length(&buffer) {
            let request = buffer.split_to(length);
            let answer = match request.first() {
                Some(b'G') => &rendered.models,
                _ if request.starts_with(b"POST /v1/messages") => &rendered.messages,
                _ => &rendered.chat,
            };
            if socket.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// The length of the first request in the buffer, once it is there as a whole.
fn request_length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let lines = buffer[..head].split(|&byte| byte == b'\n');
    let mut body = 0;
    for line in lines {
        if let Some(value) = value_of(line, b"content-length:") {
            body = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        } else if value_of(line, b"transfer-encoding:").is_some() {
            let end = buffer[head..].windows(5).position(|window| window == b"0\r\n\r\n")?;
            return Some(head + end + 5);
        }
    }
    (buffer.len() >= head + body).then_some(head + body)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_measured() {
        let get = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
        assert_eq!(request_length(get), Some(get.len()));
        let post = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}rest";
        assert_eq!(request_length(post), Some(post.len() - 4));
        assert_eq!(request_length(&post[..post.len() - 5]), None);
        let chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(request_length(chunked), Some(chunked.len()));
    }
}
