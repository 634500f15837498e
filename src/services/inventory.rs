//! Syncs: they list a provider and store the result as the inventory.
//!
//! Before the first write, all kinds are compared with the stored rows, so that a listing that lacks too many resources
//! changes nothing. Then each kind is written in chunks, unless a newer listing of it is already stored. A stored
//! resource that a complete listing lacks is gone only if the provider confirms that.

mod account;
mod apply_listing;
mod confirm;
mod listed_at;
mod order;
pub(in crate::services) mod plan_rows;
mod read_stored;
mod reports;
mod seen;
mod unclaimed;
mod write_changes;

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;

use self::account::{check_account, check_expected};
use self::apply_listing::{Applying, Claimed, Kind};
use self::confirm::{Asking, Confirmed};
pub(crate) use self::listed_at::{ListedKind, add_listed_at, kind_of, listed_at, synced_at_of};
pub use self::order::draw;
use self::read_stored::{Missing, Scan, scan, stored_kinds};
pub(crate) use self::reports::problem_of;
pub use self::reports::{FailedSync, KindOutcome, KindReport, SyncCounts};
use self::reports::{
    Reports, incomplete_on_error, note_ahead_of_time, report_confirmed, report_foreign, reports_of, supersede,
};
use crate::db::Db;
use crate::domain::inventory::{LastListing, Place, Precedence, is_mass_gone, precedence};
use crate::domain::inventory_changes::Before;
use crate::error::{Error, Result};
use crate::provider::{InventoryProvider, KindListing, Listing, Resources, check_listing};
use crate::services::cloud_actions;

/// Maximum number of attempts to compare and claim the kinds while other syncs change them.
const COMPARISONS: u32 = 5;

/// The options of a sync.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// The kinds to list; all kinds of the provider if not set.
    pub kinds: Option<BTreeSet<String>>,
    /// Accepts a listing that lacks more than half of a kind.
    pub allow_mass_gone: bool,
    /// Accepts a listing of an account other than that of the stored inventory.
    pub allow_other_account: bool,
    /// The account that the source must list; any if not set.
    pub account: Option<String>,
    /// The place in the order of listings, if the listing began before the sync.
    pub place: Option<Place>,
}

/// Name of the source of rows that no source has claimed: imports and releases without sources wrote them.
pub(crate) const UNCLAIMED: &str = "";

/// Lists the resources of the provider and replaces the inventory that the source stored with them, kind by kind.
///
/// # Errors
///
/// BAD_USER_INPUT if the options name an unknown kind or the listing contains a value that cannot be stored;
/// UPSTREAM_UNAVAILABLE if the provider does not answer, lists another account, or lacks more than half of a kind.
/// Nothing is changed then. If the database fails later, the chunks written before stay.
pub async fn sync(
    db: &Db,
    source: &str,
    provider: &dyn InventoryProvider,
    options: &SyncOptions,
) -> Result<SyncCounts, FailedSync> {
    let account = provider.account().await?;
    check_expected(options.account.as_deref(), account.as_ref())?;
    if let Some(account) = &account {
        check_account(db.reader(), source, &account.provider, Some(&account.id), options).await?;
    }
    let place = match options.place {
        Some(place) => place,
        None => draw(db).await?,
    };
    let mut listing = provider.list(options.kinds.as_ref(), place.began_at).await?;
    listing.account = account.map(|account| account.id);
    let mut counts = apply_listing(db, source, provider, &listing, place, options).await?;
    // After the resources, so that the log has what explains their changes.
    if options.kinds.is_none() {
        counts.actions = cloud_actions::read(db, source, provider, &listing.provider).await?;
    }
    Ok(counts)
}

