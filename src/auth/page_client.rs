//! How the page signs users in at the issuer: as a public client, with the authorization code flow and PKCE.

use reqwest::Url;
use serde::Deserialize;

use super::discovery::endpoint;

/// Parameters of the request that the page sets itself.
const RESERVED: [&str; 12] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The token of the issuer that the page sends to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageToken {
    /// The access token, which must be a JSON Web Token.
    Access,
    /// The ID token.
    Id,
}

impl PageToken {
    /// Returns the name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
        }
    }

    /// Parses the name in settings.
    ///
    /// # Errors
    /// Another text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        [Self::Access, Self::Id]
            .into_iter()
            .find(|token| token.name() == text.trim())
            .ok_or("not access or id")
    }
}

/// Parameters that the page adds to its request to the issuer, in the form of a query such as `audience=drift&b=2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraParameters(Vec<(String, String)>);

impl ExtraParameters {
    /// Parses the parameters.
    ///
    /// # Errors
    /// A parameter has no name or no value, or the page sets it itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.split('&').any(|part| !part.contains('=')) {
            return Err("not parameters such as audience=drift-inbox&prompt=consent".to_owned());
        }
        let mut query = Url::parse("https://localhost/").map_err(|why| why.to_string())?;
        query.set_query(Some(text));
        let parameters: Vec<(String, String)> = query.query_pairs().into_owned().collect();
        for (name, value) in &parameters {
            if name.is_empty() || value.is_empty() {
                return Err("a parameter has no name or no value".to_owned());
            }
            if RESERVED.contains(&name.as_str()) {
                return Err(format!("the page sets the parameter {name} itself"));
            }
        }
        Ok(Self(parameters))
    }

    /// Returns the names and values.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// The page as a client of the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageClient {
    /// Id of the client.
    pub id: String,
    /// Scopes of the request, separated by spaces.
    pub scopes: String,
    /// The token that the page sends to the API.
    pub token: PageToken,
    /// Further parameters of the request.
    pub parameters: ExtraParameters,
}

/// The parts of the issuer's document that the page needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SignInEndpoints {
    /// Address at which users sign in.
    pub authorization_endpoint: String,
    /// Address at which the page gets tokens.
    pub token_endpoint: String,
    /// Address at which users sign out, if the issuer has one.
    #[serde(default)]
    pub end_session_endpoint: Option<String>,
    /// Algorithms of the signatures of ID tokens.
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Whether the issuer names itself in its answers (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

impl SignInEndpoints {
    /// Reads the document of an issuer.
    ///
    /// # Errors
    /// An address is missing or not safe.
    pub(super) fn read(document: &[u8]) -> Result<Self, String> {
        let found: Self = serde_json::from_slice(document).map_err(|why| why.to_string())?;
        for address in [
            Some(&found.authorization_endpoint),
            Some(&found.token_endpoint),
            found.end_session_endpoint.as_ref(),
        ] {
            address.map(|address| endpoint(address)).transpose()?;
        }
        Ok(found)
    }

    /// Returns the origin of the address at which the page gets tokens, such as `https://id.example.com`.
    pub fn token_origin(&self) -> Option<String> {
        origin(&self.token_endpoint)
    }
}

/// Returns the origin of an address.
pub(super) fn origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    Some(url.origin().ascii_serialization())
}

/// Why the page cannot sign users in at the issuer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoEndpoints {
    /// The document could not be read yet.
    Unreachable,
    /// The document lacks an address, or one of them is not https.
    Unusable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_that_the_page_does_not_set() {
        let pairs = |text: &str| ExtraParameters::parse(text).map(|found| found.pairs().to_vec());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs("audience=https%3A%2F%2Fdrift.example.com&prompt=select_account").unwrap(),
            [
                pair("audience", "https://drift.example.com"),
                pair("prompt", "select_account")
            ]
        );
        assert_eq!(pairs("resource=a&resource=b").unwrap().len(), 2);
        for bad in [
            "",
            "audience",
            "=x",
            "a=",
            "a=1&&b=2",
            "a=1&scope=openid",
            "state=x",
        ] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_have_safe_addresses() {
        let good = r#"{"authorization_endpoint":"https://id.example.com/auth",
            "token_endpoint":"https://tokens.example.com:8443/t","end_session_endpoint":"https://id.example.com/out"}"#;
        let found = SignInEndpoints::read(good.as_bytes()).unwrap();
        assert_eq!(
            found.token_origin().as_deref(),
            Some("https://tokens.example.com:8443")
        );
        for (from, to) in [
            ("https://id.example.com/auth", "javascript:alert(1)"),
            ("https://tokens", "http://tokens"),
            ("https://id.example.com/out", "data:text/html,x"),
            (r#""token_endpoint""#, r#""tokens""#),
        ] {
            assert!(
                SignInEndpoints::read(good.replace(from, to).as_bytes()).is_err(),
                "{to}"
            );
        }
    }
}
