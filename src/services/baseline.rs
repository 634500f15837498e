//! Taking what is there as what is asked for, where nobody asked for anything.

use chrono::{DateTime, Utc};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::locks::{Lock, locked};
use super::provisioning::{self, NewSpec, SOURCE_BASELINE};
use super::resources::{ResourceFilter, select};
use crate::db::{Db, decodable};
use crate::domain::baseline::baseline;
use crate::error::{Error, Result};

/// Most specs that one call records.
pub const MAX_BASELINE: u64 = 1_000;

/// Records, for every resource that the filter lets through, that is there, and that nobody asked for, the spec
/// that it meets now. In one transaction; a spec that is in force is never touched.
///
/// BAD_USER_INPUT for more than [`MAX_BASELINE`] resources, and for a filter that asks for managed or gone ones.
pub async fn record_baseline(
    db: &Db,
    actor: &str,
    filter: &ResourceFilter,
    now: DateTime<Utc>,
) -> Result<Vec<provisioned::Model>> {
    if filter.managed == Some(true) || filter.gone == Some(true) || filter.drifted == Some(true) {
        return Err(Error::BadUserInput(
            "a baseline is of resources that are there and unmanaged: leave out managed, drifted and gone"
                .to_owned(),
        ));
    }
    let unmanaged = ResourceFilter {
        managed: Some(false),
        gone: Some(false),
        ..filter.clone()
    };
    let unmanaged = &unmanaged;
    db.write_txn(|txn| async move { record_in_txn(&txn, actor, unmanaged, now).await })
        .await
}

async fn record_in_txn(
    txn: &DatabaseTransaction,
    actor: &str,
    unmanaged: &ResourceFilter,
    now: DateTime<Utc>,
) -> Result<Vec<provisioned::Model>> {
    let ids: Vec<Uuid> = select(txn, unmanaged)?
        .filter(resources::Column::FirstSeenAt.is_not_null())
        // What is half made is not what anybody wants.
        .filter(resources::Column::SettlingSince.is_null())
        .select_only()
        .column(resources::Column::Id)
        .order_by_asc(resources::Column::Id)
        .limit(MAX_BASELINE + 1)
        .into_tuple()
        .all(txn)
        .await?;
    if ids.len() as u64 > MAX_BASELINE {
        return Err(Error::BadUserInput(format!(
            "more than {MAX_BASELINE} resources are unmanaged: narrow the filter, by kind or region"
        )));
    }
    let rows = resources::Entity::find()
        .filter(resources::Column::Id.is_in(ids.iter().copied()))
        .filter(resources::Column::GoneAt.is_null())
        .order_by_asc(resources::Column::Id);
    let (rows, _) = decodable(locked(rows, Lock::Update), txn).await?;
    let before = provisioned::Entity::find()
        .filter(provisioned::Column::ResourceId.is_in(ids))
        .order_by_asc(provisioned::Column::ResourceId);
    let (before, _) = decodable(locked(before, Lock::Update), txn).await?;
    let specs = rows.into_iter().filter_map(|row| {
        let before = before.iter().find(|spec| spec.resource_id == row.id).cloned();
        // Somebody asked for it meanwhile.
        let free = before.as_ref().is_none_or(|spec| spec.retired_at.is_some());
        free.then(|| NewSpec {
            resource_id: row.id,
            before,
            spec: Value::Object(baseline(&row)),
            source: SOURCE_BASELINE.to_owned(),
        })
    });
    provisioning::record_in_txn(txn, specs.collect(), actor, now).await
}