/// Replaces the stored inventory with `listing`. `place` is its place in the order of listings. For each stored
/// resource that the listing lacks, the provider is queried whether it is gone.
///
/// # Errors
///
/// The errors of [`sync`], except those of listing the provider.
pub async fn apply_listing(
    db: &Db,
    source: &str,
    provider: &dyn InventoryProvider,
    listing: &Listing,
    place: Place,
    options: &SyncOptions,
) -> Result<SyncCounts, FailedSync> {
    let kinds = kinds_to_apply(db.reader(), listing, options).await?;
    let applying = Applying {
        db,
        source,
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

async fn apply(
    applying: Applying<'_>,
    provider: &dyn InventoryProvider,
    kinds: &BTreeSet<String>,
    reports: &mut Reports,
) -> Result<SyncCounts> {
    let mut counts = SyncCounts::default();
    let (mut scans, claims, seen) = compare_and_claim(applying, kinds, reports).await?;
    let before = |kind: &str| before(applying.listing, &seen, kind);
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
        let of_kind = applying.of_kind(&kind, before(&kind));
        let written = of_kind.write_listed(&listed, &scan.differing, &mut counts).await;
        if !incomplete_on_error(&kind, written, reports)? {
            supersede(&kind, &mut counts, reports);
            continue;
        }
        counts.resources += listed.len() as u64 - scan.foreign.count;
        report_foreign(&kind, (applying.source, &scan.foreign), reports);
        unanswered.push((kind, scan.missing, scan.foreign.count == 0));
    }
    // Kinds with the fewest missing resources come first, because a kind with many may use up the remaining time.
    unanswered.sort_by_key(|(_, missing, _)| missing.len());
    let mut asking = Asking::new(provider);
    for (kind, mut missing, is_own) in unanswered {
        rotate(&mut missing, applying.place);
        let of_kind = applying.of_kind(&kind, before(&kind));
        let confirmed = confirm_and_finish(of_kind, &mut asking, (&missing, is_own), &mut counts).await;
        match incomplete_on_error(&kind, confirmed, reports)? {
            Some(confirmed) => report_confirmed(&kind, &confirmed, &mut counts, reports),
            None => supersede(&kind, &mut counts, reports),
        }
    }
    Ok(counts)
}

/// Returns what is known of the listing of a kind before this one. A kind that an exhaustive listing has for the first time
/// had no resources before.
fn before(listing: &Listing, seen: &BTreeMap<String, LastListing>, kind: &str) -> Before {
    let last = seen.get(kind).copied().unwrap_or_default();
    let is_first = !listing.exhaustive || !seen.values().any(|last| last.completed);
    Before::of(&last, is_first)
}

/// Compares every kind with the stored rows and claims all kinds, and returns the last listings. Repeats this while other syncs change the kinds.
async fn compare_and_claim(
    applying: Applying<'_>,
    kinds: &BTreeSet<String>,
    reports: &mut Reports,
) -> Result<(
    BTreeMap<String, Scan>,
    BTreeMap<String, Claimed>,
    BTreeMap<String, LastListing>,
)> {
    let Applying {
        db,
        source,
        listing,
        options,
        ..
    } = applying;
    check_listing(listing)?;
    check_account(
        db.reader(),
        source,
        &listing.provider,
        listing.account.as_deref(),
        options,
    )
    .await?;
    unclaimed::claim_listed(applying, kinds).await?;
    for _ in 0..COMPARISONS {
        let seen = order::last_listings(db.reader(), source, &listing.provider).await?;
        let mut scans = compare(applying, kinds, &seen, reports).await?;
        if let Some(claims) = applying.claim(kinds, &seen).await? {
            compare_again(applying, &mut scans, &seen, reports).await?;
            return Ok((scans, claims, seen));
        }
    }
    Err(Error::Upstream(
        "other syncs kept changing the same kinds; nothing was changed".to_owned(),
    ))
}

/// Compares each completely listed kind with the stored rows. Fails with UPSTREAM_UNAVAILABLE if too many resources of
/// a kind would be gone.
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
        let scanned = guarded_scan(applying, kind, &listed, &last).await;
        scans.insert(kind.clone(), incomplete_on_error(kind, scanned, reports)?);
    }
    Ok(scans)
}

