//! A sync: replace the inventory by what a provider lists.
//!
//! All kinds of one listing go in with one transaction, so that a listing that looks like a burnt-down cloud
//! changes nothing at all. Each kind is replaced under a lock on its row of `inventory_kinds`, and only by a
//! listing that began later than the one applied.

mod account;
mod confirm;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use entity::inventory_kinds::{self as kinds, ListingOutcome};
use entity::job_runs::JobOutcome;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::account::{check_account, take_over_in_txn};
use self::confirm::confirm_gone;
use self::write::write_in_txn;
use super::locks;
use crate::clock::Clock;
use crate::db::{Db, column, decode};
use crate::domain::admission::{is_comparable, keepable};
use crate::domain::inventory::{InventoryChange, StoredResource, is_mass_gone, plan_kind};
use crate::error::{Error, Result};
use crate::provider::{InventoryProvider, KindListing, Listing, check_listing};

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncCounts {
    /// Resources in the listing.
    pub resources: u64,
    /// Resources that were listed for the first time, or again.
    pub discovered: u64,
    /// Resources with other content.
    pub changed: u64,
    /// Resources that are not listed any more.
    pub gone: u64,
    /// Kinds that were left as they are, because a later listing of them was applied before.
    pub superseded: u64,
    /// Resources left as they are, because the id of their row does not decode.
    pub skipped: u64,
    /// What came of each kind.
    pub kinds: BTreeMap<String, KindReport>,
}

/// What came of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindReport {
    /// `complete`, `incomplete` or `not_readable`.
    pub outcome: String,
    /// Resources that were listed, if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<u64>,
    /// Why not all could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is not known of them although all could be read, and why: it stays as it was last known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl SyncCounts {
    /// SUCCEEDED if every kind and every row could be read, FAILED if no kind could, else PARTIAL.
    pub fn outcome(&self) -> JobOutcome {
        let complete = self.kinds.values().filter(|kind| kind.reason.is_none()).count();
        match complete {
            all if all == self.kinds.len() && self.skipped == 0 => JobOutcome::Succeeded,
            0 if !self.kinds.is_empty() => JobOutcome::Failed,
            _ => JobOutcome::Partial,
        }
    }
}

/// How a sync goes about it.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// Only these kinds; all of the provider when absent.
    pub kinds: Option<BTreeSet<String>>,
    /// Goes through with a listing that lacks more than half of a kind.
    pub allow_mass_gone: bool,
    /// Goes through with a listing of another account, or of none, than the stored inventory is of.
    pub allow_other_account: bool,
}

/// A sync that failed and changed nothing.
#[derive(Debug)]
pub struct FailedSync {
    /// Why.
    pub error: Error,
    /// What had come of each kind until then; empty if nothing was listed.
    pub kinds: BTreeMap<String, KindReport>,
}

impl From<Error> for FailedSync {
    fn from(error: Error) -> Self {
        Self {
            error,
            kinds: BTreeMap::new(),
        }
    }
}

/// Lists what the provider has and replaces the stored inventory by it, kind by kind: whole or not at all.
///
/// BAD_USER_INPUT if the options name a kind that nobody has heard of or the listing holds something that
/// may not enter, UPSTREAM_UNAVAILABLE if the provider does not answer, answers for another account, or
/// lacks more of a kind than is believable. Then nothing changes.
pub async fn sync(
    db: &Db,
    provider: &dyn InventoryProvider,
    options: &SyncOptions,
    clock: &Clock,
) -> Result<SyncCounts, FailedSync> {
    let account = provider.account().await?;
    if let Some(account) = &account {
        check_account(db.reader(), &account.provider, Some(&account.id), options).await?;
    }
    let mut listing = provider.list(options.kinds.as_ref(), clock.now()).await?;
    listing.account = account.map(|account| account.id);
    // Who names a kind that there is not asked for nothing.
    let kinds = kinds_to_apply(db.reader(), &listing, options).await?;
    let replaced = replace(db, provider, kinds, &mut listing, options, clock).await;
    replaced.map_err(|error| FailedSync {
        error,
        kinds: reports_of(&listing),
    })
}

async fn replace(
    db: &Db,
    provider: &dyn InventoryProvider,
    kinds: BTreeSet<String>,
    listing: &mut Listing,
    options: &SyncOptions,
    clock: &Clock,
) -> Result<SyncCounts> {
    check_listing(listing)?;
    // Before anybody is asked for what it lacks, which is everything if it is of another account.
    check_account(
        db.reader(),
        &listing.provider,
        listing.account.as_deref(),
        options,
    )
    .await?;
    let confirmed = confirm_gone(db, provider, kinds, listing, options).await?;
    apply_listing(db, listing, &confirmed, options, clock.now()).await
}

