//! Tokens that an OpenID Connect issuer signs: its keys, and when they are fetched.
//!
//! No library does this as needed (looked at in November 2026): `jwks_client_rs` sends a request for each unknown key
//! id and refuses a key set of which one key has no id, `jwks-cache` is under the GPL, and `openidconnect` and
//! `jsonwebtoken-jwks-cache` bring a second cryptographic library with an open advisory (RUSTSEC-2023-0071). The
//! signatures and keys are checked and read by `jsonwebtoken`.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::redirect;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::claims::Policy;
use super::compact::{Compact, Header};
use super::discovery::{Discovery, IssuerUrl};
use super::keys::{KeySet, SignatureAlgorithm};
use super::page_client::{NoEndpoints, SignInEndpoints, origin};
use super::{InvalidToken, Session};
use crate::domain::actor::{RoleAliases, RolesClaim};

/// Time between two regular fetches of the keys. A key that the issuer withdraws is refused after this time.
const REFRESH: Duration = Duration::from_secs(300);
/// Maximum time of a request to the issuer.
const FETCH_LIMIT: Duration = Duration::from_secs(5);
/// Maximum size of a document of the issuer in bytes.
const MAX_DOCUMENT: usize = 512 * 1024;
/// Maximum length of an error that is logged or shown.
const MAX_ERROR: usize = 200;

/// The settings of an issuer.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Identifier and address.
    pub url: IssuerUrl,
    /// Required audience of its tokens.
    pub audience: String,
    /// Algorithms that its tokens may use.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Claim that contains the roles.
    pub roles_claim: RolesClaim,
    /// Further names of the roles.
    pub aliases: RoleAliases,
    /// Minimum time between two fetches. It bounds the requests that tokens with unknown key ids cause, and is the
    /// longest time until a new key is accepted.
    pub fetch_gap: Duration,
}

impl IssuerSettings {
    /// Default of `fetch_gap`.
    pub const FETCH_GAP: Duration = Duration::from_secs(10);
}

/// Whether the keys of the issuer are known and current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerState {
    /// The last fetch succeeded.
    Current,
    /// The last fetch failed. Tokens are checked with the keys of an earlier one.
    KnownKeys,
    /// No fetch has succeeded yet, so no token of the issuer is accepted.
    NoKeys,
}

impl IssuerState {
    /// Returns a description for operators.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Current => "ok",
            Self::KnownKeys => "cannot be reached; its known keys are in use",
            Self::NoKeys => "cannot be reached; none of its keys is known",
        }
    }
}

/// An issuer and what is known of it. Clones share it.
#[derive(Debug, Clone)]
pub struct Issuer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: IssuerSettings,
    policy: Policy,
    http: reqwest::Client,
    known: RwLock<Known>,
    /// Time of the last attempt to fetch. Held during a fetch, so that there is one at a time.
    attempted: Mutex<Option<Instant>>,
}

/// What the last fetches returned.
#[derive(Debug, Clone, Default)]
struct Known {
    keys: Arc<KeySet>,
    /// Addresses for the page, or why they are not usable.
    endpoints: Option<Arc<Result<SignInEndpoints, String>>>,
    /// Error of the last fetch.
    error: Option<String>,
}

/// What a check of the issuer found.
#[derive(Debug)]
pub struct CheckedIssuer {
    /// Number of usable keys.
    pub keys: usize,
    /// Whether the issuer offers what the page needs; otherwise the reason why not.
    pub endpoints: Result<(), String>,
}

