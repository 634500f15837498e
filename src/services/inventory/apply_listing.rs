//! Applies a listing: claims all of its kinds, then writes each kind in chunks.
//!
//! Each chunk has its own transaction, so that accepts and heartbeats can write in between. A chunk is written only
//! while no later listing has claimed the kind, so two syncs never mix. A kind counts as complete when its last chunk
//! is written. After a crash, the next sync writes the whole kind.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
};
use serde_json::Value;
use uuid::Uuid;

use super::account::{check_account, take_over_in_txn};
use super::read_stored::{of_ids, of_listed, read};
use super::write_changes::write_in_txn;
use super::{SyncCounts, SyncOptions, listed_of};
use crate::db::Db;
use crate::domain::inventory::{
    InventoryChange, LastListing, ListedResource, Place, Precedence, plan_kind, precedence,
};
use crate::error::Result;
use crate::provider::{KindListing, Listing, traits};
use crate::services::locks;

/// Maximum number of resources that one transaction writes.
const CHUNK: usize = 500;

/// The result of claiming a kind for a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The kind is claimed: the listing is the newest one.
    Yes,
    /// The kind is claimed. The stored listing began at this time in the future, because a clock was wrong.
    OverOneAheadOfTime(DateTime<Utc>),
    /// The kind is not claimed, because a later listing was already applied.
    Superseded,
}

/// A listing to apply, with its place in the order of listings and the options of the sync.
#[derive(Clone, Copy)]
pub(super) struct Applying<'a> {
    pub(super) db: &'a Db,
    pub(super) listing: &'a Listing,
    pub(super) place: Place,
    pub(super) options: &'a SyncOptions,
}

impl<'a> Applying<'a> {
    /// Claims all kinds in one transaction. Returns None if another listing was applied since `seen` was read.
    ///
    /// # Errors
    ///
    /// UPSTREAM_UNAVAILABLE if the stored inventory is of another account.
    pub(super) async fn claim(
        self,
        kinds: &BTreeSet<String>,
        seen: &BTreeMap<String, LastListing>,
    ) -> Result<Option<BTreeMap<String, Claimed>>> {
        self.db
            .write_txn(|txn| async move { self.claim_in_txn(&txn, kinds, seen).await })
            .await
    }

    async fn claim_in_txn(
        self,
        txn: &DatabaseTransaction,
        kinds: &BTreeSet<String>,
        seen: &BTreeMap<String, LastListing>,
    ) -> Result<Option<BTreeMap<String, Claimed>>> {
        let mut last = BTreeMap::new();
        for kind in kinds {
            let locked = locks::kind_in_txn(txn, &self.listing.provider, kind).await?;
            if locked != seen.get(kind).copied().unwrap_or_default() {
                return Ok(None);
            }
            last.insert(kind.clone(), locked);
        }
        let Listing {
            provider, account, ..
        } = self.listing;
        check_account(txn, provider, account.as_deref(), self.options).await?;
        if self.options.allow_other_account {
            take_over_in_txn(txn, self.listing).await?;
        }
        let now = self.db.time(txn).await?;
        let mut claims = BTreeMap::new();
        for (kind, last) in last {
            let claimed = match precedence(&last, &self.place, now) {
                Precedence::Superseded => Claimed::Superseded,
                Precedence::Later => Claimed::Yes,
                Precedence::AheadOfTime(began) => Claimed::OverOneAheadOfTime(began),
            };
            if claimed != Claimed::Superseded {
                self.stamp_in_txn(txn, &kind).await?;
            }
            claims.insert(kind, claimed);
        }
        Ok(Some(claims))
    }

    /// Records the claim and the preliminary outcome in the locked row of the kind.
    async fn stamp_in_txn(self, txn: &DatabaseTransaction, kind: &str) -> Result<()> {
        let outcome = match listed_of(self.listing, kind) {
            Err(KindListing::NotReadable(_)) => ListingOutcome::NotReadable,
            _ => ListingOutcome::Incomplete,
        };
        let mut stamp = kinds::ActiveModel {
            outcome: Set(Some(outcome)),
            ..Default::default()
        };
        // Only a complete listing replaces the stored inventory and the number and start of its listing.
        if listed_of(self.listing, kind).is_ok() {
            stamp.account = Set(self.listing.account.clone());
            stamp.listing_number = Set(Some(self.place.number));
            stamp.numbered_at = Set(Some(self.place.began_at));
            stamp.listing_started_at = Set(Some(self.place.began_at));
        }
        update_in_txn(txn, &self.listing.provider, kind, stamp).await
    }

    /// Returns the writer of a claimed kind.
    pub(super) fn of_kind(self, kind: &'a str) -> Kind<'a> {
        Kind { all: self, kind }
    }
}

/// The writer of a claimed kind. Functions write nothing and return false or None if a later listing has claimed it.
#[derive(Clone, Copy)]
pub(super) struct Kind<'a> {
    all: Applying<'a>,
    pub(super) kind: &'a str,
}

