//! What a token may read: one request for each list, for a single item.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::client::{Client, RequestError};
use super::kinds::{CLUSTERS, DATABASES, DOMAINS, KINDS, Kind, ListedFrom};
use super::paging::ApiList;
use super::run::TokenRefused;
use crate::error::{Error, Result};

/// Returns the kinds that the token may not read, each with the reason. Sends GET requests only.
///
/// # Errors
/// UPSTREAM_UNAVAILABLE if the account of the token cannot be read.
pub(super) async fn check(client: &Client, until: Instant) -> Result<BTreeMap<String, String>> {
    match client.get(&["account"], &[], until).await {
        Ok(_) => {}
        Err(RequestError::Unauthorized) => return Err(TokenRefused.into()),
        Err(error) => {
            return Err(Error::Upstream(format!(
                "/v2/account: {}: the token needs the scope account:read",
                reason(&error)
            )));
        }
    }
    // All start at once, because the client limits the number of concurrent requests.
    let mut under_way = FuturesUnordered::new();
    for kind in KINDS {
        under_way.push(refusal(client, kind, until));
    }
    let mut refused = BTreeMap::new();
    while let Some((kind, refusal)) = under_way.next().await {
        if let Some(why) = refusal {
            refused.insert(kind.to_owned(), why);
        }
    }
    Ok(refused)
}

/// Returns why a kind may not be read, if so.
async fn refusal(client: &Client, kind: &'static Kind, until: Instant) -> (&'static str, Option<String>) {
    let Some(list) = list_of(kind) else {
        return (kind.name, None);
    };
    let mut query = list.query.to_vec();
    query.push(("per_page", "1"));
    let error = client.get(list.path, &query, until).await.err();
    let path = list.path.join("/");
    (
        kind.name,
        error.map(|error| format!("/v2/{path}: {}", reason(&error))),
    )
}

/// Returns the list that a kind needs first.
fn list_of(kind: &Kind) -> Option<&'static ApiList<'static>> {
    match &kind.from {
        ListedFrom::Lists(lists) | ListedFrom::Named(lists) => lists.api_lists.first(),
        ListedFrom::Domains => Some(&DOMAINS),
        ListedFrom::Databases => Some(&DATABASES),
        ListedFrom::Clusters => Some(&CLUSTERS),
    }
}

fn reason(error: &RequestError) -> String {
    match error {
        RequestError::Unauthorized => "the token is rejected (401)".to_owned(),
        RequestError::Forbidden => "the token may not read it (403)".to_owned(),
        RequestError::NotFound => "not found (404)".to_owned(),
        RequestError::Failed(why) => why.clone(),
    }
}
