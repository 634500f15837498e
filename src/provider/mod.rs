//! Sources of the inventory, and the import of Terraform states.

pub mod actions;
pub mod app_spec;
mod checks;
pub mod digitalocean;
pub mod file;
pub mod json;
pub(crate) mod leftovers;
pub mod lines;
pub mod normalize;
pub mod presets;
pub(crate) mod revert;
mod spool;
pub mod terraform;
pub mod terraform_plan;
pub mod traits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::sources::SourceKind;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use self::actions::ActionLog;
use self::checks::check_slug;
pub(crate) use self::checks::{check_identity, check_resource};
pub(crate) use self::spool::Key;
pub use self::spool::Resources;
use crate::domain::inventory::ListedResource;
use crate::domain::validation::InvalidInput;
use crate::error::{Error, Result};

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
pub enum KindListing<R = Resources> {
    /// All resources of the kind.
    Complete(R),
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

    /// Returns what kind of source it is.
    fn kind(&self) -> SourceKind {
        SourceKind::Account
    }

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

    /// Checks that the source can be read, without listing all of it. Returns the kinds that may not be read, each with
    /// the reason.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if nothing can be read. The message explains how to solve the problem.
    fn check_access<'a>(
        &'a self,
        now: DateTime<Utc>,
        limit: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>>> {
        async move {
            let listing = tokio::time::timeout(limit, self.list(None, now)).await;
            let listing = listing.map_err(|_| Error::Upstream("it was not read in time".to_owned()))??;
            let refused = listing
                .kinds
                .into_iter()
                .filter_map(|(kind, listing)| match listing {
                    KindListing::Complete(_) => None,
                    KindListing::Incomplete(why) | KindListing::NotReadable(why) => Some((kind, why)),
                });
            Ok(refused.collect())
        }
        .boxed()
    }

    /// Reads the actions with a number above `after` from the log that the provider keeps. An optional capability: most
    /// providers have no such log. Reads a limited number of actions, the newest ones, and never fails a sync.
    fn actions(&self, after: i64) -> BoxFuture<'_, ActionLog> {
        _ = after;
        async { ActionLog::None }.boxed()
    }

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

/// Checks the provider and the kinds of a listing before any of it is applied. Its resources were checked when they
/// were added to the spool.
pub(crate) fn check_listing(listing: &Listing) -> Result<(), InvalidInput> {
    check_slug("provider", &listing.provider)?;
    for kind in listing.kinds.keys() {
        check_slug("kind", kind)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
