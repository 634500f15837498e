//! Applies a listing: claims all of its kinds, then writes each kind in chunks.
//!
//! Each chunk has its own transaction, so that accepts and heartbeats can write in between. A chunk is written only
//! while no later listing has claimed the kind, so two syncs never mix. A kind counts as complete when its last chunk
//! is written. After a crash, the next sync writes the whole kind.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use sea_orm::sea_query::LockType;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::account::{check_account, take_over_in_txn};
use super::order::claim_listing_in_txn;
use super::read_stored::{Differing, of_listed, present_in_txn, read};
use super::write_changes::{Plan, values_of, write_in_txn};
use super::{SyncCounts, SyncOptions, listed_of};
use crate::db::{DatabaseTransaction, Db, lists};
use crate::domain::digest::Digest;
use crate::domain::inventory::{
    InventoryChange, LastListing, ListedResource, Ownership, Place, Precedence, StoredResource, ownership,
    plan_kind, precedence,
};
use crate::domain::inventory_changes::Before;
use crate::error::Result;
use crate::provider::{Key, KindListing, Listing, Resources, traits};
use crate::services::{locks, sources};

/// Maximum number of resources that one transaction writes.
const CHUNK: usize = 500;
/// Bytes of resources after which no further one is added to a transaction.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

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
    /// Name of the source.
    pub(super) source: &'a str,
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
            locks::kind_in_txn(txn, &self.listing.provider, kind).await?;
            if seen.contains_key(kind) {
                claim_listing_in_txn(txn, self.source, &self.listing.provider, kind).await?;
            }
            let locked = locks::listing_in_txn(txn, self.source, &self.listing.provider, kind).await?;
            if locked != seen.get(kind).copied().unwrap_or_default() {
                return Ok(None);
            }
            last.insert(kind.clone(), locked);
        }
        let Listing {
            provider, account, ..
        } = self.listing;
        check_account(txn, self.source, provider, account.as_deref(), self.options).await?;
        if self.options.allow_other_account {
            take_over_in_txn(txn, self.source, self.listing).await?;
        }
        sources::note_account_in_txn(txn, self.source, provider, account.as_deref()).await?;
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
        update_in_txn(txn, (self.source, &self.listing.provider, kind), stamp).await
    }

    /// Returns the writer of a claimed kind.
    pub(super) fn of_kind(self, kind: &'a str, before: Before) -> Kind<'a> {
        Kind {
            all: self,
            kind,
            before,
        }
    }
}

/// The writer of a claimed kind. Functions write nothing and return false or None if a later listing has claimed it.
#[derive(Clone, Copy)]
pub(super) struct Kind<'a> {
    all: Applying<'a>,
    pub(super) kind: &'a str,
    /// What is known of the listing before.
    before: Before,
}

/// A listed resource and its digest.
pub(super) struct Digested {
    pub(super) resource: ListedResource,
    pub(super) digest: Digest,
}