impl Issuer {
    /// Creates an issuer of which nothing is known yet.
    ///
    /// # Errors
    /// The TLS library cannot be initialized.
    pub fn new(settings: IssuerSettings) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("drift-inbox/", env!("CARGO_PKG_VERSION")))
            // The documents are read from the configured issuer only.
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(FETCH_LIMIT)
            .build()?;
        let policy = Policy {
            issuer: settings.url.as_str().to_owned(),
            audience: settings.audience.clone(),
            roles_claim: settings.roles_claim.clone(),
            aliases: settings.aliases.clone().of_another_system(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                policy,
                http,
                known: RwLock::default(),
                attempted: Mutex::default(),
            }),
        })
    }

    /// Returns the identifier.
    pub fn url(&self) -> &IssuerUrl {
        &self.inner.settings.url
    }

    /// Returns whether the keys are known and current.
    pub fn state(&self) -> IssuerState {
        let known = self.known();
        match (known.keys.is_empty(), known.error) {
            (true, _) => IssuerState::NoKeys,
            (false, None) => IssuerState::Current,
            (false, Some(_)) => IssuerState::KnownKeys,
        }
    }

    /// Returns the addresses that the page needs. Fetches the document if it could not be read yet.
    ///
    /// # Errors
    /// The document cannot be read, or its addresses are not usable.
    pub async fn endpoints(&self) -> Result<SignInEndpoints, NoEndpoints> {
        if self.known().endpoints.is_none() {
            self.fetch().await;
        }
        match self.known().endpoints.as_deref() {
            None => Err(NoEndpoints::Unreachable),
            Some(Ok(endpoints)) => Ok(endpoints.clone()),
            Some(Err(why)) => {
                tracing::warn!(issuer = %self.url(), why, "the page cannot use the addresses of the issuer");
                Err(NoEndpoints::Unusable)
            }
        }
    }

    /// Returns the origin from which the page may get tokens: that of the known address, and otherwise that of the
    /// issuer, which is the same at most issuers.
    pub fn token_origin(&self) -> Option<String> {
        let known = self.known().endpoints;
        let endpoints = known.as_deref().and_then(|endpoints| endpoints.as_ref().ok());
        endpoints
            .and_then(SignInEndpoints::token_origin)
            .or_else(|| origin(self.url().as_str()))
    }

    /// Returns the required audience of the tokens.
    pub fn audience(&self) -> &str {
        &self.inner.settings.audience
    }

    /// Returns the session of a token that this issuer signed, and that is valid at the time `now`. Fetches the keys
    /// again if the token is signed by an unknown one.
    ///
    /// # Errors
    /// The token is invalid, or its key cannot be fetched.
    pub(super) async fn session(
        &self,
        token: &Compact<'_>,
        header: &Header,
        now: DateTime<Utc>,
    ) -> Result<Session, InvalidToken> {
        let algorithm = SignatureAlgorithm::of_name(&header.algorithm)
            .filter(|algorithm| self.inner.settings.algorithms.contains(algorithm))
            .ok_or(InvalidToken::new("the header names another algorithm"))?;
        let id = header.key_id.as_deref();
        let is_known = self.known().keys.matching(id, algorithm).next().is_some();
        if !is_known {
            self.fetch().await;
        }
        let keys = self.known().keys;
        let mut outcome = Err(InvalidToken::new("the key of the signature is unknown"));
        for key in keys.matching(id, algorithm) {
            outcome = token.check_signature(key, algorithm.of_library());
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        self.inner.policy.session(token.claims()?, now)
    }

    /// Fetches the keys regularly. Never returns.
    pub async fn keep_current(&self) {
        loop {
            self.fetch().await;
            let failed = self.known().error.is_some();
            sleep(if failed {
                self.inner.settings.fetch_gap
            } else {
                REFRESH
            })
            .await;
        }
    }

    /// Fetches the document and the keys, unless this was tried within the minimum time.
    async fn fetch(&self) {
        let mut attempted = self.inner.attempted.lock().await;
        if attempted.is_some_and(|last| last.elapsed() < self.inner.settings.fetch_gap) {
            return;
        }
        *attempted = Some(Instant::now());
        let outcome = self.request().await;
        let mut known = self.inner.known.write().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok((keys, endpoints)) => {
                if known.error.is_some() || known.keys.is_empty() {
                    tracing::info!(issuer = %self.url(), "the keys of the issuer were read");
                }
                *known = Known {
                    keys: Arc::new(keys),
                    endpoints: Some(Arc::new(endpoints)),
                    error: None,
                };
            }
            Err(error) => {
                let error: String = error.chars().take(MAX_ERROR).collect();
                if known.error.as_ref() != Some(&error) {
                    tracing::warn!(issuer = %self.url(), error, "the keys of the issuer cannot be read");
                }
                known.error = Some(error);
            }
        }
    }

    /// Reads the document and the keys once, apart from the keys in use.
    ///
    /// # Errors
    /// The reason why they cannot be read.
    pub async fn check(&self) -> Result<CheckedIssuer, String> {
        let short = |error: String| error.chars().take(MAX_ERROR).collect::<String>();
        let (keys, endpoints) = self.request().await.map_err(short)?;
        Ok(CheckedIssuer {
            keys: keys.len(),
            endpoints: endpoints.map(drop).map_err(short),
        })
    }

    async fn request(&self) -> Result<(KeySet, Result<SignInEndpoints, String>), String> {
        let document = self.get(&self.url().document()).await?;
        let discovery = Discovery::read(&document, self.url())?;
        let keys = KeySet::read(&self.get(&discovery.jwks_uri).await?)?;
        Ok((keys, SignInEndpoints::read(&document)))
    }

    async fn get(&self, address: &str) -> Result<Vec<u8>, String> {
        let failed = |why: reqwest::Error| format!("{address}: {}", cause(&why));
        let mut answer = self.inner.http.get(address).send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("{address}: the status is {}", answer.status().as_u16()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if document.len() + chunk.len() > MAX_DOCUMENT {
                return Err(format!("{address}: more than {MAX_DOCUMENT} bytes"));
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }

    fn known(&self) -> Known {
        self.inner
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the keys can be fetched again.
    pub async fn fetchable(&self) {
        let last = *self.inner.attempted.lock().await;
        if let Some(last) = last {
            sleep_until(last + self.inner.settings.fetch_gap).await;
        }
    }
}

/// Returns the innermost cause of an error: the outer ones only say that the request failed.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
