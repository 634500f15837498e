//! Where the inventory comes from.

pub mod file;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::admission::{Inadmissible, MAX_TEXT_BYTES, check_attrs, check_text};
use crate::domain::inventory::ListedResource;
use crate::error::Result;

/// Longest id, kind or slug, in bytes. PostgreSQL's index entries hold 2,700 bytes, and several of these
/// share one.
const MAX_SLUG_BYTES: usize = 512;

/// A complete listing of an account.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Cloud that was listed.
    pub provider: String,
    /// When the listing began.
    pub started_at: DateTime<Utc>,
    /// Resources by kind; a stored kind that is not among them was listed empty.
    pub kinds: BTreeMap<String, Vec<ListedResource>>,
}

/// Something that lists an account.
pub trait InventoryProvider: Send + Sync {
    /// Lists the whole account. Errors are UPSTREAM_UNAVAILABLE and say what to do about it.
    fn list(&self, now: DateTime<Utc>) -> futures_util::future::BoxFuture<'_, Result<Listing>>;
}

/// Checks a whole listing before any of it is applied: ids are distinct and everything may enter.
pub fn check_listing(listing: &Listing) -> Result<(), Inadmissible> {
    check_slug("provider", &listing.provider)?;
    for (kind, resources) in &listing.kinds {
        check_slug("kind", kind)?;
        let mut ids = BTreeSet::new();
        for resource in resources {
            let named = |why: &str| Inadmissible::new(format!("{kind} {:?}: {why}", resource.provider_id));
            if !ids.insert(&resource.provider_id) {
                return Err(named("is listed twice"));
            }
            check_resource(resource).map_err(|why| named(&why.to_string()))?;
        }
    }
    Ok(())
}

fn check_resource(resource: &ListedResource) -> Result<(), Inadmissible> {
    check_slug("providerId", &resource.provider_id)?;
    check_text("name", &resource.name, MAX_TEXT_BYTES)?;
    check_text("urn", &resource.urn, MAX_TEXT_BYTES)?;
    let slugs = [
        ("region", &resource.region),
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

fn check_slug(what: &str, text: &str) -> Result<(), Inadmissible> {
    if text.is_empty() {
        return Err(Inadmissible::new(format!("{what} is empty")));
    }
    check_text(what, text, MAX_SLUG_BYTES)
}
