//! A certificate of one's own: TLS 1.3 only, known to this machine's commands, taken up anew while the server runs.

use crate::support::{Home, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, crypto::ring};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

const CONFIG: &str = "[server]\ntls_cert = \"tls/server.pem\"\ntls_key = \"tls/server.key\"\n";

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// An authority that this machine does not know.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut wanted = CertificateParams::new(Vec::new()).unwrap();
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = wanted.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(wanted, key), certificate }
    }

    /// Issues a certificate for `localhost` into a folder.
    fn issue(&self, folder: &Path) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let wanted = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let issued = wanted.signed_by(&key, &self.issuer).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("server.pem"), pem("CERTIFICATE", issued.der())).unwrap();
        std::fs::write(folder.join("server.key"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
        issued.der().clone()
    }

    fn connect(&self, server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
        StreamOwned::new(client, TcpStream::connect(server.address).unwrap())
    }

    /// The server's certificate, and what it answers.
    fn ask(&self, server: &Server, request: &str) -> (CertificateDer<'static>, String) {
        let mut stream = self.connect(server);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        (stream.conn.peer_certificates().unwrap()[0].clone().into_owned(), answer)
    }
}

fn get(path: &str, key: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n")
}

#[test]
fn clients_that_know_the_issuer_and_this_machines_commands_are_served() {
    let (home, authority) = (Home::with_config(CONFIG), Authority::new());
    authority.issue(&home.path("tls"));
    let server = home.up();
    assert!(server.greeting.contains("curl https://"), "{}", server.greeting);
    let key = server.first_key();
    let (_, answer) = authority.ask(&server, &get("/v1/models", &key));
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");

    let form = format!("key={key}");
    let sign_in = format!(
        "POST /console/sign-in HTTP/1.0\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let (_, answer) = authority.ask(&server, &sign_in);
    let cookie = answer.lines().find(|line| line.starts_with("set-cookie: nunchi_session")).expect(&answer);
    assert!(cookie.ends_with("; Secure"), "the browser may send it over TLS only: {cookie}");

    assert_eq!(home.json(&["stats"])["total"]["calls"], 0);
    let doctor = home.run(["doctor", "--json"]).json();
    let told = |what: &str| {
        doctor.as_array().unwrap().iter().find(|check| check["what"] == what).expect(what).clone()
    };
    assert_eq!(told("TLS")["verdict"], "ok", "{doctor}");
    assert!(told("server")["detail"].as_str().unwrap().contains("https://"), "{doctor}");
    server.stop();
}

#[test]
fn mcp_over_standard_input_reaches_the_server() {
    let (home, authority) = (Home::with_config(CONFIG), Authority::new());
    authority.issue(&home.path("tls"));
    let server = home.up();
    let mut bridge = home.command(["mcp", "serve"]);
    let mut bridge = bridge.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let mut input = bridge.stdin.take().unwrap();
    writeln!(input, "{hello}").unwrap();
    let mut output = std::io::BufReader::new(bridge.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    assert!(line.contains("serverInfo"), "{line}");
    writeln!(input, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
    drop(input);
    assert!(bridge.wait().unwrap().success());
    server.stop();
}

#[test]
fn who_speaks_plain_http_is_told() {
    let (home, authority) = (Home::with_config(CONFIG), Authority::new());
    authority.issue(&home.path("tls"));
    let server = home.up();
    let got = server.get("/healthz", "");
    assert_eq!(
        (got.status, &got.json()["error"]["code"]),
        (400, &json!("server.https_only")),
        "{}",
        got.body
    );
    server.stop();
}

#[test]
fn a_changed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let (home, authority) = (Home::with_config(CONFIG), Authority::new());
    let first = authority.issue(&home.path("tls"));
    let mut server = home.up();
    let present = |server: &Server| authority.ask(server, &get("/healthz", "")).0;
    assert_eq!(present(&server), first);

    // The key of another certificate: as when one of two files is written and the other not yet.
    let key = std::fs::read(home.path("tls/server.key")).unwrap();
    let second = authority.issue(&home.path("tls"));
    let newer_key = std::fs::read(home.path("tls/server.key")).unwrap();
    std::fs::write(home.path("tls/server.key"), key).unwrap();
    server.signal("HUP");
    let told = server.logged("the certificate stays as it is");
    assert!(told.contains("server.key") && told.contains("server.pem"), "{told}");
    assert_eq!(present(&server), first);

    std::fs::write(home.path("tls/server.key"), newer_key).unwrap();
    server.signal("HUP");
    server.logged("the certificate was read anew");
    assert_eq!(present(&server), second);
    assert_eq!(home.json(&["stats"])["total"]["calls"], 0, "this machine's commands know the new one");
    server.stop();
}

#[test]
fn what_is_missing_is_told_before_anything_starts() {
    let home = Home::with_config(CONFIG);
    let ran = home.run(["up", "--offline", "--json", "--listen", "127.0.0.1:0"]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (1, Some("tls.unreadable")), "{}", ran.err);
    assert!(ran.error()["message"].as_str().unwrap().contains("tls/server.pem"), "{}", ran.err);
    assert_eq!(home.run(["doctor"]).code, 1);

    let ran = Home::new().run(["up", "--offline", "--json", "--listen", "0.0.0.0:0"]);
    assert_eq!((ran.code, ran.error()["code"].as_str()), (1, Some("config.invalid")), "{}", ran.err);
    assert!(ran.error()["message"].as_str().unwrap().contains("NUNCHI_SERVER__PLAIN"), "{}", ran.err);
    let open = Home::with_config("[server]\nplain = \"allowed\"\n");
    let mut up = open.command(["up", "--offline", "--listen", "0.0.0.0:0"]);
    up.env("NUNCHI_SERVER__LANG", "en");
    Home::greeted(up).stop();
}