/// What an earlier listing had. What only an import knows of was never there, so that importing before the
/// first sync is as good as after it.
fn there(stored: &[StoredResource]) -> impl Iterator<Item = &StoredResource> {
    stored.iter().filter(|known| known.seen && !known.gone)
}

fn check_mass_gone(kind: &str, gone: usize, present: usize, options: &SyncOptions) -> Result<()> {
    if !is_mass_gone(gone, present) || options.allow_mass_gone {
        return Ok(());
    }
    Err(Error::Upstream(format!(
        "{gone} of {present} resources of the kind {kind} are not listed any more; nothing was changed. \
         If that is right, run: drift-inbox sync --allow-mass-gone"
    )))
}

/// Replaces the stored inventory by `listing`. Of the resources that it lacks, those in `confirmed` go.
pub async fn apply_listing(
    db: &Db,
    listing: &Listing,
    confirmed: &BTreeSet<(String, String)>,
    options: &SyncOptions,
    now: DateTime<Utc>,
) -> Result<SyncCounts> {
    db.write_txn(|txn| async move { apply_in_txn(&txn, listing, confirmed, options, now).await })
        .await
}

async fn apply_in_txn(
    txn: &DatabaseTransaction,
    listing: &Listing,
    confirmed: &BTreeSet<(String, String)>,
    options: &SyncOptions,
    now: DateTime<Utc>,
) -> Result<SyncCounts> {
    let mut counts = SyncCounts::default();
    let mut changes = Vec::new();
    let mut applied = BTreeMap::new();
    for kind in kinds_to_apply(txn, listing, options).await? {
        let began = locks::kind_in_txn(txn, &listing.provider, &kind).await?;
        applied.insert(kind, began);
    }
    // Again, now that nobody else can apply a listing of these kinds.
    check_account(txn, &listing.provider, listing.account.as_deref(), options).await?;
    if options.allow_other_account {
        take_over_in_txn(txn, listing).await?;
    }
    for (kind, applied) in applied {
        let none = KindListing::Complete(Vec::new());
        let came_of_it = listing.kinds.get(&kind).unwrap_or(&none);
        let report = report_of(came_of_it, listing.notes.get(&kind));
        if applied.is_some_and(|applied| applied >= listing.started_at) {
            counts.superseded += 1;
            continue;
        }
        stamp_kind_in_txn(txn, listing, &kind, came_of_it, now).await?;
        counts.kinds.insert(kind.clone(), report);
        let KindListing::Complete(listed) = came_of_it else {
            continue;
        };
        counts.resources += listed.len() as u64;
        let (stored, nameless) = stored(txn, &listing.provider, &kind).await?;
        counts.skipped += nameless.len() as u64;
        let listed = listed
            .iter()
            .filter(|resource| !nameless.contains(&resource.provider_id));
        let there: BTreeSet<Uuid> = there(&stored).map(|known| known.id).collect();
        let ids: BTreeMap<Uuid, String> = stored
            .iter()
            .map(|known| (known.id, known.provider_id.clone()))
            .collect();
        let mut plan = plan_kind(stored, listed);
        // What came in since the provider was asked is left to the next sync.
        plan.retain(|change| match change {
            InventoryChange::Gone(id) => ids
                .get(id)
                .is_some_and(|provider_id| confirmed.contains(&(kind.clone(), provider_id.clone()))),
            _ => true,
        });
        let gone = plan
            .iter()
            .filter(|change| matches!(change, InventoryChange::Gone(id) if there.contains(id)))
            .count();
        check_mass_gone(&kind, gone, there.len(), options)?;
        changes.extend(plan.into_iter().map(|change| (kind.clone(), change)));
    }
    // Rows are locked in the order of ids, as everywhere; new ones come last.
    changes.sort_by_key(|(_, change)| match change {
        InventoryChange::Insert(_) => Uuid::max(),
        InventoryChange::Discover(id, _) | InventoryChange::Update { id, .. } | InventoryChange::Gone(id) => {
            *id
        }
    });
    write_in_txn(txn, &listing.provider, changes, now, &mut counts).await?;
    Ok(counts)
}

fn reports_of(listing: &Listing) -> BTreeMap<String, KindReport> {
    let report = |(kind, came_of_it): (&String, &KindListing)| {
        (kind.clone(), report_of(came_of_it, listing.notes.get(kind)))
    };
    listing.kinds.iter().map(report).collect()
}

fn report_of(came_of_it: &KindListing, note: Option<&String>) -> KindReport {
    let (outcome, resources, reason) = match came_of_it {
        KindListing::Complete(listed) => ("complete", Some(listed.len() as u64), None),
        KindListing::Incomplete(why) => ("incomplete", None, Some(why.clone())),
        KindListing::NotReadable(why) => ("not_readable", None, Some(why.clone())),
    };
    KindReport {
        outcome: outcome.to_owned(),
        resources,
        reason: reason.as_deref().map(keepable),
        note: note.map(String::as_str).map(keepable),
    }
}

