//! The third step of a sweep: writes the planned changes of the pairs that have not changed since they were read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::cloud_drift;
use entity::{cloud_provisioned as provisioned, cloud_resources};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::plan::counts_of;
use super::{Planned, SweepCounts};
use crate::db::Db;
use crate::domain::detection::{Pair, Plan};
use crate::error::Result;
use crate::services::drift_rows;
use crate::services::locks::{Lock, locked};

/// The result of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The counts, without the resources in `moved`.
    pub counts: SweepCounts,
    /// Resources for which nothing was written because their rows have changed since they were gathered.
    pub moved: Vec<Uuid>,
}

/// Writes the planned changes of a batch in one transaction. A batch without changes needs no transaction.
///
/// # Errors
///
/// The database is unavailable.
pub async fn apply(db: &Db, planned: &Planned<'_>, now: DateTime<Utc>) -> Result<Applied> {
    let mut applied = Applied::default();
    if !planned.changing.is_empty() {
        let changing = &planned.changing;
        applied = db
            .write_txn(|txn| async move { apply_in_txn(&txn, changing, now).await })
            .await?;
    }
    applied.counts += planned.done;
    Ok(applied)
}

async fn apply_in_txn(
    txn: &DatabaseTransaction,
    changing: &[(&Pair, Plan)],
    now: DateTime<Utc>,
) -> Result<Applied> {
    let unchanged = lock_unchanged_in_txn(txn, changing).await?;
    let mut applied = Applied::default();
    let mut changes = Vec::new();
    for (pair, plan) in changing {
        if unchanged.contains(&pair.resource.id) {
            applied.counts += counts_of(plan);
            changes.extend(plan.changes.iter().map(|change| (pair.resource.id, change)));
        } else {
            applied.moved.push(pair.resource.id);
        }
    }
    let written = drift_rows::write_in_txn(txn, &changes, now).await?;
    applied.counts.opened = written.opened;
    applied.counts.changed = written.changed;
    applied.counts.staled = written.staled;
    Ok(applied)
}

/// Locks the rows that the plans were made from, in the order of ids. Returns the resources whose rows have not
/// changed since they were gathered.
async fn lock_unchanged_in_txn(
    txn: &DatabaseTransaction,
    changing: &[(&Pair, Plan)],
) -> Result<BTreeSet<Uuid>> {
    let ids = || changing.iter().map(|(pair, _)| pair.resource.id);
    let resources = cloud_resources::Entity::find()
        .select_only()
        .columns([
            cloud_resources::Column::Id,
            cloud_resources::Column::Revision,
            cloud_resources::Column::GoneAt,
        ])
        .filter(cloud_resources::Column::Id.is_in(ids()))
        .order_by_asc(cloud_resources::Column::Id);
    let resources: BTreeMap<Uuid, (i32, bool)> = locked(resources, Lock::Share)
        .into_tuple::<(Uuid, i32, Option<DateTime<Utc>>)>()
        .all(txn)
        .await?
        .into_iter()
        .map(|(id, revision, gone_at)| (id, (revision, gone_at.is_some())))
        .collect();
    let specs = provisioned::Entity::find()
        .select_only()
        .columns([provisioned::Column::ResourceId, provisioned::Column::SpecVersion])
        .filter(provisioned::Column::ResourceId.is_in(ids()))
        .order_by_asc(provisioned::Column::ResourceId);
    let specs: BTreeMap<Uuid, i32> = locked(specs, Lock::Share)
        .into_tuple::<(Uuid, i32)>()
        .all(txn)
        .await?
        .into_iter()
        .collect();
    let open = drift_rows::select_open_of(ids())
        .select_only()
        .columns([
            cloud_drift::Column::ResourceId,
            cloud_drift::Column::Id,
            cloud_drift::Column::Revision,
        ])
        .order_by_asc(cloud_drift::Column::ResourceId)
        .order_by_asc(cloud_drift::Column::Field);
    let open_now: BTreeSet<(Uuid, Uuid, i32)> = locked(open, Lock::Update)
        .into_tuple()
        .all(txn)
        .await?
        .into_iter()
        .collect();
    Ok(changing
        .iter()
        .map(|(pair, _)| *pair)
        .filter(|pair| {
            let id = pair.resource.id;
            let gathered: BTreeSet<_> = pair.open.iter().map(|row| (id, row.id, row.revision)).collect();
            let locked: BTreeSet<_> = open_now
                .range((id, Uuid::nil(), i32::MIN)..=(id, Uuid::max(), i32::MAX))
                .copied()
                .collect();
            resources.get(&id) == Some(&(pair.resource.revision, pair.resource.gone_at.is_some()))
                && specs.get(&id) == Some(&pair.spec.spec_version)
                && gathered == locked
        })
        .map(|pair| pair.resource.id)
        .collect())
}
