//! Outgoing requests of notifications: the only requests of the program that are not GET requests to a cloud.
//!
//! A target may be set by mistake, or by a user who wants this server to reach hosts that the user cannot reach. So a
//! request goes only to public addresses, unless a setting allows the host, and the check is of the address that is
//! connected to. No redirect is followed, no proxy is used, and the time and the size of an answer are limited.

mod addresses;
mod signature;
mod target;

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response, redirect};
use tracing::Instrument as _;
use uuid::Uuid;

pub use self::addresses::PrivateTargets;
use self::addresses::{Refused, is_public};
pub use self::signature::SigningSecret;
pub(crate) use self::signature::message_id;
pub(crate) use self::target::TargetUrl;
use crate::error::{Error, Result};
use crate::traces;

/// Time in which a receiver must answer.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Time in which a connection must be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Maximum number of bytes that are read of an answer.
const ANSWER_BYTES: usize = 256;
/// Maximum length of the cause in an error, in characters.
const MAX_CAUSE: usize = 120;
/// Maximum delay that a receiver can ask for.
const LONGEST_RETRY_AFTER: u64 = 3_600;

/// The settings of outgoing requests.
#[derive(Clone, Debug, Default)]
pub struct OutgoingSettings {
    /// Which targets may have private addresses, or use http.
    pub private: PrivateTargets,
    /// Address of the page, for links.
    pub public_url: Option<String>,
}

