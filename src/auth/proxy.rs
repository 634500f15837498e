//! Sign-in by a proxy that authenticates users and adds headers with who they are.
//!
//! Such headers can be written by anybody, so they are read only from requests that the proxy has certainly sent: by
//! the address of the connection, by a shared secret in a header, or by both.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::{InvalidToken, Session};
use crate::domain::actor::{Actor, RoleAliases, RolesClaim, roles_from_claims};
use crate::domain::validation::is_hidden;

/// Time after which streams of a caller end. A request has no expiry of its own, and the proxy may have ended the
/// session of the user.
const SESSION: TimeDelta = TimeDelta::hours(1);
/// Minimum length of the shared secret in bytes.
const MIN_SECRET_BYTES: usize = 32;

/// The settings of sign-in by a proxy.
#[derive(Clone)]
pub struct ProxySettings {
    /// Header with the id of the user.
    pub user_header: HeaderName,
    /// Header with the email of the user.
    pub email_header: HeaderName,
    /// Header with the roles or groups of the user, separated by commas.
    pub roles_header: HeaderName,
    /// Addresses of the proxy. Empty: any address, and the secret is required.
    pub networks: Vec<IpNet>,
    /// Header with the secret, and the secret.
    pub secret: Option<(HeaderName, SecretString)>,
    /// Further names of the roles.
    pub aliases: RoleAliases,
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("user_header", &self.user_header)
            .field("networks", &self.networks)
            .field("has_secret", &self.secret.is_some())
            .finish_non_exhaustive()
    }
}

/// The settings do not tell the proxy from other clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeProxy {
    /// Neither networks nor a secret are set.
    #[error("needs the addresses of the proxy, a secret, or both")]
    Unproven,
    /// The secret can be guessed.
    #[error("the secret is shorter than {MIN_SECRET_BYTES} bytes")]
    WeakSecret,
}

/// A proxy that authenticates users.
#[derive(Debug, Clone)]
pub struct TrustedProxy {
    settings: ProxySettings,
}

impl TrustedProxy {
    /// Creates the proxy.
    ///
    /// # Errors
    /// See [`UnsafeProxy`].
    pub fn new(settings: ProxySettings) -> Result<Self, UnsafeProxy> {
        match &settings.secret {
            None if settings.networks.is_empty() || settings.networks.iter().any(is_everybody) => {
                Err(UnsafeProxy::Unproven)
            }
            Some((_, secret)) if secret.expose_secret().len() < MIN_SECRET_BYTES => {
                Err(UnsafeProxy::WeakSecret)
            }
            _ => Ok(Self {
                settings: ProxySettings {
                    aliases: settings.aliases.of_another_system(),
                    ..settings
                },
            }),
        }
    }

    /// Returns the names of the headers with the id and with the roles of the user.
    pub fn headers(&self) -> (&HeaderName, &HeaderName) {
        (&self.settings.user_header, &self.settings.roles_header)
    }

    /// Returns the session of the user that the proxy names; `None` if the request has no such header.
    ///
    /// # Errors
    /// The headers are not from the proxy, or not usable. A client that may not send them is refused and not treated
    /// as anonymous, so that a wrong setting is noticed.
    pub(super) fn session(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, InvalidToken> {
        let settings = &self.settings;
        let Some(user) = single(headers, &settings.user_header)? else {
            return Ok(None);
        };
        if is_from_another_site(headers) {
            // The browser adds the proxy's cookies to the requests of any page, and the proxy adds the headers.
            return Err(InvalidToken::new("the request is from the page of another site"));
        }
        if !self.is_proxy(headers, peer)? {
            return Err(InvalidToken::new("the header of the user is not from the proxy"));
        }
        let email = single(headers, &settings.email_header)?;
        let roles = single(headers, &settings.roles_header)?.unwrap_or_default();
        let roles: Vec<Value> = roles.split(',').map(str::trim).map(Value::from).collect();
        let claims = serde_json::json!({ "roles": roles });
        Ok(Some(Session {
            actor: Actor::new(
                user,
                email,
                roles_from_claims(&claims, &RolesClaim::default(), &settings.aliases),
            ),
            ends: now + SESSION,
        }))
    }

    /// Returns whether the request is from the proxy.
    fn is_proxy(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<bool, InvalidToken> {
        let settings = &self.settings;
        let near = settings.networks.is_empty()
            || peer.is_some_and(|peer| {
                // A socket for both families shows IPv4 addresses as IPv6.
                let peer = peer.to_canonical();
                settings.networks.iter().any(|network| network.contains(&peer))
            });
        let knows = match &settings.secret {
            None => true,
            Some((header, secret)) => {
                let sent = single(headers, header)?.unwrap_or_default();
                // The time of the comparison says nothing of the secret but its length.
                sent.as_bytes().ct_eq(secret.expose_secret().as_bytes()).into()
            }
        };
        Ok(near && knows)
    }
}

/// Returns whether every address is in a network.
fn is_everybody(network: &IpNet) -> bool {
    network.prefix_len() == 0
}

/// Returns whether a browser says that a page of another site made the request. Other clients do not send the header.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Returns the text of a header.
///
/// # Errors
/// The header is sent twice (the proxy may have set only one of the two), or it has characters that no name has.
fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, InvalidToken> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(InvalidToken::new("a header of the proxy is sent twice"));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .ok()
        .filter(|text| !text.contains(is_hidden))
        .ok_or(InvalidToken::new("a header of the proxy is not valid text"))?
        .trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_hidden_characters_is_refused() {
        let name = HeaderName::from_static("remote-user");
        let read = |text: &str| {
            let value = axum::http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
            single(&HeaderMap::from_iter([(name.clone(), value)]), &name)
        };
        assert_eq!(read("j\u{f6}rg").unwrap().as_deref(), Some("j\u{f6}rg"));
        for hidden in [
            "ada\u{202e}",
            "a\u{200b}da",
            "\u{feff}ada",
            "ada\u{2028}",
            "a\tda",
        ] {
            assert!(read(hidden).is_err(), "{hidden:?}");
        }
    }
}
