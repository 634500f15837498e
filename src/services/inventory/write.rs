//! Carrying out what a listing changes.

use chrono::{DateTime, Utc};
use entity::cloud_resource_events::EventType;
use entity::cloud_resources as resources;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::SyncCounts;
use crate::db::ROWS_PER_INSERT;
use crate::domain::inventory::{InventoryChange, ListedResource, WHOLE_ROW, is_owned};
use crate::error::Result;
use crate::services::events::{self, NewEvent, SYSTEM};

/// Writes the changes of several kinds, with their events, and counts them.
pub(super) async fn write_in_txn(
    txn: &DatabaseTransaction,
    provider: &str,
    changes: Vec<(String, InventoryChange)>,
    now: DateTime<Utc>,
    counts: &mut SyncCounts,
) -> Result<()> {
    let mut happened = Vec::with_capacity(changes.len());
    let mut new_rows = Vec::new();
    for (kind, change) in changes {
        let (resource_id, event_type, data) = match change {
            InventoryChange::Insert(listed) => {
                let id = Uuid::now_v7();
                new_rows.push(new_row(id, provider, &kind, listed, now));
                (id, EventType::ResourceDiscovered, json!({}))
            }
            InventoryChange::Discover(id, listed) => {
                let settling = listed.settling;
                let mut row = content(&kind, listed);
                row.gone_at = Set(None);
                update_in_txn(txn, id, row).await?;
                settle_in_txn(txn, id, settling, now).await?;
                seen_in_txn(txn, id, now).await?;
                (id, EventType::ResourceDiscovered, json!({}))
            }
            InventoryChange::Update { id, listed, fields } => {
                let settling = listed.settling;
                let mut row = content(&kind, listed);
                if fields == [WHOLE_ROW] {
                    // What no listing decides may be what is wrong with it.
                    row.first_seen_at = Set(Some(now));
                    row.settling_since = Set(None);
                }
                update_in_txn(txn, id, row).await?;
                settle_in_txn(txn, id, settling, now).await?;
                (id, EventType::ResourceChanged, json!({ "fields": fields }))
            }
            InventoryChange::Gone(id) => {
                let row = resources::ActiveModel {
                    gone_at: Set(Some(now)),
                    settling_since: Set(None),
                    ..Default::default()
                };
                update_in_txn(txn, id, row).await?;
                (id, EventType::ResourceGone, json!({}))
            }
        };
        counts.discovered += u64::from(event_type == EventType::ResourceDiscovered);
        counts.changed += u64::from(event_type == EventType::ResourceChanged);
        counts.gone += u64::from(event_type == EventType::ResourceGone);
        happened.push(NewEvent {
            resource_id,
            event_type,
            data,
        });
    }
    for chunk in new_rows.chunks(ROWS_PER_INSERT) {
        resources::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(txn)
            .await?;
    }
    events::append_in_txn(txn, happened, SYSTEM, now).await
}

fn new_row(
    id: Uuid,
    provider: &str,
    kind: &str,
    listed: ListedResource,
    now: DateTime<Utc>,
) -> resources::ActiveModel {
    let provider_id = listed.provider_id.clone();
    resources::ActiveModel {
        id: Set(id),
        provider: Set(provider.to_owned()),
        kind: Set(kind.to_owned()),
        provider_id: Set(provider_id),
        revision: Set(1),
        first_seen_at: Set(Some(now)),
        gone_at: Set(None),
        settling_since: Set(listed.settling.then_some(now)),
        ..content(kind, listed)
    }
}

/// The columns that a listing decides.
fn content(kind: &str, listed: ListedResource) -> resources::ActiveModel {
    let owned = is_owned(kind, &listed);
    resources::ActiveModel {
        id: NotSet,
        urn: Set(listed.urn),
        name: Set(listed.name),
        region: Set(listed.region),
        size_slug: Set(listed.size_slug),
        status: Set(listed.status),
        tags: Set(Value::from(listed.tags)),
        ip: Set(listed.ip),
        vpc_uuid: Set(listed.vpc_uuid),
        project_id: Set(listed.project_id),
        attrs: Set(Value::Object(listed.attrs)),
        owned: Set(owned),
        ..Default::default()
    }
}

async fn update_in_txn(txn: &DatabaseTransaction, id: Uuid, row: resources::ActiveModel) -> Result<()> {
    resources::Entity::update_many()
        .set(row)
        .col_expr(
            resources::Column::Revision,
            Expr::col(resources::Column::Revision).add(1),
        )
        .filter(resources::Column::Id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Notes the first listing that saw a passing state, until one sees none.
async fn settle_in_txn(
    txn: &DatabaseTransaction,
    id: Uuid,
    settling: bool,
    now: DateTime<Utc>,
) -> Result<()> {
    let since = settling.then_some(now);
    let mut update = resources::Entity::update_many()
        .set(resources::ActiveModel {
            settling_since: Set(since),
            ..Default::default()
        })
        .filter(resources::Column::Id.eq(id));
    if settling {
        update = update.filter(resources::Column::SettlingSince.is_null());
    }
    update.exec(txn).await?;
    Ok(())
}

/// The first listing that had it stays in the books when it comes back.
async fn seen_in_txn(txn: &DatabaseTransaction, id: Uuid, now: DateTime<Utc>) -> Result<()> {
    resources::Entity::update_many()
        .set(resources::ActiveModel {
            first_seen_at: Set(Some(now)),
            ..Default::default()
        })
        .filter(resources::Column::Id.eq(id))
        .filter(resources::Column::FirstSeenAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}
