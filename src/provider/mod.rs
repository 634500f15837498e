//! Sources of the inventory, and the import of Terraform states.

pub mod app_spec;
pub mod digitalocean;
pub mod file;
pub mod json;
pub mod normalize;
pub mod terraform;
pub mod traits;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::domain::inventory::ListedResource;
use crate::domain::validation::{InvalidInput, MAX_TEXT_BYTES, check_attrs, check_text};
use crate::error::Result;

/// Maximum length of an id, kind or slug, in bytes. A PostgreSQL index entry holds 2,700 bytes, and several of these
/// values share an entry.
const MAX_SLUG_BYTES: usize = 512;

/// The listings of all requested kinds of a source.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Provider of the listed resources, such as `digitalocean`.
    pub provider: String,
    /// Id of the listed account, as returned by [`InventoryProvider::account`]. The sync sets it.
    pub account: Option<String>,
    /// Time at which the listing began.
    pub started_at: DateTime<Utc>,
    /// Listing of each kind.
    pub kinds: BTreeMap<String, KindListing>,
    /// Values that could not be read of a complete kind, with the reason. The report of the run shows this text.
    pub notes: BTreeMap<String, String>,
    /// Unread fields of each complete kind that specs may set. They keep their last values.
    pub unread_fields: BTreeMap<String, BTreeSet<&'static str>>,
    /// Whether a stored kind that is missing from `kinds` counts as complete and empty.
    pub exhaustive: bool,
}

/// The listing of one kind.
#[derive(Clone, Debug)]
pub enum KindListing {
    /// All resources of the kind.
    Complete(Vec<ListedResource>),
    /// The list may lack resources, for this reason. The kind keeps its last inventory.
    Incomplete(String),
    /// The list may not be read, for this reason. The kind keeps its last inventory.
    NotReadable(String),
}

/// Whether a resource that a complete listing lacks still exists.
#[derive(Clone, Debug)]
pub enum Presence {
    /// The provider confirmed that the resource does not exist.
    Gone,
    /// The resource exists and has this state.
    Exists(Box<ListedResource>),
    /// The provider gave no answer, for this reason. The text does not name the resource.
    Unknown(String),
}

/// The account that an inventory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name of the provider, such as `digitalocean`.
    pub provider: String,
    /// The provider's id of the account.
    pub id: String,
}

/// A source of the inventory.
pub trait InventoryProvider: Send + Sync {
    /// Returns the default name of the source, which a setting can replace. Syncs of one source never run at the same
    /// time.
    fn source(&self) -> String;

    /// Returns the account of the inventory, or None if the source has no account id. A sync calls this before `list`.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if the account cannot be read.
    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>>;

    /// Lists all kinds, or only the given ones. A kind that cannot be listed is no error; its listing has the reason.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if no kind can be listed. The message explains how to solve the problem.
    fn list<'a>(
        &'a self,
        kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>>;

    /// Checks whether a resource that a complete listing lacks still exists: an item that is deleted while pages are
    /// read can hide another item. `last` has the stored attributes, which may contain the id of the parent that is
    /// needed for the request. Several calls run at the same time.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if further checks would fail as well. The caller then stops checking.
    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>>;
}

/// Checks a whole listing before any part is stored: the ids of a kind are distinct, and all values can be stored.
pub(crate) fn check_listing(listing: &Listing) -> Result<(), InvalidInput> {
    check_slug("provider", &listing.provider)?;
    for (kind, resources) in &listing.kinds {
        check_slug("kind", kind)?;
        let KindListing::Complete(resources) = resources else {
            continue;
        };
        let mut ids = BTreeSet::new();
        for resource in resources {
            let named = |why: &str| InvalidInput::new(format!("{kind} {:?}: {why}", resource.provider_id));
            if !ids.insert(&resource.provider_id) {
                return Err(named("is listed twice"));
            }
            check_resource(resource).map_err(|why| named(&why.to_string()))?;
        }
    }
    Ok(())
}

/// Checks that all values of a resource can be stored.
pub(crate) fn check_resource(resource: &ListedResource) -> Result<(), InvalidInput> {
    let region = resource.region.as_deref();
    check_identity(&resource.provider_id, &resource.name, &resource.urn, region)?;
    let slugs = [
        ("sizeSlug", &resource.size_slug),
        ("status", &resource.status),
        ("ip", &resource.ip),
        ("vpcUuid", &resource.vpc_uuid),
        ("projectId", &resource.project_id),
    ];
    for (what, text) in slugs {
        check_text(what, text.as_deref().unwrap_or_default(), MAX_SLUG_BYTES)?;
    }
    for tag in &resource.tags {
        check_text("tags", tag, MAX_TEXT_BYTES)?;
    }
    check_attrs(&Value::Object(resource.attrs.clone()))
}

fn check_slug(what: &str, text: &str) -> Result<(), InvalidInput> {
    if text.trim().is_empty() {
        let why = if text.is_empty() { "empty" } else { "blank" };
        return Err(InvalidInput::new(format!("{what} is {why}")));
    }
    check_text(what, text, MAX_SLUG_BYTES)
}

/// Checks that the id, name, uniform name and region of a resource can be stored.
pub(crate) fn check_identity(
    provider_id: &str,
    name: &str,
    urn: &str,
    region: Option<&str>,
) -> Result<(), InvalidInput> {
    check_slug("providerId", provider_id)?;
    check_text("name", name, MAX_TEXT_BYTES)?;
    check_text("urn", urn, MAX_TEXT_BYTES)?;
    check_text("region", region.unwrap_or_default(), MAX_SLUG_BYTES)
}

#[cfg(test)]
mod tests;
