//! The address of a target, which may contain a token and is never shown.

use std::fmt;

use reqwest::Url;

/// Maximum length of an address, in bytes.
const MAX_URL_BYTES: usize = 2_048;

/// The address of a target. Only the host is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TargetUrl {
    url: Url,
    host: String,
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TargetUrl({}, hidden)", self.host)
    }
}

impl TargetUrl {
    /// Parses an address.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without any part of it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > MAX_URL_BYTES {
            return Err(format!("the address is longer than {MAX_URL_BYTES} bytes"));
        }
        let url = Url::parse(text).map_err(|_| "the address is not a valid URL".to_owned())?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("the address must begin with https".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address must not contain a user name or a password".to_owned());
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err("the address has no host".to_owned());
        }
        Ok(Self { url, host })
    }

    /// Returns the host, which is not secret.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns whether the connection is encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Returns the whole address, to send a request to it or to store it.
    pub(crate) fn exposed(&self) -> Url {
        self.url.clone()
    }
}
