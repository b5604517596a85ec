//! Where the server listens, and whether what goes over the wire is encrypted.

use super::layers::Layers;
use crate::tls::TlsFiles;
use std::net::SocketAddr;

/// A socket to serve on.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    /// The certificate, if TLS is served.
    pub(crate) tls: Option<TlsFiles>,
}

impl Layers {
    /// The address and its certificate. Others than this machine are served without one only where the owner says so: keys and
    /// conversations could be read on the way.
    pub(super) fn listening(&mut self) -> Listening {
        let address = self.address();
        let (certificate, key) = (self.optional("server.tls_cert"), self.optional("server.tls_key"));
        let plain = self.text("server.plain") == "allowed";
        let (missing, named) = match (&certificate, &key) {
            (Some(_), None) => ("server.tls_key", "server.tls_cert"),
            (None, Some(_)) => ("server.tls_cert", "server.tls_key"),
            (None, None) if !plain && !address.ip().is_loopback() => {
                self.refuse_plain(address);
                return Listening { address, tls: None };
            }
            _ => {
                let files = certificate.zip(key);
                let tls = files
                    .map(|(certificate, key)| TlsFiles { certificate: certificate.into(), key: key.into() });
                return Listening { address, tls };
            }
        };
        let origin = self.origin(named);
        self.wrong(&origin, missing, format!("{named} needs it"), format!("{named}에 함께 필요합니다"));
        Listening { address, tls: None }
    }

    fn refuse_plain(&mut self, address: SocketAddr) {
        let origin = self.origin("server.listen");
        self.wrong_with_hint(
            &origin,
            "server.listen",
            [
                format!("{address} can be reached by others, and without TLS they can read keys and answers on the way"),
                format!("{address}에는 다른 기기도 연결할 수 있어, TLS가 없으면 키와 답이 도중에 읽힐 수 있습니다"),
            ],
            [
                "name a certificate with server.tls_cert and server.tls_key; in a network that you trust, or behind a proxy that adds TLS, set plain = \"allowed\" in [server] or NUNCHI_SERVER__PLAIN=allowed",
                "server.tls_cert와 server.tls_key에 인증서를 지정하세요. 믿을 수 있는 내부망이거나 앞단 프록시가 TLS를 맡으면 [server]에 plain = \"allowed\" 또는 NUNCHI_SERVER__PLAIN=allowed를 설정하세요",
            ],
        );
    }

    fn address(&mut self) -> SocketAddr {
        let text = self.text("server.listen");
        text.parse().unwrap_or_else(|_| {
            let origin = self.origin("server.listen");
            self.wrong(&origin, "server.listen", "it must be ADDRESS:PORT", "주소:포트 형식이어야 합니다");
            SocketAddr::from(([127, 0, 0, 1], 8484))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Layers};
    use std::collections::BTreeMap;

    fn resolved(settings: &[(&str, &str)]) -> Result<Config, String> {
        let mut layers = Layers::default();
        settings.iter().for_each(|(setting, value)| layers.flag(setting, *value));
        Config::resolve(layers, &BTreeMap::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn others_are_served_in_the_clear_only_where_that_is_said() {
        let (cert, key) = (("server.tls_cert", "c.pem"), ("server.tls_key", "k.pem"));
        let plain = ("server.plain", "allowed");
        for (settings, wrong) in [
            (&[("server.listen", "127.0.0.1:1")][..], ""),
            (&[("server.listen", "[::1]:1")], ""),
            (&[("server.listen", "0.0.0.0:1")], "server.listen"),
            (&[("server.listen", "[::]:1")], "NUNCHI_SERVER__PLAIN"),
            (&[("server.listen", "192.168.0.7:1")], "server.tls_cert and server.tls_key"),
            (&[("server.listen", "192.168.0.7:1"), plain], ""),
            (&[("server.listen", "0.0.0.0:1"), cert, key], ""),
            (&[("server.listen", "127.0.0.1:1"), cert, key], ""),
            (&[cert], "server.tls_key: server.tls_cert needs it"),
            (&[key, plain], "server.tls_cert: server.tls_key needs it"),
        ] {
            match resolved(settings) {
                Ok(config) => {
                    assert_eq!((config.listening.tls.is_some(), wrong), (settings.contains(&cert), ""))
                }
                Err(error) => assert!(!wrong.is_empty() && error.contains(wrong), "{settings:?}: {error}"),
            }
        }
    }
}
