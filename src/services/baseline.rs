//! Baselines: specs that record the live values of unmanaged resources.

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{
    ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, Select,
};
use serde_json::Value;
use uuid::Uuid;

use super::locks::{Lock, locked};
use super::provisioning::{self, NewSpec, SOURCE_BASELINE};
use super::resources::{ResourceFilter, select};
use super::stored_specs::{StoredSpec, stored_specs_in_txn};
use crate::db::{DatabaseTransaction, Db, column, decode};
use crate::domain::baseline::baseline;
use crate::domain::not_compared::NotCompared;
use crate::domain::validation::check_spec;
use crate::error::{Error, Result};
use crate::provider::traits;

/// Maximum number of specs that one call records.
pub(crate) const MAX_BASELINE: usize = 1_000;

/// The result of a baseline.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// The specs that were recorded, at most `MAX_BASELINE`.
    pub recorded: Vec<provisioned::Model>,
    /// Resources whose live values are not a valid spec.
    pub skipped: Vec<SkippedResource>,
    /// Whether more resources match. Another call with the same filter records them.
    pub more: bool,
}

/// A resource for which no spec was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedResource {
    /// Id of the resource.
    pub resource_id: Uuid,
    /// Its kind, if the column decodes.
    pub kind: Option<String>,
    /// Its name, if the column decodes.
    pub name: Option<String>,
    /// The reason why no spec was recorded.
    pub reason: String,
}

/// Records a spec with the live values for each unmanaged resource that matches the filter and is not settling, up to
/// `MAX_BASELINE`, in the order of ids and in one transaction. Specs in force are left unchanged.
///
/// # Errors
///
/// BAD_USER_INPUT for a filter of managed, drifted or gone resources.
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
        // Skipped resources do not count towards the limit. Otherwise a call could return nothing but skipped
        // resources, and so would every later call.
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

/// Selects the matching resources that are not settling, in the order of ids.
fn recordable(txn: &DatabaseTransaction, unmanaged: &ResourceFilter) -> Result<Select<resources::Entity>> {
    Ok(select(txn, unmanaged)?
        // The values of a settling resource are temporary.
        .filter(resources::Column::SettlingSince.is_null())
        .order_by_asc(resources::Column::Id))
}

/// Returns the ids of the next resources to record.
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
    // A row whose id does not decode cannot be addressed.
    Ok(rows.iter().filter_map(|row| column(row, "", "id").ok()).collect())
}

/// Locks the resources and returns a spec with the live values of each. Resources whose live values are not a valid
/// spec are added to `skipped`.
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
        // Another transaction recorded a spec after the ids were read.
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
                address: None,
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

/// Returns the spec with the live values of the resource, or the reason why they are not a valid spec.
fn spec_of(row: &QueryResult) -> Result<Value, String> {
    let resource = decode::<resources::Model>(row, "").ok_or("its row cannot be read")?;
    let spec = Value::Object(baseline(
        &resource,
        &traits::rules(&resource.provider, &resource.kind),
    ));
    check_spec(&spec).map_err(|why| why.to_string())?;
    Ok(spec)
}
