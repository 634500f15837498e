//! Inventory files: JSON files that list the resources of any cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::json::{Object, as_utf8};
use super::{Account, InventoryProvider, KindListing, Listing, Presence};
use crate::domain::inventory::ListedResource;
use crate::domain::validation::is_comparable;
use crate::error::{Error, Result};

/// Maximum size of the file, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Reason for rejecting a resource with an integer that the databases cannot store exactly.
const BEYOND_64_BITS: &str = "attrs contains an integer beyond 64 bits";

/// An inventory file. Each listing reads the file again and checks it as a whole.
#[derive(Clone, Debug)]
pub struct InventoryFile {
    path: PathBuf,
    /// Rejected resources of the last listing.
    refused: Arc<Mutex<Refused>>,
}

/// The reasons for rejecting resources, by kind and id.
type Refused = BTreeMap<(String, String), String>;

impl InventoryFile {
    /// Creates a source for the file at `path`. The file need not exist yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            refused: Arc::default(),
        }
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Listing> {
        let refused = |why: String| Error::Upstream(format!("inventory file {}: {why}", self.path.display()));
        let size = tokio::fs::metadata(&self.path)
            .await
            .map_err(|e| refused(e.to_string()))?
            .len();
        if size > MAX_FILE_BYTES {
            return Err(refused(format!(
                "the file has {size} bytes; at most {MAX_FILE_BYTES} are allowed"
            )));
        }
        let text = tokio::fs::read(&self.path)
            .await
            .map_err(|e| refused(e.to_string()))?;
        // Parsing a large file takes seconds and must not block the heartbeat of the run.
        let parsed = tokio::task::spawn_blocking(move || believed(&text, now)).await;
        let parsed = parsed.map_err(|_| Error::Internal("reading the inventory file panicked".to_owned()))?;
        let (listing, left_out) = parsed.map_err(refused)?;
        *self.left_out() = left_out;
        Ok(listing)
    }

    fn left_out(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InventoryProvider for InventoryFile {
    /// Returns `file:` followed by the absolute path.
    fn source(&self) -> String {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        format!("file:{}", path.display())
    }

    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>> {
        async { Ok(None) }.boxed()
    }

    fn list<'a>(
        &'a self,
        _kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>> {
        self.read(now).boxed()
    }

    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        _last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>> {
        // The file is complete, so a resource that it lacks is gone. A rejected resource still exists.
        let refused = self
            .left_out()
            .get(&(kind.to_owned(), provider_id.to_owned()))
            .cloned();
        async { Ok(refused.map_or(Presence::Gone, Presence::Unknown)) }.boxed()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    provider: String,
    resources: Vec<Object<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    kind: String,
    provider_id: String,
    name: Option<String>,
    urn: Option<String>,
    region: Option<String>,
    size_slug: Option<String>,
    status: Option<String>,
    tags: Option<Vec<String>>,
    ip: Option<String>,
    vpc_uuid: Option<String>,
    project_id: Option<String>,
    attrs: Option<Map<String, Value>>,
}

/// Parses and checks the text of a file.
///
/// # Errors
/// The message has the line and column, the unknown key, or the resource that cannot be stored.
fn believed(text: &[u8], now: DateTime<Utc>) -> Result<(Listing, Refused), String> {
    let text = as_utf8(text).map_err(str::to_owned)?;
    let (listing, left_out) = parse(&text, now).map_err(|e| e.to_string())?;
    super::check_listing(&listing).map_err(|e| e.to_string())?;
    Ok((listing, left_out))
}

/// Parses the text of a file. Returns its listing and the rejected resources: an integer that no database stores
/// exactly rejects its resource only, not the whole file.
///
/// # Errors
/// The message has the line and column, or the unknown key.
fn parse(text: &[u8], now: DateTime<Utc>) -> serde_json::Result<(Listing, Refused)> {
    let Object(file): Object<File> = serde_json::from_slice(text)?;
    let mut kinds: BTreeMap<String, Vec<ListedResource>> = BTreeMap::new();
    let mut refused = Refused::new();
    for Object(entry) in file.resources {
        let attrs = Value::Object(entry.attrs.clone().unwrap_or_default());
        if !is_comparable(&attrs) {
            kinds.entry(entry.kind.clone()).or_default();
            refused.insert((entry.kind, entry.provider_id), BEYOND_64_BITS.to_owned());
            continue;
        }
        let urn = entry
            .urn
            .unwrap_or_else(|| format!("{}:{}:{}", file.provider, entry.kind, entry.provider_id));
        kinds.entry(entry.kind).or_default().push(ListedResource {
            provider_id: entry.provider_id,
            urn,
            name: entry.name.unwrap_or_default(),
            region: entry.region,
            size_slug: entry.size_slug,
            status: entry.status,
            tags: entry.tags.unwrap_or_default(),
            ip: entry.ip,
            vpc_uuid: entry.vpc_uuid,
            project_id: entry.project_id,
            attrs: entry.attrs.unwrap_or_default(),
            settling: false,
            unread_fields: BTreeSet::new(),
        });
    }
    let mut notes: BTreeMap<String, String> = BTreeMap::new();
    for ((kind, id), why) in &refused {
        let note = format!("{id:?} was rejected and keeps its stored values: {why}");
        notes
            .entry(kind.clone())
            .and_modify(|notes| *notes = format!("{notes}; {note}"))
            .or_insert(note);
    }
    let kinds = kinds
        .into_iter()
        .map(|(kind, listed)| (kind, KindListing::Complete(listed)))
        .collect();
    let listing = Listing {
        provider: file.provider,
        account: None,
        started_at: now,
        kinds,
        notes,
        unread_fields: BTreeMap::new(),
        exhaustive: true,
    };
    Ok((listing, refused))
}

#[cfg(test)]
mod tests;