/// The resources that one transaction writes.
#[derive(Clone, Copy)]
enum Chunk<'a> {
    Listed(&'a [Digested]),
    Gone(&'a [Uuid]),
}

impl Kind<'_> {
    /// Writes the listed resources that differ from the stored ones.
    pub(super) async fn write_listed(
        self,
        listed: &Resources,
        differing: &Differing,
        counts: &mut SyncCounts,
    ) -> Result<bool> {
        let mut keys = listed.keys().enumerate();
        loop {
            let chunk = next_chunk(listed, differing, &mut keys)?;
            if chunk.is_empty() {
                return Ok(true);
            }
            if !self.write(Chunk::Listed(&chunk), counts).await? {
                return Ok(false);
            }
        }
    }

    /// Writes resources that exist although the listing lacks them.
    pub(super) async fn write_there(
        self,
        there: Vec<ListedResource>,
        counts: &mut SyncCounts,
    ) -> Result<bool> {
        let distinct: BTreeMap<String, ListedResource> = there
            .into_iter()
            .map(|resource| (resource.provider_id.clone(), resource))
            .collect();
        let listed = Resources::new(self.provider(), self.kind, distinct.into_values())?;
        let differing = Differing::all_of(listed.len());
        self.write_listed(&listed, &differing, counts).await
    }

    /// Marks resources as gone, after the provider has confirmed that.
    pub(super) async fn write_gone(self, gone: &[Uuid], counts: &mut SyncCounts) -> Result<bool> {
        for chunk in gone.chunks(CHUNK) {
            if !self.write(Chunk::Gone(chunk), counts).await? {
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
                update_in_txn(&txn, self.address(), stamp).await?;
                Ok(true)
            })
            .await
    }

    /// Writes a chunk.
    async fn write(self, chunk: Chunk<'_>, counts: &mut SyncCounts) -> Result<bool> {
        let written = self
            .db()
            .write_txn(|txn| async move {
                lists::plan_by_index_in_txn(&txn).await?;
                if !self.holds_in_txn(&txn).await? {
                    return Ok(None);
                }
                let plan = self.plan_in_txn(&txn, chunk).await?;
                let (nameless, now) = (plan.nameless, self.db().time(&*txn).await?);
                let written = write_in_txn(&txn, self.address(), (plan, self.before), now).await?;
                Ok(Some((written, nameless)))
            })
            .await?;
        let Some((written, nameless)) = written else {
            return Ok(false);
        };
        counts.skipped += nameless;
        counts.discovered += written.discovered;
        counts.changed += written.changed;
        counts.gone += written.gone;
        Ok(true)
    }

    /// Returns the changes of the chunk. The rows that it changes are locked in the order of ids.
    async fn plan_in_txn(self, txn: &DatabaseTransaction, chunk: Chunk<'_>) -> Result<Plan> {
        let listed = match chunk {
            Chunk::Listed(listed) => listed,
            Chunk::Gone(ids) => {
                return Ok(Plan {
                    changes: present_in_txn(txn, ids, self.source())
                        .await?
                        .into_iter()
                        .map(InventoryChange::Gone)
                        .collect(),
                    ..Plan::default()
                });
            }
        };
        let ids = listed.iter().map(|one| one.resource.provider_id.as_str());
        let select = of_listed(txn, self.provider(), self.kind, ids).lock(LockType::NoKeyUpdate);
        let (mut stored, nameless) = read(txn, select).await?;
        // The scan has reported the resources of other sources. One may have been claimed since.
        let is_foreign = |known: &StoredResource| {
            ownership(&known.source, known.seen && !known.gone, self.source()) == Ownership::Foreign
        };
        let foreign: BTreeSet<String> = stored
            .extract_if(.., |known| is_foreign(known))
            .map(|known| known.provider_id)
            .collect();
        let known: Vec<(Uuid, String)> = stored
            .iter()
            .map(|known| (known.id, known.provider_id.clone()))
            .collect();
        let resources = listed.iter().map(|one| &one.resource);
        let is_left_out = |id: &String| nameless.contains(id) || foreign.contains(id);
        let named = resources.filter(|resource| !is_left_out(&resource.provider_id));
        let traits = traits::rules(self.provider(), self.kind);
        let named: Vec<&ListedResource> = named.collect();
        let changes = plan_kind(&stored, named, &traits);
        let values = values_of(&stored, &changes, &traits);
        let changed: BTreeSet<Uuid> = changes.iter().filter_map(InventoryChange::row).collect();
        Ok(Plan {
            changes,
            values,
            same: known
                .into_iter()
                .filter(|(id, _)| !changed.contains(id))
                .collect(),
            digests: listed
                .iter()
                .map(|one| (one.resource.provider_id.clone(), one.digest))
                .collect(),
            nameless: nameless.len() as u64,
        })
    }

    /// Locks the kind and returns whether no later listing has claimed it.
    async fn holds_in_txn(self, txn: &DatabaseTransaction) -> Result<bool> {
        let last = locks::listing_in_txn(txn, self.source(), self.provider(), self.kind).await?;
        Ok(last.is(self.all.place.number))
    }

    pub(super) fn db(&self) -> &Db {
        self.all.db
    }

    pub(super) fn provider(&self) -> &str {
        &self.all.listing.provider
    }

    pub(super) fn source(&self) -> &str {
        self.all.source
    }

    /// Returns the source, the provider and the name of the kind.
    fn address(&self) -> (&str, &str, &str) {
        (self.source(), self.provider(), self.kind)
    }
}

/// Reads the next resources that differ, as many as one transaction writes.
fn next_chunk(
    listed: &Resources,
    differing: &Differing,
    keys: &mut impl Iterator<Item = (usize, Result<Key>)>,
) -> Result<Vec<Digested>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some((number, key)) = keys.next() else {
            break;
        };
        let key = key?;
        if differing.contains(number) {
            bytes += key.bytes;
            chunk.push(Digested {
                resource: listed.read(&key)?,
                digest: key.digest,
            });
        }
    }
    Ok(chunk)
}

async fn update_in_txn(
    txn: &DatabaseTransaction,
    (source, provider, kind): (&str, &str, &str),
    stamp: kinds::ActiveModel,
) -> Result<()> {
    kinds::Entity::update_many()
        .filter(kinds::Column::Source.eq(source))
        .filter(kinds::Column::Provider.eq(provider))
        .filter(kinds::Column::Kind.eq(kind))
        .set(stamp)
        .exec(txn)
        .await?;
    Ok(())
}
