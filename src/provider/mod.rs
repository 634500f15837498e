//! Where the inventory comes from.

pub mod app_spec;
mod checks;
pub mod digitalocean;
pub mod file;
pub mod json;
pub mod normalize;
mod spool;
pub mod terraform;
pub mod traits;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

pub(crate) use self::checks::check_identity;
use self::checks::check_slug;
pub(crate) use self::spool::Key;
pub use self::spool::Resources;
use crate::domain::inventory::ListedResource;
use crate::domain::validation::InvalidInput;
use crate::error::Result;

/// A listing of an account.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Cloud that was listed.
    pub provider: String,
    /// Account that was listed, as [`InventoryProvider::account`] names it. The sync fills it in.
    pub account: Option<String>,
    /// When the listing began.
    pub started_at: DateTime<Utc>,
    /// The result for each kind.
    pub kinds: BTreeMap<String, KindListing>,
    /// What is not known of a kind although it is complete, and why, in the words of the run's report.
    pub notes: BTreeMap<String, String>,
    /// Fields that specs may set and that could not be read of a complete kind: they stay as they were last known.
    pub unread_fields: BTreeMap<String, BTreeSet<&'static str>>,
    /// Whether a stored kind that is not among them was listed empty.
    pub exhaustive: bool,
}

/// The result of listing one kind.
#[derive(Clone, Debug)]
pub enum KindListing<R = Resources> {
    /// All resources of the kind.
    Complete(R),
    /// It could not be trusted to be everything, and why: the last inventory is kept.
    Incomplete(String),
    /// We are not let, and why: the last inventory is kept.
    NotReadable(String),
}

/// Whether a resource that a complete listing lacks exists after all.
#[derive(Clone, Debug)]
pub enum Presence {
    /// The provider says that it does not exist.
    Gone,
    /// It exists, like this.
    There(Box<ListedResource>),
    /// The provider does not say, and why, in words that fit every such resource.
    Unknown(String),
}

/// Whose inventory it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Cloud.
    pub provider: String,
    /// Its own id for the account.
    pub id: String,
}

/// Something that lists an account.
pub trait InventoryProvider: Send + Sync {
    /// Stable name of the source, unless the settings give it one. Runs of one source know of each other.
    fn source(&self) -> String;

    /// The account whose inventory this is; None where the source names no account. A sync reads it before it lists
    /// anything.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if the account cannot be read.
    fn account(&self) -> BoxFuture<'_, Result<Option<Account>>>;

    /// Lists the account, or only these kinds of it. A kind that cannot be listed is no error; its result says so.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if nothing can be listed; the message says what to do.
    fn list<'a>(
        &'a self,
        kinds: Option<&'a BTreeSet<String>>,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<Listing>>;

    /// Asks for one resource that a complete listing lacked: items that are deleted while pages are read can
    /// hide others. `last` are its attributes when it was last listed: the way to it may lead through a
    /// parent that they name. Several requests run at the same time. After an error,
    /// no further one is sent.
    fn confirm_gone<'a>(
        &'a self,
        kind: &'a str,
        provider_id: &'a str,
        last: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Presence>>;
}

/// Checks what a listing names before any of it is applied. Its resources were checked when they were kept.
pub(crate) fn check_listing(listing: &Listing) -> Result<(), InvalidInput> {
    check_slug("provider", &listing.provider)?;
    for kind in listing.kinds.keys() {
        check_slug("kind", kind)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
