//! Many resources, written directly into the tables.

use chrono::{DateTime, Utc};
use drift_inbox::db::{Db, ROWS_PER_INSERT};
use entity::{cloud_provisioned as provisioned, cloud_resources as resources};
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::json;
use uuid::Uuid;

use super::ADMIN;

/// Fields of every spec of the fleet. All differ from the live values.
pub(crate) const FLEET_FIELDS: [&str; 3] = ["backups", "region", "size_slug"];

/// Inserts `count` droplets, each with a spec of [`FLEET_FIELDS`]. Returns their ids in ascending order.
pub(crate) async fn fleet(db: &Db, count: usize, now: DateTime<Utc>) -> Vec<Uuid> {
    fleet_with(db, (0..count).map(|_| Uuid::now_v7()).collect(), now).await
}

/// Inserts the droplets of [`fleet`] with these ids. Returns the ids.
pub(crate) async fn fleet_with(db: &Db, ids: Vec<Uuid>, now: DateTime<Utc>) -> Vec<Uuid> {
    let live: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| live_row(n, *id, now))
        .collect();
    let wanted: Vec<_> = ids.iter().map(|id| wanted_row(*id, now)).collect();
    let (live, wanted) = (&live, &wanted);
    db.write_txn(|txn| async move {
        for chunk in live.chunks(ROWS_PER_INSERT) {
            resources::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(&*txn)
                .await?;
        }
        for chunk in wanted.chunks(ROWS_PER_INSERT) {
            provisioned::Entity::insert_many(chunk.to_vec())
                .exec_without_returning(&*txn)
                .await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    ids
}

/// The row of a droplet of the fleet.
pub(crate) fn live_row(number: usize, id: Uuid, now: DateTime<Utc>) -> resources::ActiveModel {
    resources::ActiveModel {
        owned: Set(false),
        source: Set("cloud".to_owned()),
        id: Set(id),
        provider: Set("digitalocean".to_owned()),
        kind: Set("droplet".to_owned()),
        provider_id: Set(format!("fleet-{number}")),
        urn: Set(format!("do:droplet:fleet-{number}")),
        name: Set(format!("fleet-{number}")),
        region: Set(Some("nyc3".to_owned())),
        size_slug: Set(Some("s-2vcpu-4gb".to_owned())),
        status: Set(Some("active".to_owned())),
        tags: Set(json!(["fleet"])),
        ip: Set(None),
        vpc_uuid: Set(None),
        project_id: Set(None),
        attrs: Set(json!({ "backups": false, "number": number })),
        revision: Set(1),
        first_seen_at: Set(Some(now)),
        gone_at: Set(None),
        settling_since: Set(None),
    }
}

/// The row of a spec of the fleet.
pub(crate) fn wanted_row(resource_id: Uuid, now: DateTime<Utc>) -> provisioned::ActiveModel {
    provisioned::ActiveModel {
        id: Set(Uuid::now_v7()),
        resource_id: Set(resource_id),
        spec: Set(json!({ "backups": true, "region": "ams3", "size_slug": "s-1vcpu-1gb" })),
        spec_version: Set(1),
        source: Set("api".to_owned()),
        recorded_by: Set(ADMIN.to_owned()),
        recorded_at: Set(now),
        retired_at: Set(None),
        created_at: Set(now),
        not_compared: Set(None),
        address: Set(None),
    }
}
