//! The server's certificate and key, from PEM files.

use crate::failure::Failure;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file that is read, in bytes; chains are a few kilobytes.
const LARGEST: u64 = 1 << 20;

/// Where the certificate and its key stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The server's certificate and what leads to its issuer, in this order.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// With what is relative lying in this folder.
    pub(crate) fn within(&self, folder: &Path) -> Self {
        Self { certificate: folder.join(&self.certificate), key: folder.join(&self.key) }
    }
}

/// Reads both files. The key belongs to the certificate when this succeeds.
pub(crate) fn read_certificate(files: &TlsFiles) -> Result<CertifiedKey, Failure> {
    let chain = read(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&files.certificate, error))?;
    if chain.is_empty() {
        let (en, ko) = ("it holds no certificate", "인증서가 없습니다");
        return Err(about("tls.certificate", &files.certificate, en, ko).with_hint(
            "A PEM file begins with -----BEGIN CERTIFICATE-----.",
            "PEM 파일은 -----BEGIN CERTIFICATE-----로 시작합니다.",
        ));
    }
    let key = read_key(&files.key)?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).map_err(|error| match error
    {
        rustls::Error::InconsistentKeys(_) => mismatch(files),
        other => unusable(&files.certificate, other),
    })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let encrypted = bytes.windows(9).any(|word| word == b"ENCRYPTED");
            let failure = about("tls.key", path, "it holds no private key", "개인 키가 없습니다");
            if encrypted {
                failure.with_hint(
                    "It is encrypted; `openssl pkey -in FILE -out PLAIN` decrypts it.",
                    "암호화되어 있습니다. `openssl pkey -in FILE -out PLAIN`으로 푸세요.",
                )
            } else {
                failure.with_hint(
                    "A PEM file begins with -----BEGIN PRIVATE KEY-----.",
                    "PEM 파일은 -----BEGIN PRIVATE KEY-----로 시작합니다.",
                )
            }
        }
        other => unusable(path, other),
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = std::fs::metadata(path).and_then(|about| {
        if about.len() > LARGEST {
            return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
        }
        std::fs::read(path).map(Zeroizing::new)
    });
    read.map_err(|error| {
        about("tls.unreadable", path, &error.to_string(), &error.to_string()).with_hint(
            "Is the path right, and may this user read it?",
            "경로가 맞는지, 이 사용자가 읽을 수 있는지 확인하세요.",
        )
    })
}

fn mismatch(files: &TlsFiles) -> Failure {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    Failure::plain(
        "tls.mismatch",
        format!("the key in {key} is not the one of the certificate in {certificate}"),
        format!("{key}의 키가 {certificate}의 인증서와 맞지 않습니다"),
    )
    .with_hint(
        "The server's own certificate must stand first in its file.",
        "서버 인증서가 파일의 맨 앞에 있어야 합니다.",
    )
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> Failure {
    let what = error.to_string();
    about("tls.unusable", path, &what, &what)
}

fn about(code: &'static str, path: &Path, en: &str, ko: &str) -> Failure {
    let path = path.display();
    Failure::plain(code, format!("{path}: {en}"), format!("{path}: {ko}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use nunchi_core::Lang;

    fn issued() -> (String, String) {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = |label: &str, der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
        };
        (pem("CERTIFICATE", issued.cert.der()), pem("PRIVATE KEY", &issued.signing_key.serialize_der()))
    }

    #[test]
    fn what_cannot_be_used_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let ((certificate, key), (_, other)) = (issued(), issued());
        let sealed = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let cut = certificate.replace("-----END CERTIFICATE-----", "");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (certificate, key, code, file) in [
            (Some(certificate.as_str()), Some(key.as_str()), "", ""),
            (None, Some(&key), "tls.unreadable", "cert.pem"),
            (Some(&certificate), None, "tls.unreadable", "key.pem"),
            (Some(&key), Some(&key), "tls.certificate", "cert.pem"),
            (Some("words"), Some(&key), "tls.certificate", "cert.pem"),
            (Some(&cut), Some(&key), "tls.unusable", "cert.pem"),
            (Some(broken), Some(&key), "tls.unusable", "cert.pem"),
            (Some(&certificate), Some(&certificate), "tls.key", "key.pem"),
            (Some(&certificate), Some(&sealed), "tls.key", "key.pem"),
            (Some(&certificate), Some(&other), "tls.mismatch", "key.pem"),
        ] {
            let files =
                TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
            for (path, text) in [(&files.certificate, certificate), (&files.key, key)] {
                let _absent = std::fs::remove_file(path);
                if let Some(text) = text {
                    std::fs::write(path, text).unwrap();
                }
            }
            match read_certificate(&files) {
                Ok(read) => assert_eq!((read.cert.len(), code), (1, "")),
                Err(failure) => {
                    assert_eq!(failure.code(), code, "{failure:?}");
                    for lang in [Lang::En, Lang::Ko] {
                        assert!(failure.message(lang).contains(file), "{failure:?}");
                    }
                }
            }
        }
    }
}