/// Looks up the addresses of a host.
pub trait Lookup: Send + Sync {
    /// Returns the addresses of a host. The ports are ignored.
    fn addresses(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;
}

/// The resolver of the operating system.
struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

/// Resolves hosts for requests, and refuses those with an address that is not public. Because the connection goes to
/// exactly the addresses that this returns, a name that changes its address between a check and the connection gains
/// nothing.
struct CheckedResolver {
    lookup: Arc<dyn Lookup>,
    private: PrivateTargets,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let is_allowed = self.private.allows(&host);
        let found = self.lookup.addresses(host);
        Box::pin(async move {
            let found = found.await?;
            if !is_allowed && !found.iter().all(|address| is_public(address.ip())) {
                return Err(Refused.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Sends requests to targets. Clones share it.
#[derive(Clone)]
pub struct Outgoing {
    http: Option<reqwest::Client>,
    settings: Arc<OutgoingSettings>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("settings", &self.settings)
            .finish()
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new(OutgoingSettings::default())
    }
}

/// A request to a target.
pub(crate) struct Request<'a> {
    /// Id of the message, the same for each attempt.
    pub(crate) id: Uuid,
    pub(crate) url: &'a TargetUrl,
    /// JSON text to post; None for a GET.
    pub(crate) body: Option<String>,
    /// Secrets that sign it.
    pub(crate) secrets: Vec<SigningSecret>,
    /// Time of the attempt.
    pub(crate) now: DateTime<Utc>,
}

/// What a receiver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code; None without a response.
    pub(crate) status: Option<u16>,
    /// Why the message does not count as delivered. It contains no part of the address but the host.
    pub(crate) problem: Option<String>,
    /// For how long the receiver wants no further attempt.
    pub(crate) retry_after: Option<Duration>,
}

impl Answer {
    /// Returns whether further attempts are useless: the receiver says that it is gone for good.
    pub(crate) fn is_final(&self) -> bool {
        self.status == Some(410)
    }

    fn failed(problem: impl Into<String>) -> Self {
        Self {
            problem: Some(problem.into()),
            ..Self::default()
        }
    }
}

impl Outgoing {
    /// Creates a client that looks hosts up with the resolver of the operating system.
    pub fn new(settings: OutgoingSettings) -> Self {
        Self::with_lookup(settings, Arc::new(SystemLookup))
    }

    /// Creates a client with another resolver.
    pub fn with_lookup(settings: OutgoingSettings, lookup: Arc<dyn Lookup>) -> Self {
        let resolver = CheckedResolver {
            lookup,
            private: settings.private.clone(),
        };
        let http = reqwest::Client::builder()
            .user_agent(concat!("drift-inbox/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(CONNECT_LIMIT)
            .timeout(TIME_LIMIT)
            .pool_max_idle_per_host(0)
            .build();
        let http = http
            .inspect_err(|error| tracing::error!(%error, "notifications cannot be sent"))
            .ok();
        Self {
            http,
            settings: Arc::new(settings),
        }
    }

    /// Returns the address of the page, for links.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.settings.public_url.as_deref()
    }

    /// Checks the address of a target.
    ///
    /// # Errors
    ///
    /// BAD_USER_INPUT if the address is not valid, or if the settings do not allow it.
    pub(crate) fn check(&self, url: &str) -> Result<TargetUrl> {
        let url = TargetUrl::parse(url).map_err(Error::BadUserInput)?;
        self.refusal(&url)
            .map_or(Ok(url), |why| Err(Error::BadUserInput(why)))
    }

    /// Returns why a request to the address is refused before its host is looked up.
    fn refusal(&self, url: &TargetUrl) -> Option<String> {
        let host = url.host();
        if self.settings.private.allows(host) {
            return None;
        }
        if !url.is_https() {
            return Some(format!(
                "the address of {host} must begin with https: http is permitted for hosts in DRIFT_NOTIFY_PRIVATE only"
            ));
        }
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        literal
            .is_ok_and(|ip| !is_public(ip))
            .then(|| Refused.to_string())
    }

    /// Sends a request, and returns how it ended.
    pub(crate) async fn send(&self, request: Request<'_>) -> Answer {
        if let Some(why) = self.refusal(request.url) {
            return Answer::failed(why);
        }
        let Some(http) = &self.http else {
            return Answer::failed("the HTTP client could not be created: see the log of the server");
        };
        let method = if request.body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut sent = http.request(method.clone(), request.url.exposed());
        if let Some(body) = request.body {
            let headers = signature::headers(request.id, request.now, &body, &request.secrets);
            for (name, value) in headers {
                sent = sent.header(name, value);
            }
            sent = sent.header(CONTENT_TYPE, "application/json").body(body);
        }
        // The limit of the client covers the request; this one also covers the body of the answer.
        let answer = tokio::time::timeout(TIME_LIMIT, async {
            match sent.send().await {
                Ok(response) => {
                    traces::received(response.status().as_u16());
                    answer_of(response).await
                }
                Err(error) => Answer::failed(cause_of(&error)),
            }
        });
        // The path of the address is a secret.
        let span = traces::of_sent(&method, request.url.host(), None);
        let answer = answer.instrument(span).await;
        answer.unwrap_or_else(|_| Answer::failed(too_slow()))
    }
}

async fn answer_of(response: Response) -> Answer {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .map(|seconds| Duration::from_secs(seconds.min(LONGEST_RETRY_AFTER)));
    let problem = if status.is_success() {
        None
    } else if status.is_redirection() {
        Some(format!(
            "the receiver answered {status}: redirects are not followed"
        ))
    } else {
        let said = word_of(response).await.map(|word| format!(": {word}"));
        Some(format!(
            "the receiver answered {status}{}",
            said.unwrap_or_default()
        ))
    };
    Answer {
        status: Some(status.as_u16()),
        problem,
        retry_after,
    }
}

/// Returns the body of an answer if it is one short word, such as `no_service`. Anything else is ignored: a receiver may
/// repeat secrets.
async fn word_of(mut response: Response) -> Option<String> {
    let mut text = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        text.extend_from_slice(&part);
        if text.len() > ANSWER_BYTES {
            return None;
        }
    }
    let text = String::from_utf8(text).ok()?;
    let word = text.trim();
    let is_word =
        (1..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then(|| word.to_owned())
}

fn too_slow() -> String {
    format!("no answer within {} s", TIME_LIMIT.as_secs())
}

/// Describes why a request failed. The texts of the HTTP client contain the address, so only the innermost cause is used,
/// which is an error of the operating system or of TLS.
fn cause_of(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return too_slow();
    }
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(refused) = current.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        match current.source() {
            Some(inner) => cause = Some(inner),
            None => break,
        }
    }
    let what = if error.is_connect() {
        "cannot connect"
    } else {
        "the request failed"
    };
    match cause {
        Some(cause) => {
            let cause: String = cause.to_string().chars().take(MAX_CAUSE).collect();
            format!("{what}: {cause}")
        }
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests;
