//! A sync: replace the inventory by what a provider lists.
//!
//! Before anything is written, all kinds are compared with what is stored, so that a listing that looks like a
//! burnt-down cloud changes nothing at all. Then each kind is written in chunks, and only by a listing that began
//! later than the one applied. What a complete listing lacks is asked for, and goes when the provider says so.

mod account;
mod apply;
mod confirm;
mod order;
mod stored;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_resources as resources;
use entity::inventory_kinds as kinds;
use entity::job_runs::JobOutcome;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait};
use serde::{Deserialize, Serialize};

use self::account::check_account;
use self::apply::{Applying, Claimed};
use self::confirm::{Asking, Confirmed};
pub use self::order::draw;
use self::stored::{Missing, Scan, scan};
use crate::db::{Db, column};
use crate::domain::inventory::{LastListing, ListedResource, Place, Precedence, is_mass_gone, precedence};
use crate::domain::sweep::Pair;
use crate::domain::validation::storable;
use crate::error::{Error, Result};
use crate::provider::{InventoryProvider, KindListing, Listing, check_listing};

/// How often the inventory is compared with a listing, if other syncs change it meanwhile.
const COMPARISONS: u32 = 5;

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
    /// `complete`, `incomplete`, `not_readable` or `superseded`.
    pub outcome: String,
    /// Resources that were listed, if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<u64>,
    /// Resources that are not listed and of which the provider did not say that they are gone: they stay as they
    /// were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<u64>,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is not known of them although all could be read, and why: it stays as it was last known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Fields that specs may set and that could not be read of any or some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_fields: Vec<String>,
}

impl SyncCounts {
    /// SUCCEEDED if every kind, every field that specs may set, and every row could be read; FAILED if no kind was
    /// written; else PARTIAL.
    pub fn outcome(&self) -> JobOutcome {
        let complete = |kind: &&KindReport| kind.reason.is_none() && kind.unread_fields.is_empty();
        let written = |kind: &KindReport| kind.resources.is_some();
        if self.skipped == 0 && self.kinds.values().filter(complete).count() == self.kinds.len() {
            JobOutcome::Succeeded
        } else if self.kinds.values().any(written) {
            JobOutcome::Partial
        } else {
            JobOutcome::Failed
        }
    }