/// Repeats the scan of each kind whose last listing was not fully applied. The sync of that listing may have written
/// resources that this listing lacks, until this one claimed the kind.
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
            let scanned = guarded_scan(applying, kind, &listed, last).await;
            *scan = incomplete_on_error(kind, scanned, reports)?;
        }
    }
    Ok(())
}

/// Compares a kind with the stored rows. Fails with UPSTREAM_UNAVAILABLE if too many of its resources would be gone.
async fn guarded_scan(
    applying: Applying<'_>,
    kind: &str,
    listed: &Resources,
    last: &LastListing,
) -> Result<Scan> {
    let Applying {
        db,
        source,
        listing,
        options,
        ..
    } = applying;
    let mut scan = scan(db.reader(), (source, &listing.provider, kind), listed).await?;
    unclaimed::keep_judged(applying, kind, &mut scan.missing).await?;
    // Resources that the last listing lacked too are not counted again, because confirming them may take several syncs.
    let newly_missing = scan.missing_and_seen().saturating_sub(last.unconfirmed);
    check_mass_gone((source, kind), newly_missing, scan.present, options)?;
    Ok(scan)
}

/// Confirms the missing resources of a kind and finishes it. `is_own` is whether no other source lists a resource of the
/// listing. Returns None if a newer listing has claimed the kind.
async fn confirm_and_finish(
    kind: Kind<'_>,
    asking: &mut Asking<'_>,
    (missing, is_own): (&[Missing], bool),
    counts: &mut SyncCounts,
) -> Result<Option<Confirmed>> {
    let Some(confirmed) = asking.confirm(kind, missing, counts).await? else {
        return Ok(None);
    };
    let is_whole = is_own && confirmed.unconfirmed() == 0;
    let finished = kind.finish(is_whole, confirmed.unconfirmed_and_seen).await?;
    Ok(finished.then_some(confirmed))
}

/// Rotates the resources by the number of the listing, so that resources without an answer do not block others.
fn rotate(missing: &mut [Missing], place: Place) {
    if let Some(first) = place
        .number
        .wrapping_mul(7_919)
        .checked_rem_euclid(missing.len() as i64)
    {
        missing.rotate_left(first.unsigned_abs() as usize);
    }
}

/// Returns the resources of a completely listed kind, otherwise its listing as the error.
fn listed_of<'l>(listing: &'l Listing, kind: &str) -> Result<Resources, &'l KindListing> {
    match listing.kinds.get(kind) {
        Some(KindListing::Complete(listed)) => Ok(listed.clone()),
        Some(unread) => Err(unread),
        // An exhaustive listing without an entry for a stored kind means that the kind has no resources.
        None => Ok(Resources::default()),
    }
}

fn check_mass_gone(
    (source, kind): (&str, &str),
    gone: usize,
    present: usize,
    options: &SyncOptions,
) -> Result<()> {
    if !is_mass_gone(gone, present) || options.allow_mass_gone {
        return Ok(());
    }
    Err(Error::Upstream(format!(
        "{gone} of {present} resources of the kind {kind} are no longer listed; nothing was changed. If \
         that is intended, run: drift-inbox sync --source {source:?} --allow-mass-gone"
    )))
}

/// Returns the kinds to write: those in the options, otherwise those of the listing and, if it is exhaustive, all
/// stored kinds. Fails with BAD_USER_INPUT if the options name an unknown kind.
async fn kinds_to_apply<C: ConnectionTrait>(
    connection: &C,
    listing: &Listing,
    options: &SyncOptions,
) -> Result<BTreeSet<String>> {
    let mut known: BTreeSet<String> = listing.kinds.keys().cloned().collect();
    if listing.exhaustive {
        known.extend(stored_kinds(connection, &listing.provider).await?);
    }
    let Some(wanted) = &options.kinds else {
        return Ok(known);
    };
    match wanted.difference(&known).next() {
        Some(unknown) => Err(Error::BadUserInput(format!("unknown kind {unknown:?}"))),
        None => Ok(wanted.clone()),
    }
}