/// The resources that one transaction writes.
#[derive(Clone, Copy)]
enum Chunk<'a> {
    Listed(&'a [ListedResource]),
    Gone(&'a [Uuid]),
}

impl Kind<'_> {
    /// Inserts or updates the listed resources.
    pub(super) async fn write_listed(
        self,
        listed: &[ListedResource],
        counts: &mut SyncCounts,
    ) -> Result<bool> {
        let mut changes_before = false;
        for chunk in listed.chunks(CHUNK).map(Chunk::Listed) {
            // Most chunks have no changes. Planning them without a lock saves their transaction. After a chunk with
            // changes, the next one probably has changes too, and planning it twice would cost more than it saves.
            if !changes_before {
                let (changes, nameless) = self.plan(self.db().reader(), chunk).await?;
                if changes.is_empty() {
                    counts.skipped += nameless;
                    continue;
                }
            }
            match self.write(chunk, counts).await? {
                Some(changes) => changes_before = changes > 0,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Marks resources as gone, after the provider has confirmed that.
    pub(super) async fn write_gone(self, gone: &[Uuid], counts: &mut SyncCounts) -> Result<bool> {
        for chunk in gone.chunks(CHUNK) {
            if self.write(Chunk::Gone(chunk), counts).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Records the outcome of the kind after all chunks are written. `unconfirmed` is the number of unconfirmed
    /// resources that an earlier listing contained.
    pub(super) async fn finish(self, is_whole: bool, unconfirmed: u64) -> Result<bool> {
        let outcome = if is_whole {
            ListingOutcome::Complete
        } else {
            ListingOutcome::Incomplete
        };
        let unconfirmed = i64::try_from(unconfirmed).unwrap_or(i64::MAX);
        let unread = self.all.listing.unread_fields.get(self.kind);
        let unread_fields: Option<Value> = unread.map(|fields| fields.iter().copied().collect());
        let unread_fields = &unread_fields;
        self.db()
            .write_txn(|txn| async move {
                if !self.holds_in_txn(&txn).await? {
                    return Ok(false);
                }
                let stamp = kinds::ActiveModel {
                    completed_at: Set(Some(self.db().time(&*txn).await?)),
                    outcome: Set(Some(outcome)),
                    unconfirmed: Set(Some(unconfirmed)),
                    unread_fields: Set(unread_fields.clone()),
                    ..Default::default()
                };
                update_in_txn(&txn, self.provider(), self.kind, stamp).await?;
                Ok(true)
            })
            .await
    }

    /// Writes a chunk and returns the number of changes. Returns None if a later listing has claimed the kind.
    async fn write(self, chunk: Chunk<'_>, counts: &mut SyncCounts) -> Result<Option<u64>> {
        let written = self
            .db()
            .write_txn(|txn| async move {
                if !self.holds_in_txn(&txn).await? {
                    return Ok(None);
                }
                let (changes, nameless) = self.plan(&*txn, chunk).await?;
                let now = self.db().time(&*txn).await?;
                let written = write_in_txn(&txn, self.provider(), self.kind, changes, now).await?;
                Ok(Some((written, nameless)))
            })
            .await?;
        let Some((written, nameless)) = written else {
            return Ok(None);
        };
        counts.skipped += nameless;
        counts.discovered += written.discovered;
        counts.changed += written.changed;
        counts.gone += written.gone;
        Ok(Some(written.discovered + written.changed + written.gone))
    }

    /// Returns the changes of a chunk in the order of ids, and the number of listed resources that cannot be written
    /// because the id of their row does not decode.
    async fn plan<C: ConnectionTrait>(
        self,
        connection: &C,
        chunk: Chunk<'_>,
    ) -> Result<(Vec<InventoryChange>, u64)> {
        let (mut changes, nameless) = match chunk {
            Chunk::Listed(listed) => {
                let (stored, nameless) =
                    read(connection, of_listed(self.provider(), self.kind, listed)).await?;
                let traits = traits::rules(self.provider(), self.kind);
                let listed = listed
                    .iter()
                    .filter(|resource| !nameless.contains(&resource.provider_id));
                (plan_kind(stored, listed, &traits), nameless.len() as u64)
            }
            Chunk::Gone(ids) => {
                let (stored, _) = read(connection, of_ids(ids.iter().copied())).await?;
                let there = stored.into_iter().filter(|known| !known.gone);
                (there.map(|known| InventoryChange::Gone(known.id)).collect(), 0)
            }
        };
        // Rows are always locked in the order of ids. New rows come last.
        changes.sort_by_key(|change| match change {
            InventoryChange::Insert(_) => Uuid::max(),
            InventoryChange::Discover(id, _)
            | InventoryChange::Update { id, .. }
            | InventoryChange::Gone(id) => *id,
        });
        Ok((changes, nameless))
    }

    /// Locks the kind and returns whether no later listing has claimed it.
    async fn holds_in_txn(self, txn: &DatabaseTransaction) -> Result<bool> {
        let last = locks::kind_in_txn(txn, self.provider(), self.kind).await?;
        Ok(last.is(self.all.place.number))
    }

    pub(super) fn db(&self) -> &Db {
        self.all.db
    }

    fn provider(&self) -> &str {
        &self.all.listing.provider
    }
}

async fn update_in_txn(
    txn: &DatabaseTransaction,
    provider: &str,
    kind: &str,
    stamp: kinds::ActiveModel,
) -> Result<()> {
    kinds::Entity::update_many()
        .filter(kinds::Column::Provider.eq(provider))
        .filter(kinds::Column::Kind.eq(kind))
        .set(stamp)
        .exec(txn)
        .await?;
    Ok(())
}
