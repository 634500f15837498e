//! Origins that may open a WebSocket. Browsers let any page open one to any server, so the server must check the
//! origin.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use url::Url;

/// Scheme, host and port of a page, such as `https://ops.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(url::Origin);

impl Origin {
    /// Parses an `Origin` header or a setting.
    ///
    /// # Errors
    ///
    /// The text is not an origin of the web. The message describes the expected format.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && !text.ends_with('/'));
        let origin = url.and_then(|url| {
            let origin = url.origin();
            // Credentials, a path or a query would make the URL longer than its origin.
            (url.as_str() == format!("{}/", origin.ascii_serialization())).then_some(origin)
        });
        let wrong = || format!("{text:?} is not an origin such as https://ops.example.com");
        origin.map(Self).ok_or_else(wrong)
    }

    /// Returns whether this is the origin of the server itself. The scheme is ignored, because a proxy may use
    /// another one than the browser.
    fn is_of(&self, host: &str) -> bool {
        let url::Origin::Tuple(scheme, ..) = &self.0 else {
            return false;
        };
        Url::parse(&format!("{scheme}://{host}")).is_ok_and(|server| server.origin() == self.0)
    }
}

/// Returns whether the request may open a socket: its origin is this server or on the list, or it has none, because
/// the client is not a browser.
pub(super) fn is_allowed(headers: &HeaderMap, allowed: &[Origin]) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (origin, host) = match (origins.next(), origins.next(), headers.get(HOST)) {
        (None, ..) => return true,
        (Some(origin), None, Some(host)) => (origin.to_str(), host.to_str()),
        _ => return false,
    };
    let (Ok(origin), Ok(host)) = (origin.map(Origin::parse), host) else {
        return false;
    };
    origin.is_ok_and(|origin| origin.is_of(host) || allowed.contains(&origin))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn allowed(origins: &[&'static str], host: &'static str) -> bool {
        let list = ["https://ops.example.com", "http://localhost:5173"];
        let list: Vec<Origin> = list.iter().map(|text| Origin::parse(text).unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        is_allowed(&headers, &list)
    }

    #[test]
    fn the_own_origin_and_listed_origins_are_allowed() {
        let good = [
            ("http://drift.test:8080", "drift.test:8080"),
            ("http://Drift.Test", "drift.test"),
            ("http://drift.test:80", "drift.test"),
            ("https://drift.test", "drift.test:443"),
            ("https://drift.test", "drift.test"),
            ("https://ops.example.com", "drift.test"),
            ("https://ops.example.com:443", "drift.test"),
            ("http://localhost:5173", "127.0.0.1:8080"),
        ];
        for (origin, host) in good {
            assert!(allowed(&[origin], host), "{origin} {host}");
        }
        assert!(allowed(&[], "drift.test"));
    }

    #[test]
    fn other_origins_are_refused() {
        let bad = [
            ("http://evil.test", "drift.test"),
            ("http://drift.test:8081", "drift.test:8080"),
            ("http://drift.test.evil.test", "drift.test"),
            ("http://ops.example.com", "drift.test"),
            ("https://ops.example.com.", "drift.test"),
            ("https://ops.example.com/", "drift.test"),
            ("https://x@drift.test", "drift.test"),
            ("ftp://drift.test", "drift.test"),
            ("null", "null"),
            ("drift.test", "drift.test"),
            ("", "drift.test"),
        ];
        for (origin, host) in bad {
            assert!(!allowed(&[origin], host), "{origin} {host}");
        }
        assert!(!allowed(&["http://drift.test", "http://evil.test"], "drift.test"));
    }
}
