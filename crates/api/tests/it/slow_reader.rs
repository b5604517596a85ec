//! A client on a real socket that stops reading: the connection is given up and the call ended.

use crate::rendering::ask;
use crate::support::{World, info};
use axum::serve::Listener;
use futures_util::{StreamExt, stream};
use nunchi_api::WriteTimeout;
use nunchi_core::{Frame, Reply, ReplyEvent};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

struct Guarded(TcpListener);

impl Listener for Guarded {
    type Io = WriteTimeout<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (io, peer) = self.0.accept().await.expect("a connection");
        (WriteTimeout::new(io, Duration::from_millis(100)), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Says when it is dropped.
struct Witness(Option<oneshot::Sender<()>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.take().map(|sender| sender.send(()));
    }
}

#[tokio::test]
async fn is_given_up() {
    let (sender, dropped) = oneshot::channel();
    let witness = Mutex::new(Some(Witness(Some(sender))));
    let world = World::new(move || {
        let witness = Arc::new(witness.lock().unwrap().take());
        let endless = stream::repeat_with(move || {
            let _ = &witness;
            Ok(Frame::of(vec![ReplyEvent::Text("x".repeat(1_000))]))
        });
        Ok(Reply { info: info(), stream: endless.boxed() })
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(axum::serve(Guarded(listener), world.router.clone()).into_future());
    let mut client = TcpStream::connect(address).await.unwrap();
    let body = ask("/v1/chat/completions", true);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-api-key: nk-good\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    // Nothing is read; the socket's buffers fill up, and the server gives up.
    tokio::time::timeout(Duration::from_secs(60), dropped).await.expect("the call ends").unwrap();
    drop(client);
}
