//! The first step of a sweep: reads specs with their resources and open drifts, without locks.

use std::collections::BTreeMap;

use entity::cloud_drift;
use entity::{cloud_provisioned as provisioned, cloud_resources};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    QueryTrait,
};
use uuid::Uuid;

use super::scope::Scope;
use crate::db::{Db, column, decode};
use crate::domain::detection::Pair;
use crate::domain::validation::is_comparable;
use crate::error::Result;
use crate::provider::traits;
use crate::services::{drift_rows, inventory};

/// Maximum number of pairs that one batch holds in memory and one transaction writes.
const BATCH: u64 = 200;

/// One batch of specs, as it was read.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Specs with their resources and open drifts.
    pub pairs: Vec<Pair>,
    /// Number of pairs that were left out because one of their rows does not decode.
    pub skipped: u64,
    /// Resource id of the last pair that was read; None if no pair follows.
    pub last: Option<Uuid>,
}

/// Reads the batch that follows the resource `after`. Returns None at the end.
///
/// # Errors
///
/// The database is unavailable.
pub async fn gather(db: &Db, scope: &Scope, after: Option<Uuid>) -> Result<Option<Gathered>> {
    let reader = db.reader();
    let (rows, last) = read_batch(db, scope, after).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let (mut pairs, mut skipped) = decode_pairs(&rows);
    skipped += add_open_drifts(db, &mut pairs).await?;
    inventory::add_listed_at(reader, pairs.values_mut()).await?;
    Ok(Some(Gathered {
        pairs: pairs.into_values().collect(),
        skipped,
        last,
    }))
}

/// Decodes specs with their resources. Returns the pairs by resource id, and the number of rows that do not decode.
fn decode_pairs(rows: &[QueryResult]) -> (BTreeMap<Uuid, Pair>, u64) {
    let mut skipped = 0;
    let mut pairs = BTreeMap::new();
    for row in rows {
        let spec = decode::<provisioned::Model>(row, "A_").filter(|spec| is_comparable(&spec.spec));
        let resource =
            decode::<cloud_resources::Model>(row, "B_").filter(|resource| is_comparable(&resource.attrs));
        match (spec, resource) {
            (Some(spec), Some(resource)) => {
                pairs.insert(
                    resource.id,
                    Pair {
                        traits: traits::rules(&resource.provider, &resource.kind),
                        spec,
                        resource,
                        open: Vec::new(),
                        listed_at: None,
                    },
                );
            }
            _ => skipped += 1,
        }
    }
    (pairs, skipped)
}

/// Adds the open drifts of each pair. Removes pairs with a drift that does not decode, and returns their number.
async fn add_open_drifts(db: &Db, pairs: &mut BTreeMap<Uuid, Pair>) -> Result<u64> {
    let mut removed = 0;
    let open = drift_rows::select_open_of(pairs.keys().copied());
    for row in db.reader().query_all_raw(open.build(db.backend())).await? {
        let resource: Uuid = row.try_get("", "resource_id")?;
        match decode::<cloud_drift::Model>(&row, "") {
            Some(drift) => {
                if let Some(pair) = pairs.get_mut(&resource) {
                    pair.open.push(drift);
                }
            }
            None => removed += u64::from(pairs.remove(&resource).is_some()),
        }
    }
    Ok(removed)
}

/// Reads the rows of a batch and the id of the last one. A batch cannot end with a row whose id does not decode, so
/// such rows at the end are left to the next batch. A batch that consists of such rows only is read again, larger.
async fn read_batch(db: &Db, scope: &Scope, after: Option<Uuid>) -> Result<(Vec<QueryResult>, Option<Uuid>)> {
    let mut limit = BATCH;
    loop {
        let select = batch_select(scope, after).limit(limit);
        let mut rows = db.reader().query_all_raw(select.build(db.backend())).await?;
        let place = |row: &QueryResult| column::<Uuid>(row, "A_", "resource_id").ok();
        if let Some(last) = rows.iter().rposition(|row| place(row).is_some()) {
            let id = place(&rows[last]);
            rows.truncate(last + 1);
            return Ok((rows, id));
        }
        if (rows.len() as u64) < limit {
            return Ok((rows, None));
        }
        limit *= 2;
    }
}

/// Selects specs with their resources: those in force, and retired ones with an open drift.
fn batch_select(
    scope: &Scope,
    after: Option<Uuid>,
) -> sea_orm::SelectTwo<provisioned::Entity, cloud_resources::Entity> {
    let has_open_drift =
        drift_rows::exists_open_of((provisioned::Entity, provisioned::Column::ResourceId), None);
    let mut select = provisioned::Entity::find()
        .find_also_related(cloud_resources::Entity)
        .filter(
            Condition::any()
                .add(provisioned::Column::RetiredAt.is_null())
                .add(has_open_drift),
        )
        .order_by_asc(provisioned::Column::ResourceId);
    if let Some(after) = after {
        select = select.filter(provisioned::Column::ResourceId.gt(after));
    }
    if let Scope::Resources(ids) = scope {
        select = select.filter(provisioned::Column::ResourceId.is_in(ids.iter().copied()));
    }
    select
}
