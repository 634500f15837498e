//! Lists a DigitalOcean account over its API, with GET requests only.
//!
//! `listing` lists one kind, `run` requests the lists that it needs, `paging` checks that a list is complete, `client`
//! sends and retries requests within `Limits`, and `map` keeps only the fields that are compared.

mod access;
mod actions;
mod address;
mod client;
mod confirm;
mod fetch_owners;
mod kinds;
pub(crate) mod leftovers;
mod listing;
mod map;
mod owners;
mod paging;
mod request_limits;
pub(in crate::provider) mod revert;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use self::address::{ApiToken, ApiUrl};
use self::client::{Client, RequestError};
use self::confirm::Confirming;
use self::kinds::KINDS;
use self::listing::KindResult;
pub use self::request_limits::Limits;
use self::run::{Run, TokenRefused};
use super::actions::ActionLog;
pub use super::traits::DIGITALOCEAN;
use super::{Account, InventoryProvider, KindListing, Listing, Presence, Resources};
use crate::clock::Clock;
use crate::domain::inventory::ListedResource;
use crate::error::{Error, Result};

/// Returns the names of all kinds that are listed.
#[cfg(test)]
pub(super) fn listed_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// A DigitalOcean account as a source of the inventory.
#[derive(Debug)]
pub struct DigitalOcean {
    client: Client,
    confirming: Mutex<Arc<Confirming>>,
    /// Deadline of the next listing, set when the account id is read.
    until: Mutex<Option<Instant>>,
}

impl DigitalOcean {
    /// Creates a source for the account of a token.
    pub fn new(api: ApiUrl, token: &ApiToken, limits: Limits, clock: Clock) -> Result<Self> {
        let client = Client::new(api, token, limits, clock)
            .map_err(|why| Error::Internal(format!("the HTTP client: {why}")))?;
        Ok(Self {
            client,
            confirming: Mutex::default(),
            until: Mutex::default(),
        })
    }

    /// Returns the account of the token. A sync needs it to detect that the stored inventory is of another account.
    async fn read_account(&self) -> Result<Account> {
        let until = Instant::now() + self.client.limits.listing;
        *self.until.lock().await = Some(until);
        let why = match self.client.get_first(&["account"], until).await {
            Ok(answer) => match map::account::identity(&answer) {
                Some(id) => {
                    return Ok(Account {
                        provider: DIGITALOCEAN.to_owned(),
                        id,
                    });
                }
                None => "the response has no account id".to_owned(),
            },
            Err(RequestError::Unauthorized) => return Err(TokenRefused.into()),
            Err(RequestError::Forbidden) => {
                "the token may not read it (403): it needs the scope account:read".to_owned()
            }
            Err(RequestError::NotFound) => "not found (404)".to_owned(),
            Err(RequestError::Failed(why)) => why,
        };
        Err(Error::Upstream(format!(
            "reading the account id failed, so nothing was changed: /v2/account: {why}"
        )))
    }

    async fn list_all(&self, kinds: Option<&BTreeSet<String>>, now: DateTime<Utc>) -> Result<Listing> {
        *self.confirming.lock().await = Arc::default();
        // The request for the account id has the same deadline, so that its retries do not prolong a run.
        let until = self.until.lock().await.take();
        let until = until.unwrap_or_else(|| Instant::now() + self.client.limits.listing);
        let run = Run::new(&self.client, until);
        // All kinds start at once, because the client limits the number of concurrent requests.
        let mut under_way: FuturesUnordered<_> = KINDS
            .iter()
            .filter(|kind| kinds.is_none_or(|kinds| kinds.contains(kind.name)))
            .map(|kind| run.list_kind(kind).map_ok(|listing| (kind.name, listing)))
            .collect();
        let (mut listed, mut notes, mut unread_fields) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        while let Some((kind, result)) = under_way.try_next().await? {
            log_kind(kind, &result);
            listed.insert(kind.to_owned(), kept(kind, result.listing)?);
            notes.extend(result.note.map(|note| (kind.to_owned(), note)));
            if !result.unread_fields.is_empty() {
                unread_fields.insert(kind.to_owned(), result.unread_fields);
            }
        }
        Ok(Listing {
            provider: DIGITALOCEAN.to_owned(),
            account: None,
            started_at: now,
            kinds: listed,
            notes,
            unread_fields,
            exhaustive: false,
        })
    }
}

/// Keeps the resources of a kind compactly.
fn kept(kind: &str, listing: KindListing<Vec<ListedResource>>) -> Result<KindListing> {
    Ok(match listing {
        KindListing::Complete(listed) => KindListing::Complete(Resources::new(DIGITALOCEAN, kind, listed)?),
        KindListing::Incomplete(why) => KindListing::Incomplete(why),
        KindListing::NotReadable(why) => KindListing::NotReadable(why),
    })
}

fn log_kind(kind: &str, result: &KindResult) {
    if let Some(why) = &result.note {
        tracing::warn!(kind, why, "kind.fields_not_readable");
    }
    match &result.listing {
        KindListing::Complete(listed) => tracing::debug!(kind, resources = listed.len(), "kind.listed"),
        KindListing::Incomplete(why) => tracing::warn!(kind, why, "kind.incomplete"),
        KindListing::NotReadable(why) => tracing::warn!(kind, why, "kind.not_readable"),
    }
}

impl From<TokenRefused> for Error {
    fn from(_: TokenRefused) -> Self {
        Self::Upstream(
            "DigitalOcean rejected the token (401): it is wrong, expired or revoked; nothing was changed. \
              Set another DIGITALOCEAN_TOKEN"
                .to_owned(),
        )
    }
}

impl InventoryProvider for DigitalOcean {
    /// Returns `digitalocean` for every token: each sync checks that the token belongs to the account of the inventory.
    fn source(&self) -> String {
        DIGITALOCEAN.to_owned()
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>> {
        async { Ok(Some(self.read_account().await?)) }.boxed()
    }

    fn check_access<'a>(
        &'a self,
        _now: DateTime<Utc>,
        limit: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>>> {
        access::check(&self.client, Instant::now() + limit).boxed()
    }

    fn list<'a>(
        &'a self,
        kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        self.list_all(kinds, now).boxed()
    }

    fn actions(&self, after: i64) -> BoxFuture<'_, ActionLog> {
        let until = Instant::now() + self.client.limits.actions;
        actions::read(&self.client, after, until).boxed()
    }

    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        async move {
            let confirming = Arc::clone(&*self.confirming.lock().await);
            Ok(confirming.presence(&self.client, kind, provider_id, last).await?)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
