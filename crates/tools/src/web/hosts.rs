//! The hosts that the owner named.

use super::BadWebSetting;
use super::address::{is_metadata, is_public};
use nunchi_core::ToolError;
use std::net::IpAddr;
use url::{Host, Url};

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// `None` for any host.
    host: Option<String>,
    /// Whether hosts below it are meant, and not itself.
    below: bool,
    scheme: &'static str,
    port: u16,
    /// Whether it may be in the owner's own network.
    private: bool,
}

/// The hosts that may be called.
#[derive(Clone, Debug, Default)]
pub(super) struct HostList {
    entries: Vec<Entry>,
}

impl HostList {
    pub(super) fn read(hosts: &[String], private: &[String]) -> Result<Self, BadWebSetting> {
        let bad = |text: &String| BadWebSetting(text.clone());
        let mut entries = Vec::new();
        for text in hosts {
            entries.push(entry(text, false).ok_or_else(|| bad(text))?);
        }
        for text in private {
            let entry = entry(text, true).filter(|entry| entry.host.is_some() && !entry.below);
            entries.push(entry.ok_or_else(|| bad(text))?);
        }
        Ok(Self { entries })
    }

    /// The list of one address of the owner's own choice.
    pub(super) fn only(url: &Url) -> Result<Self, BadWebSetting> {
        let bad = || BadWebSetting(url.to_string());
        let scheme = scheme(url.scheme()).ok_or_else(bad)?;
        let host = url.host_str().map(plain).ok_or_else(bad)?;
        let port = url.port_or_known_default().ok_or_else(bad)?;
        Ok(Self { entries: vec![Entry { host: Some(host), below: false, scheme, port, private: true }] })
    }

    /// Whether an address may be called; an IP address in it is judged at once, a name once it is resolved.
    pub(super) fn judge(&self, url: &Url) -> Result<(), ToolError> {
        let refused = |message: String| {
            Err(ToolError::new("web.not_allowed", message)
                .hint("Ask the owner to add the host to [tools.web] hosts; do not try other ways to it."))
        };
        let (Some(host), Some(port)) = (url.host_str().map(plain), url.port_or_known_default()) else {
            return refused("The address names no host.".into());
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("The address holds a user name or password.".into());
        }
        let fits = |entry: &&Entry| entry.scheme == url.scheme() && entry.port == port && entry.fits(&host);
        let found: Vec<_> = self.entries.iter().filter(fits).collect();
        if found.is_empty() {
            return refused(format!("{}://{host} is not among the hosts that may be fetched.", url.scheme()));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        match address {
            Some(address) => self.judge_address(&host, address).or_else(|error| refused(error.message)),
            None => Ok(()),
        }
    }

    /// Whether an address that a name was resolved to may be called.
    pub(super) fn judge_address(&self, host: &str, address: IpAddr) -> Result<(), ToolError> {
        let host = plain(host);
        let private = self.entries.iter().any(|entry| entry.private && entry.fits(&host));
        if !is_metadata(address) && (private || is_public(address)) {
            return Ok(());
        }
        Err(ToolError::new("web.private", format!("{host} is in a private network.")))
    }
}

impl Entry {
    fn fits(&self, host: &str) -> bool {
        match (&self.host, self.below) {
            (None, _) => true,
            (Some(own), false) => own == host,
            (Some(own), true) => host.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.')),
        }
    }
}

/// A host without the dot that may end it and the brackets of an IPv6 address.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').trim_matches(['[', ']']).to_ascii_lowercase()
}

fn scheme(text: &str) -> Option<&'static str> {
    ["https", "http"].into_iter().find(|scheme| *scheme == text)
}

fn entry(text: &str, private: bool) -> Option<Entry> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((name, rest)) => (scheme(name)?, rest),
        None => ("https", text),
    };
    if rest == "*" {
        let port = if scheme == "https" { 443 } else { 80 };
        return Some(Entry { host: None, below: false, scheme, port, private });
    }
    let (below, rest) = rest.strip_prefix("*.").map_or((false, rest), |rest| (true, rest));
    // The same reading as of the addresses it will be compared with.
    let url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !rest.contains('*');
    let host = plain(url.host_str()?);
    let port = url.port_or_known_default()?;
    (bare && url.username().is_empty()).then_some(Entry { host: Some(host), below, scheme, port, private })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(hosts: &[&str], private: &[&str]) -> HostList {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        HostList::read(&texts(hosts), &texts(private)).unwrap()
    }

    #[test]
    fn which_addresses_may_be_called() {
        let hosts = list(
            &["example.com", "*.news.kr", "http://old.org", "odd.com:8443", "한국.kr"],
            &["http://localhost:8080", "10.0.0.5"],
        );
        for (url, allowed) in [
            ("https://example.com/a?b=c", true),
            ("https://EXAMPLE.com./a", true),
            ("https://www.example.com/", false),
            ("http://example.com/", false),
            ("https://example.com:8443/", false),
            ("https://example.com.evil.com/", false),
            ("https://evil.com/example.com", false),
            ("https://user@example.com/", false),
            ("https://example.com@evil.com/", false),
            ("https://a.news.kr/", true),
            ("https://a.b.news.kr/", true),
            ("https://news.kr/", false),
            ("https://fakenews.kr/", false),
            ("http://old.org/", true),
            ("https://odd.com:8443/", true),
            ("https://xn--3e0b707e.kr/", true),
            ("http://localhost:8080/", true),
            ("http://localhost/", false),
            ("http://127.0.0.1:8080/", false),
            ("https://10.0.0.5/", true),
            ("file:///etc/passwd", false),
            ("ftp://example.com/", false),
        ] {
            assert_eq!(hosts.judge(&Url::parse(url).unwrap()).is_ok(), allowed, "{url}");
        }
    }

    #[test]
    fn any_host_is_any_public_host() {
        let any = list(&["*", "http://*"], &[]);
        for (url, allowed) in [
            ("https://example.com/", true),
            ("http://example.com/", true),
            ("https://8.8.8.8/", true),
            ("http://127.0.0.1/", false),
            ("http://2130706433/", false),
            ("http://0x7f.1/", false),
            ("http://[::1]/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://169.254.169.254/latest/meta-data/", false),
        ] {
            assert_eq!(any.judge(&Url::parse(url).unwrap()).is_ok(), allowed, "{url}");
        }
        let listed = list(&["*"], &["http://169.254.169.254"]);
        assert!(listed.judge(&Url::parse("http://169.254.169.254/").unwrap()).is_err());
        assert!(any.judge_address("example.com", "10.0.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn settings_that_are_not_understood() {
        for text in ["", "ftp://example.com", "example.com/path", "a*b.com", "user@example.com", "https://"] {
            assert!(HostList::read(&[text.to_owned()], &[]).is_err(), "{text}");
        }
        assert!(HostList::read(&[], &["*".to_owned()]).is_err());
    }
}
