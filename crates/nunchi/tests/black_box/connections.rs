//! What a connection speaks is seen by its first bytes, however they come; one that says nothing holds up nobody.

use crate::support::Home;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let home = Home::new();
    let server = home.up();
    let mut stream = connect(server.address);
    for byte in b"PROPFIND / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_without_a_handshake() {
    let home = Home::new();
    let server = home.up();
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("http://{}/healthz", server.address)).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    // Its first byte is that of other methods as well.
    let mut begun = connect(server.address);
    begun.write_all(b"P").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    begun.write_all(b"RI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    begun.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "the server's settings");
    drop((begun, client));
    server.stop();
}

#[test]
fn who_says_nothing_does_not_hold_up_a_stop() {
    let home = Home::with_config("[server]\nshutdown_seconds = 600\n");
    let server = home.up();
    let silent = [connect(server.address), connect(server.address)];
    let mut begun = connect(server.address);
    begun.write_all(b"PR").unwrap();
    server.signal("TERM");
    let ran = server.wait();
    assert_eq!(ran.code, 0, "{}", ran.err);
    for mut stream in silent.into_iter().chain([begun]) {
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0, "closed without a word");
    }
}
