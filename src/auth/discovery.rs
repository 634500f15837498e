//! The address of an OpenID Connect issuer and the document in which it describes itself.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use serde::Deserialize;

/// The path of the document, below the address of the issuer (OpenID Connect Discovery 1.0, section 4).
const PATH: &str = "/.well-known/openid-configuration";

/// The identifier of an issuer, which is also its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// Parses an identifier. It is compared with the claim `iss` exactly, a slash at the end included.
    ///
    /// # Errors
    /// The text is not an https address without credentials, query and fragment. http is allowed for this machine
    /// only.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        endpoint(text)?;
        if text.contains(['?', '#']) {
            return Err("an issuer has no query and no fragment".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address of the document.
    pub(super) fn document(&self) -> String {
        format!("{}{PATH}", self.0.trim_end_matches('/'))
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts of the document that this server uses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Discovery {
    /// Identifier of the issuer.
    pub(super) issuer: String,
    /// Address of the keys.
    pub(super) jwks_uri: String,
}

impl Discovery {
    /// Reads the document of this issuer.
    ///
    /// # Errors
    /// The document is not valid, belongs to another issuer, or contains an address that is not safe.
    pub(super) fn read(document: &[u8], issuer: &IssuerUrl) -> Result<Self, String> {
        let found: Self =
            serde_json::from_slice(document).map_err(|why| format!("not a discovery document: {why}"))?;
        if found.issuer != issuer.as_str() {
            return Err("the discovery document has another issuer".to_owned());
        }
        endpoint(&found.jwks_uri)?;
        Ok(found)
    }
}

/// Parses the address of an endpoint.
///
/// # Errors
/// The address is not https, unless it is of this machine, or contains credentials.
pub(super) fn endpoint(text: &str) -> Result<Url, String> {
    let wrong = |why| format!("{text:?} {why}");
    let url = Url::parse(text).map_err(|_| wrong("is not an address such as https://id.example.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("contains credentials"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(&url) => Ok(url),
        _ => Err(wrong("is not https")),
    }
}

/// Returns whether the host is a loopback address or `localhost`.
fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_address() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/",
            "https://id.example.com/realms/ops",
            "http://127.0.0.1:4000",
            "http://[::1]:4000",
            "http://localhost:4000/x",
        ] {
            assert_eq!(IssuerUrl::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://127.0.0.1.example.com",
            "https://user@id.example.com",
            "https://id.example.com/?a=b",
            "https://id.example.com/#a",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert!(IssuerUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_document_must_be_of_the_issuer_and_have_safe_addresses() {
        let issuer = IssuerUrl::parse("https://id.example.com/").unwrap();
        assert_eq!(
            issuer.document(),
            "https://id.example.com/.well-known/openid-configuration"
        );
        let read = |text: &str| Discovery::read(text.as_bytes(), &issuer);
        let good = r#"{"issuer":"https://id.example.com/","jwks_uri":"https://keys.example.com/k",
            "more":[1]}"#;
        assert_eq!(read(good).unwrap().jwks_uri, "https://keys.example.com/k");
        for bad in [
            good.replace("https://keys", "http://keys"),
            good.replace("https://id.example.com/", "https://id.example.com"),
            good.replace(r#""jwks_uri""#, r#""jwks""#),
            "[]".to_owned(),
            "<html>".to_owned(),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