/// The kinds of the listing and, if it speaks for all, those that are stored: one that it lacks is empty.
async fn kinds_to_apply<C: ConnectionTrait>(
    connection: &C,
    listing: &Listing,
    options: &SyncOptions,
) -> Result<BTreeSet<String>> {
    let mut known: BTreeSet<String> = listing.kinds.keys().cloned().collect();
    if listing.exhaustive {
        let stored: Vec<String> = resources::Entity::find()
            .select_only()
            .column(resources::Column::Kind)
            .filter(resources::Column::Provider.eq(&listing.provider))
            .distinct()
            .into_tuple()
            .all(connection)
            .await?;
        known.extend(stored);
    }
    let Some(wanted) = &options.kinds else {
        return Ok(known);
    };
    match wanted.difference(&known).next() {
        Some(unknown) => Err(Error::BadUserInput(format!(
            "there is no kind {unknown:?} in the inventory"
        ))),
        None => Ok(wanted.clone()),
    }
}

/// Says in the kind's row, which is locked, what came of it.
async fn stamp_kind_in_txn(
    txn: &DatabaseTransaction,
    listing: &Listing,
    kind: &str,
    came_of_it: &KindListing,
    now: DateTime<Utc>,
) -> Result<()> {
    let stamp = match came_of_it {
        KindListing::Complete(_) => kinds::ActiveModel {
            account: Set(listing.account.clone()),
            listing_started_at: Set(Some(listing.started_at)),
            completed_at: Set(Some(now)),
            outcome: Set(Some(ListingOutcome::Complete)),
            ..Default::default()
        },
        // The last inventory stands, and with it when it was complete.
        KindListing::Incomplete(_) => kinds::ActiveModel {
            outcome: Set(Some(ListingOutcome::Incomplete)),
            ..Default::default()
        },
        KindListing::NotReadable(_) => kinds::ActiveModel {
            outcome: Set(Some(ListingOutcome::NotReadable)),
            ..Default::default()
        },
    };
    kinds::Entity::update_many()
        .filter(kinds::Column::Provider.eq(&listing.provider))
        .filter(kinds::Column::Kind.eq(kind))
        .set(stamp)
        .exec(txn)
        .await?;
    Ok(())
}

/// Reads what is stored of a kind, in the order of ids, and the provider's ids of rows whose own id does not
/// decode, which nothing can be written to. The lock on the kind keeps other syncs out, so rows that did not
/// change need none.
async fn stored<C: ConnectionTrait>(
    connection: &C,
    provider: &str,
    kind: &str,
) -> Result<(Vec<StoredResource>, BTreeSet<String>)> {
    let select = resources::Entity::find()
        .filter(resources::Column::Provider.eq(provider))
        .filter(resources::Column::Kind.eq(kind))
        .order_by_asc(resources::Column::Id);
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let (mut stored, mut nameless) = (Vec::with_capacity(rows.len()), BTreeSet::new());
    for row in &rows {
        let provider_id = row.try_get("", "provider_id")?;
        let whole = decode::<resources::Model>(row, "").filter(|row| is_comparable(&row.attrs));
        match column(row, "", "id") {
            Ok(id) => stored.push(StoredResource {
                id,
                provider_id,
                gone: is_set(row, "gone_at"),
                seen: is_set(row, "first_seen_at"),
                row: whole,
            }),
            Err(_) => _ = nameless.insert(provider_id),
        }
    }
    Ok((stored, nameless))
}

/// Whether the column holds anything, be it a time that does not decode.
fn is_set(row: &QueryResult, name: &str) -> bool {
    !matches!(column::<Option<DateTime<Utc>>>(row, "", name), Ok(None))
}

/// When each of these kinds was last listed as a whole, in one statement.
pub async fn synced_at_of<C: ConnectionTrait>(
    connection: &C,
    wanted: &[(String, String)],
) -> Result<BTreeMap<(String, String), DateTime<Utc>>> {
    let names: BTreeSet<&String> = wanted.iter().map(|(_, kind)| kind).collect();
    let select = kinds::Entity::find()
        .select_only()
        .columns([
            kinds::Column::Provider,
            kinds::Column::Kind,
            kinds::Column::CompletedAt,
        ])
        .filter(kinds::Column::Kind.is_in(names));
    let rows = connection
        .query_all_raw(select.build(connection.get_database_backend()))
        .await?;
    let text = |row: &QueryResult, name| column::<String>(row, "", name).ok();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let kind = (text(row, "provider")?, text(row, "kind")?);
            Some((kind, column(row, "", "completed_at").ok().flatten()?))
        })
        .collect())
}
