//! The third step of a sweep: writes the planned changes of the pairs that have not changed since they were read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::marks::OwnChanges;
use super::plan::{Changing, LARGE_BYTES, counts_of};
use super::{Planned, SweepCounts, read};
use crate::db::{DatabaseTransaction, Db, lists};
use crate::error::Result;
use crate::services::{drift_rows, ignore_rules};

/// Maximum number of changes in one transaction, if their values are not large. A resource with more changes has a
/// transaction of its own.
const CHANGES: usize = 2_000;

/// The result of writing plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The counts, without the resources in `moved`.
    pub counts: SweepCounts,
    /// Resources for which nothing was written because their rows have changed since they were gathered.
    pub moved: Vec<Uuid>,
}

/// Writes planned changes in short transactions. Plans without changes need none.
///
/// # Errors
///
/// The database is unavailable.
pub async fn apply(db: &Db, planned: &Planned, now: DateTime<Utc>) -> Result<Applied> {
    let mut applied = Applied {
        counts: planned.done,
        moved: Vec::new(),
    };
    let mut rest = planned.changing.as_slice();
    while !rest.is_empty() {
        let (changing, after) = rest.split_at(length_of_chunk(rest));
        let written = db
            .write_txn(|txn| async move { apply_in_txn(&txn, changing, now).await })
            .await?;
        applied.counts += written.counts;
        applied.moved.extend(written.moved);
        rest = after;
    }
    Ok(applied)
}

/// Returns how many of the first pairs are written in one transaction.
fn length_of_chunk(changing: &[Changing]) -> usize {
    let (mut changes, mut bytes) = (0, 0);
    let fit = changing
        .iter()
        .take_while(|changing| {
            changes += changing.plan.changes.len();
            bytes += changing.bytes();
            changes <= CHANGES && bytes <= LARGE_BYTES
        })
        .count();
    fit.max(1)
}

async fn apply_in_txn(
    txn: &DatabaseTransaction,
    changing: &[Changing],
    now: DateTime<Utc>,
) -> Result<Applied> {
    let own = OwnChanges::begin_in_txn(txn).await?;
    let rules = ignore_rules::keep_revision_in_txn(txn).await?;
    let unchanged = lock_unchanged_in_txn(txn, changing).await?;
    let mut applied = Applied::default();
    let mut changes = Vec::new();
    for pair in changing {
        if pair.rules == rules && unchanged.contains(&pair.resource_id) {
            applied.counts += counts_of(&pair.plan);
            changes.extend(pair.plan.changes.iter().map(|change| (pair.resource_id, change)));
        } else {
            applied.moved.push(pair.resource_id);
        }
    }
    let written = drift_rows::write_in_txn(txn, &changes, now).await?;
    own.end_in_txn(txn).await?;
    applied.counts.opened = written.opened;
    applied.counts.changed = written.changed;
    applied.counts.staled = written.staled;
    applied.counts.ignored = written.ignored;
    Ok(applied)
}

/// Locks the rows that the plans were made from. Returns the resources whose rows have not changed since they were
/// gathered, whichever program may have changed them.
async fn lock_unchanged_in_txn(txn: &DatabaseTransaction, changing: &[Changing]) -> Result<BTreeSet<Uuid>> {
    let backend = txn.get_database_backend();
    let ids = || changing.iter().map(|pair| pair.resource_id);
    let versions = read::lock_versions_in_txn(txn, ids()).await?;
    let mut open_now: BTreeMap<Uuid, Vec<(Uuid, i32)>> = BTreeMap::new();
    for row in txn.query_all_raw(lock_open(backend, ids())).await? {
        let (id, revision) = (row.try_get("", "id")?, row.try_get("", "revision")?);
        let resource_id = row.try_get("", "resource_id")?;
        open_now.entry(resource_id).or_default().push((id, revision));
    }
    open_now.values_mut().for_each(|open| open.sort_unstable());
    Ok(changing
        .iter()
        .filter(|pair| {
            let id = &pair.resource_id;
            pair.seen
                .is_some_and(|seen| versions.get(id) == Some(&seen.version))
                && open_now.get(id).map_or(&[][..], Vec::as_slice) == pair.open
        })
        .map(|pair| pair.resource_id)
        .collect())
}

/// Locks the open drifts of resources, in the order of these ids. On PostgreSQL, because of the lock, the inner query
/// runs once per id and uses the index of open drifts, independent of the statistics of the planner.
fn lock_open(backend: DbBackend, ids: impl Iterator<Item = Uuid>) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT d.resource_id, d.id, d.revision FROM (SELECT unnest(CAST($1 AS uuid[])) AS id) v \
             CROSS JOIN LATERAL (SELECT resource_id, id, revision FROM cloud_drift \
             WHERE resource_id = v.id AND status = 'open' ORDER BY field FOR UPDATE) d"
        }
        _ => {
            "SELECT resource_id, id, revision FROM cloud_drift \
             WHERE resource_id IN (SELECT unhex(value) FROM json_each($1)) AND status = 'open'"
        }
    };
    Statement::from_sql_and_values(backend, sql, [lists::ids(backend, ids)])
}
