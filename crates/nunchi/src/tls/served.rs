//! The certificate in use: new connections get the newest that could be read.

use super::certificate::{TlsFiles, read_certificate};
use crate::failure::Failure;
use crate::home::Home;
use crate::runtime::Hangup;
use nunchi_core::Lang;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

/// Time between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// When the files were written and how long they are.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// The server's TLS.
pub(crate) struct ServedTls {
    files: TlsFiles,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl ServedTls {
    /// Reads the certificate; from then on TLS 1.3 is served.
    pub(crate) fn start(files: &TlsFiles) -> Result<Self, Failure> {
        let certificate = read_certificate(files)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(certificate))));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| Failure::system("TLS", error))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files: files.clone(), current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// What makes TLS of an accepted connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// The server's own certificate (DER), for who may know it by itself.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        current.cert.first().map(|certificate| certificate.to_vec()).unwrap_or_default()
    }

    /// Takes a changed certificate up, for as long as the process runs: on SIGHUP at once, else within a minute. One that cannot
    /// be used is told, and the one before stays.
    pub(crate) async fn renew(self: Arc<Self>, home: Home, mut hangup: Hangup) {
        let mut seen = stamp(&self.files);
        loop {
            let asked = tokio::select! {
                () = hangup.next() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = stamp(&self.files);
            if !asked && now == seen {
                continue;
            }
            seen = now;
            match read_certificate(&self.files).and_then(|certificate| self.take(certificate, &home)) {
                Ok(()) => {
                    tracing::info!(file = %self.files.certificate.display(), "the certificate was read anew")
                }
                Err(failure) => {
                    tracing::warn!(error = failure.message(Lang::En), "the certificate stays as it is");
                }
            }
        }
    }

    /// Puts a certificate in the place of the present one, and tells this machine's own commands.
    fn take(&self, certificate: CertifiedKey, home: &Home) -> Result<(), Failure> {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certificate);
        let Some(note) = home.server() else { return Ok(()) };
        home.note_server(note.address, Some(&self.certificate()))
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    let of = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    [of(&files.certificate), of(&files.key)]
}