    /// Why the sync failed, if it did.
    pub fn failure(&self) -> Option<String> {
        let why = match self.outcome() {
            JobOutcome::Failed if self.superseded > 0 => {
                "no kind was changed: later listings are already stored"
            }
            JobOutcome::Failed => "no kind could be listed",
            _ => return None,
        };
        Some(why.to_owned())
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

/// A sync that failed.
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

/// Lists what the provider has and replaces the stored inventory by it, kind by kind.
///
/// # Errors
///
/// BAD_USER_INPUT if the options name an unknown kind or the listing holds something that may not enter,
/// UPSTREAM_UNAVAILABLE if the provider does not answer, answers for another account, or lacks more of a kind
/// than is believable: then nothing changes. A database that fails in the middle leaves what was written so far.
pub async fn sync(
    db: &Db,
    provider: &dyn InventoryProvider,
    options: &SyncOptions,
) -> Result<SyncCounts, FailedSync> {
    let account = provider.account().await?;
    if let Some(account) = &account {
        check_account(db.reader(), &account.provider, Some(&account.id), options).await?;
    }
    let place = draw(db).await?;
    let mut listing = provider.list(options.kinds.as_ref(), place.began_at).await?;
    listing.account = account.map(|account| account.id);
    apply_listing(db, provider, &listing, place, options).await
}

/// Replaces the stored inventory by `listing`, which has this place in the order of listings. The provider is
/// asked for each resource that the listing lacks.
///
/// # Errors
///
/// Those of [`sync`], but for the listing itself.
pub async fn apply_listing(
    db: &Db,
    provider: &dyn InventoryProvider,
    listing: &Listing,
    place: Place,
    options: &SyncOptions,
) -> Result<SyncCounts, FailedSync> {
    let kinds = kinds_to_apply(db.reader(), listing, options).await?;
    let applying = Applying {
        db,
        listing,
        place,
        options,
    };
    let mut reports = reports_of(listing, &kinds);
    match apply(applying, provider, &kinds, &mut reports).await {
        Ok(counts) => Ok(SyncCounts {
            kinds: reports,
            ..counts
        }),
        Err(error) => Err(FailedSync {
            error,
            kinds: reports,
        }),
    }
}

type Reports = BTreeMap<String, KindReport>;

async fn apply(
    applying: Applying<'_>,
    provider: &dyn InventoryProvider,
    kinds: &BTreeSet<String>,
    reports: &mut Reports,
) -> Result<SyncCounts> {
    let mut counts = SyncCounts::default();
    let (mut scans, claims) = compare_and_claim(applying, kinds, reports).await?;
    for (kind, claimed) in &claims {
        match claimed {
            Claimed::Yes => {}
            Claimed::OverOneAheadOfTime(began) => note_ahead_of_time(kind, *began, reports),
            Claimed::Superseded => {
                scans.remove(kind);
                supersede(kind, &mut counts, reports);
            }
        }
    }
    let mut unanswered = Vec::new();
    for (kind, scan) in scans {
        let Ok(listed) = listed_of(applying.listing, &kind) else {
            continue;
        };
        counts.skipped += scan.nameless;
        let written = applying.of_kind(&kind).write_listed(listed, &mut counts).await;
        if !incomplete_on_error(&kind, written, reports)? {
            supersede(&kind, &mut counts, reports);
            continue;
        }
        counts.resources += listed.len() as u64;
        unanswered.push((kind, scan.missing));
    }
    // The kind that lacks least comes first: none waits for one that takes all the time that there is.
    unanswered.sort_by_key(|(_, missing)| missing.len());
    let mut asking = Asking::new(provider);
    for (kind, mut missing) in unanswered {
        rotate(&mut missing, applying.place);
        let confirmed = confirm_and_finish(applying, &mut asking, &kind, &missing, &mut counts).await;
        match incomplete_on_error(&kind, confirmed, reports)? {
            Some(confirmed) => report_confirmed(&kind, &confirmed, &mut counts, reports),
            None => supersede(&kind, &mut counts, reports),
        }
    }
    Ok(counts)
}

/// Compares every kind with what is stored, and claims all of them if nothing else was applied meanwhile.
async fn compare_and_claim(
    applying: Applying<'_>,
    kinds: &BTreeSet<String>,
    reports: &mut Reports,
) -> Result<(BTreeMap<String, Scan>, BTreeMap<String, Claimed>)> {
    let Applying {
        db, listing, options, ..
    } = applying;
    check_listing(listing)?;
    check_account(
        db.reader(),
        &listing.provider,
        listing.account.as_deref(),
        options,
    )
    .await?;
    for _ in 0..COMPARISONS {
        let seen = order::last_listings(db.reader(), &listing.provider).await?;
        let mut scans = compare(applying, kinds, &seen, reports).await?;
        if let Some(claims) = applying.claim(kinds, &seen).await? {
            compare_again(applying, &mut scans, &seen, reports).await?;
            return Ok((scans, claims));
        }
    }
    Err(Error::Upstream(
        "other syncs kept changing the same kinds; nothing was changed".to_owned(),
    ))
}

/// What each complete kind would change. UPSTREAM_UNAVAILABLE if too much of one would go.
async fn compare(
    applying: Applying<'_>,
    kinds: &BTreeSet<String>,
    seen: &BTreeMap<String, LastListing>,
    reports: &mut Reports,
) -> Result<BTreeMap<String, Scan>> {
    let Applying { db, listing, .. } = applying;
    let now = db.time(db.reader()).await?;
    let mut scans = BTreeMap::new();
    for kind in kinds {
        let last = seen.get(kind).copied().unwrap_or_default();
        let superseded = precedence(&last, &applying.place, now) == Precedence::Superseded;
        let Some(listed) = listed_of(listing, kind).ok().filter(|_| !superseded) else {
            continue;
        };
        let scanned = guarded_scan(applying, kind, listed, &last).await;
        scans.insert(kind.clone(), incomplete_on_error(kind, scanned, reports)?);
    }
    Ok(scans)
}

/// Replaces the scans of kinds to which an earlier sync could still write until they were claimed: what it wrote
/// between scan and claim may be resources that this listing lacks.
async fn compare_again(
    applying: Applying<'_>,
    scans: &mut BTreeMap<String, Scan>,
    seen: &BTreeMap<String, LastListing>,
    reports: &mut Reports,
) -> Result<()> {
    for (kind, scan) in scans {
        let Some(last) = seen.get(kind).filter(|last| !last.applied) else {
            continue;
        };
        if let Ok(listed) = listed_of(applying.listing, kind) {
            let scanned = guarded_scan(applying, kind, listed, last).await;
            *scan = incomplete_on_error(kind, scanned, reports)?;
        }
    }
    Ok(())
}

/// Compares a kind with what is stored. UPSTREAM_UNAVAILABLE if too much of it would go.
async fn guarded_scan(
    applying: Applying<'_>,
    kind: &str,
    listed: &[ListedResource],
    last: &LastListing,
) -> Result<Scan> {
    let Applying {
        db, listing, options, ..
    } = applying;
    let scan = scan(db.reader(), &listing.provider, kind, listed).await?;
    // What the listing before was let to lack needs no second permission: to confirm it may take several syncs.
    let newly_missing = scan.missing_and_seen().saturating_sub(last.unconfirmed);
    check_mass_gone(kind, newly_missing, scan.present, options)?;
    Ok(scan)
}

/// None if a later listing has claimed the kind.
async fn confirm_and_finish(
    applying: Applying<'_>,
    asking: &mut Asking<'_>,
    kind: &str,
    missing: &[Missing],
    counts: &mut SyncCounts,
) -> Result<Option<Confirmed>> {
    let kind = applying.of_kind(kind);
    let Some(confirmed) = asking.confirm(kind, missing, counts).await? else {
        return Ok(None);
    };
    let is_whole = confirmed.unconfirmed() == 0;
    let finished = kind.finish(is_whole, confirmed.unconfirmed_and_seen).await?;
    Ok(finished.then_some(confirmed))
}

/// Begins elsewhere in every run, so that resources without an answer keep no others from being asked for.
fn rotate(missing: &mut [Missing], place: Place) {
    if let Some(first) = place
        .number
        .wrapping_mul(7_919)
        .checked_rem_euclid(missing.len() as i64)
    {
        missing.rotate_left(first.unsigned_abs() as usize);
    }
}

/// The resources of a kind, if all of them are listed; else what came of it.
fn listed_of<'l>(listing: &'l Listing, kind: &str) -> Result<&'l [ListedResource], &'l KindListing> {
    match listing.kinds.get(kind) {
        Some(KindListing::Complete(listed)) => Ok(listed),
        Some(unread) => Err(unread),
        // An exhaustive listing that lacks a stored kind says that there is nothing of it.
        None => Ok(&[]),
    }
}

fn supersede(kind: &str, counts: &mut SyncCounts, reports: &mut Reports) {
    counts.superseded += 1;
    let why = "a later listing is already stored".to_owned();
    let report = KindReport {
        outcome: "superseded".to_owned(),
        resources: None,
        unconfirmed: None,
        reason: Some(why),
        note: None,
        unread_fields: Vec::new(),
    };
    reports.insert(kind.to_owned(), report);
}

/// The inventory must not freeze because the clock of one server was wrong once.
fn note_ahead_of_time(kind: &str, began: DateTime<Utc>, reports: &mut Reports) {
    tracing::warn!(kind, %began, "the stored listing began in the future and is replaced");
    if let Some(report) = reports.get_mut(kind) {
        let note = format!(
            "its last listing was stored with a start in the future, {}, because the clock of a server \
             was wrong; it was replaced",
            began.to_rfc3339()
        );
        report.note = Some(match report.note.take() {
            Some(before) => format!("{before}; {note}"),
            None => note,
        });
    }
}

fn report_confirmed(kind: &str, confirmed: &Confirmed, counts: &mut SyncCounts, reports: &mut Reports) {
    counts.resources += confirmed.there;
    let Some(report) = reports.get_mut(kind) else {
        return;
    };
    report.resources = report.resources.map(|listed| listed + confirmed.there);
    if let Some(why) = confirmed.reason() {
        tracing::warn!(kind, why, "kind.unconfirmed");
        report.outcome = "incomplete".to_owned();
        report.unconfirmed = Some(confirmed.unconfirmed());
        report.reason = Some(storable(&why));
    }
}

/// An error that ends the run stands in the report of the kind where it was.
fn incomplete_on_error<T>(kind: &str, done: Result<T>, reports: &mut Reports) -> Result<T> {
    if let Err(error) = &done {
        let why = KindListing::Incomplete(error.public_message());
        reports.insert(kind.to_owned(), report_of(Err(&why), None));
    }
    done
}

fn check_mass_gone(kind: &str, gone: usize, present: usize, options: &SyncOptions) -> Result<()> {
    if !is_mass_gone(gone, present) || options.allow_mass_gone {
        return Ok(());
    }
    Err(Error::Upstream(format!(
        "{gone} of {present} resources of the kind {kind} are no longer listed; nothing was changed. If \
         that is intended, run: drift-inbox sync --allow-mass-gone"
    )))
}

fn reports_of(listing: &Listing, kinds: &BTreeSet<String>) -> Reports {
    let report = |kind: &String| {
        let mut report = report_of(listed_of(listing, kind), listing.notes.get(kind));
        let unread = listing.unread_fields.get(kind).into_iter().flatten();
        report.unread_fields = unread.map(|&field| field.to_owned()).collect();
        (kind.clone(), report)
    };
    kinds.iter().map(report).collect()
}

fn report_of(result: Result<&[ListedResource], &KindListing>, note: Option<&String>) -> KindReport {
    let (outcome, resources, reason) = match result {
        Ok(listed) => ("complete", Some(listed.len() as u64), None),
        Err(KindListing::Complete(_)) => ("complete", None, None),
        Err(KindListing::Incomplete(why)) => ("incomplete", None, Some(why)),
        Err(KindListing::NotReadable(why)) => ("not_readable", None, Some(why)),
    };
    KindReport {
        outcome: outcome.to_owned(),
        resources,
        unconfirmed: None,
        reason: reason.map(|why| storable(why)),
        note: note.map(String::as_str).map(storable),
        unread_fields: Vec::new(),
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
        Some(unknown) => Err(Error::BadUserInput(format!("unknown kind {unknown:?}"))),
        None => Ok(wanted.clone()),
    }
}

/// Adds when the kind was last listed as a whole, where the resource is in a passing state: elsewhere it does not
/// matter.
///
/// # Errors
///
/// A database that fails.
pub(crate) async fn add_listed_at<'p, C: ConnectionTrait>(
    connection: &C,
    pairs: impl Iterator<Item = &'p mut Pair>,
) -> Result<()> {
    let mut settling: Vec<&mut Pair> = pairs
        .filter(|pair| pair.resource.settling_since.is_some())
        .collect();
    if settling.is_empty() {
        return Ok(());
    }
    let kinds: Vec<(String, String)> = settling.iter().map(|pair| kind_of(&pair.resource)).collect();
    let listed = synced_at_of(connection, &kinds).await?;
    for pair in &mut settling {
        pair.listed_at = listed.get(&kind_of(&pair.resource)).copied();
    }
    Ok(())
}

/// When the kind of a resource in a passing state was last listed as a whole.
///
/// # Errors
///
/// A database that fails.
pub(crate) async fn listed_at<C: ConnectionTrait>(
    connection: &C,
    resource: &resources::Model,
) -> Result<Option<DateTime<Utc>>> {
    if resource.settling_since.is_none() {
        return Ok(None);
    }
    let kind = kind_of(resource);
    let mut listed = synced_at_of(connection, std::slice::from_ref(&kind)).await?;
    Ok(listed.remove(&kind))
}

fn kind_of(resource: &resources::Model) -> (String, String) {
    (resource.provider.clone(), resource.kind.clone())
}

/// When each of these kinds was last listed as a whole, in one statement.
pub(crate) async fn synced_at_of<C: ConnectionTrait>(
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
