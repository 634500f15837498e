//! The base URL of the API, and the token for it.

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

/// The base URL of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrl(Url);

impl ApiUrl {
    /// The base URL of DigitalOcean's API.
    pub const DEFAULT: &str = "https://api.digitalocean.com";

    /// Parses and checks a URL. Plain HTTP is for loopback addresses only, because requests contain the token.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is not an address such as https://api.digitalocean.com")?;
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err("must have a scheme, a host and a port only");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain a user or a password");
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(host) => Ok(Self(url)),
            "http" => Err(
                "must begin with https://, because the token is sent there; http:// is for loopback \
                 addresses only",
            ),
            _ => Err("must begin with https://"),
        }
    }

    /// Returns the URL of a path below `/v2`. Every segment is escaped.
    pub(super) fn join<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
        query: &[(&str, &str)],
    ) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v2").extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A token that can be sent in a header.
#[derive(Clone, Debug)]
pub struct ApiToken(HeaderValue);

impl ApiToken {
    /// Checks a token. The error text does not contain it.
    pub fn new(token: &SecretString) -> Result<Self, &'static str> {
        let text = token.expose_secret().trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("is not a token: it has characters that tokens do not have");
        }
        let mut value =
            HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| "cannot be sent in a header")?;
        // Keeps the token out of `Debug` output and of logs of headers.
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_accepted_for_loopback_addresses_only() {
        for good in [
            ApiUrl::DEFAULT,
            "https://api.example.com:8443/",
            "http://127.0.0.1:4010",
            "http://localhost:4010",
            "http://[::1]:4010",
        ] {
            assert!(ApiUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api.digitalocean.com",
            "http://api.digitalocean.com",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://user:secret@api.digitalocean.com",
            "https://api.digitalocean.com?x=1",
            "file:///etc/passwd",
            "https://api.digitalocean.com#x",
            "https://user@api.digitalocean.com",
            "https://:secret@api.digitalocean.com",
            "data:text/plain,x",
        ] {
            assert!(ApiUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_escaped_in_the_path() {
        let api = ApiUrl::parse("https://api.example.com/").unwrap();
        let url = |id| api.join(["domains", id], &[("page", "1")]).to_string();
        assert_eq!(
            url("example.com"),
            "https://api.example.com/v2/domains/example.com?page=1"
        );
        assert_eq!(
            url("a/../b?c#d"),
            "https://api.example.com/v2/domains/a%2F..%2Fb%3Fc%23d?page=1"
        );
    }

    #[test]
    fn invalid_tokens_are_rejected_and_debug_output_hides_the_token() {
        let token = ApiToken::new(&"dop_v1_hunter2\n".into()).unwrap();
        assert!(!format!("{token:?}").contains("hunter2"));
        for bad in ["", " ", "two words", "caf\u{e9}"] {
            assert!(ApiToken::new(&bad.into()).is_err(), "{bad:?}");
        }
    }
}
