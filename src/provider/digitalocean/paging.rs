//! Reads lists of the API. A list is returned as a whole or not at all.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::client::{Client, RequestError};
use super::map::id_text;

/// Items per page. DigitalOcean's API reference, "Links & Pagination": at most 200.
pub(super) const PER_PAGE: u64 = 200;

/// A list of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApiList<'a> {
    /// Path below `/v2`.
    pub(super) path: &'a [&'a str],
    /// Query parameters that filter the list.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Key of the items in a response.
    pub(super) key: &'a str,
    /// Key of the unique id of an item.
    pub(super) id: &'a str,
    /// Whether the list has pages. If not, one response contains all items.
    pub(super) paged: bool,
}

/// Why a list could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListError {
    /// 401: all other requests would fail too.
    Unauthorized,
    /// 403: the token lacks a scope.
    Forbidden(String),
    /// 404: the list does not exist.
    Absent(String),
    /// The list could not be read to its end.
    Incomplete(String),
}

impl ListError {
    fn of(error: RequestError, path: &str) -> Self {
        match error {
            RequestError::Unauthorized => Self::Unauthorized,
            RequestError::Forbidden => Self::Forbidden(format!("{path}: the token may not read it (403)")),
            RequestError::NotFound => Self::Absent(format!("{path}: not found (404)")),
            RequestError::Failed(why) => Self::Incomplete(format!("{path}: {why}")),
        }
    }
}

pub(super) struct Page {
    pub(super) items: Vec<Value>,
    pub(super) total: Option<u64>,
}

/// Returns all items of a list.
///
/// Pages are requested by number, and links in a response are ignored: a `next` link may be constant or lead to another
/// host. A paged list is complete only if it has as many different items as the total in its last page.
pub(super) async fn list(
    client: &Client,
    api_list: &ApiList<'_>,
    until: Instant,
) -> Result<Vec<Value>, ListError> {
    let path = format!("/v2/{}", api_list.path.join("/"));
    if !api_list.paged {
        return Ok(request_page(client, api_list, api_list.query, until, &path)
            .await?
            .items);
    }
    let mut why = String::new();
    // Items that are created or deleted while pages are read move others to another page. A second read may succeed.
    for _ in 0..2 {
        match list_pages(client, api_list, until, &path).await? {
            Ok(items) => return Ok(items),
            Err(reason) => why = reason,
        }
    }
    Err(ListError::Incomplete(format!("{path}: {why}")))
}

async fn list_pages(
    client: &Client,
    api_list: &ApiList<'_>,
    until: Instant,
    path: &str,
) -> Result<Result<Vec<Value>, String>, ListError> {
    let first = page(client, api_list, 1, until, path).await?;
    let Some(total) = first.total else {
        return Ok(Err("the response has no total (meta.total)".to_owned()));
    };
    let pages = total.div_ceil(PER_PAGE).max(1);
    if pages > client.limits.pages {
        let limit = client.limits.pages;
        return Ok(Err(format!("{total} items need more than {limit} pages")));
    }
    let mut rest: Vec<Page> = stream::iter(2..=pages)
        .map(|number| page(client, api_list, number, until, path))
        .buffered(client.limits.in_flight)
        .try_collect()
        .await?;
    let last = rest.last().map_or(Some(total), |page| page.total);
    rest.insert(0, first);
    let mut distinct = BTreeMap::new();
    for item in rest.into_iter().flat_map(|page| page.items) {
        let Some(id) = item.get(api_list.id).and_then(id_text) else {
            return Ok(Err(format!("an item has no {}", api_list.id)));
        };
        distinct.insert(id, item);
    }
    let found = distinct.len() as u64;
    Ok(match last {
        Some(last) if last == found => Ok(distinct.into_values().collect()),
        Some(last) => Err(format!(
            "{found} different items were returned, but the total is {last} (meta.total)"
        )),
        None => Err("the last page has no total (meta.total)".to_owned()),
    })
}

/// Returns the page of a list with this number, from 1.
pub(super) async fn page(
    client: &Client,
    api_list: &ApiList<'_>,
    number: u64,
    until: Instant,
    path: &str,
) -> Result<Page, ListError> {
    let (number, per_page) = (number.to_string(), PER_PAGE.to_string());
    let mut query = api_list.query.to_vec();
    query.extend([("page", number.as_str()), ("per_page", per_page.as_str())]);
    request_page(client, api_list, &query, until, path).await
}

async fn request_page(
    client: &Client,
    api_list: &ApiList<'_>,
    query: &[(&str, &str)],
    until: Instant,
    path: &str,
) -> Result<Page, ListError> {
    let mut answer = client
        .get(api_list.path, query, until)
        .await
        .map_err(|error| ListError::of(error, path))?;
    let total = answer.pointer("/meta/total").and_then(Value::as_u64);
    let items = match answer.get_mut(api_list.key).map(Value::take) {
        Some(Value::Array(items)) => items,
        // Go encodes an empty list as null.
        Some(Value::Null) => Vec::new(),
        _ => {
            let why = format!("{path}: the response has no list of {}", api_list.key);
            return Err(ListError::Incomplete(why));
        }
    };
    Ok(Page { items, total })
}
