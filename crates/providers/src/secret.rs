//! Credentials that are wiped from memory when dropped and never print themselves.

use http::HeaderValue;
use std::fmt;
use zeroize::Zeroizing;

/// A credential of a provider.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value; white space around it is left out, as it comes from files and environments with line ends.
    pub fn new(value: impl Into<String>) -> Self {
        let value = Zeroizing::new(value.into());
        Self(Zeroizing::new(value.trim().to_owned()))
    }

    /// The value, for the place where it is sent.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `prefix` and the value as a header that logs do not show; `None` when it holds bytes that no header may have.
    pub(crate) fn header(&self, prefix: &str) -> Option<HeaderValue> {
        let text = Zeroizing::new(format!("{prefix}{}", self.expose()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_do_not_print() {
        let secret = Secret::new(" sk-very-secret\n");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose(), "sk-very-secret");
        let header = secret.header("Bearer ").unwrap();
        assert!(!format!("{header:?}").contains("very"));
        assert!(Secret::new("a\u{7f}b").header("").is_none());
        assert!(Secret::new("\n").is_empty());
    }
}
