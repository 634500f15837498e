//! Taking what is there as what is asked for, where nobody asked for anything.

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    QueryTrait, Select,
};
use serde_json::Value;
use uuid::Uuid;

use super::locks::{Lock, locked};
use super::provisioning::{self, NewSpec, SOURCE_BASELINE};
use super::resources::{ResourceFilter, select};
use super::stored_specs::{StoredSpec, stored_specs_in_txn};
use crate::db::{Db, column, decode};
use crate::domain::baseline::baseline;
use crate::domain::not_compared::NotCompared;
use crate::domain::validation::check_spec;
use crate::error::{Error, Result};
use crate::provider::traits;

/// Most specs that one call records.
pub(crate) const MAX_BASELINE: usize = 1_000;

/// What came of a baseline.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The specs that were recorded, at most [`MAX_BASELINE`].
    pub recorded: Vec<provisioned::Model>,
    /// Resources that cannot be watched as they are.
    pub skipped: Vec<SkippedResource>,
    /// Whether there are more, so that the same call again goes on.
    pub more: bool,
}

/// A resource of which no spec was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedResource {
    /// The resource.
    pub resource_id: Uuid,
    /// Its kind, if that can be read.
    pub kind: Option<String>,
    /// Its name, if that can be read.
    pub name: Option<String>,
    /// Why.
    pub reason: String,
}

/// Records, for every resource that the filter lets through, that is unmanaged and in no passing state, the spec
/// that it meets now: in one transaction, and in the order in which they were first heard of, up to
/// [`MAX_BASELINE`]. A spec that is in force is never touched.
///
/// BAD_USER_INPUT for a filter that asks for managed, drifted or gone resources.
pub async fn record_baseline(
    db: &Db,
    actor: &str,
    filter: &ResourceFilter,
    now: DateTime<Utc>,
) -> Result<Baseline> {
    if filter.managed == Some(true) || filter.gone == Some(true) || filter.drifted == Some(true) {
        return Err(Error::BadUserInput(
            "a baseline records unmanaged resources only: omit managed, drifted and gone from the filter"
                .to_owned(),
        ));
    }
    let unmanaged = ResourceFilter {
        managed: Some(false),
        ..filter.clone()
    };
    let unmanaged = &unmanaged;
    db.write_txn(|txn| async move { baseline_in_txn(&txn, actor, unmanaged, now).await })
        .await
}

async fn baseline_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    unmanaged: &ResourceFilter,
    now: DateTime<Utc>,
) -> Result<Baseline> {
    let mut done = Baseline::default();
    let mut after = None;
    loop {
        // Those that are skipped take no place from those that can be recorded, or a call would never get past them.
        let room = MAX_BASELINE - done.recorded.len();
        let mut ids = next_ids(txn, unmanaged, after, room + 1).await?;
        done.more = ids.len() > room;
        ids.truncate(room);
        let Some(last) = ids.last() else {
            return Ok(done);
        };
        after = Some(*last);
        let specs = specs_in_txn(txn, unmanaged, &ids, &mut done.skipped).await?;
        done.recorded
            .extend(provisioning::record_in_txn(txn, specs, actor, now).await?);
        if !done.more {
            return Ok(done);
        }
    }
}

/// What may be recorded, in the order in which it was first heard of.
fn recordable(txn: &DatabaseTransaction, unmanaged: &ResourceFilter) -> Result<Select<resources::Entity>> {
    Ok(select(txn, unmanaged)?
        // What is half made is not what anybody wants.
        .filter(resources::Column::SettlingSince.is_null())
        .order_by_asc(resources::Column::Id))
}

/// The next of them.
async fn next_ids(
    txn: &DatabaseTransaction,
    unmanaged: &ResourceFilter,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Uuid>> {
    let mut next = recordable(txn, unmanaged)?
        .select_only()
        .column(resources::Column::Id)
        .limit(limit as u64);
    if let Some(after) = after {
        next = next.filter(resources::Column::Id.gt(after));
    }
    let rows = txn.query_all_raw(next.build(txn.get_database_backend())).await?;
    // One that is no UUID cannot be named, let alone recorded.
    Ok(rows.iter().filter_map(|row| column(row, "", "id").ok()).collect())
}

/// Locks the resources, and says which specs they meet. One that a sync changed meanwhile is looked at again.
async fn specs_in_txn(
    txn: &DatabaseTransaction,
    unmanaged: &ResourceFilter,
    ids: &[Uuid],
    skipped: &mut Vec<SkippedResource>,
) -> Result<Vec<NewSpec>> {
    let rows = recordable(txn, unmanaged)?.filter(resources::Column::Id.is_in(ids.iter().copied()));
    let rows = locked(rows, Lock::Update).build(txn.get_database_backend());
    let rows = txn.query_all_raw(rows).await?;
    let mut stored = stored_specs_in_txn(txn, ids.iter().copied(), Some(Lock::Update)).await?;
    let mut specs = Vec::with_capacity(rows.len());
    for row in &rows {
        let resource_id = column(row, "", "id")?;
        let before = stored.remove(&resource_id);
        // Somebody asked for it meanwhile.
        if before.as_ref().is_some_and(StoredSpec::is_active) {
            continue;
        }
        match spec_of(row) {
            Ok(spec) => specs.push(NewSpec {
                resource_id,
                before,
                spec,
                source: SOURCE_BASELINE.to_owned(),
                not_compared: NotCompared::default(),
            }),
            Err(reason) => skipped.push(SkippedResource {
                resource_id,
                kind: column(row, "", "kind").ok(),
                name: column(row, "", "name").ok(),
                reason,
            }),
        }
    }
    Ok(specs)
}

/// The spec that the resource of this row meets, or why it cannot be watched.
fn spec_of(row: &QueryResult) -> Result<Value, String> {
    let resource = decode::<resources::Model>(row, "").ok_or("its row cannot be read")?;
    let spec = Value::Object(baseline(
        &resource,
        &traits::rules(&resource.provider, &resource.kind),
    ));
    check_spec(&spec).map_err(|why| why.to_string())?;
    Ok(spec)
}
